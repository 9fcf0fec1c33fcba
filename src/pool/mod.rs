//! The program's own pool: jobs that lock names, call the database and wait for one another without hanging.
//!
//! A pool of threads and a lock manager hang together easily. A job waits for a name that its submitter holds while
//! the submitter waits for the job; all threads wait for a name whose holder waits for a free thread; a worker that
//! waits picks up a foreign job that wants what lies further down on its own stack. Four rules keep this pool from it:
//!
//! 1. **A waiting thread works.** Whoever waits for a call runs that call's unstarted items itself, so a call needs no
//!    free thread to come to its end, and calls may nest.
//! 2. **But never for others.** It runs no item of another call, so what it runs knows every guard that lies below.
//! 3. **Guards are inherited.** A job counts what its submitter held at submission as held (`context::capture`): it can
//!    only wait for greater names, and an equal or smaller one is `OutOfOrder` at once. Likewise a thread may only wait
//!    for a task that knows all its guards.
//! 4. **Plain threads.** Nothing runs on rayon's workers, which pick up other work while they wait. If the caller is
//!    one, a stand-in thread works in its place and the worker sleeps.
//!
//! So by induction from the greatest name down: who holds the greatest name that is held waits for no name, and the
//! calls it waits for come to their end by its own work.
//!
//! **Which threads run what.** Closures given to [`map`](Pool::map), [`try_map`](Pool::try_map) and
//! [`apply`](Pool::apply) may borrow, so these calls run on the calling thread and on scoped threads that end with the
//! call. Closures of [`map_async`](Pool::map_async) and [`apply_async`](Pool::apply_async) are `'static` and run on
//! long-lived threads, started when first needed, and on whoever waits for the task. Both kinds of thread count
//! against the pool's number together, so that at most so many run at any time beside the callers; and no single call
//! has more than that number of items in work at once, its waiting thread included.
//!
//! The parts: `call` is one call's items and results, and knows no threads; `workers` is the long-lived threads, their
//! queue and the count of permits; `task` is the public handle of an asynchronous call; `pool` puts them together. `blocking`
//! is two pools of the database itself, for the calls of tasks.

mod blocking;
mod call;
// The module is the chapter, the file is the type: the same name says that there is nothing else to find.
#[expect(clippy::module_inception, reason = "the chapter stands here, the type has its own file")]
mod pool;
mod task;
mod workers;

#[cfg(test)]
mod named_tests;
#[cfg(test)]
mod tests;

pub(crate) use blocking::{Blocking, Running, on_own_thread};
pub use pool::Pool;
pub use task::Task;
