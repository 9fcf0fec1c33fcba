//! Several threads on one store for a while, with what the store needs beside them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use crate::peer::{Durability, OURS, Peer, Session};
use crate::workload::Setup;

/// Longest time that an eventual commit may be missing on disk: Gangline's own bound, for all.
const SYNC_EVERY: Duration = Duration::from_millis(100);

/// What the threads did.
#[derive(Debug)]
pub(crate) struct Work<T> {
    /// One a thread.
    pub(crate) results: Vec<T>,
    /// From the first to the end of the last.
    pub(crate) time: Duration,
    /// Syncs by the thread beside.
    pub(crate) syncs: u64,
}

/// Runs `work` on so many threads at once, each with its number and a session, until the time is over, which `work` sees
/// for itself. Beside them runs a thread that syncs eventual commits, where the store does not, and asks for
/// `checkpoints` checkpoints, evenly spread.
pub(crate) fn run<T: Send>(
    setup: &Setup,
    peer: &dyn Peer,
    threads: u64,
    time: Duration,
    checkpoints: u32,
    work: impl Fn(u64, &mut dyn Session, Instant) -> Outcome<T> + Sync,
) -> Outcome<Work<T>> {
    let over = AtomicBool::new(false);
    let start = Instant::now();
    let end = start + time;
    std::thread::scope(|scope| {
        let ticks = setup.settings.durability == Durability::Eventual && peer.needs_ticker();
        let (over, ours) = (&over, setup.kind.name == OURS);
        let ticker = scope.spawn(move || if ticks { sync_until(peer, over) } else { Ok(0) });
        let keeper = scope.spawn(move || checkpoint_until(peer, ours, start, time, checkpoints, over));
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let work = &work;
                scope.spawn(move || work(thread, &mut *peer.session()?, end))
            })
            .collect();
        let results: Outcome<Vec<T>> = workers.into_iter().map(|worker| joined(worker.join())).collect();
        let time = start.elapsed();
        over.store(true, Ordering::Relaxed);
        joined(keeper.join())?;
        let syncs = joined(ticker.join())?;
        Ok(Work { results: results?, time, syncs })
    })
}

/// The result of a thread, a panic as an error.
pub(crate) fn joined<T>(result: std::thread::Result<Outcome<T>>) -> Outcome<T> {
    result.unwrap_or_else(|_| Err("a thread panicked".into()))
}

fn sync_until(peer: &dyn Peer, over: &AtomicBool) -> Outcome<u64> {
    let mut syncs = 0;
    let mut last = Instant::now();
    while !over.load(Ordering::Relaxed) {
        if last.elapsed() >= SYNC_EVERY {
            last = Instant::now();
            peer.sync()?;
            syncs += 1;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(syncs)
}

/// Puts the store in order in the middle of each of so many equal parts of the time, where the store is ours.
fn checkpoint_until(
    peer: &dyn Peer,
    ours: bool,
    start: Instant,
    time: Duration,
    count: u32,
    over: &AtomicBool,
) -> Outcome<()> {
    for at in 0..count {
        let due = start + time * (2 * at + 1) / (2 * count);
        while Instant::now() < due {
            if over.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if ours {
            peer.settle()?;
        }
    }
    Ok(())
}
