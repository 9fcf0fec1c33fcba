//! The power is cut at random: acknowledged commits are there, the others whole or not at all, always a prefix.

use super::*;
use crate::error::ErrorKind;
use crate::storage::journal::file::path_of;
use crate::storage::wrap::{Fault, FaultFiles, PowerFiles};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    let dir = Path::new("/store/journal");
    let mut lost = 0;
    for seed in 1..=300 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let options = JournalOptions { file_bytes: 12 << 10, chunk_bytes: 4 << 10, ..small() };
        let mut disk = PowerFiles::new();
        let mut files = FaultFiles::new(disk.clone());
        let (mut journal, start) = new_journal(files.clone(), dir, options.clone());
        let mut last = 0;
        for round in 0..4 {
            let mut acknowledged = last;
            for _ in 0..random.below(80) {
                let Ok(end) = commit(&journal, last + 1) else { break };
                last += 1;
                if random.below(20) == 0 {
                    // The power goes between a write and its sync, or within the write.
                    let (write_in, sync_in) = (random.below(3), random.below(3));
                    let torn_bytes = random.below(3000) as usize;
                    let write_in = (random.below(2) == 0).then_some(write_in);
                    files.set(Fault { write_in, sync_in: Some(sync_in), torn_bytes, ..Fault::default() });
                }
                if random.below(8) == 0 {
                    match journal.wait_synced(end) {
                        Ok(()) => acknowledged = last,
                        Err(_) => break,
                    }
                }
            }
            let keep = random.below(4);
            disk = disk.cut(|| random.below(4) < keep);
            drop(journal);
            files = FaultFiles::new(disk.clone());
            let (numbers, tail) = replayed(files.as_ref(), dir, start, None)
                .unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
            assert_eq!(numbers, (1..=tail.last_commit).collect::<Vec<_>>(), "seed {seed}, round {round}");
            assert!(tail.last_commit >= acknowledged, "seed {seed}, round {round}: lost {acknowledged}");
            lost += u64::from(tail.last_commit < last);
            last = tail.last_commit;
            journal = Journal::create(files.clone(), dir, tail.next_file, Some(tail), options.clone()).unwrap();
        }
        journal.close().unwrap();
    }
    assert!(lost > 100, "only {lost} cuts cost a commit that was not acknowledged");
}

#[test]
fn records_that_a_failed_sync_lost_are_written_again_when_they_are_believed() {
    let dir = Path::new("/store/journal");
    let files = PowerFiles::new();
    // The whole file is made ready at once, so that nobody syncs it afterwards but for a commit.
    let options = || JournalOptions { chunk_bytes: small().file_bytes, ..small() };
    let (journal, start) = new_journal(files.clone(), dir, options());
    let first = commit(&journal, 1).unwrap();
    journal.wait_synced(first).unwrap();
    files.lose_next_sync(&path_of(dir, 1));
    let second = commit(&journal, 2).unwrap();
    assert_eq!(journal.wait_synced(second).unwrap_err().kind(), ErrorKind::CommitUnknown);
    drop(journal);
    // The system still shows the record, so the commit counts, and must be there after a power cut too.
    let (numbers, tail) = replayed(files.as_ref(), dir, start, None).unwrap();
    assert_eq!(numbers, [1, 2]);
    let journal = Journal::create(files.clone(), dir, tail.next_file, Some(tail), options()).unwrap();
    commit(&journal, 3).unwrap();
    journal.sync().unwrap();
    let after = files.cut(|| false);
    assert_eq!(replayed(after.as_ref(), dir, start, None).unwrap().0, [1, 2, 3]);
}
