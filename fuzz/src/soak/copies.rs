//! Backups and compactions during the run: each backup is opened, looked at and removed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gangline::{Db, Options};

use super::{Plan, sum};
use crate::Failure;

/// How soon it is noticed that the run is over.
const TICK: Duration = Duration::from_millis(50);

/// Makes copies at the plan's pace until the run is over. Gives how often both were made.
pub(super) fn make(db: &Db, plan: &Plan, place: &Path, over: &AtomicBool) -> Result<u64, Failure> {
    let (mut made, mut due) = (0, Instant::now() + plan.copies_pace);
    while !over.load(Ordering::Relaxed) {
        if Instant::now() < due {
            std::thread::sleep(TICK);
            continue;
        }
        back_up(db, plan, place)?;
        db.compact()?;
        made += 1;
        due = Instant::now() + plan.copies_pace;
    }
    Ok(made)
}

fn back_up(db: &Db, plan: &Plan, place: &Path) -> Result<(), Failure> {
    let report = db.backup(place)?;
    let copy = Options::new().create(false).cache_bytes(1 << 20).open(place)?;
    let (found, verified) = (sum(&copy)?, copy.verify()?);
    copy.close()?;
    std::fs::remove_dir_all(place)?;
    if found != plan.sum() || report.rows != plan.rows || !verified.is_clean() {
        let text = format!("a backup has the sum {found}, not {}: {report:?}, {verified:?}", plan.sum());
        return Err(Failure(text));
    }
    Ok(())
}
