//! A progress bar for people: drawn on a terminal, silent in a pipe or a file.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Least time between two drawings.
const REDRAW: Duration = Duration::from_millis(60);
const WIDTH: usize = 32;

/// Counts the steps of one piece of work, from any thread.
#[derive(Debug)]
pub(crate) struct Progress {
    label: &'static str,
    total: usize,
    done: AtomicUsize,
    /// When it was last drawn; `None` if nobody is watching.
    drawn: Option<Mutex<Instant>>,
}

impl Progress {
    /// Work of `total` steps. Standard error being a terminal decides whether it is shown.
    pub(crate) fn new(label: &'static str, total: usize) -> Self {
        let drawn = stderr().is_terminal().then(|| Mutex::new(Instant::now()));
        Progress { label, total, done: AtomicUsize::new(0), drawn }
    }

    /// One step more is done.
    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        // Whoever finds another thread drawing goes on working.
        let Some(mut drawn) = self.drawn.as_ref().and_then(Mutex::try_lock) else { return };
        if drawn.elapsed() >= REDRAW {
            *drawn = Instant::now();
            self.draw(done);
        }
    }

    fn draw(&self, done: usize) {
        // A terminal that cannot be written to is no reason to stop the work.
        _ = write!(stderr(), "\r{}", line(self.label, done, self.total));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() && self.total > 0 {
            self.draw(self.done.load(Ordering::Relaxed));
            _ = writeln!(stderr());
        }
    }
}

fn line(label: &str, done: usize, total: usize) -> String {
    let filled = (done * WIDTH).checked_div(total).unwrap_or(WIDTH).min(WIDTH);
    format!("{label:<16} [{}{}] {done}/{total}", "=".repeat(filled), " ".repeat(WIDTH - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_up() {
        assert_eq!(line("loading", 0, 4), format!("loading          [{}] 0/4", " ".repeat(32)));
        assert_eq!(line("loading", 1, 4), format!("loading          [{}{}] 1/4", "=".repeat(8), " ".repeat(24)));
        assert_eq!(line("loading", 4, 4), format!("loading          [{}] 4/4", "=".repeat(32)));
        assert!(line("loading", 0, 0).ends_with("0/0"));
    }
}
