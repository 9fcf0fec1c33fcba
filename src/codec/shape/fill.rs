//! Filling what one look at a type left unknown from another.

use super::{Fields, Shape, Variant};

impl Shape {
    /// Replaces what is unknown by what `other` knows in the same place. What is known stays, also where `other` differs.
    pub(super) fn fill_from(&mut self, other: Shape) {
        match (self, other) {
            (slot @ Shape::Unknown, other) => *slot = other,
            (Shape::Option(mine), Shape::Option(other)) | (Shape::List(mine), Shape::List(other)) => {
                mine.fill_from(*other)
            }
            (Shape::Map(my_key, my_value), Shape::Map(key, value)) => {
                my_key.fill_from(*key);
                my_value.fill_from(*value);
            }
            (Shape::Tuple(mine), Shape::Tuple(other)) => fill_parts(mine, other),
            (Shape::Struct { fields: mine, .. }, Shape::Struct { fields: other, .. }) => mine.fill_from(other),
            (
                Shape::Enum { variants: mine, whole: mine_whole, .. },
                Shape::Enum { variants: other, whole: other_whole, .. },
            ) => {
                fill_variants(mine, other, *mine_whole);
                *mine_whole |= other_whole;
            }
            _ => {}
        }
    }
}

impl Fields {
    fn fill_from(&mut self, other: Fields) {
        match (self, other) {
            (slot @ Fields::Unknown, other) => *slot = other,
            (Fields::Newtype(mine), Fields::Newtype(other)) => mine.fill_from(*other),
            (Fields::Tuple(mine), Fields::Tuple(other)) => fill_parts(mine, other),
            (Fields::Named(mine), Fields::Named(other)) if mine.len() == other.len() => {
                mine.iter_mut().zip(other).for_each(|((_, mine), (_, other))| mine.fill_from(other));
            }
            _ => {}
        }
    }
}

fn fill_parts(mine: &mut [Shape], other: Vec<Shape>) {
    if mine.len() == other.len() {
        mine.iter_mut().zip(other).for_each(|(mine, other)| mine.fill_from(other));
    }
}

/// A row shows only its own variant, so the lists may be of different lengths.
fn fill_variants(mine: &mut Vec<Variant>, other: Vec<Variant>, whole: bool) {
    for (at, other) in other.into_iter().enumerate() {
        match mine.get_mut(at) {
            None if whole => return,
            None => mine.push(other),
            Some(mine) => {
                if mine.name.is_empty() {
                    mine.name = other.name;
                }
                mine.fields.fill_from(other.fields);
            }
        }
    }
}
