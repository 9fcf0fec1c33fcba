//! Finds out whether a history has a serial order, and says what is wrong if not.
//!
//! Since versions are numbered, Adya's graph is built directly: from each version of a key to the next (ww), from each
//! write to those who read it (wr), and from each read to the next version of what it read (rw), where the keys of a
//! range that were not there count as read. A row that is absent does not say since when; the read is then given the
//! widest span of versions that its time allows, which finds less and never finds too much. Then Tarjan looks for
//! cycles. All of it is linear, but for sorting by time.

use std::collections::{HashMap, HashSet};

use super::anomaly::{Anomaly, Cycles, Name};
use super::graph::{Edge, Graph, Why};
use super::record::{History, Kind, Read, Stamp, Txn, TxnId};

/// Everything that is wrong with a history. Empty: it is strictly serializable, snapshots and single reads included.
pub fn check(history: &History) -> Vec<Anomaly> {
    let mut builder = Builder::new(history);
    builder.reads();
    builder.versions();
    builder.time();
    builder.commit_numbers();
    let Builder { edges, nodes, mut anomalies, .. } = builder;
    anomalies.extend(history.faults.iter().map(|text| found(Name::Internal, text.clone())));
    let graph = Graph::new(nodes, &edges);
    drop(edges);
    anomalies.extend(Cycles { graph: &graph, txns: &history.txns }.all());
    anomalies.sort_by_key(|anomaly| (anomaly.realtime, anomaly.name));
    anomalies
}

fn found(name: Name, text: String) -> Anomaly {
    Anomaly { name, realtime: false, text }
}

/// A committed version of a key. What was there before the first is absence, too, and has the place 0.
#[derive(Debug, Clone, Copy)]
struct Version {
    number: u64,
    /// None: nobody wrote it.
    node: Option<u32>,
    write: u32,
    absent: bool,
    /// The greatest begin of this version's writer and those before: nobody can have seen it earlier.
    seen_from: u64,
    /// The least end of this version's writer and those behind: everybody sees it later, or one behind.
    seen_by: u64,
}

/// The versions of one key in order.
#[derive(Debug, Default)]
struct Versions {
    all: Vec<Version>,
    of: HashMap<TxnId, u32>,
}

struct Builder<'a> {
    history: &'a History,
    committed: HashSet<TxnId>,
    /// By key. One that nobody wrote has no versions.
    keys: Vec<Versions>,
    edges: Vec<(u32, Edge)>,
    nodes: usize,
    anomalies: Vec<Anomaly>,
}

impl<'a> Builder<'a> {
    fn new(history: &'a History) -> Self {
        let committed = history.txns.iter().filter(|txn| txn.kind != Kind::Aborted).map(|txn| txn.id).collect();
        let highest = history.txns.iter().flat_map(|txn| &txn.writes).map(|write| write.key as usize + 1).max();
        let mut keys: Vec<Versions> = Vec::new();
        keys.resize_with(highest.unwrap_or(0), Versions::default);
        for (txn, node) in history.txns.iter().zip(0u32..) {
            for write in &txn.writes {
                keys[write.key as usize].all.push(Version {
                    number: write.version,
                    node: Some(node),
                    write: write.write,
                    absent: write.removes,
                    seen_from: txn.begin,
                    seen_by: txn.end,
                });
            }
        }
        for versions in keys.iter_mut().filter(|versions| !versions.all.is_empty()) {
            versions.order(history);
        }
        let nodes = history.txns.len();
        Builder { history, committed, keys, edges: Vec::new(), nodes, anomalies: Vec::new() }
    }

    /// The versions of a key that somebody wrote.
    fn written(&self, key: u32) -> Option<&Versions> {
        self.keys.get(key as usize).filter(|versions| !versions.all.is_empty())
    }

