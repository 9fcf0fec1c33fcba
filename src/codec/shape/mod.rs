//! The shape of a row: what a table stores about its row type, so that it is never opened as another one.
//!
//! A [`Shape`] is a tree of serde's own terms: kinds of numbers, fields and variants with their names. It is found in two
//! ways. [`Shape::of_type`] watches what the type's `Deserialize` asks for while it is fed made-up values, which shows all
//! fields and all variants without a row at hand. Some types refuse values that they do not like, and what stands behind
//! them in a tuple is then out of sight; [`Shape::refine_with`] fills such gaps from what the first row's `Serialize`
//! writes. A gap that stays is [`Shape::Unknown`] and equals everything.
//!
//! The names of structs and enums are kept for messages and dumps but do not count as a [difference](Shape::difference):
//! they have no influence on stored bytes, and renaming a type should not need a migration.

mod difference;
mod fill;
mod observe;
mod stored;
mod trace;
mod value;

#[cfg(test)]
mod tests;

/// Shapes nest at most this deep; what lies deeper stays unknown.
const MAX_DEPTH: usize = 64;

/// What a row looks like in serde's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "admin", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub(crate) enum Shape {
    Unknown,
    Unit,
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    Option(Box<Shape>),
    List(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Tuple(Vec<Shape>),
    Struct {
        name: String,
        fields: Fields,
    },
    /// The variants in the order of their numbers. Unless `whole`, there may be more of them than a row has shown.
    Enum {
        name: String,
        variants: Vec<Variant>,
        whole: bool,
    },
    /// A struct or enum that this shape stands inside of: 0 is the innermost, 1 the one around it.
    Recursive(u32),
}

/// What a struct or a variant holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "admin", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub(crate) enum Fields {
    Unknown,
    Unit,
    Newtype(Box<Shape>),
    Tuple(Vec<Shape>),
    Named(Vec<(String, Shape)>),
}

/// One variant of an enum. An empty name is one that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "admin", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) fields: Fields,
}

impl Shape {
    /// Whether nothing is unknown, so that rows can be read by this shape.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Shape::Unknown => false,
            Shape::Option(inner) | Shape::List(inner) => inner.is_complete(),
            Shape::Map(key, value) => key.is_complete() && value.is_complete(),
            Shape::Tuple(parts) => parts.iter().all(Shape::is_complete),
            Shape::Struct { fields, .. } => fields.is_complete(),
            Shape::Enum { variants, whole, .. } => {
                *whole && variants.iter().all(|variant| variant.fields.is_complete())
            }
            _ => true,
        }
    }

    /// Whether every value of it is encoded as no bytes at all.
    pub(crate) fn takes_no_bytes(&self) -> bool {
        match self {
            Shape::Unit => true,
            Shape::Tuple(parts) => parts.iter().all(Shape::takes_no_bytes),
            Shape::Struct { fields, .. } => match fields {
                Fields::Unknown => false,
                Fields::Unit => true,
                Fields::Newtype(inner) => inner.takes_no_bytes(),
                Fields::Tuple(parts) => parts.iter().all(Shape::takes_no_bytes),
                Fields::Named(fields) => fields.iter().all(|(_, shape)| shape.takes_no_bytes()),
            },
            _ => false,
        }
    }

    /// Whether there is a list or map whose entries take no bytes. Its length would be all that is stored, and a damaged one
    /// could keep a reader busy for years.
    fn has_list_of_nothing(&self) -> bool {
        match self {
            Shape::List(inner) => inner.takes_no_bytes() || inner.has_list_of_nothing(),
            Shape::Map(key, value) => {
                (key.takes_no_bytes() && value.takes_no_bytes())
                    || key.has_list_of_nothing()
                    || value.has_list_of_nothing()
            }
            Shape::Option(inner) => inner.has_list_of_nothing(),
            Shape::Tuple(parts) => parts.iter().any(Shape::has_list_of_nothing),
            Shape::Struct { fields, .. } => fields.any(Shape::has_list_of_nothing),
            Shape::Enum { variants, .. } => {
                variants.iter().any(|variant| variant.fields.any(Shape::has_list_of_nothing))
            }
            _ => false,
        }
    }
}

impl Fields {
    fn is_complete(&self) -> bool {
        !matches!(self, Fields::Unknown) && !self.any(|shape| !shape.is_complete())
    }

    fn any(&self, mut test: impl FnMut(&Shape) -> bool) -> bool {
        match self {
            Fields::Unknown | Fields::Unit => false,
            Fields::Newtype(inner) => test(inner),
            Fields::Tuple(parts) => parts.iter().any(test),
            Fields::Named(fields) => fields.iter().any(|(_, shape)| test(shape)),
        }
    }
}
