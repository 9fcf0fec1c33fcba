//! What a type is handed to read the parts of a value from: lists, maps, structs and variants of made-up values.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::deserializer::{Stop, feed, named_fields, read_fields, unnamed};
use super::nodes::{FieldNodes, Kind, NodeId, Nodes, VariantNode};

/// Parts in order: of a list, a tuple, a struct.
pub(super) struct Parts<'n> {
    nodes: &'n mut Nodes,
    container: &'static str,
    parts: Vec<(&'static str, NodeId)>,
    next: usize,
}

impl<'n> Parts<'n> {
    pub(super) fn new(nodes: &'n mut Nodes, container: &'static str, parts: Vec<(&'static str, NodeId)>) -> Self {
        Parts { nodes, container, parts, next: 0 }
    }
}

/// Lets a type read a part of `container`, which messages name if it has a name.
fn feed_part<'de, S: DeserializeSeed<'de>>(
    nodes: &mut Nodes,
    container: &'static str,
    (name, at): (&'static str, NodeId),
    seed: S,
) -> Result<S::Value, Stop> {
    if name.is_empty() {
        return feed(nodes, at, seed);
    }
    nodes.placed(container, name, |nodes| feed(nodes, at, seed))
}

impl<'de> de::SeqAccess<'de> for Parts<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        let Some(&part) = self.parts.get(self.next) else { return Ok(None) };
        self.next += 1;
        feed_part(self.nodes, self.container, part, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.parts.len() - self.next)
    }
}

/// The one entry of a map, or none.
pub(super) struct Entry<'n> {
    pub(super) nodes: &'n mut Nodes,
    pub(super) key: Option<NodeId>,
    pub(super) value: NodeId,
}

impl<'de> de::MapAccess<'de> for Entry<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        self.key.take().map(|key| feed(self.nodes, key, seed)).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        feed(self.nodes, self.value, seed)
    }
}

/// A struct as a map, without the fields that refuse everything.
pub(super) struct FieldMap<'n> {
    pub(super) nodes: &'n mut Nodes,
    pub(super) container: &'static str,
    pub(super) parts: Vec<(&'static str, NodeId)>,
    /// The field whose value comes next, or the one to look at for the next name.
    pub(super) next: usize,
    pub(super) asked: &'n mut bool,
}

impl<'de> de::MapAccess<'de> for FieldMap<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        *self.asked = true;
        while let Some(&(name, part)) = self.parts.get(self.next) {
            if !self.nodes.is_hopeless(part) {
                let name: de::value::StrDeserializer<'_, Stop> = name.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
            self.next += 1;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        let part = *self.parts.get(self.next).ok_or(Stop)?;
        self.next += 1;
        feed_part(self.nodes, self.container, part, seed)
    }
}

/// The chosen variant of an enum.
pub(super) struct EnumAccess<'n> {
    pub(super) nodes: &'n mut Nodes,
    pub(super) at: NodeId,
    pub(super) index: usize,
}

impl EnumAccess<'_> {
    fn variant(&mut self) -> Option<&mut VariantNode> {
        match &mut self.nodes.node(self.at).kind {
            Kind::Enum { variants, .. } => variants.get_mut(self.index),
            _ => None,
        }
    }

    fn name(&mut self) -> &'static str {
        self.variant().map_or("", |variant| variant.name)
    }

    fn parts<P>(
        &mut self,
        make: impl FnOnce(&mut Nodes) -> Option<FieldNodes>,
        parts_of: impl FnOnce(&FieldNodes) -> Option<P>,
    ) -> Result<P, Stop> {
        if self.variant().is_some_and(|variant| matches!(variant.fields, FieldNodes::Blank)) {
            let fields = make(self.nodes).ok_or(Stop)?;
            self.nodes.note_change();
            self.variant().ok_or(Stop)?.fields = fields;
        }
        parts_of(&self.variant().ok_or(Stop)?.fields).ok_or(Stop)
    }
}

impl<'de> de::EnumAccess<'de> for EnumAccess<'_> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        let index: de::value::U32Deserializer<Stop> = (self.index as u32).into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for EnumAccess<'_> {
    type Error = Stop;

    fn unit_variant(mut self) -> Result<(), Stop> {
        self.parts(|_| Some(FieldNodes::Unit), |fields| matches!(fields, FieldNodes::Unit).then_some(()))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, Stop> {
        let inner = self.parts(
            |nodes| nodes.add().map(FieldNodes::Newtype),
            |fields| if let FieldNodes::Newtype(inner) = fields { Some(*inner) } else { None },
        )?;
        feed(self.nodes, inner, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, count: usize, visitor: V) -> Result<V::Value, Stop> {
        let parts = self.parts(
            |nodes| nodes.add_many(count).map(FieldNodes::Tuple),
            |fields| if let FieldNodes::Tuple(parts) = fields { unnamed(parts, count) } else { None },
        )?;
        let container = self.name();
        visitor.visit_seq(Parts::new(self.nodes, container, parts))
    }

    fn struct_variant<V: Visitor<'de>>(mut self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Stop> {
        let fields = self.parts(
            |nodes| named_fields(nodes, names),
            |fields| if let FieldNodes::Named(named) = fields { named.of_count(names.len()) } else { None },
        )?;
        let container = self.name();
        let (result, never_as_map) = read_fields(self.nodes, container, fields, visitor);
        if never_as_map && let Some(VariantNode { fields: FieldNodes::Named(named), .. }) = self.variant() {
            named.never_as_map = true;
        }
        result
    }
}
