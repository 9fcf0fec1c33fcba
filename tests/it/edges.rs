//! The ends of what there can be: empty keys, rows of no bytes, the longest keys, ranges that hold nothing, the last ids.

use std::collections::BTreeMap;

use gangline::{Access, Db, ErrorKind, Index, MAX_KEY_BYTES, Result, Table};
use proptest::prelude::*;

use crate::support::{ITEMS, Item, item, kind, place, small, with_items};

/// Its bytes as they are, so that the first key takes none at all.
type Bare = [u8; 0];

const ONE: Table<Bare, ()> = Table::new("one").indexes(&[&ONE_BY_NOTHING, &ONE_EACH]);
const ONE_BY_NOTHING: Index<Bare, ()> = Index::<Bare, ()>::new("by_nothing", |(), out| out.key([])).unique();
const ONE_EACH: Index<String, ()> = Index::new("each", |(), out| {
    out.key("");
    out.key("a");
});

const TEXTS: Table<String, String> = Table::new("texts").indexes(&[&BY_TEXT, &BY_NOTHING]);
const BY_TEXT: Index<String, String> = Index::<String, String>::new("by_text", |text, out| out.key(text)).unique();
const BY_NOTHING: Index<Bare, String> = Index::new("by_nothing", |_, out| out.key([]));

