//! What the running thread is doing, and which names it holds.
//!
//! Three rules of the library are about threads, not about data, and all are kept here:
//!
//! * **Nested calls.** A call of the database from inside one of its own closures could wait for locks that its own
//!   thread holds. [`enter`] marks the thread while such a closure runs, and [`check_free`] refuses at once, naming
//!   both call sites. The mark is one for the whole process, so that a closure of one database cannot wait on another.
//! * **Order of names.** What a thread holds as guards counts as held by everything that it starts, jobs of a pool
//!   included: a job's submitter waits for the job with its guards in hand, so a job that waited for one of them, or
//!   for a smaller name, could close a circle. [`capture`] takes the guards at submission and [`adopt`] counts them
//!   as held where the job runs. [`Inherited::check_wait`] is the other half: a thread may only wait for a job that
//!   knows every guard of the waiting thread.
//! * **Threads of executors.** They must not wait for a disk: [`without_blocking`].
//!
//! Nothing here blocks or locks: it is bookkeeping in thread-local state. The lock manager is known by a number only.

mod blocking;

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::error::{Error, ErrorKind, Result};
use crate::sync::thread_local;

pub(crate) use blocking::{check_may_block, without_blocking};

/// What kind of the user's code a thread is running for the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// The closure of a transaction.
    Transaction,
    /// A closure that looks at rows (select, project, fold, change), on the caller's thread or on a scan worker.
    Closure,
}

#[derive(Debug, Clone, Copy)]
struct Entered {
    activity: Activity,
    site: &'static Location<'static>,
}

/// One name of a guard. The number is unique in the process and grows, so it tells one taking of a name from the next.
#[derive(Debug, Clone)]
pub(crate) struct HeldName {
    number: u64,
    manager: usize,
    name: Arc<str>,
    exclusive: bool,
    site: &'static Location<'static>,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// Apart from the names, since it has no destructor: reading it is one load, and works while a thread ends.
    static ENTERED: Cell<Option<Entered>> = const { Cell::new(None) };
    /// How many pool jobs stand on this thread's stack.
    static JOBS: Cell<usize> = const { Cell::new(0) };
    static OWN: RefCell<Vec<HeldName>> = const { RefCell::new(Vec::new()) };
    static INHERITED: RefCell<Inherited> = const { RefCell::new(Inherited { names: None }) };
}

/// Marks the thread as running user code until the returned value is dropped. Marks nest.
#[must_use]
pub(crate) fn enter(activity: Activity, site: &'static Location<'static>) -> Scope {
    Scope { before: ENTERED.with(|entered| entered.replace(Some(Entered { activity, site }))), not_send: PhantomData }
}

/// Gives the thread its former mark back when dropped, also in a panic.
#[derive(Debug)]
pub(crate) struct Scope {
    before: Option<Entered>,
    not_send: PhantomData<*const ()>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        ENTERED.with(|entered| entered.set(self.before));
    }
}

/// Refuses a call from inside a closure of this or of another database. `call` is what was called, as users write it.
///
/// # Errors
///
/// [`ErrorKind::Nested`], with the place of the call and of what it stands in.
#[inline]
pub(crate) fn check_free(call: &'static str, site: &'static Location<'static>) -> Result<()> {
    match ENTERED.with(Cell::get) {
        None => Ok(()),
        Some(entered) => Err(nested(call, site, entered)),
    }
}

#[cold]
fn nested(call: &'static str, site: &'static Location<'static>, entered: Entered) -> Error {
    let outer = entered.site;
    let text = match entered.activity {
        Activity::Transaction => format!(
            "{call} at {site} is called inside the transaction of {outer}, whose locks it could wait for; \
             call the transaction's own methods, or call it before or after the transaction"
        ),
        Activity::Closure => format!(
            "{call} at {site} is called inside a closure that {outer} runs over rows; \
             collect what the closure needs first, or call it on the result"
        ),
    };
    Error::new(ErrorKind::Nested, text)
}

