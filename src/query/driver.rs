//! Folds the parts of a scan, in parallel where that pays.

use std::ops::ControlFlow;
use std::panic::Location;
use std::time::Duration;

use parking_lot::Mutex;
use rayon::prelude::*;

use super::scan::{Part, Parts, RowAt, Scan};
use crate::context::{self, Activity};
use crate::error::Result;
use crate::events;
use crate::lock::{CancelToken, Limit};
use crate::options::INLINE_SCAN_ROWS;
use crate::table::Row;
use crate::txn::Engine;

/// Parts of the first wave of a limited scan, a thread.
const FIRST_WAVE: usize = 1;

/// How a scan is driven.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drive {
    /// On the calling thread only.
    pub(crate) sequential: bool,
    /// What ends it before its time.
    pub(crate) deadline: Option<Duration>,
    pub(crate) cancel: Option<CancelToken>,
}

impl Drive {
    /// What may end a query that begins now.
    pub(crate) fn limit(&self, site: &'static Location<'static>) -> Option<Limit> {
        Limit::new("query", None, site, self.deadline, self.cancel.clone())
    }
}

/// Whether the values of the first parts will do.
pub(crate) type Enough<'e, A> = &'e dyn Fn(&[A]) -> bool;

/// Folds every part into a value of its own, and gives the values in the scan's order.
///
/// `step` breaks to end its part early, which is what a limit does; other parts go on. With `enough`, parts are folded
/// in waves until it says that the values so far will do.
pub(crate) fn fold_parts<V: Row, A: Send>(
    scan: &Scan<V>,
    parts: &Parts,
    drive: &Drive,
    init: impl Fn() -> A + Sync,
    step: impl Fn(&mut A, RowAt<'_, V>, &V) -> ControlFlow<()> + Sync,
    enough: Option<Enough<'_, A>>,
) -> Result<Vec<A>> {
    let fold = |part: &Part| {
        let mut value = init();
        let _ = scan.feed(part, |key, row| step(&mut value, key, row))?;
        Ok(value)
    };
    each_part(scan, parts, drive, fold, enough)
}

/// As [`fold_parts`], over the keys alone.
pub(crate) fn fold_keys<V: Row, A: Send>(
    scan: &Scan<V>,
    parts: &Parts,
    drive: &Drive,
    init: impl Fn() -> A + Sync,
    step: impl Fn(&mut A, &[u8]) -> ControlFlow<()> + Sync,
    enough: Option<Enough<'_, A>>,
) -> Result<Vec<A>> {
    let fold = |part: &Part| {
        let mut value = init();
        let _ = scan.feed_keys(part, |key| step(&mut value, key))?;
        Ok(value)
    };
    each_part(scan, parts, drive, fold, enough)
}

fn each_part<V: Row, A: Send>(
    scan: &Scan<V>,
    parts: &Parts,
    drive: &Drive,
    fold: impl Fn(&Part) -> Result<A> + Sync,
    enough: Option<Enough<'_, A>>,
) -> Result<Vec<A>> {
    let _span = events::scan(scan.table_name(), scan.site);
    let pool = pool(scan, parts, drive);
    let parts = &parts.list[..];
    let mut values = Vec::with_capacity(parts.len());
    // The first part alone answers most limits; each wave is twice as large as the one before.
    let mut wave = if enough.is_some() { FIRST_WAVE } else { parts.len() };
    while values.len() < parts.len() && !enough.is_some_and(|enough| enough(&values)) {
        let rest = &parts[values.len()..];
        let now = &rest[..wave.min(rest.len())];
        let places: Vec<Mutex<Option<A>>> = now.iter().map(|_| Mutex::new(None)).collect();
        run(pool, now.len(), &|number| {
            let _scope = context::enter(Activity::Closure, scan.site);
            let value = fold(&now[number])?;
            *places[number].lock() = Some(value);
            Ok(())
        })?;
        values.extend(places.into_iter().filter_map(Mutex::into_inner));
        wave = wave.saturating_mul(2);
    }
    Ok(values)
}

/// Does `work` for every number below `count`, on the pool where there is one.
///
/// Not generic: rayon's machinery is compiled here once, and not again for every query of every program. A part is
/// some thousand rows, so a call through a pointer and a latch for each cost nothing.
fn run(pool: Option<&rayon::ThreadPool>, count: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    match pool {
        Some(pool) if count > 1 => pool.install(|| (0..count).into_par_iter().try_for_each(work)),
        _ => (0..count).try_for_each(work),
    }
}

/// The pool for a scan; none: on the calling thread.
pub(super) fn pool<'s, V: Row>(scan: &'s Scan<V>, parts: &Parts, drive: &Drive) -> Option<&'s rayon::ThreadPool> {
    if is_worth_splitting(parts, drive) { pool_of(&scan.engine) } else { None }
}

/// The pool of a database, if this thread may wait for it. A rayon worker that waits for another pool runs other jobs of
/// its own pool meanwhile, which might wait for what the caller holds, so on a rayon worker no pool is used.
pub(super) fn pool_of(engine: &Engine) -> Option<&rayon::ThreadPool> {
    if rayon::current_thread_index().is_some() { None } else { engine.scan_pool() }
}

/// Whether several threads do it faster than one.
pub(super) fn is_worth_splitting(parts: &Parts, drive: &Drive) -> bool {
    !drive.sequential && parts.list.len() > 1 && parts.rows > INLINE_SCAN_ROWS
}
