//! Keys and rows as values that tell what they are, where the program's types are not known.

use std::fmt::{self, Write};

/// A key or a row as it is stored, in serde's terms, without the program's types. Shows itself as JSON.
///
/// What serde writes is what is there: a `uuid::Uuid` is sixteen [`Bytes`](Self::Bytes), a `url::Url` is
/// [`Text`](Self::Text), a newtype is what it wraps. As JSON an option is `null` or its inside, in brackets where that can
/// be `null` as well; a variant is its name or `{"Name": fields}`, bytes are hexadecimal text, a map whose keys are not texts is a list of pairs, and numbers that JSON does
/// not have (`NaN`, `inf`) are text, a `NaN` other than the usual one with its bits.
///
/// ```
/// use gangline::{Db, StoredValue, Table};
///
/// const PLACES: Table<u32, (String, Option<i8>)> = Table::new("places");
/// # fn main() -> gangline::Result<()> {
/// let db = Db::in_memory()?;
/// db.put(PLACES, 7, ("Nome".to_owned(), None))?;
/// let (key, row) = db.stored_rows("places")?.next().expect("a row was put")?;
/// assert_eq!(key, StoredValue::Unsigned(7));
/// assert_eq!(row.to_string(), r#"["Nome",null]"#);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StoredValue {
    /// A unit, or a struct without fields.
    Unit,
    /// A `bool`.
    Bool(bool),
    /// A `u8` to `u128`.
    Unsigned(u128),
    /// An `i8` to `i128`.
    Signed(i128),
    /// An `f32`.
    F32(f32),
    /// An `f64`.
    F64(f64),
    /// A `char`.
    Char(char),
    /// A text.
    Text(String),
    /// Bytes that serde writes as bytes, and keys of bytes.
    Bytes(Vec<u8>),
    /// An option.
    Option(Option<Box<StoredValue>>),
    /// A list, set, array, tuple or tuple struct.
    List(Vec<StoredValue>),
    /// A map, in the order in which it was written.
    Map(Vec<(StoredValue, StoredValue)>),
    /// The named fields of a struct or a variant.
    Struct(Vec<(String, StoredValue)>),
    /// The name of a variant and, unless it has no fields, what it holds.
    Variant(String, Option<Box<StoredValue>>),
}

impl fmt::Display for StoredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoredValue::Unit | StoredValue::Option(None) => f.write_str("null"),
            // What can be null itself and is there stands in brackets, so that it can be told from what is not.
            StoredValue::Option(Some(value)) => match **value {
                StoredValue::Unit | StoredValue::Option(_) => write!(f, "[{value}]"),
                _ => write!(f, "{value}"),
            },
            StoredValue::Bool(value) => write!(f, "{value}"),
            StoredValue::Unsigned(value) => write!(f, "{value}"),
            StoredValue::Signed(value) => write!(f, "{value}"),
            // JSON has no infinities and no NaN.
            StoredValue::F32(value) if value.is_finite() => write!(f, "{value:?}"),
            StoredValue::F64(value) if value.is_finite() => write!(f, "{value:?}"),
            StoredValue::F32(value) if value.is_nan() && value.to_bits() != f32::NAN.to_bits() => {
                write!(f, "\"NaN(0x{:08x})\"", value.to_bits())
            }
            StoredValue::F64(value) if value.is_nan() && value.to_bits() != f64::NAN.to_bits() => {
                write!(f, "\"NaN(0x{:016x})\"", value.to_bits())
            }
            StoredValue::F32(value) => write!(f, "\"{value}\""),
            StoredValue::F64(value) => write!(f, "\"{value}\""),
            StoredValue::Char(value) => write_text(f, value.encode_utf8(&mut [0; 4])),
            StoredValue::Text(text) => write_text(f, text),
            StoredValue::Bytes(bytes) => {
                f.write_char('"')?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_char('"')
            }
            StoredValue::List(values) => write_joined(f, ['[', ']'], values, |f, value| write!(f, "{value}")),
            StoredValue::Map(entries) if entries.iter().all(|(key, _)| matches!(key, StoredValue::Text(_))) => {
                write_joined(f, ['{', '}'], entries, |f, (key, value)| write!(f, "{key}:{value}"))
            }
            StoredValue::Map(entries) => {
                write_joined(f, ['[', ']'], entries, |f, (key, value)| write!(f, "[{key},{value}]"))
            }
            StoredValue::Struct(fields) => write_joined(f, ['{', '}'], fields, |f, (name, value)| {
                write_text(f, name)?;
                write!(f, ":{value}")
            }),
            StoredValue::Variant(name, None) => write_text(f, name),
            StoredValue::Variant(name, Some(value)) => {
                f.write_char('{')?;
                write_text(f, name)?;
                write!(f, ":{value}}}")
            }
        }
    }
}

fn write_joined<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [char; 2],
    parts: &[T],
    mut write_part: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_char(open)?;
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_char(',')?;
        }
        write_part(f, part)?;
    }
    f.write_char(close)
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            control if control < ' ' => write!(f, "\\u{:04x}", u32::from(control))?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}
