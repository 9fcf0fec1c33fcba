//! The deserializer that notes what it is asked for and answers with made-up values.

use std::any::type_name;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};

use super::access::{Entry, EnumAccess, FieldMap, Parts};
use super::nodes::{FieldNodes, Kind, Named, NamedNodes, NodeId, Nodes, VariantNode};
use crate::codec::shape::Shape;

/// Texts that some types insist on: empty, a word, a number, times, an address, an identifier.
const TEXTS: [&str; 9] = [
    "",
    "a",
    "1",
    "2000-01-01T00:00:00Z",
    "2000-01-01",
    "00:00:00",
    "http://localhost/",
    "127.0.0.1",
    "00000000-0000-0000-0000-000000000000",
];
const BLOBS: [&[u8]; 4] = [&[], &[0; 16], &[0; 4], &[0; 32]];

/// A run ends here: a value was refused, or there is none to offer.
#[derive(Debug)]
pub(super) struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a made-up value was refused")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Stop
    }
}

/// The deserializer of one node.
pub(super) struct Tracer<'n> {
    nodes: &'n mut Nodes,
    at: NodeId,
}

/// Lets a type read the value at a node, and notes how that went.
pub(super) fn feed<'de, S: DeserializeSeed<'de>>(nodes: &mut Nodes, at: NodeId, seed: S) -> Result<S::Value, Stop> {
    feed_with(nodes, at, |tracer| seed.deserialize(tracer))
}

