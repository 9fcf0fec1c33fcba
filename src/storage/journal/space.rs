//! Space of the journal: reservations, and files grown ahead of need.
//!
//! Commits reserve in one order and append in another, and a record never spans two files. What has to hold so that an
//! append cannot fail, whatever the order: *the current file has room for all outstanding reservations together, or
//! the next file has*. An append that fits the current file keeps the first; one that does not fit can only happen
//! under the second, moves on to the next file, and leaves the others the rest of its room.

use std::sync::Arc;

use parking_lot::MutexGuard;

use super::file::{ExtendError, FIRST_RECORD, JournalFile};
use super::record::{LENGTH_UNIT, LINK_BYTES, record_bytes};
use super::state::{Failure, State, Tail};
use super::writer::Shared;
use super::{JournalOptions, MAX_PAYLOAD_BYTES};
use crate::error::{Error, ErrorKind, Result};

/// Doublings of the room ahead of need: up to 8 MiB with chunks of 1 MiB.
const GROWN_LATE_MAX: u32 = 3;

/// Space set aside for one record. Dropping it gives the space back.
#[derive(Debug)]
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Reservation {
    /// Takes the space for a record of `bytes`: the caller owes the state that much less.
    pub(super) fn spend(mut self, bytes: u64) -> u64 {
        assert!(bytes <= self.bytes, "the record is larger than what was reserved for it");
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.shared.state.lock().reserved -= self.bytes;
        }
    }
}

/// What has to be done for more space.
#[derive(Debug)]
enum Growth {
    Extend { file: Arc<JournalFile>, from: u64, to: u64 },
    Create { number: u64, len: u64 },
}

impl State {
    /// Bytes that may still be appended to the current file.
    fn current_room(&self) -> u64 {
        self.current.allocated - self.current.end
    }

    /// Bytes of records that the next file has room for, after its link.
    fn next_room(&self) -> u64 {
        self.next.as_ref().map_or(0, |next| next.allocated - next.end - LINK_BYTES)
    }

    /// Whether so many more bytes can be reserved.
    fn has_room(&self, extra: u64) -> bool {
        let need = self.reserved + extra;
        need <= self.current_room() || need <= self.next_room()
    }

    /// What has to be done before `extra` more bytes can be reserved; `None` if they can be.
    fn growth(&mut self, extra: u64, options: &JournalOptions) -> Option<Growth> {
        if self.has_room(extra) {
            return None;
        }
        let need = self.reserved + extra;
        let chunks = |bytes: u64| bytes.next_multiple_of(options.chunk_bytes.next_multiple_of(LENGTH_UNIT));
        if let Some(next) = &self.next {
            let to = chunks(next.end + LINK_BYTES + need);
            return Some(Growth::Extend { file: Arc::clone(&next.file), from: next.allocated, to });
        }
        let to = chunks(self.current.end + need);
        if to <= options.file_bytes {
            return Some(Growth::Extend { file: Arc::clone(&self.current.file), from: self.current.allocated, to });
        }
        // A number is used for one attempt only: the file of a failed one may have stayed.
        let number = self.next_number;
        self.next_number += 1;
        Some(Growth::Create { number, len: chunks(FIRST_RECORD + LINK_BYTES + need) })
    }

    /// Bytes of room that are to be there beyond what is reserved. Grows when commits had to wait for space, so that a
    /// heavy load meets fewer and larger pieces.
    fn ahead(&self, options: &JournalOptions) -> u64 {
        (options.chunk_bytes << self.grown_late).min(options.file_bytes / 4).max(options.chunk_bytes)
    }

    /// Whether the space thread has something to do.
    pub(super) fn is_low(&self, options: &JournalOptions) -> bool {
        self.next.is_none()
            && !self.growing
            && !self.growth_failed
            && self.current_room() < self.reserved + self.ahead(options) / 2
    }

    fn grow_ahead(&mut self, options: &JournalOptions) -> Option<Growth> {
        let ahead = self.ahead(options);
        self.growth(ahead, options)
    }

    fn tail_mut(&mut self, number: u64) -> Option<&mut Tail> {
        if self.current.file.number == number {
            return Some(&mut self.current);
        }
        self.next.as_mut().filter(|next| next.file.number == number)
    }
}

impl Shared {
    pub(super) fn reserve(self: &Arc<Self>, payload_len: usize) -> Result<Reservation> {
        if payload_len > MAX_PAYLOAD_BYTES {
            return Err(Error::new(
                ErrorKind::TransactionTooLarge,
                format!(
                    "a journal record of {payload_len} bytes is over the {MAX_PAYLOAD_BYTES} bytes of a record: write \
                     less in one transaction"
                ),
            ));
        }
        let bytes = record_bytes(payload_len);
        let mut state = self.state.lock();
        let mut had_room = true;
        loop {
            self.check_usable(&state)?;
            if state.has_room(bytes) {
                break;
            }
            if had_room {
                had_room = false;
                state.grown_late = (state.grown_late + 1).min(GROWN_LATE_MAX);
            }
            if state.growing {
                // It may be at work for less than this needs: look again when it is done.
                self.grown.wait(&mut state);
            } else if let Some(growth) = state.growth(bytes, &self.options) {
                self.grow(&mut state, growth)?;
            }
        }
        state.reserved += bytes;
        if state.is_low(&self.options) {
            self.low.notify_one();
        }
        Ok(Reservation { shared: Arc::clone(self), bytes })
    }

    /// Makes space, with the state unlocked meanwhile. A full disk leaves everything as it was.
    fn grow(&self, state: &mut MutexGuard<'_, State>, growth: Growth) -> Result<()> {
        state.growing = true;
        let outcome = MutexGuard::unlocked(state, || match growth {
            Growth::Extend { file, from, to } => match file.extend(from, to) {
                Ok(()) => Ok((file, to)),
                Err(ExtendError::Write(error)) => Err((Error::io("make space in", &file.path, error), None)),
                Err(ExtendError::Sync(error)) => {
                    let failure = Failure::new("sync", &file.path, error);
                    Err((self.poisoned_error(&failure), Some(failure)))
                }
            },
            Growth::Create { number, len } => JournalFile::create(self.files.as_ref(), &self.dir, number, len)
                .map(|file| (Arc::new(file), len))
                .map_err(|error| (Error::io("make a new journal file in", &self.dir, error), None)),
        });
        state.growing = false;
        let outcome = match outcome {
            Ok((file, allocated)) => {
                state.growth_failed = false;
                match state.tail_mut(file.number) {
                    Some(tail) => tail.allocated = allocated,
                    None => state.next = Some(Tail { file, end: FIRST_RECORD, allocated }),
                }
                Ok(())
            }
            Err((error, failure)) => {
                state.growth_failed = true;
                if let Some(failure) = failure {
                    self.fail(state, failure);
                }
                Err(error)
            }
        };
        self.grown.notify_all();
        outcome
    }

    /// The body of the space thread: keeps half a chunk of room beyond what is reserved.
    pub(super) fn run_space(&self) {
        let mut state = self.state.lock();
        while !state.stopping {
            if state.failure.is_some() || !state.is_low(&self.options) {
                self.low.wait(&mut state);
            } else if let Some(growth) = state.grow_ahead(&self.options) {
                // An error is not lost: the reservation that needs the space meets it again.
                let _ = self.grow(&mut state, growth);
            } else {
                self.low.wait(&mut state);
            }
        }
    }
}
