//! The names of what can be wrong with a history, after Adya, and how the worst one in a component is found.

use std::fmt;

use super::graph::{Edge, Graph, Why};
use super::record::{Kind, Txn};

/// What is wrong. The worse comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A transaction contradicts itself: it does not see its own write, or a row under another key.
    Internal,
    /// Dirty write: a cycle of writes alone.
    G0,
    /// Dirty read: something was read that was never committed.
    G1a,
    /// Something was read that its writer replaced before it committed.
    G1b,
    /// Circular information flow: a cycle of writes and of reads of what was written.
    G1c,
    /// A cycle with one overtaken read: read skew, lost update.
    GSingle,
    /// A cycle with several overtaken reads of rows: write skew.
    G2Item,
    /// A cycle with several overtaken reads, one of a range at least: phantoms.
    G2,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is called.
    pub name: Name,
    /// Whether it needs the clock or the commit numbers: the history has a serial order, but not one that agrees with
    /// the order in which calls ended and began.
    pub realtime: bool,
    /// Who came before whom, and why.
    pub text: String,
}

impl Name {
    /// All of them, the worst first.
    pub const ALL: [Name; 8] =
        [Name::Internal, Name::G0, Name::G1a, Name::G1b, Name::G1c, Name::GSingle, Name::G2Item, Name::G2];
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Name::Internal => "internal",
            Name::G0 => "G0",
            Name::G1a => "G1a",
            Name::G1b => "G1b",
            Name::G1c => "G1c",
            Name::GSingle => "G-single",
            Name::G2Item => "G2-item",
            Name::G2 => "G2",
        })
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} {}", self.name, if self.realtime { "-realtime" } else { "" }, self.text)
    }
}

/// Edges tried as the one overtaken read of a cycle, and nodes looked at for that; a component that needs more is called
/// after another cycle.
const TRIES: usize = 2_000;
const NODES_TRIED: usize = 4_000_000;

/// The nodes of a graph: transactions first, then points in time.
pub(super) struct Cycles<'a> {
    pub(super) graph: &'a Graph,
    pub(super) txns: &'a [Txn],
}

impl Cycles<'_> {
    /// One anomaly for each knot of transactions, called after the worst cycle in it.
    pub(super) fn all(&self) -> Vec<Anomaly> {
        let mut reported = vec![false; self.graph.nodes()];
        let mut found = Vec::new();
        let layers: [fn(Why) -> bool; 6] = [
            |why| why == Why::WriteWrite,
            |why| matches!(why, Why::WriteWrite | Why::WriteRead),
            |why| !why.is_order(),
            |why| why == Why::WriteWrite || why.is_order(),
            |why| !why.is_overtaken(),
            |_| true,
        ];
        // The widest layer holds the others: a clean history is looked through once.
        if self.graph.components(|_| true).is_empty() {
            return found;
        }
        for follow in layers {
            for component in self.graph.components(follow) {
                if component.iter().any(|node| reported[*node as usize]) {
                    continue;
                }
                component.iter().for_each(|node| reported[*node as usize] = true);
                found.push(self.name(&component, follow));
            }
        }
        found
    }

    fn name(&self, component: &[u32], follow: fn(Why) -> bool) -> Anomaly {
        let mut member = vec![false; self.graph.nodes()];
        component.iter().for_each(|node| member[*node as usize] = true);
        let inside = |node: u32| member[node as usize];
        let cycle = self
            .with_one_overtaken(component, inside, follow)
            .or_else(|| self.any(component, inside, |why| follow(why) && why != Why::RangeWrite))
            .or_else(|| self.any(component, inside, follow))
            .unwrap_or_default();
        let count = |is: fn(Why) -> bool| cycle.iter().filter(|(_, edge)| is(edge.why)).count();
        let name = match (count(Why::is_overtaken), count(|why| why == Why::RangeWrite)) {
            (0, _) if count(|why| why == Why::WriteRead) == 0 => Name::G0,
            (0, _) => Name::G1c,
            (1, _) => Name::GSingle,
            (_, 0) => Name::G2Item,
            _ => Name::G2,
        };
        Anomaly { name, realtime: count(Why::is_order) > 0, text: self.describe(&cycle) }
    }

    /// A cycle with exactly one overtaken read, the shortest of those tried.
    fn with_one_overtaken(
        &self,
        component: &[u32],
        inside: impl Fn(u32) -> bool,
        follow: fn(Why) -> bool,
    ) -> Option<Vec<(u32, Edge)>> {
        let mut best: Option<Vec<(u32, Edge)>> = None;
        let mut budget = TRIES.min(NODES_TRIED / component.len());
        for from in component {
            for edge in self.graph.edges(*from) {
                let fits = edge.why.is_overtaken() && follow(edge.why) && inside(edge.to) && edge.to != *from;
                if !fits {
                    continue;
                }
                if budget == 0 {
                    return best;
                }
                budget -= 1;
                let back = self.graph.path(edge.to, *from, &inside, |why| follow(why) && !why.is_overtaken());
                if let Some(mut path) = back
                    && best.as_ref().is_none_or(|best| path.len() + 1 < best.len())
                {
                    path.insert(0, (*from, *edge));
                    best = Some(path);
                }
            }
        }
        best
    }

    /// A short cycle of any kind.
    fn any(
        &self,
        component: &[u32],
        inside: impl Fn(u32) -> bool,
        follow: impl Fn(Why) -> bool,
    ) -> Option<Vec<(u32, Edge)>> {
        let tries = component.iter().filter(|node| (**node as usize) < self.txns.len()).take(64);
        tries.filter_map(|node| self.graph.path(*node, *node, &inside, &follow)).min_by_key(Vec::len)
    }

    /// `T3 (thread 1) -read key 5 before the write of-> T4 (thread 2) -> ...`, points in time left out.
    fn describe(&self, cycle: &[(u32, Edge)]) -> String {
        let is_txn = |node: u32| (node as usize) < self.txns.len();
        let Some(first) = cycle.iter().position(|(from, _)| is_txn(*from)) else { return String::new() };
        let mut text = String::new();
        for (from, edge) in cycle[first..].iter().chain(&cycle[..first]) {
            if !is_txn(*from) {
                continue;
            }
            text.push_str(&label(&self.txns[*from as usize]));
            let key = edge.key;
            text.push_str(&match edge.why {
                Why::WriteWrite => format!(" -[wrote key {key} before]-> "),
                Why::WriteRead => format!(" -[wrote key {key}, which was read by]-> "),
                Why::ReadWrite => format!(" -[read key {key} as it was before]-> "),
                Why::RangeWrite => format!(" -[read a range with key {key} as it was before]-> "),
                Why::Time => " -[had ended before]-> ".to_owned(),
                Why::CommitNumber => " -[has a smaller commit number than]-> ".to_owned(),
            });
        }
        text.push_str(&label(&self.txns[cycle[first].0 as usize]));
        text
    }
}

fn label(txn: &Txn) -> String {
    let what = match txn.kind {
        Kind::Transaction => "T".to_owned(),
        Kind::Aborted => "aborted T".to_owned(),
        Kind::Outside => "call ".to_owned(),
        Kind::Snapshot(number) => format!("snapshot at {number} "),
    };
    format!("{what}{:x} (thread {}, {}..{} ns)", txn.id, txn.thread, txn.begin, txn.end)
}
