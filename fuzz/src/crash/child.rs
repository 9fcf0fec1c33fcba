//! The process that is killed: four writers that say what was promised to them, and checkpoints without end.
//!
//! Beside promises it says in which phase it is, so that the parent can choose the moment of a kill and count what it
//! hit: `opening`, `opened`, `checkpoint`, `checkpointed`. What goes on beside the checkpoints says when it begins and
//! ends: compactions (`compacting` and `compacted`) and copies (module `copies`).

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use gangline::Db;

use super::copies::copy_for_ever;
use super::writer::Writers;
use super::{COMPACTED, COMPACTING, Load, phase};
use crate::{Failure, describe};

/// Between two checkpoints, so that most commits meet none.
const PAUSE: Duration = Duration::from_millis(20);

/// What a child does.
#[derive(Debug)]
pub struct Work<'a> {
    /// The folder of its store.
    pub store: &'a Path,
    /// What its writers write.
    pub seed: u64,
    /// Whether it compacts meanwhile.
    pub compact: bool,
    /// The folder in which it makes copies meanwhile.
    pub copies: Option<&'a Path>,
}

/// Writes until it is killed. Returns only when something fails, after it has said so on standard output.
pub fn write(work: &Work<'_>) -> Result<(), Failure> {
    let Err(failure) = open_and_write(work) else { return Ok(()) };
    say(&format!("failed: {failure}"))?;
    Err(failure)
}

fn open_and_write(work: &Work<'_>) -> Result<(), Failure> {
    say(phase::OPENING)?;
    let db = super::open(work.store)?;
    say(phase::OPENED)?;
    let writers = Writers { load: Load::of_all_kinds(), say: &say, is_over: &|| false, met: &|_| {} };
    std::thread::scope(|scope| {
        let checkpoints = scope.spawn(|| -> Result<(), Failure> {
            loop {
                std::thread::sleep(PAUSE);
                say(phase::CHECKPOINT)?;
                db.checkpoint()?;
                say(phase::CHECKPOINTED)?;
            }
        });
        if work.compact {
            scope.spawn(|| end_with(compact_for_ever(&db)));
        }
        if let Some(place) = work.copies {
            let db = &db;
            scope.spawn(move || end_with(copy_for_ever(db, place, &say)));
        }
        let written = writers.run(&db, work.seed);
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

fn compact_for_ever(db: &Db) -> Result<(), Failure> {
    loop {
        say(COMPACTING)?;
        db.compact().map_err(|error| Failure(format!("compact: {}", describe(&error))))?;
        say(COMPACTED)?;
    }
}

/// What goes on for ever has failed: the process ends with it.
fn end_with(outcome: Result<(), Failure>) {
    if let Err(failure) = outcome {
        drop(say(&format!("failed: {failure}")));
        std::process::exit(1);
    }
}

/// One line, in one write, so that a kill cannot leave half of it.
fn say(line: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes())?;
    Ok(output.flush()?)
}
