//! A directed graph with kinds of edges, its strongly connected components, and short paths in them.

/// Why one transaction comes before another in every serial order that would explain the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It wrote the version before.
    WriteWrite,
    /// It wrote what the other read.
    WriteRead,
    /// It read the version before.
    ReadWrite,
    /// It read, in a range, the version before.
    RangeWrite,
    /// It had ended when the other began.
    Time,
    /// It is a snapshot of a smaller commit number.
    CommitNumber,
}

impl Why {
    /// Whether the edge says that a read was overtaken by a write.
    pub fn is_overtaken(self) -> bool {
        matches!(self, Why::ReadWrite | Why::RangeWrite)
    }

    /// Whether the edge comes from clocks and counters, not from data.
    pub fn is_order(self) -> bool {
        matches!(self, Why::Time | Why::CommitNumber)
    }
}

/// An edge without its beginning.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// Where it leads.
    pub to: u32,
    /// The key that it is about.
    pub key: u32,
    /// What it says.
    pub why: Why,
}

/// Edges sorted by where they begin.
#[derive(Debug)]
pub struct Graph {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    /// A graph of `nodes` nodes.
    pub fn new(nodes: usize, list: &[(u32, Edge)]) -> Graph {
        let mut starts = vec![0u32; nodes + 1];
        for (from, _) in list {
            starts[*from as usize + 1] += 1;
        }
        for at in 0..nodes {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut edges = vec![Edge { to: 0, key: 0, why: Why::Time }; list.len()];
        for (from, edge) in list {
            let place = &mut next[*from as usize];
            edges[*place as usize] = *edge;
            *place += 1;
        }
        Graph { starts, edges }
    }

    /// The number of nodes.
    pub fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// The edges that begin at a node.
    pub fn edges(&self, node: u32) -> &[Edge] {
        &self.edges[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    /// Tarjan's strongly connected components over the edges that `follow` lets through: those of more than one node.
    pub fn components(&self, follow: impl Fn(Why) -> bool) -> Vec<Vec<u32>> {
        let mut tarjan = Tarjan {
            index: vec![UNSEEN; self.nodes()],
            low: vec![0; self.nodes()],
            done: vec![false; self.nodes()],
            stack: Vec::new(),
            next: 0,
            found: Vec::new(),
        };
        for root in 0..self.nodes() as u32 {
            if tarjan.index[root as usize] == UNSEEN {
                tarjan.visit(self, root, &follow);
            }
        }
        tarjan.found
    }

    /// A shortest path from `from` to `to` over nodes that are `inside` and edges that `follow` lets through. Gives the
    /// edges with where they begin.
    pub fn path(
        &self,
        from: u32,
        to: u32,
        inside: impl Fn(u32) -> bool,
        follow: impl Fn(Why) -> bool,
    ) -> Option<Vec<(u32, Edge)>> {
        let mut came: std::collections::HashMap<u32, (u32, Edge)> = std::collections::HashMap::new();
        let mut queue = std::collections::VecDeque::from([from]);
        'search: while let Some(node) = queue.pop_front() {
            for edge in self.edges(node) {
                if edge.to == node || !follow(edge.why) || !inside(edge.to) || came.contains_key(&edge.to) {
                    continue;
                }
                came.insert(edge.to, (node, *edge));
                if edge.to == to {
                    break 'search;
                }
                queue.push_back(edge.to);
            }
        }
        let mut path = Vec::new();
        let mut at = to;
        loop {
            let (before, edge) = *came.get(&at)?;
            path.push((before, edge));
            at = before;
            if at == from {
                path.reverse();
                return Some(path);
            }
        }
    }
}

const UNSEEN: u32 = u32::MAX;

/// The state of the search, without recursion: histories are longer than stacks.
struct Tarjan {
    index: Vec<u32>,
    low: Vec<u32>,
    done: Vec<bool>,
    stack: Vec<u32>,
    next: u32,
    found: Vec<Vec<u32>>,
}

impl Tarjan {
    fn enter(&mut self, node: u32) {
        self.index[node as usize] = self.next;
        self.low[node as usize] = self.next;
        self.next += 1;
        self.stack.push(node);
    }

    fn visit(&mut self, graph: &Graph, root: u32, follow: &impl Fn(Why) -> bool) {
        let mut calls: Vec<(u32, usize)> = vec![(root, 0)];
        self.enter(root);
        while let Some((node, at)) = calls.last_mut() {
            let node = *node;
            let Some(edge) = graph.edges(node).get(*at) else {
                calls.pop();
                if let Some((parent, _)) = calls.last() {
                    let low = self.low[node as usize];
                    self.low[*parent as usize] = self.low[*parent as usize].min(low);
                }
                self.leave(node);
                continue;
            };
            *at += 1;
            if !follow(edge.why) || self.done[edge.to as usize] {
                continue;
            }
            if self.index[edge.to as usize] == UNSEEN {
                self.enter(edge.to);
                calls.push((edge.to, 0));
            } else {
                self.low[node as usize] = self.low[node as usize].min(self.index[edge.to as usize]);
            }
        }
    }

    /// If the node is the first of its component, the component is all that stands above it on the stack.
    fn leave(&mut self, node: u32) {
        if self.low[node as usize] != self.index[node as usize] {
            return;
        }
        let from = self.stack.iter().rposition(|other| *other == node).unwrap_or(0);
        let component = self.stack.split_off(from);
        component.iter().for_each(|member| self.done[*member as usize] = true);
        if component.len() > 1 {
            self.found.push(component);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, edges: &[(u32, u32)]) -> Graph {
        let edge = |(from, to): &(u32, u32)| (*from, Edge { to: *to, key: 0, why: Why::WriteWrite });
        Graph::new(nodes, &edges.iter().map(edge).collect::<Vec<_>>())
    }

    #[test]
    fn components_are_found_and_chains_are_not() {
        let graph = graph(8, &[(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 4), (6, 6), (6, 7)]);
        let mut found = graph.components(|_| true);
        found.iter_mut().for_each(|component| component.sort_unstable());
        found.sort();
        assert_eq!(found, [vec![0, 1, 2], vec![4, 5]]);
        assert_eq!(graph.components(|why| why != Why::WriteWrite), Vec::<Vec<u32>>::new());
    }

    #[test]
    fn a_long_chain_and_a_long_ring_need_no_stack() {
        let long = 300_000u32;
        let chain: Vec<(u32, u32)> = (0..long - 1).map(|at| (at, at + 1)).collect();
        assert!(graph(long as usize, &chain).components(|_| true).is_empty());
        let ring: Vec<(u32, u32)> = (0..long).map(|at| (at, (at + 1) % long)).collect();
        assert_eq!(graph(long as usize, &ring).components(|_| true)[0].len(), long as usize);
    }

    #[test]
    fn paths_are_short_and_stay_inside() {
        let graph = graph(5, &[(0, 1), (1, 2), (2, 3), (3, 0), (1, 3), (0, 4), (4, 3)]);
        let nodes = |path: Vec<(u32, Edge)>| path.into_iter().map(|(from, _)| from).collect::<Vec<_>>();
        assert_eq!(graph.path(0, 0, |node| node != 4, |_| true).map(nodes), Some(vec![0, 1, 3]));
        assert_eq!(graph.path(0, 0, |node| node != 3, |_| true).map(nodes), None);
        assert_eq!(graph.path(3, 2, |_| true, |_| true).map(nodes), Some(vec![3, 0, 1]));
    }
}
