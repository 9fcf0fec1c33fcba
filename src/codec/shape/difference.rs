//! What differs between two shapes, in words.

use std::fmt::Write;

use super::{Fields, Shape, Variant};

impl Shape {
    /// The first difference between the shape that is stored and the program's, or `None` where rows of one are rows of the
    /// other. What is unknown equals everything; names of structs and enums do not matter.
    ///
    /// Reads like "field `age` of struct `User`: stored u32, program u64".
    pub(crate) fn difference(stored: &Shape, program: &Shape) -> Option<String> {
        let mut comparison = Comparison { path: Vec::new() };
        comparison.shapes(stored, program).err()
    }
}

/// Walks two shapes side by side and keeps the way from the top.
struct Comparison {
    path: Vec<String>,
}

type Same = Result<(), String>;

impl Comparison {
    fn shapes(&mut self, stored: &Shape, program: &Shape) -> Same {
        match (stored, program) {
            (Shape::Unknown, _) | (_, Shape::Unknown) => Ok(()),
            (Shape::Option(stored), Shape::Option(program)) => self.shapes(stored, program),
            (Shape::List(stored), Shape::List(program)) => self.at("entries of the list", stored, program),
            (Shape::Map(stored_key, stored_value), Shape::Map(key, value)) => {
                self.at("keys of the map", stored_key, key)?;
                self.at("values of the map", stored_value, value)
            }
            (Shape::Tuple(stored_parts), Shape::Tuple(parts)) if stored_parts.len() == parts.len() => {
                self.parts("the tuple", stored_parts, parts)
            }
            (Shape::Struct { fields: stored_fields, .. }, Shape::Struct { name, fields }) => {
                self.fields(&format!("struct `{name}`"), stored_fields, fields)
            }
            (
                Shape::Enum { variants: stored_variants, whole: stored_whole, .. },
                Shape::Enum { name, variants, whole },
            ) => {
                let known =
                    if *stored_whole && *whole { usize::MAX } else { stored_variants.len().min(variants.len()) };
                self.variants(name, stored_variants, variants, known)
            }
            _ if stored == program => Ok(()),
            _ => Err(self.say(&stored.describe(), &program.describe())),
        }
    }

    fn at(&mut self, place: &str, stored: &Shape, program: &Shape) -> Same {
        self.path.push(place.to_string());
        self.shapes(stored, program)?;
        self.path.pop();
        Ok(())
    }

    fn parts(&mut self, whole: &str, stored: &[Shape], program: &[Shape]) -> Same {
        for (at, (stored, program)) in stored.iter().zip(program).enumerate() {
            self.at(&format!("part {at} of {whole}"), stored, program)?;
        }
        Ok(())
    }

    fn fields(&mut self, whole: &str, stored: &Fields, program: &Fields) -> Same {
        match (stored, program) {
            (Fields::Unknown, _) | (_, Fields::Unknown) | (Fields::Unit, Fields::Unit) => Ok(()),
            (Fields::Newtype(stored), Fields::Newtype(program)) => {
                self.at(&format!("inside of {whole}"), stored, program)
            }
            (Fields::Tuple(stored), Fields::Tuple(program)) if stored.len() == program.len() => {
                self.parts(whole, stored, program)
            }
            (Fields::Named(stored), Fields::Named(program)) => self.named(whole, stored, program),
            _ => {
                self.path.push(whole.to_string());
                Err(self.say(&stored.describe(), &program.describe()))
            }
        }
    }

