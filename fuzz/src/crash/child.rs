//! The process that is killed: four writers that say what was promised to them, and checkpoints without end.
//!
//! Beside promises it says in which phase it is, so that the parent can choose the moment of a kill and count what it
//! hit: `opening`, `opened`, `checkpoint`, `checkpointed`. Where it compacts, which goes on beside the
//! checkpoints, `compacting` and `compacted` say when a compaction begins and ends.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use gangline::Db;

use super::writer::Writers;
use super::{COMPACTED, COMPACTING, Load, phase};
use crate::{Failure, describe};

/// Between two checkpoints, so that most commits meet none.
const PAUSE: Duration = Duration::from_millis(20);

/// Writes until it is killed, and compacts meanwhile if asked to. Returns only when something fails, after it has said so
/// on standard output.
pub fn write(place: &Path, seed: u64, compact: bool) -> Result<(), Failure> {
    let Err(failure) = open_and_write(place, seed, compact) else { return Ok(()) };
    say(&format!("failed: {failure}"))?;
    Err(failure)
}

fn open_and_write(place: &Path, seed: u64, compact: bool) -> Result<(), Failure> {
    say(phase::OPENING)?;
    let db = super::open(place)?;
    say(phase::OPENED)?;
    let writers = Writers { load: Load::with_large_rows(), say: &say, is_over: &|| false, met: &|_| {} };
    std::thread::scope(|scope| {
        let checkpoints = scope.spawn(|| -> Result<(), Failure> {
            loop {
                std::thread::sleep(PAUSE);
                say(phase::CHECKPOINT)?;
                db.checkpoint()?;
                say(phase::CHECKPOINTED)?;
            }
        });
        if compact {
            scope.spawn(|| compact_for_ever(&db));
        }
        let written = writers.run(&db, seed);
        match checkpoints.is_finished() {
            // Its error comes first: the writers only met what it left.
            true => checkpoints.join().unwrap_or_else(|_| Err(Failure("the checkpoints panicked".to_owned()))),
            // It would go on for ever; the process ends without it.
            false => {
                say(&format!("failed: {}", written.err().unwrap_or(Failure("the writers ended".to_owned()))))?;
                std::process::exit(1)
            }
        }
    })
}

fn compact_for_ever(db: &Db) {
    loop {
        let compact = || db.compact().map_err(|error| Failure(format!("compact: {}", describe(&error))));
        let outcome = say(COMPACTING).and_then(|()| compact()).and_then(|_| say(COMPACTED));
        if let Err(failure) = outcome {
            drop(say(&format!("failed: {failure}")));
            std::process::exit(1);
        }
    }
}

/// One line, in one write, so that a kill cannot leave half of it.
fn say(line: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes())?;
    Ok(output.flush()?)
}