impl HeldName {
    pub(crate) fn new(
        manager: usize,
        name: impl Into<Arc<str>>,
        exclusive: bool,
        site: &'static Location<'static>,
    ) -> HeldName {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        HeldName { number, manager, name: name.into(), exclusive, site }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Notes that the thread holds a name of the lock manager with this number, until [`pop_name`].
#[cfg(test)]
pub(crate) fn push_name(
    manager: usize,
    name: impl Into<Arc<str>>,
    exclusive: bool,
    site: &'static Location<'static>,
) -> NameToken {
    push_held(HeldName::new(manager, name, exclusive, site))
}

fn push_held(held: HeldName) -> NameToken {
    let number = held.number;
    // A thread that is ending has no state left, and can start nothing more that would have to know the name.
    let _ = OWN.try_with(|own| own.borrow_mut().push(held));
    NameToken { number, not_send: PhantomData }
}

/// Counts names as held by the thread until the returned value is dropped: those of a guard of the thread, or of one that
/// belongs to no thread, while a thread does something for its holder. They keep their numbers, so a job that is submitted under the guard
/// knows them wherever its submitter waits for it.
#[must_use]
pub(crate) fn count_as_held(names: impl IntoIterator<Item = HeldName>) -> Counted {
    Counted { tokens: names.into_iter().map(push_held).collect() }
}

/// Ends [`count_as_held`] when dropped, also in a panic.
#[derive(Debug)]
pub(crate) struct Counted {
    tokens: SmallVec<[NameToken; 1]>,
}

impl Counted {
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tokens.drain(..).for_each(pop_name);
    }
}

/// One name noted by [`push_name`], for its guard to keep.
#[derive(Debug)]
#[must_use]
pub(crate) struct NameToken {
    number: u64,
    not_send: PhantomData<*const ()>,
}

/// Forgets a name again. Guards may be dropped in any order.
pub(crate) fn pop_name(token: NameToken) {
    let _ = OWN.try_with(|own| {
        let mut own = own.borrow_mut();
        if let Some(index) = own.iter().rposition(|held| held.number == token.number) {
            own.remove(index);
        }
    });
}

/// The greatest name by bytes that counts as held of this manager, with the place where it was taken: the thread's own
/// guards and those of the submitters of the job that it runs.
pub(crate) fn greatest_held_name(manager: usize) -> Option<(Arc<str>, &'static Location<'static>)> {
    let mut greatest: Option<(Arc<str>, &'static Location<'static>)> = None;
    visit_held(|held| {
        if held.manager == manager && greatest.as_ref().is_none_or(|(name, _)| held.name > *name) {
            greatest = Some((held.name.clone(), held.site));
        }
    });
    greatest
}

/// Whether any name of this manager counts as held by the thread.
pub(crate) fn holds_any_name(manager: usize) -> bool {
    let mut any = false;
    visit_held(|held| any |= held.manager == manager);
    any
}

/// Whether a name of any manager counts as held by the thread.
pub(crate) fn holds_names() -> bool {
    let mut any = false;
    visit_held(|_| any = true);
    any
}

/// Whether the thread runs one of the user's closures for the library, so that [`check_free`] would refuse.
pub(crate) fn in_activity() -> bool {
    ENTERED.with(Cell::get).is_some()
}

/// Whether the thread runs a job of a pool, or is a thread of a pool.
pub(crate) fn in_job() -> bool {
    JOBS.with(Cell::get) > 0
}

fn visit_held(mut visit: impl FnMut(&HeldName)) {
    let _ = OWN.try_with(|own| own.borrow().iter().for_each(&mut visit));
    let _ = INHERITED.try_with(|inherited| inherited.borrow().iter().for_each(&mut visit));
}

/// The guards that a thread held when it submitted a job, those inherited by the submitter included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inherited {
    /// `None` when there are none, which is the usual case and then costs no allocation.
    names: Option<Arc<[HeldName]>>,
}

/// Takes what counts as held by the thread now.
pub(crate) fn capture() -> Inherited {
    let mut names: Vec<HeldName> = Vec::new();
    visit_held(|held| {
        // A thread that runs an item of its own call finds its guards in both lists.
        if names.iter().all(|known| known.number != held.number) {
            names.push(held.clone());
        }
    });
    if names.is_empty() { Inherited::default() } else { Inherited { names: Some(names.into()) } }
}

impl Inherited {
    fn iter(&self) -> impl Iterator<Item = &HeldName> {
        self.names.iter().flat_map(|names| names.iter())
    }

    /// Whether the thread may wait for a job that was submitted with these guards. The job may want any greater name,
    /// so it may come to wait for a guard of the waiting thread that it does not know.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutOfOrder`] if the thread holds a guard that was taken after the submission, or by another thread
    /// than the submitter.
    pub(crate) fn check_wait(&self, call: &'static str, site: &'static Location<'static>) -> Result<()> {
        let mut unknown: Option<HeldName> = None;
        visit_held(|held| {
            if unknown.is_none() && self.iter().all(|known| known.number != held.number) {
                unknown = Some(held.clone());
            }
        });
        match unknown {
            None => Ok(()),
            Some(held) => Err(unknown_guard(call, site, &held)),
        }
    }
}

#[cold]
fn unknown_guard(call: &'static str, site: &'static Location<'static>, held: &HeldName) -> Error {
    let HeldName { name, exclusive, site: taken, .. } = held;
    let how = if *exclusive { "exclusive" } else { "shared" };
    Error::new(
        ErrorKind::OutOfOrder,
        format!(
            "{call} at {site} would wait for a job while its thread holds the name {name:?} ({how}, taken at {taken}), \
             which the job's submitter did not hold at submission and the job may want; \
             give the guard back first, or submit the job while holding it"
        ),
    )
}

