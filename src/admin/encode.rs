//! JSON to the bytes of a row, by the stored shape: the way back of [`StoredValue`](crate::StoredValue)'s text.

use super::json::{Json, Kind};
use super::mismatch::Mismatch;
use super::plain::{encode_plain, number, put, variant_number};
use crate::codec::{Fields, Shape, Variant};

/// Values nest at most this deep, as where they are read.
const MAX_DEPTH: usize = 300;

/// Appends the bytes of a row of this shape.
pub(super) fn encode_json(shape: &Shape, json: Json<'_>, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    encode_inside(&[], shape, json, out)
}

/// As [`encode_json`], for a part of a row: these are the structs around it, innermost last.
pub(super) fn encode_inside(
    enclosing: &[&Shape],
    shape: &Shape,
    json: Json<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Mismatch> {
    Encoding { enclosing: enclosing.to_vec(), depth: 0, out }.value(shape, json)
}

struct Encoding<'s, 'o> {
    /// The structs and enums around the present place, innermost last.
    enclosing: Vec<&'s Shape>,
    depth: usize,
    out: &'o mut Vec<u8>,
}

impl<'s> Encoding<'s, '_> {
    fn value(&mut self, shape: &'s Shape, json: Json<'_>) -> Result<(), Mismatch> {
        if self.depth >= MAX_DEPTH {
            return Err(Mismatch::new(json.at, "the row nests too deep"));
        }
        self.depth += 1;
        self.value_inside(shape, json)?;
        self.depth -= 1;
        Ok(())
    }

    fn value_inside(&mut self, shape: &'s Shape, json: Json<'_>) -> Result<(), Mismatch> {
        match shape {
            Shape::Unknown => return Err(unknown(json)),
            Shape::Unit => expect(json, Kind::Null, "null")?,
            Shape::Bool => {
                expect(json, Kind::Bool, "true or false")?;
                self.out.push(u8::from(json.literal() == "true"));
            }
            Shape::Text | Shape::Char | Shape::Bytes => {
                expect(json, Kind::Text, "a text")?;
                self.text(shape, &json.text()?, json.at)?;
            }
            Shape::Option(_) if json.kind() == Kind::Null => self.out.push(0),
            Shape::Option(inner) => {
                self.out.push(1);
                let inside = if self.can_be_null(inner) { json.only_part()? } else { json };
                self.value(inner, inside)?;
            }
            Shape::List(inner) => {
                expect(json, Kind::List, "a list")?;
                let parts = json.list()?;
                if inner.takes_no_bytes() && !parts.is_empty() {
                    return Err(Mismatch::new(json.at, "a list of what takes no bytes cannot be stored"));
                }
                put(&(parts.len() as u64), self.out);
                self.parts(parts.into_iter().map(|part| (&**inner, part)))?;
            }
            Shape::Map(key, value) => self.map(key, value, json)?,
            Shape::Tuple(parts) => self.tuple(parts, json)?,
            Shape::Struct { fields, .. } => {
                self.enclosing.push(shape);
                self.fields(fields, Some(json), json.at)?;
                self.enclosing.pop();
            }
            Shape::Enum { variants, .. } => {
                self.enclosing.push(shape);
                self.variant(variants, json)?;
                self.enclosing.pop();
            }
            Shape::Recursive(outwards) => {
                let Some(outer) = self.enclosing.len().checked_sub(*outwards as usize + 1) else {
                    return Err(unknown(json));
                };
                let between = self.enclosing.split_off(outer);
                self.value(between[0], json)?;
                self.enclosing.extend(between);
            }
            _ => {
                let is_text = json.kind() == Kind::Text;
                let decoded = if is_text { json.text()? } else { String::new() };
                let text = if is_text { &decoded } else { json.literal() };
                number(shape, text, json.at, self.out).unwrap_or_else(|| Err(unknown(json)))?;
            }
        }
        Ok(())
    }

    /// A value that stands as a text: a text, or the key of an object.
    fn text(&mut self, shape: &Shape, text: &str, at: usize) -> Result<(), Mismatch> {
        encode_plain(shape, text, self.out)
            .unwrap_or_else(|| Err(Mismatch::new(at, "this map is written as a list of pairs")))
            .map_err(|mismatch| mismatch.moved(at))
    }

    fn parts<'j>(&mut self, parts: impl Iterator<Item = (&'s Shape, Json<'j>)>) -> Result<(), Mismatch> {
        for (at, (shape, part)) in parts.enumerate() {
            self.value(shape, part).map_err(|mismatch| mismatch.within(&format!("[{at}]")))?;
        }
        Ok(())
    }

    fn tuple(&mut self, shapes: &'s [Shape], json: Json<'_>) -> Result<(), Mismatch> {
        expect(json, Kind::List, "a list")?;
        let parts = json.list()?;
        if parts.len() != shapes.len() {
            return Err(Mismatch::expected(json.at, format!("a list of {}", shapes.len()), parts.len()));
        }
        self.parts(shapes.iter().zip(parts))
    }

    fn map(&mut self, key: &'s Shape, value: &'s Shape, json: Json<'_>) -> Result<(), Mismatch> {
        if json.kind() == Kind::Object {
            let members = json.object()?;
            put(&(members.len() as u64), self.out);
            for (name, member) in members {
                let mut put_member = || {
                    self.text(key, &name, member.at)?;
                    self.value(value, member)
                };
                put_member().map_err(|mismatch| mismatch.within(&format!("[{name:?}]")))?;
            }
            return Ok(());
        }
        expect(json, Kind::List, "an object, or a list of pairs")?;
        let entries = json.list()?;
        put(&(entries.len() as u64), self.out);
        for (at, entry) in entries.into_iter().enumerate() {
            let mut put_entry = || {
                expect(entry, Kind::List, "a pair of key and value")?;
                match entry.list()?[..] {
                    [one, other] => self.parts([(key, one), (value, other)].into_iter()),
                    _ => Err(Mismatch::expected(entry.at, "a pair of key and value", entry.shown())),
                }
            };
            put_entry().map_err(|mismatch| mismatch.within(&format!("[{at}]")))?;
        }
        Ok(())
    }

    /// What a struct or a variant holds. None: nothing is written.
    fn fields(&mut self, fields: &'s Fields, json: Option<Json<'_>>, at: usize) -> Result<(), Mismatch> {
        match (fields, json) {
            (Fields::Unit, None) => Ok(()),
            (Fields::Unit, Some(json)) => expect(json, Kind::Null, "null"),
            (_, None) => Err(Mismatch::new(at, "this variant has fields: write {\"Name\": fields}")),
            (Fields::Unknown, Some(json)) => Err(unknown(json)),
            (Fields::Newtype(inner), Some(json)) => self.value(inner, json),
            (Fields::Tuple(parts), Some(json)) => self.tuple(parts, json),
            (Fields::Named(fields), Some(json)) => self.named(fields, json),
        }
    }

    fn named(&mut self, fields: &'s [(String, Shape)], json: Json<'_>) -> Result<(), Mismatch> {
        expect(json, Kind::Object, "an object")?;
        let members = json.object()?;
        for (at, (name, member)) in members.iter().enumerate() {
            if fields.iter().all(|(field, _)| field != name) {
                return Err(Mismatch::new(member.at, format!("there is no field {name:?}")));
            }
            if members[..at].iter().any(|(before, _)| before == name) {
                return Err(Mismatch::new(member.at, format!("the field {name:?} is there twice")));
            }
        }
        for (field, shape) in fields {
            match (members.iter().find(|(name, _)| name == field), shape) {
                (Some((_, member)), _) => self.value(shape, *member).map_err(|mismatch| mismatch.within(field))?,
                (None, Shape::Option(_)) => self.out.push(0),
                (None, _) => return Err(Mismatch::new(json.at, format!("the field {field:?} is missing"))),
            }
        }
        Ok(())
    }

    fn variant(&mut self, variants: &'s [Variant], json: Json<'_>) -> Result<(), Mismatch> {
        let (name, inside) = match json.kind() {
            Kind::Text => (json.text()?, None),
            Kind::Object => match <[_; 1]>::try_from(json.object()?) {
                Ok([(name, inside)]) => (name, Some(inside)),
                Err(_) => return Err(Mismatch::new(json.at, "an enum is one variant: {\"Name\": fields}")),
            },
            other => return Err(Mismatch::expected(json.at, "the name of a variant, or {\"Name\": fields}", other)),
        };
        let number = variant_number(variants, &name, json.at)?;
        put(&number, self.out);
        let variant = &variants[number as usize];
        self.fields(&variant.fields, inside, json.at).map_err(|mismatch| mismatch.within(&name))
    }

    /// Whether `null` is a value of the shape here: an option or nothing, also inside of newtypes.
    fn can_be_null(&self, shape: &'s Shape) -> bool {
        let (mut shape, mut enclosing) = (shape, self.enclosing.clone());
        // A type that is nothing but itself has no values; that it comes to an end here is enough.
        for _ in 0..MAX_DEPTH {
            match shape {
                Shape::Unit | Shape::Option(_) | Shape::Struct { fields: Fields::Unit, .. } => return true,
                Shape::Struct { fields: Fields::Newtype(inner), .. } => {
                    enclosing.push(shape);
                    shape = inner;
                }
                Shape::Recursive(outwards) => {
                    let Some(outer) = enclosing.len().checked_sub(*outwards as usize + 1) else { return false };
                    shape = enclosing[outer];
                    enclosing.truncate(outer);
                }
                _ => return false,
            }
        }
        false
    }
}

fn expect(json: Json<'_>, kind: Kind, what: &str) -> Result<(), Mismatch> {
    if json.kind() == kind { Ok(()) } else { Err(Mismatch::expected(json.at, what, json.shown())) }
}

fn unknown(json: Json<'_>) -> Mismatch {
    Mismatch::new(json.at, "the table does not say what stands here: have the program put such a row first")
}
