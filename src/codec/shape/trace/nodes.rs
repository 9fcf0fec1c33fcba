//! What is known so far about a type: a tree of nodes that lives through all runs.

use crate::codec::row::RowFault;
use crate::codec::shape::{Fields, MAX_DEPTH, Shape, Variant};

/// More nodes than this are not made; what they would show stays unknown.
const MAX_NODES: usize = 20_000;
/// How deep values of a type inside of itself may go.
const MAX_RECURSION: usize = 8;
/// How many runs try to build a value of a type inside of itself.
const RECURSION_TRIES: usize = 8;

/// The place of a node in [`Nodes`].
pub(super) type NodeId = usize;

pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// The structs and enums around the present place, innermost last.
    enclosing: Vec<NodeId>,
    /// The names of the struct fields and variants around the present place, for messages.
    places: Vec<(&'static str, &'static str)>,
    /// How many types inside of themselves are being built.
    recursion: usize,
    depth: usize,
    changes: usize,
    refusal: Option<RowFault>,
}

/// A value that a type asks for.
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Whether the type took a value that was made here.
    pub(super) taken: bool,
    /// How often a value was refused.
    pub(super) refused: usize,
}

pub(super) enum Kind {
    Blank,
    /// The shape and how many made-up values there are for it.
    Plain(Shape, usize),
    Option(NodeId),
    List(NodeId),
    Map(NodeId, NodeId),
    Tuple(Vec<NodeId>),
    Struct(Named),
    Enum {
        name: &'static str,
        reader: &'static str,
        variants: Vec<VariantNode>,
    },
    /// A struct or enum that is around this place.
    Recursive(NodeId),
    /// The type asked for different things at different times, or the place is out of bounds.
    Changing,
}

pub(super) struct Named {
    pub(super) name: &'static str,
    /// The name of the type that reads it, which unlike `name` tells `Pair<u8>` from `Pair<u16>`.
    pub(super) reader: &'static str,
    pub(super) fields: FieldNodes,
}

pub(super) enum FieldNodes {
    Blank,
    Unit,
    Newtype(NodeId),
    Tuple(Vec<NodeId>),
    Named(NamedNodes),
}

/// Fields with names, of a struct or a variant.
#[derive(Clone)]
pub(super) struct NamedNodes {
    pub(super) parts: Vec<(&'static str, NodeId)>,
    /// Whether they refused to be read as a map.
    pub(super) never_as_map: bool,
}

impl NamedNodes {
    /// A copy, if there are `count` of them.
    pub(super) fn of_count(&self, count: usize) -> Option<Self> {
        (self.parts.len() == count).then(|| self.clone())
    }
}

pub(super) struct VariantNode {
    pub(super) name: &'static str,
    pub(super) fields: FieldNodes,
    pub(super) visits: usize,
    /// When a value of it came out first, as a count of changes. The variant that came out first needs no other.
    pub(super) taken_at: Option<usize>,
}

const ROOT: NodeId = 0;

impl Nodes {
    pub(super) fn new() -> Self {
        let root = Node { kind: Kind::Blank, taken: false, refused: 0 };
        Nodes {
            nodes: vec![root],
            enclosing: Vec::new(),
            places: Vec::new(),
            recursion: 0,
            depth: 0,
            changes: 0,
            refusal: None,
        }
    }

    pub(super) const fn root() -> NodeId {
        ROOT
    }

    /// Counts everything that was learnt.
    pub(super) fn changes(&self) -> usize {
        self.changes
    }

    /// Forgets the place of the last run, which a panic may have left standing.
    pub(super) fn start_run(&mut self) {
        self.enclosing.clear();
        self.places.clear();
        (self.recursion, self.depth) = (0, 0);
    }

    pub(super) fn end_run(&mut self, taken: bool) {
        self.note_outcome(ROOT, taken);
    }

    pub(super) fn take_refusal(&mut self) -> Option<RowFault> {
        self.refusal.take()
    }

    /// Notes that the type can never be read; the first reason counts.
    pub(super) fn refuse(&mut self, what: &str) {
        let fault = RowFault::unsupported(what);
        let fault = match self.places.last() {
            Some((container, part)) => fault.within(container, part),
            None => fault,
        };
        self.refusal.get_or_insert(fault);
    }

    pub(super) fn node(&mut self, at: NodeId) -> &mut Node {
        &mut self.nodes[at]
    }

