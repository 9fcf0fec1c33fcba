//! Tables as text and back, without the program's types, so that nothing is lost on the way.
//!
//! A row is written by the stored shape of its table ([`StoredValue`](crate::StoredValue)) and read by it ([`encode`]), with JSON
//! as `serde_json` would write the program's type, but for what JSON cannot tell apart:
//!
//! | value | JSON | read as well |
//! | --- | --- | --- |
//! | bool, text | as they are | |
//! | integers, up to `u128` and `i128` | a number with all digits | a text of digits |
//! | `f32`, `f64` | the shortest number that is read back as the same; `"inf"`, `"-inf"`, `"NaN"`, and other NaN by their bits, `"NaN(0xffc00000)"` | |
//! | `char` | a text of one character | |
//! | bytes | a text in hexadecimal | in any case |
//! | unit, unit struct | `null` | |
//! | `None`; `Some(x)` | `null`; `x`, or `[x]` where `x` can be `null` itself | a field that is missing: `None` |
//! | list, set, array, tuple, tuple struct | a list | |
//! | newtype | what is in it | |
//! | map | an object if all keys are texts, else a list of pairs; in the order stored | both |
//! | struct | an object with all fields | fields in any order |
//! | enum | `"Name"`, or `{"Name": fields}` | |
//! | key | as above; a `uuid`, array or a key with an encoding of its own in hexadecimal | a `uuid` with hyphens |
//!
//! Where what is stored of a shape does not suffice to read a row, the line has its bytes: `{"key":1,"bytes":"0a"}`.
//!
//! JSON lines ([`export`]): `{"table":...}` with name, version and shapes ([`schema`]), then `{"key":...,"row":...}` for each row in
//! key order, then `{"end":...,"rows":...}`, without which an import takes the text for cut off. CSV has its rules in [`columns`].
//!
//! An import ([`import`]) keeps no line that is longer than allowed ([`lines`]), names line, column and field of what is no row
//! ([`mismatch`]), and hands the bytes on to a load or to transactions ([`sink`]).

mod columns;
mod encode;
mod export;
mod import;
mod json;
mod key;
mod lines;
mod mismatch;
mod open_table;
mod plain;
mod read_csv;
mod read_json;
mod schema;
mod sink;
#[cfg(test)]
mod tests;

pub use export::Export;
pub(crate) use export::{export, find, key_of_text, names, schema};
pub(crate) use import::import;
pub use import::{Import, ImportReport, ImportedTable};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextFormat {
    Json,
    Csv,
}
