//! What the child says, and what is known from it.

use std::collections::BTreeMap;

use super::Summary;

/// One line of the child.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A commit was promised: its writer and count.
    Promised(u32, u64),
    /// Commits were delivered, each with its number, writer and count, and the position is now this.
    Delivered(Vec<Delivery>, String),
    /// The subscriber was told that it lagged.
    Lagged,
}

/// One commit as it was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) commit: u64,
    pub(super) writer: u32,
    pub(super) count: u64,
}

impl Line {
    pub(super) fn read(line: &str) -> Option<Line> {
        let mut words = line.split(' ');
        match words.next()? {
            "promised" => Some(Line::Promised(words.next()?.parse().ok()?, words.next()?.parse().ok()?)),
            "delivered" => {
                let position = words.next()?.to_owned();
                let delivery = |word: &str| {
                    let mut parts = word.split(':');
                    let commit = parts.next()?.parse().ok()?;
                    let writer = parts.next()?.parse().ok()?;
                    Some(Delivery { commit, writer, count: parts.next()?.parse().ok()? })
                };
                Some(Line::Delivered(words.map(delivery).collect::<Option<_>>()?, position))
            }
            "lagged" => Some(Line::Lagged),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Line::Promised(writer, count) => format!("promised {writer} {count}\n"),
            Line::Delivered(deliveries, position) => {
                let mut text = format!("delivered {position}");
                for Delivery { commit, writer, count } in deliveries {
                    text.push_str(&format!(" {commit}:{writer}:{count}"));
                }
                text.push('\n');
                text
            }
            Line::Lagged => "lagged\n".to_owned(),
        }
    }
}

/// What was said in all lives.
#[derive(Debug, Default)]
pub(super) struct Seen {
    position: Option<String>,
    delivered: BTreeMap<u32, u64>,
    promised: BTreeMap<u32, u64>,
    last_commit: u64,
    promises: u64,
    followed: u64,
    missed: u64,
    repeated: u64,
    out_of_order: u64,
    lagged: u64,
}

impl Seen {
    pub(super) fn note(&mut self, line: Line) {
        match line {
            Line::Promised(writer, count) => {
                let newest = self.promised.entry(writer).or_default();
                *newest = count.max(*newest);
                self.promises += 1;
            }
            Line::Delivered(deliveries, position) => {
                deliveries.into_iter().for_each(|delivery| self.deliver(delivery));
                self.position = Some(position);
            }
            Line::Lagged => self.lagged += 1,
        }
    }

    fn deliver(&mut self, Delivery { commit, writer, count }: Delivery) {
        let last = self.delivered.entry(writer).or_default();
        let expected = *last + 1;
        self.missed += count.saturating_sub(expected);
        self.repeated += u64::from(count < expected);
        *last = count.max(*last);
        self.out_of_order += u64::from(commit <= self.last_commit);
        self.last_commit = commit;
        self.followed += 1;
    }

    /// The position that was said last.
    pub(super) fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    pub(super) fn followed(&self) -> u64 {
        self.followed
    }

    /// For each writer the count that was delivered last.
    pub(super) fn counts(&self) -> impl Iterator<Item = (u32, u64)> {
        (0..super::WRITERS).map(|writer| (writer, self.delivered.get(&writer).copied().unwrap_or(0)))
    }

    /// Commits that were promised and not delivered yet.
    pub(super) fn not_delivered(&self) -> u64 {
        let delivered = |writer| self.delivered.get(writer).copied().unwrap_or(0);
        self.promised.iter().map(|(writer, count)| count.saturating_sub(delivered(writer))).sum()
    }

    /// The whole run is over.
    pub(super) fn add_to(&self, summary: &mut Summary) {
        summary.followed = self.followed;
        summary.promised = self.promises;
        summary.missed += self.missed + self.not_delivered();
        summary.repeated += self.repeated;
        summary.out_of_order += self.out_of_order;
        summary.lagged += self.lagged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(all: &[(u64, u32, u64)]) -> Line {
        let deliveries = all.iter().map(|&(commit, writer, count)| Delivery { commit, writer, count });
        Line::Delivered(deliveries.collect(), "00ff".to_owned())
    }

    #[test]
    fn a_line_is_read_as_it_was_said() {
        for line in [Line::Promised(3, 17), delivered(&[(9, 1, 2), (10, 0, 4)]), delivered(&[]), Line::Lagged] {
            assert_eq!(Line::read(line.text().trim_end()), Some(line));
        }
        assert!(["", "failed: no", "promised 1", "delivered 00 1:2"].iter().all(|line| Line::read(line).is_none()));
    }

    #[test]
    fn what_is_wrong_is_counted() {
        let mut seen = Seen::default();
        seen.note(Line::Promised(1, 2));
        seen.note(delivered(&[(5, 0, 1), (6, 1, 1)]));
        assert_eq!((seen.missed, seen.repeated, seen.out_of_order, seen.not_delivered()), (0, 0, 0, 1));
        seen.note(delivered(&[(7, 0, 4)]));
        assert_eq!(seen.missed, 2, "2 and 3 of writer 0");
        seen.note(delivered(&[(8, 0, 4)]));
        assert_eq!(seen.repeated, 1);
        seen.note(delivered(&[(8, 0, 5)]));
        assert_eq!(seen.out_of_order, 1);
        let mut summary = Summary::default();
        seen.add_to(&mut summary);
        assert_eq!((summary.missed, summary.followed), (3, 5), "one was promised and never delivered");
        assert!(summary.is_bad());
    }
}