    pub(super) fn set_kind(&mut self, at: NodeId, kind: Kind) {
        self.changes += 1;
        self.nodes[at].kind = kind;
    }

    /// Gives up on a node: the type asks for different things there, or it is out of bounds.
    pub(super) fn give_up(&mut self, at: NodeId) {
        if !matches!(self.nodes[at].kind, Kind::Changing) {
            self.set_kind(at, Kind::Changing);
        }
    }

    /// A new blank node, or `None` if there are too many.
    pub(super) fn add(&mut self) -> Option<NodeId> {
        if self.nodes.len() >= MAX_NODES {
            return None;
        }
        self.nodes.push(Node { kind: Kind::Blank, taken: false, refused: 0 });
        Some(self.nodes.len() - 1)
    }

    pub(super) fn add_many(&mut self, count: usize) -> Option<Vec<NodeId>> {
        (0..count).map(|_| self.add()).collect()
    }

    /// Whether the type took or refused what was made at a node. Inside of a recursion the node stands for another place.
    pub(super) fn note_outcome(&mut self, at: NodeId, taken: bool) {
        if self.recursion > 0 {
            return;
        }
        let node = &mut self.nodes[at];
        if taken {
            self.changes += usize::from(!node.taken);
            node.taken = true;
        } else {
            let tries = match node.kind {
                Kind::Plain(_, values) => values,
                Kind::Recursive(_) => RECURSION_TRIES,
                _ => 0,
            };
            if node.refused < tries {
                node.refused += 1;
                self.changes += 1;
            }
        }
    }

    pub(super) fn is_recursing(&self) -> bool {
        self.recursion > 0
    }

    /// The struct or enum around the present place that this reader reads, if there is one.
    pub(super) fn find_enclosing(&self, name: &str, reader: &str) -> Option<NodeId> {
        self.enclosing.iter().rev().copied().find(|&at| match &self.nodes[at].kind {
            Kind::Struct(named) => named.name == name && named.reader == reader,
            Kind::Enum { name: other, reader: other_reader, .. } => *other == name && *other_reader == reader,
            _ => false,
        })
    }

    /// Runs `inside` one step deeper; `None` if that is too deep.
    pub(super) fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        Some(result)
    }

    /// Runs `inside` within a struct or enum.
    pub(super) fn enclosed<T>(&mut self, by: NodeId, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.enclosing.push(by);
        let result = inside(self);
        self.enclosing.pop();
        result
    }

    /// Runs `inside` at `target`, a struct or enum that is around the present place; `None` if that goes too deep. What is
    /// around the present place and not around `target` is forgotten meanwhile.
    pub(super) fn recursing<T>(&mut self, target: NodeId, inside: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.recursion >= MAX_RECURSION {
            return None;
        }
        let outer = self.enclosing.iter().rposition(|&at| at == target).unwrap_or(0);
        let between = self.enclosing.split_off(outer);
        self.recursion += 1;
        let result = self.enclosed(target, inside);
        self.recursion -= 1;
        self.enclosing.extend(between);
        Some(result)
    }

    /// Runs `inside` within a field or variant that messages name.
    pub(super) fn placed<T>(
        &mut self,
        container: &'static str,
        part: &'static str,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.places.push((container, part));
        let result = inside(self);
        self.places.pop();
        result
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete(ROOT)
    }

    /// Whether another run can show nothing more below this node.
    pub(super) fn complete(&self, at: NodeId) -> bool {
        let node = &self.nodes[at];
        match &node.kind {
            Kind::Blank => false,
            Kind::Changing => true,
            Kind::Plain(_, values) => node.taken || node.refused >= *values,
            Kind::Recursive(_) => node.taken || node.refused >= RECURSION_TRIES,
            Kind::Option(inner) | Kind::List(inner) => self.complete(*inner),
            Kind::Map(key, value) => self.row_complete(&[*key, *value]),
            Kind::Tuple(parts) => self.row_complete(parts),
            Kind::Struct(named) => self.fields_complete(&named.fields),
            Kind::Enum { variants, .. } => variants.iter().all(|variant| self.fields_complete(&variant.fields)),
        }
    }

