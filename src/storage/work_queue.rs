//! One thread that does all the work of a kind, and callers that wait for it with a watchdog.
//!
//! The work may hang for ever; a caller may not. As long as the worker shows progress a caller waits; when nothing has
//! moved for the time limit it gives up with an error, and the thread is left to itself.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, ErrorKind, Result};

type Job<W> = Box<dyn FnOnce(&mut W) + Send>;

/// Counts what the worker has done. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A thread with a worker `W`, and the jobs for it.
pub(super) struct WorkQueue<W> {
    shared: Arc<Shared<W>>,
    progress: Progress,
    limit: Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<W> {
    queue: Mutex<Queue<W>>,
    ready: Condvar,
}

struct Queue<W> {
    jobs: VecDeque<Job<W>>,
    ended: bool,
}

/// Where the outcome of a job is left.
struct Ticket<T> {
    outcome: Mutex<Option<T>>,
    done: Condvar,
}

/// Why a job has no outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The worker has not moved for the time limit.
    Hung,
    /// The queue was ended before the job came.
    Ended,
}

impl<W: Send + 'static> WorkQueue<W> {
    /// Starts the thread. `limit` is the longest time without progress.
    pub(super) fn start(name: &str, mut worker: W, progress: Progress, limit: Duration) -> Result<Self> {
        let queue = Mutex::new(Queue { jobs: VecDeque::new(), ended: false });
        let shared = Arc::new(Shared { queue, ready: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while let Some(job) = for_thread.next() {
                    job(&mut worker);
                }
            })
            .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start thread {name}")).with_source(error))?;
        Ok(WorkQueue { shared, progress, limit, thread: Mutex::new(Some(thread)) })
    }

    /// Has the worker do a job, after all that were asked for before, and waits for its outcome.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut W) -> T + Send + 'static,
    ) -> std::result::Result<T, Lost> {
        let ticket = Arc::new(Ticket { outcome: Mutex::new(None), done: Condvar::new() });
        let for_job = Arc::clone(&ticket);
        let progress = self.progress.clone();
        let job: Job<W> = Box::new(move |worker| {
            let outcome = job(worker);
            progress.step();
            *for_job.outcome.lock() = Some(outcome);
            for_job.done.notify_one();
        });
        let mut queue = self.shared.queue.lock();
        if queue.ended {
            return Err(Lost::Ended);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.ready.notify_one();
        let mut outcome = ticket.outcome.lock();
        loop {
            if let Some(outcome) = outcome.take() {
                return Ok(outcome);
            }
            let before = self.progress.count();
            let timed_out = ticket.done.wait_for(&mut outcome, self.limit).timed_out();
            if timed_out && outcome.is_none() && self.progress.count() == before {
                return Err(Lost::Hung);
            }
        }
    }

    /// Ends the thread after the jobs that are waiting, and waits for its end. Only to be called when the last job
    /// came back.
    pub(super) fn end(&self) {
        self.shared.queue.lock().ended = true;
        self.shared.ready.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // A job that panicked has been reported by the hook of the program.
            let _ = thread.join();
        }
    }

    /// Ends the thread when it comes back, if it ever does.
    pub(super) fn abandon(&self) {
        self.shared.queue.lock().ended = true;
        self.shared.ready.notify_one();
        drop(self.thread.lock().take());
    }
}

impl<W> Shared<W> {
    fn next(&self) -> Option<Job<W>> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.ended {
                return None;
            }
            self.ready.wait(&mut queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_run_in_order_on_one_thread() {
        let queue =
            WorkQueue::start("test", Vec::new(), Progress::default(), Duration::from_secs(60)).expect("a thread");
        for i in 0..10 {
            assert_eq!(
                queue.run(move |done: &mut Vec<i32>| {
                    done.push(i);
                    done.clone()
                }),
                Ok((0..=i).collect())
            );
        }
        queue.end();
        assert_eq!(queue.run(|_| ()), Err(Lost::Ended));
    }

    #[test]
    fn a_worker_without_progress_is_given_up() {
        let queue = WorkQueue::start("test", (), Progress::default(), Duration::from_millis(1)).expect("a thread");
        let gate = Arc::new(Mutex::new(()));
        let shut = gate.lock();
        let for_job = Arc::clone(&gate);
        assert_eq!(queue.run(move |()| drop(for_job.lock())), Err(Lost::Hung));
        drop(shut);
        queue.abandon();
    }

    #[test]
    fn a_slow_worker_with_progress_is_waited_for() {
        let progress = Progress::default();
        let queue = WorkQueue::start("test", (), progress.clone(), Duration::from_millis(200)).expect("a thread");
        let started = std::time::Instant::now();
        let outcome = queue.run(move |()| {
            while started.elapsed() < Duration::from_millis(500) {
                progress.step();
                std::thread::yield_now();
            }
            7
        });
        assert_eq!(outcome, Ok(7));
        assert!(started.elapsed() >= Duration::from_millis(500));
        queue.end();
    }
}
