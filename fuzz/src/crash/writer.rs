//! One of the writers: what it commits, and what it says of it.

use gangline::{Db, Durability, ErrorKind, Transaction};

use super::{BULK, COUNTER, DATA, HEADS, LOG, LOG_LENGTH, LOGGED, Load, PAIRS};
use crate::random::Random;
use crate::{Failure, describe};

/// What all writers of a process have in common.
pub struct Writers<'a> {
    /// How much they write.
    pub load: Load,
    /// Takes each promise, as a line of writer and number.
    pub say: &'a (dyn Fn(&str) -> Result<(), Failure> + Sync),
    /// Asked before each commit.
    pub is_over: &'a (dyn Fn() -> bool + Sync),
    /// Told of each error of the database, after which its writer ends.
    pub met: &'a (dyn Fn(ErrorKind) + Sync),
}

impl std::fmt::Debug for Writers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writers").field("load", &self.load).finish_non_exhaustive()
    }
}

impl Writers<'_> {
    /// Runs them, each on a thread of its own, until it is over for all or something fails.
    pub fn run(&self, db: &Db, seed: u64) -> Result<(), Failure> {
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..super::WRITERS)
                .map(|writer| scope.spawn(move || self.write(db, writer, Random::part(seed, u64::from(writer)))))
                .collect();
            // All are waited for, so that each has said what it had to say.
            let outcomes: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            outcomes.into_iter().try_for_each(|outcome| {
                outcome.map_err(|_| Failure("a writer panicked".to_owned())).and_then(|outcome| outcome)
            })
        })
    }

    fn write(&self, db: &Db, writer: u32, mut random: Random) -> Result<(), Failure> {
        let failed = |seq: u64, error: gangline::Error| {
            (self.met)(error.kind());
            Failure(format!("writer {writer}, commit {seq}: {}", describe(&error)))
        };
        let mut seq = db.get(HEADS, writer).map_err(|error| failed(0, error))?.map_or(0, |seq| *seq);
        while !(self.is_over)() {
            seq += 1;
            let durability = match writer.is_multiple_of(2) || random.below(8) == 0 {
                true => Durability::Immediate,
                false => Durability::Eventual,
            };
            if let Some(act) = act_before(self.load, writer, seq) {
                load_in_bulk(db, self.load, act).map_err(|error| failed(seq, error))?;
            }
            let committed = db.transact(|tx| {
                tx.durability(durability)?;
                commit_of(tx, self.load, writer, seq)
            });
            committed.map_err(|error| failed(seq, error))?;
            if durability == Durability::Immediate {
                (self.say)(&format!("{writer} {seq}"))?;
            }
            // Now and then what was not promised yet becomes so by a sync.
            if durability == Durability::Eventual && random.below(64) == 0 {
                db.sync().map_err(|error| failed(seq, error))?;
                (self.say)(&format!("{writer} {seq}"))?;
            }
        }
        Ok(())
    }
}

/// The bulk act that a writer does before a commit.
fn act_before(load: Load, writer: u32, seq: u64) -> Option<u64> {
    (writer == 0 && load.bulk_every > 0 && seq.is_multiple_of(load.bulk_every)).then(|| seq / load.bulk_every)
}

/// Puts the rows of an act in the place of those of the one before.
fn load_in_bulk(db: &Db, load: Load, act: u64) -> gangline::Result<()> {
    // It may have been done by half before a kill.
    db.remove_range(BULK, (act, 0)..)?;
    db.bulk_load(BULK, load.bulk_rows(act))?;
    db.remove_range(BULK, ..(act, 0))?;
    Ok(())
}

fn commit_of(tx: &Transaction, load: Load, writer: u32, seq: u64) -> gangline::Result<()> {
    let entry = load.entry(writer, seq);
    let key = (writer, seq % load.slots);
    if writer < LOGGED {
        let number = tx.get_for_update(COUNTER, 0)?.map_or(0, |number| *number) + 1;
        tx.put(COUNTER, 0, number)?;
        tx.put(LOG, number, (writer, seq))?;
        if let Some(old) = number.checked_sub(LOG_LENGTH) {
            tx.remove(LOG, old)?;
        }
    }
    tx.put(HEADS, writer, seq)?;
    tx.put(DATA, key, &entry)?;
    tx.put(PAIRS, key, &entry)
}

#[cfg(test)]
pub(crate) fn commit_for_test(db: &Db, load: Load, writer: u32, seq: u64) -> gangline::Result<()> {
    if let Some(act) = act_before(load, writer, seq) {
        load_in_bulk(db, load, act)?;
    }
    db.transact(|tx| commit_of(tx, load, writer, seq))
}