    /// Which variants of an enum another run may show more of.
    pub(super) fn open_variants(&self, at: NodeId) -> Vec<bool> {
        match &self.nodes[at].kind {
            Kind::Enum { variants, .. } => {
                variants.iter().map(|variant| !self.fields_complete(&variant.fields)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Notes that a value of a variant came out.
    pub(super) fn note_variant_taken(&mut self, at: NodeId, index: usize) {
        if self.recursion == 0
            && let Kind::Enum { variants, .. } = &mut self.nodes[at].kind
            && variants[index].taken_at.is_none()
        {
            self.changes += 1;
            variants[index].taken_at = Some(self.changes);
        }
    }

    /// Counts something that was learnt about a variant.
    pub(super) fn note_change(&mut self) {
        self.changes += 1;
    }

    fn fields_complete(&self, fields: &FieldNodes) -> bool {
        match fields {
            FieldNodes::Blank => false,
            FieldNodes::Unit => true,
            FieldNodes::Newtype(inner) => self.complete(*inner),
            FieldNodes::Tuple(parts) => self.row_complete(parts),
            FieldNodes::Named(named) if named.never_as_map => {
                self.row_complete(&named.parts.iter().map(|(_, at)| *at).collect::<Vec<_>>())
            }
            FieldNodes::Named(named) => named.parts.iter().all(|(_, at)| self.complete(*at)),
        }
    }

    /// For parts that come in order: those behind one that never comes out are out of reach.
    fn row_complete(&self, parts: &[NodeId]) -> bool {
        for &part in parts {
            if !self.complete(part) {
                return false;
            }
            if !self.nodes[part].taken {
                return true;
            }
        }
        true
    }

    /// Whether no value that could be made here will be taken.
    pub(super) fn is_hopeless(&self, at: NodeId) -> bool {
        !self.nodes[at].taken && self.complete(at)
    }

    pub(super) fn to_shape(&self) -> Shape {
        self.shape_at(ROOT, &mut Vec::new())
    }

    fn shape_at(&self, at: NodeId, enclosing: &mut Vec<NodeId>) -> Shape {
        match &self.nodes[at].kind {
            Kind::Blank | Kind::Changing => Shape::Unknown,
            Kind::Plain(shape, _) => shape.clone(),
            Kind::Option(inner) => Shape::Option(Box::new(self.shape_at(*inner, enclosing))),
            Kind::List(inner) => Shape::List(Box::new(self.shape_at(*inner, enclosing))),
            Kind::Map(key, value) => {
                Shape::Map(Box::new(self.shape_at(*key, enclosing)), Box::new(self.shape_at(*value, enclosing)))
            }
            Kind::Tuple(parts) => Shape::Tuple(self.shapes_at(parts, enclosing)),
            Kind::Recursive(target) => match enclosing.iter().rev().position(|outer| outer == target) {
                Some(outwards) => Shape::Recursive(outwards as u32),
                None => Shape::Unknown,
            },
            Kind::Struct(named) => {
                enclosing.push(at);
                let fields = self.fields_at(&named.fields, enclosing);
                enclosing.pop();
                Shape::Struct { name: named.name.to_string(), fields }
            }
            Kind::Enum { name, variants, .. } => {
                enclosing.push(at);
                let variants = variants
                    .iter()
                    .map(|variant| Variant {
                        name: variant.name.to_string(),
                        fields: self.fields_at(&variant.fields, enclosing),
                    })
                    .collect();
                enclosing.pop();
                Shape::Enum { name: name.to_string(), variants, whole: true }
            }
        }
    }

    fn shapes_at(&self, parts: &[NodeId], enclosing: &mut Vec<NodeId>) -> Vec<Shape> {
        parts.iter().map(|part| self.shape_at(*part, enclosing)).collect()
    }

    fn fields_at(&self, fields: &FieldNodes, enclosing: &mut Vec<NodeId>) -> Fields {
        match fields {
            FieldNodes::Blank => Fields::Unknown,
            FieldNodes::Unit => Fields::Unit,
            FieldNodes::Newtype(inner) => Fields::Newtype(Box::new(self.shape_at(*inner, enclosing))),
            FieldNodes::Tuple(parts) => Fields::Tuple(self.shapes_at(parts, enclosing)),
            FieldNodes::Named(named) => Fields::Named(
                named.parts.iter().map(|(name, at)| (name.to_string(), self.shape_at(*at, enclosing))).collect(),
            ),
        }
    }
}