    fn named(&mut self, whole: &str, stored: &[(String, Shape)], program: &[(String, Shape)]) -> Same {
        let has = |fields: &[(String, Shape)], name: &str| fields.iter().any(|(other, _)| other == name);
        for (name, _) in stored {
            if !has(program, name) {
                self.path.push(format!("field `{name}` of {whole}"));
                return Err(self.say("there", "not there"));
            }
        }
        for (at, (name, shape)) in program.iter().enumerate() {
            let place = format!("field `{name}` of {whole}");
            match stored.get(at) {
                Some((stored_name, stored_shape)) if stored_name == name => self.at(&place, stored_shape, shape)?,
                _ if has(stored, name) => {
                    self.path.push(place);
                    return Err(self.say("in another place", &format!("field number {at}")));
                }
                _ => {
                    self.path.push(place);
                    return Err(self.say("not there", "there"));
                }
            }
        }
        Ok(())
    }

    fn variants(&mut self, whole: &str, stored: &[Variant], program: &[Variant], known: usize) -> Same {
        for at in 0..stored.len().max(program.len()).min(known) {
            let name = |variants: &[Variant]| match variants.get(at) {
                Some(variant) => format!("`{}`", variant.name),
                None => "not there".to_string(),
            };
            match (stored.get(at), program.get(at)) {
                (Some(stored), Some(program))
                    if stored.is_unnamed() || program.is_unnamed() || stored.name == program.name =>
                {
                    let variant = if program.is_unnamed() { &stored.name } else { &program.name };
                    self.fields(&format!("variant `{variant}` of enum `{whole}`"), &stored.fields, &program.fields)?;
                }
                _ => {
                    self.path.push(format!("variant number {at} of enum `{whole}`"));
                    return Err(self.say(&name(stored), &name(program)));
                }
            }
        }
        Ok(())
    }

    fn say(&self, stored: &str, program: &str) -> String {
        let place = if self.path.is_empty() { "the row".to_string() } else { self.path.join(", ") };
        format!("{place}: stored {stored}, program {program}")
    }
}

impl Variant {
    fn is_unnamed(&self) -> bool {
        self.name.is_empty()
    }
}

impl Shape {
    /// A short name, such as `u32`, `option(string)` or "struct `User`".
    pub(crate) fn describe(&self) -> String {
        let plain = match self {
            Shape::Unknown => "unknown",
            Shape::Unit => "unit",
            Shape::Bool => "bool",
            Shape::I8 => "i8",
            Shape::I16 => "i16",
            Shape::I32 => "i32",
            Shape::I64 => "i64",
            Shape::I128 => "i128",
            Shape::U8 => "u8",
            Shape::U16 => "u16",
            Shape::U32 => "u32",
            Shape::U64 => "u64",
            Shape::U128 => "u128",
            Shape::F32 => "f32",
            Shape::F64 => "f64",
            Shape::Char => "char",
            Shape::Text => "string",
            Shape::Bytes => "bytes",
            Shape::Option(inner) => return format!("option({})", inner.describe()),
            Shape::List(inner) => return format!("list({})", inner.describe()),
            Shape::Map(key, value) => return format!("map({},{})", key.describe(), value.describe()),
            Shape::Tuple(parts) => return describe_parts(parts),
            Shape::Struct { name, .. } => return format!("struct `{name}`"),
            Shape::Enum { name, .. } => return format!("enum `{name}`"),
            Shape::Recursive(outwards) => return format!("the type {} around it", outwards + 1),
        };
        plain.to_string()
    }
}

impl Fields {
    fn describe(&self) -> String {
        match self {
            Fields::Unknown => "unknown fields".to_string(),
            Fields::Unit => "no fields".to_string(),
            Fields::Newtype(inner) => format!("one field without a name, {}", inner.describe()),
            Fields::Tuple(parts) => format!("fields without names, {}", describe_parts(parts)),
            Fields::Named(fields) => {
                let names: Vec<_> = fields.iter().map(|(name, _)| format!("`{name}`")).collect();
                format!("named fields {}", names.join(", "))
            }
        }
    }
}

fn describe_parts(parts: &[Shape]) -> String {
    let mut text = String::from("(");
    for (at, part) in parts.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(text, "{comma}{}", part.describe()).expect("a string takes all text");
    }
    text.push(')');
    text
}