#[derive(Debug, Clone)]
enum Op {
    Put,
    PutAndRemove,
    Remove,
    RemoveAndPut,
    Load,
    Range,
    Clear,
    Inside,
    Checkpoint,
    Reopen(bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    use Op::*;
    let all = vec![
        Put,
        PutAndRemove,
        Remove,
        RemoveAndPut,
        Load,
        Range,
        Clear,
        Inside,
        Checkpoint,
        Reopen(true),
        Reopen(false),
        Reopen(false),
    ];
    prop::collection::vec(prop::sample::select(all), 1..24)
}

fn check_one(db: &Db, there: bool) -> Result<()> {
    let rows = usize::from(there);
    assert_eq!(db.contains(ONE, [])?, there);
    assert_eq!(db.get(ONE, [])?.is_some(), there);
    assert_eq!(db.len(ONE)?, rows as u64);
    assert_eq!(db.read(ONE, |()| true, |()| ())?.len(), rows);
    assert_eq!(db.get_by(ONE, &ONE_BY_NOTHING, [])?.is_some(), there);
    let by_each = || db.query(ONE).by(&ONE_EACH);
    assert_eq!(by_each().all().keys()?.len(), rows, "once, though it has two keys");
    assert_eq!(by_each().equal("").keys()?.len(), rows);
    assert_eq!(db.query(ONE).by(&ONE_BY_NOTHING).equal([]).keys()?.len(), rows);
    assert_eq!(db.first(ONE)?.is_some(), there);
    let report = db.verify()?;
    assert!(report.is_clean(), "{report}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_key_of_no_bytes_and_a_row_of_none_come_and_go(ops in ops()) {
        let (_folder, path) = place();
        let mut db = small().open(&path).unwrap();
        let mut there = false;
        for op in ops {
            match op {
                Op::Put => db.put(ONE, [], ()).unwrap(),
                Op::PutAndRemove => db.transact(|tx| {
                    tx.put(ONE, [], ())?;
                    tx.remove(ONE, []).map(drop)
                }).unwrap(),
                Op::Remove => prop_assert_eq!(db.remove(ONE, []).unwrap().is_some(), there),
                Op::RemoveAndPut => db.transact(|tx| {
                    tx.remove(ONE, [])?;
                    tx.put(ONE, [], ())
                }).unwrap(),
                Op::Load => prop_assert_eq!(db.bulk_load(ONE, [([], ())]).is_ok(), !there),
                Op::Range => prop_assert_eq!(db.remove_range(ONE, ..=[]).unwrap(), u64::from(there)),
                Op::Clear => prop_assert_eq!(db.clear(ONE).unwrap(), u64::from(there)),
                Op::Inside => {
                    let removed = db.transact(|tx| tx.remove_range(ONE, []..));
                    prop_assert_eq!(removed.unwrap(), u64::from(there));
                }
                Op::Checkpoint => db.checkpoint().unwrap(),
                Op::Reopen(closed) => {
                    if closed { db.close().unwrap() } else { drop(db) }
                    db = small().open(&path).unwrap();
                }
            }
            there = match op {
                Op::Put | Op::RemoveAndPut | Op::Load => true,
                Op::PutAndRemove | Op::Remove | Op::Range | Op::Clear | Op::Inside => false,
                Op::Checkpoint | Op::Reopen(_) => there,
            };
            check_one(&db, there).unwrap();
        }
    }
}

/// Keys at the ends: none, the least, the greatest, as long as can be.
fn ends() -> Vec<String> {
    // A text takes two bytes more than it has.
    let longest = MAX_KEY_BYTES - 2;
    ["", "\0", "\0\0", "a", "\u{10ffff}"]
        .map(str::to_owned)
        .into_iter()
        .chain([1, 0].map(|less| "z".repeat(longest - less)))
        .collect()
}

fn check_texts(db: &Db, model: &BTreeMap<String, String>) {
    let keys: Vec<String> = model.keys().cloned().collect();
    assert_eq!(db.query(TEXTS).keys().unwrap(), keys);
    assert_eq!(db.query(TEXTS).by(&BY_NOTHING).equal([]).keys().unwrap(), keys);
    for (key, text) in model {
        assert_eq!(db.get(TEXTS, key).unwrap().as_deref(), Some(text));
        assert_eq!(db.get_by(TEXTS, &BY_TEXT, text).unwrap().map(|(key, _)| key).as_ref(), Some(key));
    }
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn keys_at_the_ends_go_through_everything() {
    for closed in [false, true] {
        let (_folder, path) = place();
        let mut db = small().open(&path).unwrap();
        let reopen = |db: Db| {
            if closed {
                db.close().unwrap()
            } else {
                drop(db)
            }
            small().open(&path).unwrap()
        };
        // Each text is the key of another row.
        let rows: Vec<(String, String)> = ends().into_iter().zip(ends().into_iter().rev()).collect();
        let mut model: BTreeMap<String, String> = rows.iter().cloned().collect();
        db.put_many(TEXTS, rows.clone()).unwrap();
        db = reopen(db);
        check_texts(&db, &model);
        db.transact(|tx| rows.iter().try_for_each(|(key, _)| tx.put(TEXTS, key, key.clone()))).unwrap();
        model.iter_mut().for_each(|(key, text)| text.clone_from(key));
        db = reopen(db);
        check_texts(&db, &model);
        let longest = &ends()[6];
        assert_eq!(db.remove_range(TEXTS, ..="\0").unwrap(), 2);
        assert_eq!(db.transact(|tx| tx.remove_range(TEXTS, longest.as_str()..)).unwrap(), 2);
        model.retain(|key, _| **key > *"\0" && key < longest);
        db = reopen(db);
        check_texts(&db, &model);
        db.clear(TEXTS).unwrap();
        assert_eq!(db.bulk_load(TEXTS, rows.clone()).unwrap(), rows.len() as u64);
        db = reopen(db);
        check_texts(&db, &rows.into_iter().collect());
        let long = "z".repeat(MAX_KEY_BYTES - 1);
        assert_eq!(kind(db.put(TEXTS, &long, "x".to_owned())), Err(ErrorKind::KeyTooLarge));
        assert_eq!(kind(db.put(TEXTS, "x", long.clone())), Err(ErrorKind::KeyTooLarge), "of the index");
        // They are bounds all the same.
        assert_eq!(db.query(TEXTS).range(long.as_str()..).count().unwrap(), 1);
    }
}

const BY_GROUP: Index<u64, Item> = Index::new("by_group", |item, out| out.key(item.group));
const GROUPED: Table<u64, Item> = Table::new("grouped").indexes(&[&BY_GROUP]);

/// Ranges that are empty, reversed, or beyond the last of 200 rows.
const EMPTY: [(u64, u64); 4] = [(5, 5), (150, 3), (u64::MAX, 0), (200, u64::MAX)];

#[test]
fn ranges_that_hold_nothing_hold_nothing_everywhere() {
    let db = small().in_memory().unwrap();
    db.bulk_load(GROUPED, (0..200).map(|id| (id, item(id)))).unwrap();
    fn empty(on: &impl Access) -> Result<()> {
        for (low, high) in EMPTY {
            let query = || on.query(GROUPED).range(low..high);
            assert_eq!(query().count()?, 0);
            assert!(query().keys()?.is_empty() && query().rows()?.is_empty());
            assert!(query().reverse().entries()?.is_empty());
            assert!(query().iter()?.next().is_none());
            assert_eq!(query().explain()?.limit, None);
            assert!(query().find(|_| true)?.is_none());
            assert!(query().offset(usize::MAX).limit(usize::MAX).rows()?.is_empty());
            assert!(query().top_k(usize::MAX, |item| item.id)?.is_empty());
            assert_eq!(on.query(GROUPED).by(&BY_GROUP).range(high..low.min(high)).count()?, 0);
            assert_eq!(on.query(GROUPED).range(low..high).by(&BY_GROUP).all().count()?, 0);
        }
        let all = || on.query(GROUPED);
        assert!(all().offset(usize::MAX).limit(usize::MAX).rows()?.is_empty());
        assert_eq!(all().offset(199).limit(usize::MAX).keys()?, [199]);
        assert_eq!(all().limit(0).rows()?.len() + all().top_k(0, |item| item.id)?.len(), 0);
        assert_eq!(all().top_k(usize::MAX, |item| item.id)?.len(), 200);
        Ok(())
    }
    empty(&db).unwrap();
    empty(&db.snapshot()).unwrap();
    db.transact(|tx| {
        empty(tx)?;
        tx.put(GROUPED, 4, item(4))?;
        tx.remove(GROUPED, 5)?;
        tx.put(GROUPED, 5, item(5))?;
        empty(tx)?;
        EMPTY.into_iter().try_for_each(|(low, high)| {
            assert_eq!(tx.remove_range(GROUPED, low..high)?, 0);
            Ok(())
        })
    })
    .unwrap();
    EMPTY.into_iter().for_each(|(low, high)| assert_eq!(db.remove_range(GROUPED, low..high).unwrap(), 0));
    assert_eq!(db.len(GROUPED).unwrap(), 200);
}

#[test]
fn the_ends_of_a_table_that_was_dropped_are_read_in_a_snapshot() {
    let db = with_items(50);
    let before = db.snapshot();
    db.drop_table("items").unwrap();
    assert_eq!(before.last(ITEMS).unwrap().map(|(key, _)| key), Some(49));
    // Its name is another table's now.
    db.put(Table::<String, u8>::new("items"), "x", 1).unwrap();
    assert_eq!(before.first(ITEMS).unwrap().map(|(key, _)| key), Some(0));
    assert_eq!(before.last(ITEMS).unwrap().map(|(key, _)| key), Some(49));
    assert_eq!(before.query(ITEMS).iter().unwrap().count(), 50);
}

#[test]
fn the_last_ids_are_given_out_once() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    db.put(ITEMS, u64::MAX, item(1)).unwrap();
    db.skip_ids(ITEMS, u64::MAX - 4).unwrap();
    let last: Vec<u64> = (0..3).map_while(|_| db.transact(|tx| tx.next_id(ITEMS)).ok()).collect();
    assert_eq!(last, [u64::MAX - 3, u64::MAX - 2, u64::MAX - 1]);
    for _ in 0..2 {
        assert_eq!(kind(db.next_id(ITEMS)), Err(ErrorKind::InvalidArgument));
        db.skip_ids(ITEMS, u64::MAX).unwrap();
    }
    drop(db);
    let db = small().open(&path).unwrap();
    assert_eq!(kind(db.next_id(ITEMS)), Err(ErrorKind::InvalidArgument));
    assert_eq!(db.last(ITEMS).unwrap().map(|(key, _)| key), Some(u64::MAX));
    assert_eq!(db.query(ITEMS).range(u64::MAX..).count().unwrap(), 1);
    assert_eq!(db.remove_range(ITEMS, ..=u64::MAX).unwrap(), 1);
}
