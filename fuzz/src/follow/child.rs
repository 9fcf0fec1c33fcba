//! The process that is killed: writers, checkpoints, and the subscriber that says what it was delivered.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gangline::{Db, Durability, Event, Options, Position};

use super::said::{Delivery, Line};
use super::{COUNTS, NOISE, WRITERS};
use crate::random::Random;
use crate::{Failure, describe};

/// Deliveries that are said at once: a line of them is written to a pipe as a whole.
const DELIVERIES_A_LINE: usize = 64;

/// Opens the store so that checkpoints and new journal files come often, and no subscriber lags.
pub(super) fn open(place: &Path) -> gangline::Result<Db> {
    Options::new()
        .durability(Durability::Eventual)
        .eventual_sync(Duration::from_millis(10))
        .journal_bytes(4 << 20)
        .checkpoint_interval(Duration::from_millis(100))
        .keep_journal_bytes(1 << 40)
        .open(place)
}

/// What the child is asked to do.
#[derive(Debug)]
pub struct Task<'a> {
    /// The folder of the store.
    pub store: &'a Path,
    /// Of the writers' dice.
    pub seed: u64,
    /// Commits to make before it ends by itself.
    pub commits: u64,
    /// Where the subscriber goes on, as it was said.
    pub position: Option<&'a str>,
}

/// Writes until it is killed, or all commits are made and delivered.
///
/// # Errors
/// What fails, after it was said on standard output.
pub fn write(task: &Task<'_>) -> Result<(), Failure> {
    let outcome = open_and_write(task);
    if let Err(failure) = &outcome {
        say(&format!("failed: {failure}\n"))?;
    }
    outcome
}

fn open_and_write(task: &Task<'_>) -> Result<(), Failure> {
    let db = open(task.store)?;
    let request = db.subscribe(COUNTS);
    let subscription = match task.position {
        None => request,
        Some(text) => request.from(read_position(text).ok_or_else(|| Failure(format!("no position: {text}")))?),
    };
    let subscription = subscription.open()?;
    let left = AtomicU64::new(task.commits);
    std::thread::scope(|scope| {
        let mut random = Random::part(task.seed, u64::from(WRITERS));
        // Ends when the database is closed and all was delivered.
        let subscriber = scope.spawn(move || follow(subscription, &mut random));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (db, left) = (&db, &left);
                scope.spawn(move || count(db, writer, left, &mut Random::part(task.seed, u64::from(writer))))
            })
            .collect();
        let outcomes: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        db.clone().close()?;
        let panicked = |_| Err(Failure("a thread panicked".to_owned()));
        outcomes.into_iter().try_for_each(|outcome| outcome.unwrap_or_else(panicked))?;
        subscriber.join().unwrap_or_else(panicked)
    })
}

/// Counts commits in the row of the writer, and says which are promised.
fn count(db: &Db, writer: u32, left: &AtomicU64, random: &mut Random) -> Result<(), Failure> {
    let mut count = db.get(COUNTS, writer)?.map_or(0, |count| *count);
    let take = |left: u64| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        count += 1;
        let durability = match random.below(1_000) {
            0 => Durability::Immediate,
            _ => Durability::Eventual,
        };
        db.transact(|tx| {
            tx.durability(durability)?;
            tx.put(COUNTS, writer, count)?;
            if count.is_multiple_of(16) {
                tx.put(NOISE, count % 1_000, format!("{count:-<300}"))?;
            }
            Ok(())
        })
        .map_err(|error| Failure(format!("writer {writer}, commit {count}: {}", describe(&error))))?;
        if durability == Durability::Eventual && random.below(2_000) == 0 {
            db.sync()?;
            say(&Line::Promised(writer, count).text())?;
        } else if durability == Durability::Immediate {
            say(&Line::Promised(writer, count).text())?;
        }
    }
    Ok(())
}

/// Says what is delivered, and the position behind it, in one line.
fn follow(mut subscription: gangline::Subscription<u32, u64>, random: &mut Random) -> Result<(), Failure> {
    loop {
        let mut deliveries = Vec::new();
        // What is there is said at once, together.
        let mut time = Duration::from_secs(3_600);
        let mut ended = false;
        while deliveries.len() < DELIVERIES_A_LINE {
            match subscription.next_timeout(time) {
                Ok(Some(Event::Rows { position, changes })) => {
                    deliveries.extend(changes.iter().map(|change| Delivery {
                        commit: position.commit(),
                        writer: change.key,
                        count: change.new.as_deref().copied().unwrap_or(0),
                    }));
                }
                Ok(Some(_)) => say(&Line::Lagged.text())?,
                Ok(None) => break,
                Err(error) if error.kind() == gangline::ErrorKind::Closed => {
                    ended = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            time = Duration::ZERO;
        }
        say(&Line::Delivered(deliveries, text_of(&subscription.reached())?).text())?;
        if ended {
            return Ok(());
        }
        // Now and then it is busy with something else, and falls behind.
        if random.below(300) == 0 {
            std::thread::sleep(Duration::from_millis(random.below(100)));
        }
    }
}

fn text_of(position: &Position) -> Result<String, Failure> {
    let bytes = bincode::serde::encode_to_vec(position, bincode::config::standard())
        .map_err(|error| Failure(format!("a position cannot be kept: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read_position(text: &str) -> Option<Position> {
    let digits = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Vec<u8> = (0..text.len()).step_by(2).map(digits).collect::<Option<_>>()?;
    bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).ok().map(|(position, _)| position)
}

/// In one write, so that a kill cannot leave half of it.
fn say(line: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(line.as_bytes())?;
    Ok(output.flush()?)
}
