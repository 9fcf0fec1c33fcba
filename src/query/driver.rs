//! Folds the parts of a scan, in parallel where that pays.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::scan::{Part, RowAt, Scan};
use crate::context::{self, Activity};
use crate::error::Result;
use crate::options::INLINE_SCAN_ROWS;
use crate::table::Row;

/// Parts of the first wave of a limited scan, a thread.
const FIRST_WAVE: usize = 1;

/// How a scan is driven.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Drive {
    /// On the calling thread only.
    pub(crate) sequential: bool,
}

/// Folds every part into a value of its own, and gives the values in key order.
///
/// `step` breaks to end its part early, which is what a limit does; other parts go on.
pub(crate) fn fold_parts<V: Row, A: Send>(
    scan: &Scan<'_, V>,
    drive: Drive,
    init: impl Fn() -> A + Sync,
    step: impl Fn(&mut A, RowAt<'_, V>, &V) -> ControlFlow<()> + Sync,
) -> Result<Vec<A>> {
    let (parts, rows) = scan.parts()?;
    let one = |part: &Part| fold_part(scan, part, &init, &step);
    match pool(scan, drive, rows, parts.len()) {
        Some(pool) => pool.install(|| parts.par_iter().map(one).collect()),
        None => parts.iter().map(one).collect(),
    }
}

/// As [`fold_parts`], but in waves of parts, until `enough` says that the values so far will do.
pub(crate) fn fold_until<V: Row, A: Send>(
    scan: &Scan<'_, V>,
    drive: Drive,
    init: impl Fn() -> A + Sync,
    step: impl Fn(&mut A, RowAt<'_, V>, &V) -> ControlFlow<()> + Sync,
    enough: impl Fn(&[A]) -> bool,
) -> Result<Vec<A>> {
    let (parts, rows) = scan.parts()?;
    let one = |part: &Part| fold_part(scan, part, &init, &step);
    let pool = pool(scan, drive, rows, parts.len());
    let mut values = Vec::new();
    let mut rest = &parts[..];
    // The first part alone answers most limits; each wave is twice as large as the one before.
    let mut wave = FIRST_WAVE;
    while !rest.is_empty() && !enough(&values) {
        let (now, later) = rest.split_at(wave.min(rest.len()));
        let more: Vec<A> = match pool {
            Some(pool) if now.len() > 1 => pool.install(|| now.par_iter().map(one).collect::<Result<_>>())?,
            _ => now.iter().map(one).collect::<Result<_>>()?,
        };
        values.extend(more);
        rest = later;
        wave *= 2;
    }
    Ok(values)
}

fn fold_part<V: Row, A>(
    scan: &Scan<'_, V>,
    part: &Part,
    init: &impl Fn() -> A,
    step: &impl Fn(&mut A, RowAt<'_, V>, &V) -> ControlFlow<()>,
) -> Result<A> {
    let _scope = context::enter(Activity::Closure, scan.site);
    let mut value = init();
    let _ = scan.feed(part, |key, row| step(&mut value, key, row))?;
    Ok(value)
}

/// The pool for a scan; none: on the calling thread. A rayon worker that waits for another pool runs other jobs of its
/// own pool meanwhile, which might wait for what the caller holds, so on a rayon worker no pool is used.
fn pool<'s, V: Row>(scan: &Scan<'s, V>, drive: Drive, rows: u64, parts: usize) -> Option<&'s rayon::ThreadPool> {
    if drive.sequential || parts < 2 || rows <= INLINE_SCAN_ROWS || rayon::current_thread_index().is_some() {
        return None;
    }
    scan.engine.scan_pool()
}
