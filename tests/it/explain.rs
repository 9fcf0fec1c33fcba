//! Plans of queries, and that what they say is so.

use std::collections::HashSet;

use gangline::{Options, ReadLock};
use parking_lot::Mutex;

use crate::support::{ITEMS, fill, item, small, with_items};

#[test]
fn a_plan_says_what_is_locked_and_locks_nothing_itself() {
    let db = with_items(3_000);
    let plan = db.query(ITEMS).explain().unwrap();
    assert_eq!((plan.lock, plan.rows_max, plan.threads), (ReadLock::Tried, 3_000, 2));
    assert_eq!(plan.segments as u64, db.status().unwrap().segments);
    assert_eq!(db.snapshot().query(ITEMS).explain().unwrap().lock, ReadLock::None);
    db.transact(|tx| {
        let whole = tx.query(ITEMS).explain()?;
        let range = tx.query(ITEMS).range(100..200).explain()?;
        assert_eq!(db.locks().dump().to_string(), "no locks", "a plan locks nothing");
        assert_eq!(whole.lock, ReadLock::Table);
        let ReadLock::Segments(segments) = range.lock else { panic!("{range}") };
        assert!(segments > 1 && range.rows_max < 300, "{range}");
        tx.query(ITEMS).range(100..200).count()?;
        let dump = db.locks().dump().to_string();
        assert_eq!(dump.matches("segment").count(), segments, "{range}{dump}");
        Ok(())
    })
    .unwrap();
    let large = small().segment_rows(1_000).in_memory().unwrap();
    fill(&large, 3_000);
    let plan = large.transact(|tx| tx.query(ITEMS).range(1..).explain()).unwrap();
    assert!(plan.lock == ReadLock::Segments(plan.segments) && plan.parts > plan.segments, "{plan}");
}

#[test]
fn the_locks_of_a_read_outside_go_back_before_its_scan() {
    let db = with_items(3_000);
    let during = Mutex::new(HashSet::new());
    let other = db.clone();
    let select = |_: &crate::support::Item| {
        during.lock().insert(other.locks().dump().to_string());
        true
    };
    assert_eq!(db.query(ITEMS).select(select).explain().unwrap().lock, ReadLock::Tried);
    db.query(ITEMS).range(..50).select(select).count().unwrap();
    assert_eq!(during.into_inner(), HashSet::from(["no locks".to_owned()]));
}

#[test]
fn a_plan_says_where_it_runs() {
    let db = with_items(3_000);
    assert_eq!(db.query(ITEMS).sequential().explain().unwrap().threads, 1);
    let few = db.query(ITEMS).range(..10).explain().unwrap();
    assert!(few.threads == 1 && few.rows_max < 100, "{few}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    assert_eq!(pool.install(|| db.query(ITEMS).explain().unwrap().threads), 1);
    let one = Options::new().segment_rows(16).scan_threads(1).in_memory().unwrap();
    fill(&one, 3_000);
    assert_eq!(one.query(ITEMS).explain().unwrap().threads, 1);
}

#[test]
fn a_plan_as_text() {
    let db = small().in_memory().unwrap();
    assert_eq!(db.query(ITEMS).explain().unwrap().segments, 0);
    db.put(ITEMS, 1, item(1)).unwrap();
    let plan = db.query(ITEMS).select(|_| true).reverse().offset(1).limit(5).explain().unwrap();
    let expected = "read of table \"items\"
  locks: the table shared if that is free, given back before the scan
  rows: at most 1, by key, from the greatest key down, in 1 segment
  inline: on the calling thread
  select: asked of each row
  offset: 1 row passed over
  limit: 5 rows, in waves of parts until they are found
";
    assert_eq!(plan.to_string(), expected);
}
