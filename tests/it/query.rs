//! Ranges, prefixes, limits, projections and folds, outside and inside of transactions.

use std::ops::Bound;

use gangline::{Access, First, Table};

use crate::support::{ITEMS, fill, item, place, small, with_items};

const WORDS: Table<String, u64> = Table::new("words");
const PARTS: Table<(u64, String), u64> = Table::new("parts");

fn keys_in(on: &impl Access, range: impl std::ops::RangeBounds<u64>) -> Vec<u64> {
    on.query(ITEMS).range(range).keys().unwrap()
}

#[test]
fn every_form_of_a_range_over_many_segments() {
    let db = with_items(300);
    let all = |range: std::ops::Range<u64>| range.collect::<Vec<_>>();
    assert_eq!(keys_in(&db, ..), all(0..300));
    assert_eq!(keys_in(&db, 10..20), all(10..20));
    assert_eq!(keys_in(&db, 10..=20), all(10..21));
    assert_eq!(keys_in(&db, 290..), all(290..300));
    assert_eq!(keys_in(&db, ..30), all(0..30));
    assert_eq!(keys_in(&db, (Bound::Excluded(5), Bound::Included(9))), all(6..10));
    assert_eq!(keys_in(&db, 1_000..), all(0..0));
    assert_eq!(keys_in(&db, (Bound::Included(20), Bound::Excluded(10))), all(0..0), "bounds that cross");
    assert_eq!(keys_in(&db, 7..7), all(0..0));
}

#[test]
fn limits_take_the_first_rows_in_key_order() {
    let db = with_items(3_000);
    let seven = |limit| {
        let query = db.query(ITEMS).select(|item| item.group == 0);
        query.project(|item| item.id).limit(limit).collect().unwrap()
    };
    assert_eq!(seven(3), [0, 7, 14]);
    assert_eq!(seven(0), [0u64; 0]);
    assert_eq!(seven(100_000).len(), 429);
    let rows = db.query(ITEMS).range(50..).limit(2).rows().unwrap();
    assert_eq!(rows.iter().map(|item| item.id).collect::<Vec<_>>(), [50, 51]);
    assert_eq!(db.query(ITEMS).range(2_990..).limit(20).rows().unwrap().len(), 10);
}

#[test]
fn projections_folds_and_counts_agree() {
    let db = with_items(3_000);
    let keyed = db.query(ITEMS).range(5..8).project_keyed(|key, item| (key, item.text.clone())).collect().unwrap();
    assert_eq!(keyed, [(5, item(5).text), (6, item(6).text), (7, item(7).text)]);
    let evens = || db.query(ITEMS).select(|item| item.id % 2 == 0);
    let sum = evens().fold(|| 0, |sum, item| sum + item.amount, |a, b| a + b).unwrap();
    assert_eq!(sum, (0..3_000).step_by(2).sum::<i64>());
    assert_eq!(evens().count().unwrap(), 1_500);
    assert_eq!(evens().keys().unwrap().len(), 1_500);
    assert_eq!(evens().sequential().rows().unwrap().len(), 1_500);
}

#[test]
fn a_fold_keeps_the_order_of_the_rows() {
    let db = with_items(3_000);
    let extend = |mut ids: Vec<u64>, item: &crate::support::Item| {
        ids.push(item.id);
        ids
    };
    let ids = db.query(ITEMS).fold(Vec::new, extend, |a, b| [a, b].concat()).unwrap();
    assert_eq!(ids, (0..3_000).collect::<Vec<_>>());
}

#[test]
fn strings_by_range_and_by_prefix() {
    let db = small().in_memory().unwrap();
    let words = ["", "a", "ab", "abc", "ab\0", "abd", "b", "ba", "zeta", "äther", "\u{10FFFF}x"];
    for (at, word) in (0..).zip(words) {
        db.put(WORDS, word, at).unwrap();
    }
    let found = |prefix: &str| db.query(WORDS).prefix(prefix).keys().unwrap();
    assert_eq!(found("ab"), ["ab", "ab\0", "abc", "abd"]);
    assert_eq!(found("abc"), ["abc"]);
    assert_eq!(found("").len(), words.len());
    assert_eq!(found("x"), [""; 0]);
    assert_eq!(db.query(WORDS).range("ab".."b").count().unwrap(), 4);
    assert_eq!(db.query(WORDS).range("b"..="ba").keys().unwrap(), ["b", "ba"]);
    let mut sorted = words.map(str::to_owned);
    sorted.sort();
    assert_eq!(db.query(WORDS).keys().unwrap(), sorted);
}

