//! What is watched, and the trace that events are written to.

use std::collections::HashMap;
use std::env;
use std::ffi::{CStr, CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::event::{Kind, header};
use crate::fault::{Call, Fault};
use crate::raw;

/// Descriptors from here on are not watched. A store has a few dozen.
const FDS: usize = 1 << 16;
static WATCHED: [AtomicBool; FDS] = [const { AtomicBool::new(false) }; FDS];
static RECORDER: OnceLock<Option<Recorder>> = OnceLock::new();

/// What the environment asks for.
pub(crate) struct Recorder {
    root: Vec<u8>,
    trace: Option<c_int>,
    pub(crate) sync_delay: Duration,
    state: Mutex<State>,
    next_sync: AtomicU64,
    counts_reads: bool,
}

/// Descriptors and their paths, and what is still to fail.
pub(crate) struct State {
    trace: Option<c_int>,
    paths: HashMap<c_int, String>,
    fault: Option<Fault>,
    /// Descriptors whose next sync fails, and how: the system tells of a failed sync once on each of them that a file has.
    owed: HashMap<c_int, i32>,
}

/// The recorder, if the environment asks for one.
pub(crate) fn recorder() -> Option<&'static Recorder> {
    RECORDER.get_or_init(Recorder::from_environment).as_ref()
}

/// The recorder, if it watches this descriptor. A load of one byte for all others.
pub(crate) fn watching(fd: c_int) -> Option<&'static Recorder> {
    let watched = usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd))?;
    watched.load(Ordering::Relaxed).then(recorder).flatten()
}

impl Recorder {
    fn from_environment() -> Option<Recorder> {
        let root = env::var_os("GANGLINE_SHIM_ROOT")?;
        let trace = env::var_os("GANGLINE_SHIM_TRACE").and_then(|path| {
            let path = CString::new(path.as_bytes()).ok()?;
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
            let fd = raw::openat(libc::AT_FDCWD, &path, flags, 0o644);
            (fd >= 0).then_some(fd)
        });
        let micros = env::var("GANGLINE_SHIM_SYNC_US").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        let fault = env::var("GANGLINE_SHIM_FAULT").ok().and_then(|text| Fault::parse(&text));
        let counts_reads = fault.as_ref().is_some_and(|fault| fault.concerns(Call::Read));
        Some(Recorder {
            root: root.as_bytes().to_vec(),
            trace,
            sync_delay: Duration::from_micros(micros),
            state: Mutex::new(State { trace, paths: HashMap::new(), fault, owed: HashMap::new() }),
            next_sync: AtomicU64::new(1),
            counts_reads,
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Whether a path may lie below the folder: relative paths may too, and are looked at once they are open.
    pub(crate) fn may_concern(&self, path: &CStr) -> bool {
        let path = path.to_bytes();
        !path.starts_with(b"/") || self.is_inside(path)
    }

    pub(crate) fn is_inside(&self, path: &[u8]) -> bool {
        path.strip_prefix(&self.root[..]).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    pub(crate) fn counts_reads(&self) -> bool {
        self.counts_reads
    }

    pub(crate) fn new_sync(&self) -> u64 {
        self.next_sync.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the descriptor is the trace's own, which the process must not close.
    pub(crate) fn owns(&self, fd: c_int) -> bool {
        self.trace == Some(fd)
    }
}

impl State {
    pub(crate) fn watch(&mut self, fd: c_int, path: &[u8]) -> bool {
        let Some(watched) = usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd)) else { return false };
        self.paths.insert(fd, String::from_utf8_lossy(path).into_owned());
        watched.store(true, Ordering::Relaxed);
        true
    }

    pub(crate) fn forget(&mut self, fd: c_int) {
        self.paths.remove(&fd);
        self.owed.remove(&fd);
        if let Some(watched) = usize::try_from(fd).ok().and_then(|fd| WATCHED.get(fd)) {
            watched.store(false, Ordering::Relaxed);
        }
    }

    /// Whether a call on a descriptor is to fail. Sets errno if so.
    pub(crate) fn fails(&mut self, call: Call, fd: c_int) -> bool {
        if !self.fault.as_ref().is_some_and(|fault| fault.concerns(call)) {
            return false;
        }
        if call == Call::Sync && self.owed.contains_key(&fd) {
            let errno = self.owed.remove(&fd);
            return self.fail(errno, fd, &[]);
        }
        let path = self.paths.get(&fd).cloned().unwrap_or_default();
        let fails = self.strike(call, fd, &path);
        if fails && call == Call::Sync {
            let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
            let others = self.paths.iter().filter(|(other, name)| **other != fd && **name == path);
            self.owed.extend(others.map(|(other, _)| (*other, errno)));
        }
        fails
    }

    /// The same for a read, by the place that it reads.
    pub(crate) fn read_fails(&mut self, fd: c_int, at: u64, len: usize) -> bool {
        let path = self.paths.get(&fd).map_or("", String::as_str);
        let errno = self.fault.as_ref().and_then(|fault| fault.strike_read(path, at, len as u64));
        self.fail(errno, fd, &[])
    }

    /// The same for a call that names a path.
    pub(crate) fn fails_at(&mut self, call: Call, path: &CStr) -> bool {
        self.strike(call, -1, &path.to_string_lossy())
    }

    fn strike(&mut self, call: Call, fd: c_int, path: &str) -> bool {
        let errno = self.fault.as_mut().and_then(|fault| fault.strike(call, path));
        self.fail(errno, fd, path.as_bytes())
    }

    fn fail(&mut self, errno: Option<i32>, fd: c_int, path: &[u8]) -> bool {
        let Some(errno) = errno else { return false };
        self.note(Kind::Fault, fd, [errno as u64, 0], path);
        raw::set_errno(errno);
        true
    }

    /// Appends an event to the trace.
    pub(crate) fn note(&mut self, kind: Kind, fd: c_int, numbers: [u64; 2], bytes: &[u8]) {
        let Some(trace) = self.trace else { return };
        let header = header(kind, fd, numbers[0], numbers[1], bytes.len());
        for mut piece in [&header[..], bytes] {
            while !piece.is_empty() {
                // SAFETY: the slice's bytes are readable.
                let written = unsafe { raw::write(trace, piece.as_ptr().cast(), piece.len()) };
                match usize::try_from(written) {
                    Ok(written @ 1..) => piece = &piece[written..],
                    // A trace with a hole would be taken for what happened.
                    _ => std::process::abort(),
                }
            }
        }
    }
}
