//! Group commit: one write and one sync for all who wait.
//!
//! Whoever waits first leads: it takes everything appended so far, writes it and syncs it with the state unlocked, and
//! wakes the others. Those who appended meanwhile are the next group, with the first of them as its leader. In a steady
//! state of n committing threads the groups would alternate between one and n - 1, since the first to come back leads
//! at once; so a leader waits, for at most half the time that the last sync took, until as many wait as did before.

use std::io;
use std::time::Instant;

use parking_lot::MutexGuard;

use super::Position;
use super::state::{Batch, Failure, Piece, State};
use super::writer::Shared;
use crate::error::Result;
use crate::meters;

/// A written buffer is kept for the next records unless it is larger than this.
const SPARE_BYTES_MAX: usize = 4 << 20;

impl State {
    /// How many may be expected to wait for the next sync.
    fn expected(&self) -> usize {
        self.groups[0].max(self.groups[1])
    }

    /// Whether a leader that gathers need not wait any longer.
    pub(super) fn is_gathered(&self) -> bool {
        self.gathering && self.waiting >= self.expected()
    }
}

impl Shared {
    pub(super) fn wait_synced(&self, position: Position) -> Result<()> {
        let mut state = self.state.lock();
        if state.synced >= position {
            return Ok(());
        }
        state.waiting += 1;
        if state.is_gathered() {
            self.gathered.notify_one();
        }
        let outcome = loop {
            if let Some(outcome) = self.outcome(&state, position) {
                break outcome;
            }
            if state.leading {
                self.led.wait(&mut state);
            } else {
                self.gather(&mut state);
                self.lead(&mut state);
            }
        };
        state.waiting -= 1;
        outcome
    }

    /// Like [`Shared::wait_synced`], for callers whose own commit is not in question.
    pub(super) fn sync_to(&self, position: Position) -> Result<()> {
        let outcome = self.wait_synced(position);
        match &self.state.lock().failure {
            Some(failure) => Err(self.poisoned_error(failure)),
            None => outcome,
        }
    }

    /// Waits a little for others who are about to commit.
    fn gather(&self, state: &mut MutexGuard<'_, State>) {
        if state.waiting >= state.expected() {
            return;
        }
        state.leading = true;
        state.gathering = true;
        let deadline = Instant::now() + state.last_sync / 2;
        while state.waiting < state.expected() {
            if self.gathered.wait_until(state, deadline).timed_out() {
                break;
            }
        }
        state.gathering = false;
    }

    /// Writes and syncs everything appended so far, with the state unlocked meanwhile.
    fn lead(&self, state: &mut MutexGuard<'_, State>) {
        state.leading = true;
        let mut batches = std::mem::take(&mut state.pending);
        let target = state.end();
        let group = state.waiting;
        state.pending_bytes = 0;
        state.pending_since = None;
        let started = Instant::now();
        let outcome = MutexGuard::unlocked(state, || {
            let outcome = write_and_sync(batches.make_contiguous());
            meters::sync(started.elapsed());
            outcome
        });
        state.leading = false;
        match outcome {
            // Space that could not be synced meanwhile may have taken these records with it.
            Ok(()) if state.failure.is_some() => self.wake_tasks(state),
            Ok(()) => {
                state.last_sync = started.elapsed();
                state.groups = [state.groups[1], group];
                state.synced = target;
                if state.spare.capacity() == 0 {
                    state.spare = spare_of(batches.make_contiguous());
                }
                self.wake_tasks(state);
            }
            Err(failure) => self.fail(state, failure),
        }
    }

    /// The body of the flusher thread: leads for records that no thread waits for, at once where a task does. Sleeps
    /// without a time limit once a whole interval brought nothing; until then appends need not wake it.
    pub(super) fn run_flusher(&self) {
        let interval = self.options.eventual_sync;
        let mut state = self.state.lock();
        while !state.stopping {
            if state.failure.is_some() {
                self.flush.wait(&mut state);
                continue;
            }
            let Some(since) = state.pending_since else {
                let before = state.end();
                // No longer than to the due time of what is appended right after this.
                let timed_out = self.flush.wait_for(&mut state, interval / 4 * 3).timed_out();
                if timed_out && state.end() == before && !state.stopping {
                    state.flusher_idle = true;
                    self.flush.wait(&mut state);
                    state.flusher_idle = false;
                }
                continue;
            };
            // A quarter of the time is left for the write and the sync.
            let due = since.checked_add(interval / 4 * 3);
            let is_late = due.is_some_and(|due| Instant::now() >= due);
            let is_wanted = !state.sleepers.is_empty();
            let is_due = is_late || is_wanted || state.pending_bytes >= self.options.flush_bytes;
            if !is_due {
                match due {
                    Some(due) => {
                        self.flush.wait_until(&mut state, due);
                    }
                    None => self.flush.wait(&mut state),
                }
            } else if state.leading {
                self.led.wait(&mut state);
            } else {
                if is_wanted {
                    self.gather(&mut state);
                }
                self.lead(&mut state);
            }
        }
    }
}

/// Writes the batches in order, each file synced before the next one is touched (J1).
fn write_and_sync(batches: &[Batch]) -> Result<(), Failure> {
    for batch in batches {
        let write = || -> io::Result<()> {
            let mut offset = batch.start;
            for piece in &batch.pieces {
                let bytes = match piece {
                    Piece::Copied(bytes) => bytes,
                    Piece::Shared(bytes) => bytes.as_ref(),
                };
                batch.file.handle.write_at(offset, bytes)?;
                offset += bytes.len() as u64;
            }
            Ok(())
        };
        write().map_err(|error| Failure::new("write", &batch.file.path, error))?;
        batch.file.handle.sync_data().map_err(|error| Failure::new("sync", &batch.file.path, error))?;
    }
    Ok(())
}

/// A buffer to fill again, so that a steady load allocates none.
fn spare_of(batches: &mut [Batch]) -> Vec<u8> {
    let last = batches.iter_mut().flat_map(|batch| batch.pieces.iter_mut()).next_back();
    match last {
        Some(Piece::Copied(bytes)) if bytes.capacity() <= SPARE_BYTES_MAX => {
            bytes.clear();
            std::mem::take(bytes)
        }
        _ => Vec::new(),
    }
}
