//! Rows that are larger than a page, through the public calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gangline::{Db, Durability, ErrorKind, Options, Result, Table};

use crate::support::{Ends, Random, place};

const TEXTS: Table<u64, String> = Table::new("texts");
const BYTES: Table<u64, Vec<u8>> = Table::new("bytes");
const NUMBERS: Table<u64, Vec<u64>> = Table::new("numbers");

const MIB: usize = 1 << 20;

fn small() -> Options {
    Options::new().segment_rows(16).durability(Durability::Eventual).scan_threads(2)
}

/// Text that differs all along, so that exchanged parts would show.
fn text(length: usize, seed: u64) -> String {
    let mut text = String::with_capacity(length + 20);
    let mut random = Random(seed);
    while text.len() < length {
        text.push_str(&random.next().to_string());
    }
    text.truncate(length);
    text
}

#[test]
fn limits_of_rows_are_checked_when_a_store_is_opened() {
    let kind = |bytes: usize| small().max_row_bytes(bytes).in_memory().map(drop).map_err(|error| error.kind());
    assert_eq!(kind(0), Err(ErrorKind::InvalidArgument));
    assert_eq!(kind(64 * MIB + 1), Err(ErrorKind::InvalidArgument));
    assert_eq!((kind(1), kind(64 * MIB)), (Ok(()), Ok(())));
}

#[test]
fn a_row_at_the_limit_is_stored_and_one_over_it_is_refused() {
    let db = small().max_row_bytes(20_000).in_memory().unwrap();
    // The length in front of the text takes three bytes.
    db.put(TEXTS, 1, text(20_000 - 3, 1)).unwrap();
    let error = db.put(TEXTS, 1, text(20_000 - 2, 2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RowTooLarge);
    let said = error.to_string();
    assert!(said.contains("20001 bytes") && said.contains("20000") && said.contains("max_row_bytes"), "{said}");
    assert_eq!(*db.get(TEXTS, 1).unwrap().unwrap(), text(20_000 - 3, 1));
}

#[test]
fn a_row_that_no_transaction_can_hold_names_both_limits() {
    let db = small().max_transaction_bytes(50_000).in_memory().unwrap();
    let error = db.put(TEXTS, 1, text(60_000, 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RowTooLarge);
    let said = error.to_string();
    assert!(said.contains("max_row_bytes") && said.contains("max_transaction_bytes is 50000"), "{said}");
    // Two that fit one by one, and not together.
    let both = db.transact(|tx| (1..3).try_for_each(|key| tx.put(TEXTS, key, text(30_000, key))));
    assert_eq!(both.unwrap_err().kind(), ErrorKind::TransactionTooLarge);
    (1..3).try_for_each(|key| db.put(TEXTS, key, text(30_000, key))).unwrap();
    assert_eq!(db.len(TEXTS).unwrap(), 2);
}

#[test]
fn rows_of_the_largest_size_and_of_many_small_numbers() {
    let (_folder, path) = place();
    let options = small().max_row_bytes(64 * MIB).max_transaction_bytes(70 * MIB);
    let db = options.clone().in_memory().unwrap();
    db.put(TEXTS, 1, text(64 * MIB - 5, 1)).unwrap();
    assert_eq!(db.get(TEXTS, 1).unwrap().unwrap().len(), 64 * MIB - 5);
    assert_eq!(db.put(TEXTS, 2, text(64 * MIB - 4, 1)).unwrap_err().kind(), ErrorKind::RowTooLarge);
    drop(db);
    // Each number takes a byte on disk and eight in memory.
    let db = options.open(&path).unwrap();
    let numbers: Vec<u64> = (0..3 * MIB as u64).map(|number| number % 200).collect();
    db.put(NUMBERS, 1, &numbers).unwrap();
    db.put(BYTES, 1, vec![7; MIB]).unwrap();
    db.close().unwrap();
    let db = Db::open(&path).unwrap();
    assert_eq!(*db.get(NUMBERS, 1).unwrap().unwrap(), numbers);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn large_and_small_rows_mixed_are_what_a_map_holds() {
    let (_folder, path) = place();
    let mut db = small().cache_bytes(100_000).open(&path).unwrap();
    let mut model = std::collections::BTreeMap::new();
    let sizes = [0, 10, 100, 3_000, 5_000, 7_200, 20_000, 120_000];
    let mut random = Random(7);
    for round in 0..6 {
        let work = |tx: &gangline::Transaction, changes: &[(u64, Option<String>)]| -> Result<()> {
            changes.iter().try_for_each(|(key, row)| match row {
                Some(row) => tx.put(TEXTS, *key, row),
                None => tx.remove(TEXTS, *key).map(drop),
            })
        };
        for _ in 0..25 {
            let count = 1 + random.below(8);
            let changes: Vec<(u64, Option<String>)> = (0..count)
                .map(|_| {
                    let (key, size) = (random.below(60), sizes[random.below(8) as usize]);
                    (key, (random.below(4) > 0).then(|| text(size, key + round)))
                })
                .collect();
            db.transact(|tx| work(tx, &changes)).unwrap();
            for (key, row) in changes {
                match row {
                    Some(row) => model.insert(key, row),
                    None => model.remove(&key),
                };
            }
        }
        let found = db.query(TEXTS).project_keyed(|key, row: &String| (key, row.clone())).collect().unwrap();
        assert!(found.iter().map(|(key, row)| (key, row)).eq(&model), "round {round}");
        for key in 0..60 {
            assert_eq!(db.get(TEXTS, key).unwrap().as_deref(), model.get(&key), "key {key}");
        }
        assert!(db.verify().unwrap().is_clean(), "{}", db.verify().unwrap());
        match round % 3 {
            0 => db.checkpoint().unwrap(),
            1 => {
                drop(db);
                db = small().cache_bytes(100_000).open(&path).unwrap();
            }
            _ => {
                db.close().unwrap();
                db = small().cache_bytes(100_000).open(&path).unwrap();
            }
        }
    }
}

#[test]
fn a_row_stays_readable_while_its_neighbours_and_itself_are_written() {
    let (_folder, path) = place();
    let db = small().cache_bytes(300_000).open(&path).unwrap();
    // All letters of a row are the same, and both rows of a commit have the same.
    let row =
        |round: u64| char::from(b'a' + (round % 26) as u8).to_string().repeat(50_000 + 7 * round as usize % 9_000);
    let write = |round: u64| {
        db.transact(|tx| {
            tx.put(TEXTS, 100, row(round))?;
            tx.put(TEXTS, 200, row(round))?;
            tx.put(TEXTS, 100 + round % 50 + 1, format!("beside {round}"))?;
            tx.remove(TEXTS, 100 + (round + 25) % 50 + 1).map(drop)
        })
    };
    write(0).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _ends = Ends(&stop);
        for _ in 0..2 {
            scope.spawn(|| {
                let same = |text: &str| text.bytes().all(|byte| byte == text.as_bytes()[0]);
                while !stop.load(Ordering::Relaxed) {
                    let rows = db.read(TEXTS, |text| text.len() > 1_000, Clone::clone).unwrap();
                    assert!(rows.len() == 2 && rows[0] == rows[1] && same(&rows[0]));
                    assert!(same(&db.get(TEXTS, 100).unwrap().unwrap()));
                    assert!(same(&db.get(TEXTS, 200).unwrap().unwrap()));
                }
            });
        }
        for round in 1..150 {
            write(round).unwrap();
            if round % 10 == 0 {
                db.checkpoint().unwrap();
            }
        }
    });
    assert!(db.verify().unwrap().is_clean());
}
