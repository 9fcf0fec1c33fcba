//! What a long command tells on standard error, from half a second on.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(500);

/// Whether progress is shown, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    wanted: bool,
    terminal: bool,
}

impl Shown {
    pub(crate) fn new(wanted: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Shown { wanted: wanted || terminal, terminal }
    }
}

/// Tells how long something has taken so far, and how many rows it has come past. It ends when this is dropped.
pub(crate) struct Progress {
    rows: Arc<AtomicU64>,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    pub(crate) fn start(what: &'static str, shown: Shown) -> Self {
        let rows = Arc::new(AtomicU64::new(0));
        let ticker = shown.wanted.then(|| {
            let (ends, ended) = mpsc::channel::<()>();
            let seen = Arc::clone(&rows);
            let tick = move || {
                let start = Instant::now();
                let mut told = false;
                while ended.recv_timeout(STEP) == Err(RecvTimeoutError::Timeout) {
                    tell(what, start, seen.load(Ordering::Relaxed), shown);
                    told = true;
                }
                if told && shown.terminal {
                    // Takes the line away again.
                    let _ = write!(io::stderr(), "\r\x1b[K");
                }
            };
            thread::Builder::new().spawn(tick).ok().map(|thread| (ends, thread))
        });
        Progress { rows, ticker: ticker.flatten() }
    }

    /// For those who count rows.
    pub(crate) fn counter(&self) -> impl FnMut(u64) + use<> {
        let rows = Arc::clone(&self.rows);
        move |count| rows.store(count, Ordering::Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((ends, thread)) = self.ticker.take() {
            drop(ends);
            let _ = thread.join();
        }
    }
}

fn tell(what: &str, start: Instant, rows: u64, shown: Shown) {
    let rows = if rows > 0 { format!(", {rows} rows") } else { String::new() };
    let text = format!("{what}: {:.1} s{rows}", start.elapsed().as_secs_f64());
    // Nobody to be told is no failure.
    let _ = if shown.terminal { write!(io::stderr(), "\r\x1b[K{text}") } else { writeln!(io::stderr(), "{text}") };
}