/// Counts a submitter's guards as held by this thread, and the thread as one that runs a job, until the returned value
/// is dropped. What was inherited before is put aside meanwhile: a thread that waits has passed
/// [`Inherited::check_wait`], so the new set contains the former one.
#[must_use]
pub(crate) fn adopt(inherited: &Inherited) -> Adopted {
    let inherited = inherited.clone();
    let before = INHERITED.try_with(|slot| slot.replace(inherited)).unwrap_or_default();
    JOBS.with(|jobs| jobs.set(jobs.get() + 1));
    Adopted { before, not_send: PhantomData }
}

/// Ends [`adopt`] when dropped, also in a panic.
#[derive(Debug)]
pub(crate) struct Adopted {
    before: Inherited,
    not_send: PhantomData<*const ()>,
}

impl Drop for Adopted {
    fn drop(&mut self) {
        let before = std::mem::take(&mut self.before);
        let _ = INHERITED.try_with(|slot| slot.replace(before));
        JOBS.with(|jobs| jobs.set(jobs.get() - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn here() -> &'static Location<'static> {
        Location::caller()
    }

    fn greatest(manager: usize) -> Option<String> {
        greatest_held_name(manager).map(|(name, _)| name.to_string())
    }

    #[test]
    fn a_call_inside_an_activity_names_both_places() {
        check_free("Db::get", here()).expect("nothing is entered");
        let outer = here();
        let scope = enter(Activity::Transaction, outer);
        let inner = here();
        let error = check_free("Db::get", inner).expect_err("a transaction is entered");
        assert_eq!(error.kind(), ErrorKind::Nested);
        let text = error.to_string();
        assert!(text.contains("Db::get"), "{text}");
        assert!(text.contains(&inner.to_string()) && text.contains(&outer.to_string()), "{text}");
        drop(scope);
        check_free("Db::get", here()).expect("the transaction has ended");
    }

    #[test]
    fn activities_nest_and_a_panic_restores_the_former_one() {
        let transaction = enter(Activity::Transaction, here());
        let panicked = std::panic::catch_unwind(|| {
            let _closure = enter(Activity::Closure, here());
            assert!(check_free("Db::read", here()).expect_err("entered").to_string().contains("closure"));
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        assert!(check_free("Db::read", here()).expect_err("entered").to_string().contains("transaction"));
        drop(transaction);
        check_free("Db::read", here()).expect("all is left");
    }

    #[test]
    fn another_thread_is_free() {
        let _scope = enter(Activity::Closure, here());
        let free = std::thread::scope(|scope| scope.spawn(|| check_free("Db::read", here()).is_ok()).join());
        assert!(free.expect("the thread does not panic"));
    }

    #[test]
    fn the_greatest_name_is_by_bytes_and_by_manager_and_guards_end_in_any_order() {
        assert!(!holds_any_name(1) && !holds_names());
        let palette = push_name(1, "palette", false, here());
        let renderer = push_name(1, "renderer", true, here());
        let other = push_name(2, "zebra", true, here());
        assert_eq!(greatest(1).as_deref(), Some("renderer"));
        assert_eq!(greatest(2).as_deref(), Some("zebra"));
        pop_name(palette);
        assert_eq!(greatest(1).as_deref(), Some("renderer"));
        pop_name(renderer);
        assert_eq!(greatest(1), None);
        assert!(!holds_any_name(1) && holds_any_name(2) && holds_names());
        pop_name(other);
        assert!(!holds_names());
    }

    #[test]
    fn a_job_inherits_the_guards_of_its_submitters_submitters() {
        let first = push_name(1, "a", true, here());
        let outer = capture();
        let seen = std::thread::scope(|scope| {
            let job = scope.spawn(|| {
                let adopted = adopt(&outer);
                let second = push_name(1, "b", true, here());
                let inner = capture();
                let seen_by_nested = std::thread::scope(|scope| {
                    let nested = scope.spawn(|| {
                        let _adopted = adopt(&inner);
                        (greatest(1), in_job())
                    });
                    nested.join().expect("the nested job does not panic")
                });
                pop_name(second);
                let inherited_only = greatest(1);
                drop(adopted);
                (seen_by_nested, inherited_only, greatest(1), in_job())
            });
            job.join().expect("the job does not panic")
        });
        assert_eq!(seen, ((Some("b".to_owned()), true), Some("a".to_owned()), None, false));
        pop_name(first);
    }

    #[test]
    fn waiting_is_refused_under_a_guard_that_the_job_does_not_know() {
        let before = push_name(1, "a", true, here());
        let job = capture();
        job.check_wait("Task::wait", here()).expect("the guard was held at submission");
        let after = push_name(1, "b", false, here());
        let error = job.check_wait("Task::wait", here()).expect_err("taken after submission");
        assert_eq!(error.kind(), ErrorKind::OutOfOrder);
        assert!(error.to_string().contains("\"b\""), "{error}");
        pop_name(after);
        pop_name(before);
        job.check_wait("Task::wait", here()).expect("nothing is held");
        let again = push_name(1, "a", true, here());
        job.check_wait("Task::wait", here()).expect_err("the same name, but taken again after submission");
        pop_name(again);
    }
}
