//! The call that fails: `CALL,PATH,NTH,COUNT,ERRNO`, for example `sync,/journal/,3,1,5`.
//!
//! Calls (`read`, `write`, `sync`, `open`, `rename`, `length`) on watched files whose path contains PATH are counted, and
//! those from the NTH (the first is 1) to the one COUNT later fail with ERRNO and do nothing. Reads are not counted: those
//! fail that touch one of COUNT blocks of 4 KiB from the NTH on (the first is 1), as on a disk with a bad spot.

const BLOCK_BYTES: u64 = 4096;

/// Which calls fail.
#[derive(Debug)]
pub(crate) struct Fault {
    call: Call,
    path: String,
    nth: u64,
    count: u64,
    errno: i32,
    seen: u64,
}

/// Calls that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Sync,
    Open,
    Rename,
    Length,
}

impl Fault {
    pub(crate) fn parse(text: &str) -> Option<Fault> {
        let mut fields = text.split(',');
        let call = match fields.next()? {
            "read" => Call::Read,
            "write" => Call::Write,
            "sync" => Call::Sync,
            "open" => Call::Open,
            "rename" => Call::Rename,
            "length" => Call::Length,
            _ => return None,
        };
        let path = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (nth, count, errno) = (number()?, number()?, i32::try_from(number()?).ok()?);
        Some(Fault { call, path, nth, count, errno, seen: 0 })
    }

    /// Whether calls of this kind fail at some time, so that they have to be counted.
    pub(crate) fn concerns(&self, call: Call) -> bool {
        self.call == call
    }

    /// The error of a read, if it touches the bad spot.
    pub(crate) fn strike_read(&self, path: &str, at: u64, len: u64) -> Option<i32> {
        let start = (self.nth - 1) * BLOCK_BYTES;
        let end = start + self.count.saturating_mul(BLOCK_BYTES);
        let touches = self.call == Call::Read && path.contains(&self.path) && at < end && start < at + len;
        touches.then_some(self.errno)
    }

    /// Counts a call; the error it is to fail with.
    pub(crate) fn strike(&mut self, call: Call, path: &str) -> Option<i32> {
        if call != self.call || !path.contains(&self.path) {
            return None;
        }
        self.seen += 1;
        (self.nth..self.nth.saturating_add(self.count)).contains(&self.seen).then_some(self.errno)
    }
}