fn feed_with<T>(nodes: &mut Nodes, at: NodeId, read: impl FnOnce(Tracer<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
    let result = nodes.deeper(|nodes| read(Tracer { nodes, at })).unwrap_or_else(|| {
        nodes.give_up(at);
        Err(Stop)
    });
    nodes.note_outcome(at, result.is_ok());
    result
}

impl<'n> Tracer<'n> {
    pub(super) fn at_root(nodes: &'n mut Nodes) -> Self {
        Tracer { nodes, at: Nodes::root() }
    }

    /// Notes a value without parts and returns which of `values` made-up ones to offer.
    fn plain(self, shape: Shape, values: usize) -> usize {
        let node = self.nodes.node(self.at);
        let choice = node.refused.min(values - 1);
        match &node.kind {
            Kind::Blank => self.nodes.set_kind(self.at, Kind::Plain(shape, values)),
            Kind::Plain(noted, _) if *noted == shape => {}
            _ => self.nodes.give_up(self.at),
        }
        choice
    }

    /// The parts of the node, made by `make` if it is blank; `Stop` if the node is something else than `parts_of` knows.
    fn parts<P>(
        &mut self,
        make: impl FnOnce(&mut Nodes) -> Option<Kind>,
        parts_of: impl FnOnce(&Kind) -> Option<P>,
    ) -> Result<P, Stop> {
        if let Kind::Blank = self.nodes.node(self.at).kind
            && let Some(kind) = make(self.nodes)
        {
            self.nodes.set_kind(self.at, kind);
        }
        match parts_of(&self.nodes.node(self.at).kind) {
            Some(parts) => Ok(parts),
            None => {
                self.nodes.give_up(self.at);
                Err(Stop)
            }
        }
    }

    /// Reads a struct or enum: at this node, or, inside of itself, at the node that stands for it already.
    fn named<P, T>(
        mut self,
        (name, reader): (&'static str, &'static str),
        make: impl FnOnce(&mut Nodes) -> Option<Kind>,
        parts_of: impl FnOnce(&Kind) -> Option<P>,
        read: impl FnOnce(&mut Nodes, NodeId, P) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        if let Kind::Blank = self.nodes.node(self.at).kind
            && let Some(target) = self.nodes.find_enclosing(name, reader)
        {
            self.nodes.set_kind(self.at, Kind::Recursive(target));
        }
        if let Kind::Recursive(target) = self.nodes.node(self.at).kind {
            let Some(parts) = parts_of(&self.nodes.node(target).kind) else { return Err(Stop) };
            return self.nodes.recursing(target, |nodes| read(nodes, target, parts)).unwrap_or(Err(Stop));
        }
        let parts = self.parts(make, parts_of)?;
        let Tracer { nodes, at } = self;
        nodes.enclosed(at, |nodes| read(nodes, at, parts))
    }

    fn refuse<T>(self, what: &str) -> Result<T, Stop> {
        self.nodes.refuse(what);
        Err(Stop)
    }
}

fn struct_of(id: (&'static str, &'static str), fields: FieldNodes) -> Kind {
    Kind::Struct(Named { name: id.0, reader: id.1, fields })
}

macro_rules! plain {
    ($($method:ident $shape:ident $visit:ident $choice:ident of $values:expr => $value:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            let $choice = self.plain(Shape::$shape, $values);
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Stop;

    plain! {
        deserialize_bool Bool visit_bool choice of 2 => choice == 1;
        deserialize_i8 I8 visit_i8 choice of 2 => choice as i8;
        deserialize_i16 I16 visit_i16 choice of 2 => choice as i16;
        deserialize_i32 I32 visit_i32 choice of 2 => choice as i32;
        deserialize_i64 I64 visit_i64 choice of 2 => choice as i64;
        deserialize_i128 I128 visit_i128 choice of 2 => choice as i128;
        deserialize_u8 U8 visit_u8 choice of 2 => choice as u8;
        deserialize_u16 U16 visit_u16 choice of 2 => choice as u16;
        deserialize_u32 U32 visit_u32 choice of 2 => choice as u32;
        deserialize_u64 U64 visit_u64 choice of 2 => choice as u64;
        deserialize_u128 U128 visit_u128 choice of 2 => choice as u128;
        deserialize_f32 F32 visit_f32 choice of 2 => choice as f32;
        deserialize_f64 F64 visit_f64 choice of 2 => choice as f64;
        deserialize_char Char visit_char _choice of 1 => 'a';
        deserialize_str Text visit_borrowed_str choice of TEXTS.len() => TEXTS[choice];
        deserialize_string Text visit_string choice of TEXTS.len() => TEXTS[choice].to_string();
        deserialize_bytes Bytes visit_borrowed_bytes choice of BLOBS.len() => BLOBS[choice];
        deserialize_byte_buf Bytes visit_byte_buf choice of BLOBS.len() => BLOBS[choice].to_vec();
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.plain(Shape::Unit, 1);
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        let inner = self.parts(
            |nodes| nodes.add().map(Kind::Option),
            |kind| if let Kind::Option(inner) = kind { Some(*inner) } else { None },
        )?;
        if self.nodes.is_recursing() || self.nodes.complete(inner) {
            return visitor.visit_none();
        }
        feed_with(self.nodes, inner, |tracer| visitor.visit_some(tracer))
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        let inner = self.parts(
            |nodes| nodes.add().map(Kind::List),
            |kind| if let Kind::List(inner) = kind { Some(*inner) } else { None },
        )?;
        let empty = self.nodes.is_recursing() || self.nodes.is_hopeless(inner);
        let entries = if empty { Vec::new() } else { vec![("", inner)] };
        visitor.visit_seq(Parts::new(self.nodes, "", entries))
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Stop> {
        let (key, value) = self.parts(
            |nodes| Some(Kind::Map(nodes.add()?, nodes.add()?)),
            |kind| if let Kind::Map(key, value) = kind { Some((*key, *value)) } else { None },
        )?;
        let nodes = self.nodes;
        let empty = nodes.is_recursing() || nodes.is_hopeless(key) || nodes.is_hopeless(value);
        visitor.visit_map(Entry { nodes, key: (!empty).then_some(key), value })
    }

    fn deserialize_tuple<V: Visitor<'de>>(mut self, count: usize, visitor: V) -> Result<V::Value, Stop> {
        let parts = self.parts(
            |nodes| nodes.add_many(count).map(Kind::Tuple),
            |kind| if let Kind::Tuple(parts) = kind { unnamed(parts, count) } else { None },
        )?;
        visitor.visit_seq(Parts::new(self.nodes, "", parts))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Stop> {
        let id = (name, type_name::<V>());
        self.named(
            id,
            |_| Some(struct_of(id, FieldNodes::Unit)),
            |kind| matches!(kind, Kind::Struct(Named { fields: FieldNodes::Unit, .. })).then_some(()),
            |_, _, ()| visitor.visit_unit(),
        )
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Stop> {
        let id = (name, type_name::<V>());
        self.named(
            id,
            |nodes| Some(struct_of(id, FieldNodes::Newtype(nodes.add()?))),
            |kind| match kind {
                Kind::Struct(Named { fields: FieldNodes::Newtype(inner), .. }) => Some(*inner),
                _ => None,
            },
            |nodes, _, inner| feed_with(nodes, inner, |tracer| visitor.visit_newtype_struct(tracer)),
        )
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let id = (name, type_name::<V>());
        self.named(
            id,
            |nodes| Some(struct_of(id, FieldNodes::Tuple(nodes.add_many(count)?))),
            |kind| match kind {
                Kind::Struct(Named { fields: FieldNodes::Tuple(parts), .. }) => unnamed(parts, count),
                _ => None,
            },
            |nodes, _, parts| visitor.visit_seq(Parts::new(nodes, name, parts)),
        )
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let id = (name, type_name::<V>());
        self.named(
            id,
            |nodes| Some(struct_of(id, named_fields(nodes, fields)?)),
            |kind| match kind {
                Kind::Struct(Named { fields: FieldNodes::Named(named), .. }) => named.of_count(fields.len()),
                _ => None,
            },
            |nodes, at, fields| {
                let (result, never_as_map) = read_fields(nodes, name, fields, visitor);
                if never_as_map
                    && let Kind::Struct(Named { fields: FieldNodes::Named(named), .. }) = &mut nodes.node(at).kind
                {
                    named.never_as_map = true;
                }
                result
            },
        )
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let blank = |&name: &&'static str| VariantNode { name, fields: FieldNodes::Blank, visits: 0, taken_at: None };
        let reader = type_name::<V>();
        self.named(
            (name, reader),
            |_| Some(Kind::Enum { name, reader, variants: variants.iter().map(blank).collect() }),
            |kind| matches!(kind, Kind::Enum { variants: noted, .. } if noted.len() == variants.len()).then_some(()),
            |nodes, at, ()| {
                let index = choose_variant(nodes, at).ok_or(Stop)?;
                let result = visitor.visit_enum(EnumAccess { nodes: &mut *nodes, at, index });
                if result.is_ok() {
                    nodes.note_variant_taken(at, index);
                }
                result
            },
        )
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        self.refuse(
            "it asks for whatever is there, which a stored row does not tell; serde's `untagged` and `tag` and types such as \
             `serde_json::Value` cannot be stored, a text of it can",
        )
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        self.refuse("it skips a value of unknown kind, which a stored row does not allow")
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        self.refuse(
            "it asks for the name of a field, which a stored row does not have; serde's `tag` and `flatten` cannot be stored",
        )
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

pub(super) fn unnamed(parts: &[NodeId], count: usize) -> Option<Vec<(&'static str, NodeId)>> {
    (parts.len() == count).then(|| parts.iter().map(|&part| ("", part)).collect())
}

pub(super) fn named_fields(nodes: &mut Nodes, names: &'static [&'static str]) -> Option<FieldNodes> {
    let parts = nodes.add_many(names.len())?;
    Some(FieldNodes::Named(NamedNodes { parts: names.iter().copied().zip(parts).collect(), never_as_map: false }))
}

/// Lets a type read fields with names: in order, or as a map when one of them never comes out. Also tells whether it does
/// not take a map.
pub(super) fn read_fields<'de, V: Visitor<'de>>(
    nodes: &mut Nodes,
    container: &'static str,
    fields: NamedNodes,
    visitor: V,
) -> (Result<V::Value, Stop>, bool) {
    let NamedNodes { parts, never_as_map } = fields;
    if never_as_map || !parts.iter().any(|(_, part)| nodes.is_hopeless(*part)) {
        return (visitor.visit_seq(Parts::new(nodes, container, parts)), false);
    }
    let mut asked = false;
    let result = visitor.visit_map(FieldMap { nodes, container, parts, next: 0, asked: &mut asked });
    (result, !asked)
}

/// The variant for this run: the least tried of those that can show something new, else one that comes out. Inside of the
/// enum itself only one that comes out will do, and of those the first, which cannot need a later one.
fn choose_variant(nodes: &mut Nodes, at: NodeId) -> Option<usize> {
    let recursing = nodes.is_recursing();
    let open: Vec<bool> = nodes.open_variants(at);
    let Kind::Enum { variants, .. } = &mut nodes.node(at).kind else { return None };
    let taken =
        (0..variants.len()).filter_map(|index| Some((variants[index].taken_at?, index))).min().map(|(_, index)| index);
    if recursing {
        return taken;
    }
    let least_tried = (0..variants.len()).filter(|&index| open[index]).min_by_key(|&index| variants[index].visits);
    let index = least_tried.or(taken).or((!variants.is_empty()).then_some(0))?;
    variants[index].visits += 1;
    Some(index)
}
