//! The process that is killed: four writers that say what was promised to them.

use std::io::Write;
use std::path::Path;

use gangline::{Db, Durability, Transaction};

use super::{COUNTER, DATA, Entry, HEADS, LOG, LOG_LENGTH, LOGGED, PAIRS, SLOTS, WRITERS};
use crate::random::Random;
use crate::{Failure, describe};

/// Writes until it is killed, and compacts meanwhile if asked to. Returns only when something fails, after it has said so
/// on standard output.
pub fn write(place: &Path, seed: u64, compact: bool) -> Result<(), Failure> {
    let failed = super::open(place).map_err(Failure::from).and_then(|db| {
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let db = &db;
                    scope.spawn(move || write_for_ever(db, writer, Random::part(seed, u64::from(writer))))
                })
                .chain(compact.then(|| scope.spawn(|| compact_for_ever(&db))))
                .collect();
            writers.into_iter().try_for_each(|writer| {
                writer.join().map_err(|_| Failure("a writer panicked".to_owned())).and_then(|outcome| outcome)
            })
        })
    });
    let Err(failure) = failed else { return Ok(()) };
    say(&format!("failed: {failure}"))?;
    Err(failure)
}

fn write_for_ever(db: &Db, writer: u32, mut random: Random) -> Result<(), Failure> {
    let mut seq = db.get(HEADS, writer)?.map_or(0, |seq| *seq);
    loop {
        seq += 1;
        let durability = match writer.is_multiple_of(2) || random.below(8) == 0 {
            true => Durability::Immediate,
            false => Durability::Eventual,
        };
        let committed = db.transact(|tx| {
            tx.durability(durability)?;
            commit_of(tx, writer, seq)
        });
        if let Err(error) = committed {
            return Err(Failure(format!("writer {writer}, commit {seq}: {}", describe(&error))));
        }
        if durability == Durability::Immediate {
            say(&format!("{writer} {seq}"))?;
        }
        // Now and then what was not promised yet becomes so by a sync.
        if durability == Durability::Eventual && random.below(64) == 0 {
            db.sync()?;
            say(&format!("{writer} {seq}"))?;
        }
    }
}

fn compact_for_ever(db: &Db) -> Result<(), Failure> {
    loop {
        db.compact().map_err(|error| Failure(format!("compact: {}", describe(&error))))?;
    }
}

fn commit_of(tx: &Transaction, writer: u32, seq: u64) -> gangline::Result<()> {
    let entry = Entry::of(writer, seq);
    let key = (writer, seq % SLOTS);
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

/// One line, in one write, so that a kill cannot leave half of it.
fn say(line: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes())?;
    Ok(output.flush()?)
}

#[cfg(test)]
pub(crate) fn commit_for_test(db: &Db, writer: u32, seq: u64) -> gangline::Result<()> {
    db.transact(|tx| commit_of(tx, writer, seq))
}
