//! JSON text, read one level at a time: numbers stay the text that they are, and everything knows its place in the line.
//!
//! What a number is says the shape that it is read for. An `f32` must be read from its own text, since by way of an
//! `f64` some come out as their neighbour, and a `u128` fits no number that a JSON library hands out.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::mismatch::Mismatch;

/// A part of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a> {
    text: &'a str,
    /// Where it stands in the line, in bytes.
    pub(super) at: usize,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Null => "null",
            Kind::Bool => "a bool",
            Kind::Number => "a number",
            Kind::Text => "a text",
            Kind::List => "a list",
            Kind::Object => "an object",
        })
    }
}

impl<'a> Json<'a> {
    /// Looks through a line, which must be one value.
    pub(super) fn parse(line: &'a str) -> Result<Self, Mismatch> {
        let whole = Json { text: line, at: 0 };
        let raw: &RawValue = serde_json::from_str(line).map_err(|error| syntax(&error))?;
        Ok(whole.part(raw))
    }

    /// A value inside of this one.
    fn part(&self, raw: &'a RawValue) -> Self {
        let text = raw.get();
        Json { text, at: self.at + (text.as_ptr().addr() - self.text.as_ptr().addr()) }
    }

    pub(super) fn kind(&self) -> Kind {
        match self.text.as_bytes().first() {
            Some(b'n') => Kind::Null,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'"') => Kind::Text,
            Some(b'[') => Kind::List,
            Some(b'{') => Kind::Object,
            _ => Kind::Number,
        }
    }

    /// What the line has here, as far as a message shows it.
    pub(super) fn shown(&self) -> String {
        shorten(self.text)
    }

    /// The text of a number, `true`, `false` or `null`.
    pub(super) fn literal(&self) -> &'a str {
        self.text
    }

    /// The text without its quotes and escapes.
    pub(super) fn text(&self) -> Result<String, Mismatch> {
        // Half a surrogate pair is the one thing that looking through a line lets pass.
        serde_json::from_str(self.text).map_err(|error| syntax(&error).moved(self.at))
    }

    pub(super) fn list(&self) -> Result<Vec<Json<'a>>, Mismatch> {
        let parts: Vec<&RawValue> = serde_json::from_str(self.text).map_err(|error| syntax(&error).moved(self.at))?;
        Ok(parts.into_iter().map(|part| self.part(part)).collect())
    }

    /// The one part of a list: a value that stands in brackets, since it can be `null` itself and yet be there.
    pub(super) fn only_part(&self) -> Result<Json<'a>, Mismatch> {
        let parts = if self.kind() == Kind::List { self.list()? } else { Vec::new() };
        match parts[..] {
            [part] => Ok(part),
            _ => Err(Mismatch::expected(
                self.at,
                "null, or the value in brackets, since it can be null itself",
                self.shown(),
            )),
        }
    }

    /// The members in their order, those with one name included.
    pub(super) fn object(&self) -> Result<Vec<(String, Json<'a>)>, Mismatch> {
        let Members(members) = serde_json::from_str(self.text).map_err(|error| syntax(&error).moved(self.at))?;
        Ok(members.into_iter().map(|(name, part)| (name, self.part(part))).collect())
    }
}

/// As much of a text as a message shows.
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn syntax(error: &serde_json::Error) -> Mismatch {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    Mismatch::new(error.column().saturating_sub(1), format!("this is no JSON: {what}"))
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_place_in_the_line() {
        let line = r#" {"a" : [1, "b\u0041\n", {"c": null}], "a": -1.50}"#;
        let json = Json::parse(line).unwrap();
        assert_eq!((json.kind(), json.at), (Kind::Object, 1));
        let members = json.object().unwrap();
        assert_eq!(members.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "a"]);
        let parts = members[0].1.list().unwrap();
        assert_eq!(parts[1].text().unwrap(), "bA\n");
        for part in &parts {
            assert!(line[part.at..].starts_with(part.literal()));
        }
        assert_eq!(parts[2].object().unwrap()[0].1.kind(), Kind::Null);
        assert_eq!((members[1].1.literal(), members[1].1.kind()), ("-1.50", Kind::Number));
    }

    #[test]
    fn what_is_no_json_says_where() {
        assert_eq!(Json::parse(r#"{"a":tru}"#).unwrap_err().at, 8);
        assert!(Json::parse("1 2").is_err());
        assert!(Json::parse("").is_err());
        let half = Json::parse(r#"["\ud800"]"#).unwrap().list().unwrap();
        assert!(half[0].text().is_err());
        // Deep nesting takes no stack.
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert_eq!(Json::parse(&deep).unwrap().list().unwrap().len(), 1);
    }
}