    fn edge(&mut self, from: Option<u32>, to: Option<u32>, key: u32, why: Why) {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            self.edges.push((from, Edge { to, key, why }));
        }
    }

    fn versions(&mut self) {
        let keys = std::mem::take(&mut self.keys);
        for (versions, key) in keys.iter().zip(0u32..) {
            for pair in versions.all.windows(2) {
                self.edge(pair[0].node, pair[1].node, key, Why::WriteWrite);
            }
        }
        self.keys = keys;
    }

    fn reads(&mut self) {
        let history = self.history;
        for (txn, node) in history.txns.iter().zip(0u32..) {
            for read in &txn.reads {
                let span = match read.seen {
                    Some(stamp) => self.version_of(node, read, stamp).map(|at| (at, at)),
                    // A key that nobody ever wrote.
                    None => self.written(read.key).and_then(|versions| versions.absent(txn)),
                };
                let Some((first, last)) = span else {
                    self.cannot_be(node, read);
                    continue;
                };
                let versions = &self.keys[read.key as usize].all;
                let (writer, next) = (versions[first].node, versions.get(last + 1).and_then(|next| next.node));
                let overtaken = if read.in_range { Why::RangeWrite } else { Why::ReadWrite };
                self.edge(writer, Some(node), read.key, Why::WriteRead);
                self.edge(Some(node), next, read.key, overtaken);
            }
        }
    }

    /// The version that a stamp names, unless it should not have been seen at all.
    fn version_of(&mut self, reader: u32, read: &Read, stamp: Stamp) -> Option<usize> {
        let at = self.written(read.key).and_then(|versions| {
            let at = *versions.of.get(&stamp.txn)? as usize;
            Some((at, versions.all[at].write == stamp.write))
        });
        match at {
            Some((at, true)) => Some(at),
            Some((at, false)) => {
                self.seen_wrongly(Name::G1b, reader, read, stamp);
                Some(at)
            }
            None => {
                self.seen_wrongly(Name::G1a, reader, read, stamp);
                None
            }
        }
    }

    fn seen_wrongly(&mut self, name: Name, reader: u32, read: &Read, stamp: Stamp) {
        let reader = &self.history.txns[reader as usize];
        let what = match (name, self.committed.contains(&stamp.txn)) {
            (Name::G1b, _) => "which its writer replaced before it committed",
            (_, true) => "which a committed transaction is said to have written, and did not",
            (_, false) => "which was not committed",
        };
        self.anomalies.push(found(
            name,
            format!("T{:x} read key {} as of write {} of T{:x}, {what}", reader.id, read.key, stamp.write, stamp.txn),
        ));
    }

    /// Absence that no version of the key explains.
    fn cannot_be(&mut self, reader: u32, read: &Read) {
        if read.seen.is_none() && self.written(read.key).is_some() {
            let id = self.history.txns[reader as usize].id;
            self.anomalies
                .push(found(Name::G1a, format!("T{id:x} did not find key {}, which is never absent", read.key)));
        }
    }

    /// Whoever ended before another began comes before it. A chain of points in time, one an end, says it with three
    /// edges a transaction.
    fn time(&mut self) {
        let mut ends: Vec<(u64, u32)> = self.history.txns.iter().map(|txn| txn.end).zip(0u32..).collect();
        ends.sort_unstable();
        let first = self.nodes as u32;
        self.nodes += ends.len();
        let time = |to| Edge { to, key: 0, why: Why::Time };
        for ((_, node), point) in ends.iter().zip(first..) {
            self.edges.push((*node, time(point)));
            if point > first {
                self.edges.push((point - 1, time(point)));
            }
        }
        for (txn, node) in self.history.txns.iter().zip(0u32..) {
            let before = ends.partition_point(|(end, _)| *end < txn.begin) as u32;
            if before > 0 {
                self.edges.push((first + before - 1, time(node)));
            }
        }
    }

    /// Snapshots of smaller commit numbers come before those of larger ones, by a chain as that of time.
    fn commit_numbers(&mut self) {
        let number = |(txn, node): (&Txn, u32)| match txn.kind {
            Kind::Snapshot(number) => Some((number, node)),
            _ => None,
        };
        let mut snapshots: Vec<(u64, u32)> = self.history.txns.iter().zip(0u32..).filter_map(number).collect();
        snapshots.sort_unstable();
        let edge = |to| Edge { to, key: 0, why: Why::CommitNumber };
        let mut before: Option<u32> = None;
        for group in snapshots.chunk_by(|a, b| a.0 == b.0) {
            let point = self.nodes as u32;
            self.nodes += 1;
            for (_, node) in group {
                self.edges.extend(before.map(|before| (before, edge(*node))));
                self.edges.push((*node, edge(point)));
            }
            self.edges.extend(before.map(|before| (before, edge(point))));
            before = Some(point);
        }
    }
}

impl Versions {
    /// Sorts, and fills in what can be seen when.
    fn order(&mut self, history: &History) {
        let nobody = Version { number: 0, node: None, write: 0, absent: true, seen_from: 0, seen_by: 0 };
        self.all.push(nobody);
        self.all.sort_unstable_by_key(|version| version.number);
        for at in 1..self.all.len() {
            self.all[at].seen_from = self.all[at].seen_from.max(self.all[at - 1].seen_from);
        }
        for at in (1..self.all.len() - 1).rev() {
            self.all[at].seen_by = self.all[at].seen_by.min(self.all[at + 1].seen_by);
        }
        for (version, at) in self.all.iter().zip(0u32..) {
            if let Some(node) = version.node {
                self.of.insert(history.txns[node as usize].id, at);
            }
        }
    }

    /// The first and the last version without a row that a transaction can have seen, which reads a key only before it
    /// writes it. If there is none, the nearest one before, or else behind: then the edges of time close a cycle.
    fn absent(&self, reader: &Txn) -> Option<(usize, usize)> {
        let own = self.of.get(&reader.id).map_or(self.all.len(), |own| *own as usize);
        let least = self.all.partition_point(|version| version.seen_by < reader.begin).saturating_sub(1);
        let most = self.all.partition_point(|version| version.seen_from < reader.end).min(own).saturating_sub(1);
        let most = most.max(least);
        let absent = |at: &usize| self.all[*at].absent;
        match ((least..=most).find(absent), (least..=most).rfind(absent)) {
            (Some(first), Some(last)) => Some((first, last)),
            _ => (0..least).rfind(absent).or_else(|| (most..self.all.len()).find(absent)).map(|at| (at, at)),
        }
    }
}
