//! What must hold of a store whose writers were killed.

use gangline::Db;

use super::{BULK, COUNTER, DATA, HEADS, LOG, LOG_LENGTH, LOGGED, Load, PAIRS};
use crate::Failure;

/// What was found wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    /// Commits that were promised and are not there.
    pub lost: u64,
    /// Commits that are there by half, out of order or with another text.
    pub torn: u64,
    /// Findings of the store's own verification.
    pub verify_errors: u64,
}

impl Findings {
    /// The findings as `name value` lines.
    pub fn lines(&self) -> String {
        let Findings { lost, torn, verify_errors } = self;
        format!("lost {lost}\ntorn {torn}\nverify_errors {verify_errors}\n")
    }
}

impl std::ops::AddAssign for Findings {
    fn add_assign(&mut self, other: Findings) {
        self.lost += other.lost;
        self.torn += other.torn;
        self.verify_errors += other.verify_errors;
    }
}

/// Checks all writers, the log that two of them share, and the store itself. `promised` holds the newest promised
/// commit of each writer.
pub fn check(db: &Db, load: Load, promised: &[u64]) -> Result<Findings, Failure> {
    let mut findings = Findings::default();
    for (writer, promised) in (0..).zip(promised) {
        let head = db.get(HEADS, writer)?.map_or(0, |seq| *seq);
        findings.lost += promised.saturating_sub(head);
        findings.torn += torn_of_writer(db, load, writer, head)?;
    }
    findings.torn += torn_of_log(db)? + torn_of_bulk(db, load)?;
    findings.verify_errors += u64::from(!db.verify()?.is_clean());
    Ok(findings)
}

/// Each slot of a writer holds its newest commit up to the head, in both tables.
fn torn_of_writer(db: &Db, load: Load, writer: u32, head: u64) -> Result<u64, Failure> {
    let mut torn = 0;
    for slot in 0..load.slots {
        // The newest number up to the head that belongs into this slot; commits count from 1.
        let newest = head.checked_sub((head + load.slots - slot) % load.slots).filter(|seq| *seq > 0);
        let expected = newest.map(|seq| load.entry(writer, seq));
        let data = db.get(DATA, (writer, slot))?;
        let pair = db.get(PAIRS, (writer, slot))?;
        torn += u64::from(data.as_deref() != expected.as_ref()) + u64::from(pair.as_deref() != expected.as_ref());
    }
    Ok(torn)
}

/// The log has no gap, ends at its counter, and has each of its writers' commits in order up to their heads.
fn torn_of_log(db: &Db) -> Result<u64, Failure> {
    let last = db.get(COUNTER, 0)?.map_or(0, |number| *number);
    let first = (last + 1).saturating_sub(LOG_LENGTH).max(1);
    let entries = db.query(LOG).project_keyed(|number, commit: &(u32, u64)| (number, *commit)).collect()?;
    let mut torn = u64::from(!entries.iter().map(|(number, _)| *number).eq(first..=last));
    for writer in 0..LOGGED {
        let head = db.get(HEADS, writer)?.map_or(0, |seq| *seq);
        let seqs: Vec<u64> = entries.iter().filter(|(_, (by, _))| *by == writer).map(|(_, (_, seq))| *seq).collect();
        torn += u64::from(seqs.windows(2).any(|pair| pair[0] + 1 != pair[1]));
        // A writer that has not run for the whole log has no entry in it.
        torn += u64::from(seqs.last().is_some_and(|seq| *seq != head));
    }
    Ok(torn)
}

/// The rows of the last bulk act are there, and no others. While the next one may be under way, those of both or of one
/// are, or none; but each act's are there as a whole.
fn torn_of_bulk(db: &Db, load: Load) -> Result<u64, Failure> {
    if load.bulk_every == 0 {
        return Ok(0);
    }
    let head = db.get(HEADS, 0)?.map_or(0, |seq| *seq);
    let last = head / load.bulk_every;
    let found = db.query(BULK).project_keyed(|key, entry: &super::Entry| (key, entry.clone())).collect()?;
    let rows = |acts: &[u64]| acts.iter().filter(|act| **act > 0).flat_map(|act| load.bulk_rows(*act)).collect();
    let mut allowed: Vec<Vec<_>> = vec![rows(&[last])];
    if (head + 1).is_multiple_of(load.bulk_every) {
        allowed.extend([rows(&[last, last + 1]), rows(&[last + 1]), Vec::new()]);
    }
    Ok(u64::from(!allowed.contains(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::writer::commit_for_test as commit;

    #[test]
    fn bulk_acts_are_there_as_a_whole_and_in_order() {
        let load = Load { bulk_every: 10, ..Load::default() };
        let db = Db::in_memory().expect("a store in memory");
        (1..=25).for_each(|seq| commit(&db, load, 0, seq).expect("nothing stands in the way"));
        let torn = || torn_of_bulk(&db, load).expect("readable");
        assert_eq!(torn(), 0);
        db.bulk_load(BULK, load.bulk_rows(3)).expect("room");
        assert_eq!(torn(), 1, "it is not due");
        (26..=29).for_each(|seq| commit(&db, load, 0, seq).expect("nothing stands in the way"));
        assert_eq!(torn(), 0, "it may be under way");
        db.remove(BULK, (3, 7)).expect("writable");
        assert_eq!(torn(), 1, "by half");
        db.clear(BULK).expect("writable");
        assert_eq!(torn(), 0, "done again after a kill");
        db.put(HEADS, 0, 30).expect("writable");
        assert_eq!(torn(), 1, "it was before this commit");
    }

    #[test]
    fn whole_commits_are_clean_and_half_ones_are_not() {
        let load = Load::default();
        let db = Db::in_memory().expect("a store in memory");
        for seq in 1..=700 {
            (0..4).for_each(|writer| commit(&db, load, writer, seq).expect("nothing stands in the way"));
        }
        let clean = Findings::default();
        assert_eq!(check(&db, load, &[700, 700, 0, 3]).expect("readable"), clean);
        assert_eq!(check(&db, load, &[700, 701, 0, 705]).expect("readable"), Findings { lost: 6, ..clean });
        db.put(HEADS, 3, 701).expect("writable");
        assert_eq!(check(&db, load, &[0; 4]).expect("readable"), Findings { torn: 2, ..clean });
        db.put(HEADS, 3, 700).expect("writable");
        db.remove(LOG, 1_200).expect("writable");
        assert_eq!(
            check(&db, load, &[0; 4]).expect("readable").torn,
            2,
            "a gap in the log, and one in a writer's commits"
        );
    }
}