#[test]
fn the_leading_part_of_a_pair_is_a_prefix() {
    let db = small().in_memory().unwrap();
    for order in 0..20 {
        for part in ["bolt", "nut"] {
            db.put(PARTS, (order, part), order * 10).unwrap();
        }
    }
    let of_7 = db.query(PARTS).prefix(First(7)).keys().unwrap();
    assert_eq!(of_7, [(7, "bolt".to_owned()), (7, "nut".to_owned())]);
    assert_eq!(db.query(PARTS).range((3, "nut")..(5, "nut")).count().unwrap(), 4);
}

#[test]
fn queries_in_a_transaction_see_its_writes_in_order() {
    let db = with_items(300);
    let (keys, count, limited, sum) = db
        .transact(|tx| {
            tx.remove(ITEMS, 11)?;
            tx.put(ITEMS, 12, item(1_200))?;
            tx.put(ITEMS, 1_000, item(1_000))?;
            tx.put(ITEMS, 5_000, item(5_000))?;
            tx.remove(ITEMS, 5_000)?;
            let sum = tx.query(ITEMS).range(10..14).fold(|| 0, |sum, item| sum + item.amount, |a, b| a + b)?;
            let limited = tx.query(ITEMS).range(10..).project_keyed(|key, _| key).limit(3).collect()?;
            Ok((keys_in(tx, 10..14), tx.query(ITEMS).count()?, limited, sum))
        })
        .unwrap();
    assert_eq!((keys, count, limited, sum), (vec![10, 12, 13], 300, vec![10, 12, 13], 10 + 1_200 + 13));
    assert_eq!(keys_in(&db, 299..), [299, 1_000]);
}

#[test]
fn a_table_that_does_not_exist_is_empty() {
    let db = small().in_memory().unwrap();
    assert_eq!(db.query(WORDS).count().unwrap(), 0);
    assert_eq!(db.read(ITEMS, |_| true, |_| ()).unwrap().len(), 0);
    assert!(db.get(ITEMS, 1).unwrap().is_none());
    assert!(db.first(ITEMS).unwrap().is_none() && db.last(ITEMS).unwrap().is_none());
    assert_eq!((db.len(ITEMS).unwrap(), db.snapshot().len(ITEMS).unwrap()), (0, 0));
}

#[test]
fn a_tiny_cache_changes_nothing_but_the_speed() {
    let (_folder, path) = place();
    let db = small().cache_bytes(32 << 10).open(&path).unwrap();
    fill(&db, 5_000);
    db.checkpoint().unwrap();
    for _ in 0..2 {
        let texts = db.read(ITEMS, |item| item.id % 100 == 7, |item| item.text.clone()).unwrap();
        assert_eq!(texts, (0..50).map(|at| item(at * 100 + 7).text).collect::<Vec<_>>());
        assert_eq!(db.get(ITEMS, 4_321).unwrap().unwrap().amount, 4_321);
    }
    db.close().unwrap();
}

#[test]
fn a_load_does_not_outrun_what_throws_pages_out() {
    let (_folder, path) = place();
    let budget = 256 << 10;
    // No checkpoint comes between, which would turn dirty bytes into clean ones while they are counted: not by time, not
    // by the journal, and there are fewer rows than make one due by their dirty bytes.
    let options = small().checkpoint_interval(std::time::Duration::from_secs(3_600)).journal_bytes(1 << 30);
    let db = options.cache_bytes(budget).durability(gangline::Durability::Eventual).open(&path).unwrap();
    for start in (0..24_000).step_by(4_000) {
        db.transact(|tx| (start..start + 4_000).try_for_each(|id| tx.put(ITEMS, id, item(id)))).unwrap();
        let status = db.status().unwrap();
        // Pages that no checkpoint has written have to stay.
        let clean = status.cache_bytes - status.dirty_bytes;
        assert_eq!(status.pages_written, 0, "a checkpoint came between");
        assert!(clean <= budget as u64, "{clean} bytes of decoded rows and clean pages, budget {budget}");
    }
    db.close().unwrap();
}
