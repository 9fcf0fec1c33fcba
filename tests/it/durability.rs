//! What is there after closing, dropping and killing.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use gangline::{Db, Durability, Options, Table};

use crate::support::{ITEMS, fill, ids, item, other_process, part, place, small};

const NOTES: Table<u64, u64> = Table::new("notes");

#[test]
fn everything_is_there_after_closing() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 1_000);
    db.update(ITEMS, |item| item.group == 3, |item| item.amount = -1).unwrap();
    db.transact(|tx| (0..100).try_for_each(|id| tx.remove(ITEMS, id).map(drop))).unwrap();
    let rows = db.read(ITEMS, |_| true, Clone::clone).unwrap();
    db.close().unwrap();
    for _ in 0..3 {
        let db = Db::open(&path).unwrap();
        assert_eq!(db.read(ITEMS, |_| true, Clone::clone).unwrap(), rows);
        assert_eq!(db.len(ITEMS).unwrap(), 900);
        let report = db.verify().unwrap();
        assert!(report.is_clean(), "{report:?}");
        db.close().unwrap();
    }
}

#[test]
fn an_immediate_commit_survives_a_drop_without_closing() {
    let (_folder, path) = place();
    for round in 0..5 {
        let db = small().open(&path).unwrap();
        assert_eq!(ids(&db).len(), round * 50);
        for id in 0..50 {
            db.put(ITEMS, round as u64 * 50 + id, item(round as u64 * 50 + id)).unwrap();
        }
        if round % 2 == 1 {
            db.checkpoint().unwrap();
        }
        drop(db);
    }
    let db = small().open(&path).unwrap();
    assert_eq!(ids(&db), (0..250).collect::<Vec<_>>());
    db.close().unwrap();
}

#[test]
fn commit_numbers_go_on_after_opening_again() {
    let (_folder, path) = place();
    let mut last = 0;
    for close in [true, false, true] {
        let db = small().open(&path).unwrap();
        assert!(db.snapshot().commit_number() >= last);
        db.put(NOTES, 1, last).unwrap();
        assert!(db.snapshot().commit_number() > last);
        last = db.snapshot().commit_number();
        if close {
            db.close().unwrap();
        }
    }
}

#[test]
fn a_store_is_made_only_if_that_is_wanted() {
    let (_folder, path) = place();
    let error = Options::new().create(false).open(&path).unwrap_err();
    assert_eq!(error.kind(), gangline::ErrorKind::NotAStore);
    assert!(!path.exists());
    Db::open(&path).unwrap().close().unwrap();
    Options::new().create(false).open(&path).unwrap().close().unwrap();
}

/// Writes `1, 2, 3 …` until it is killed, and says each number that was promised.
fn write_until_killed(path: &Path, durability: Durability) {
    let options = small().durability(durability).journal_bytes(1 << 20);
    let db = options.checkpoint_interval(std::time::Duration::from_millis(20)).open(path).unwrap();
    let mut next = db.last(NOTES).unwrap().map_or(1, |(number, _)| number + 1);
    loop {
        db.transact(|tx| {
            tx.insert(NOTES, next, next * 3)?;
            tx.put(ITEMS, next % 100, item(next))
        })
        .unwrap();
        let promised = match durability {
            Durability::Immediate => true,
            Durability::Eventual => next.is_multiple_of(50) && db.sync().is_ok(),
        };
        if promised {
            // In one piece, so that a kill does not cut the number.
            std::io::stderr().lock().write_all(format!("promised {next}\n").as_bytes()).unwrap();
        }
        next += 1;
    }
}

fn kill_three_times(test: &str, durability: Durability) {
    if let Some(path) = part() {
        write_until_killed(&path, durability);
    }
    let (_folder, path) = place();
    for promises in [1usize, 20, 60] {
        let mut child = other_process(test, &path).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let promise = |line: String| line.strip_prefix("promised ").map(|number| number.parse::<u64>().unwrap());
        let mut promised = lines.filter_map(promise);
        let mut last = promised.by_ref().take(promises).last().unwrap();
        child.kill().unwrap();
        // What it said until the kill is in the pipe.
        last = promised.last().unwrap_or(last);
        child.wait().unwrap();
        let db = small().open(&path).unwrap();
        let notes = db.query(NOTES).project_keyed(|key, value| (key, *value)).collect().unwrap();
        assert!(notes.len() as u64 >= last, "{} are there, {last} were promised", notes.len());
        assert!(
            notes.iter().zip(1..).all(|((key, value), n)| (*key, *value) == (n, n * 3)),
            "a prefix, and nothing else"
        );
        let newest = notes.len() as u64;
        assert_eq!(db.get(ITEMS, newest % 100).unwrap().unwrap().id, newest, "both tables or neither");
        assert!(db.get(ITEMS, (newest + 1) % 100).unwrap().is_none_or(|item| item.id + 99 == newest));
        assert!(db.verify().unwrap().is_clean());
        db.close().unwrap();
    }
}

#[test]
fn a_killed_writer_keeps_every_immediate_commit() {
    kill_three_times("durability::a_killed_writer_keeps_every_immediate_commit", Durability::Immediate);
}

#[test]
fn a_killed_writer_keeps_every_synced_commit_and_a_prefix_of_the_others() {
    let name = "durability::a_killed_writer_keeps_every_synced_commit_and_a_prefix_of_the_others";
    kill_three_times(name, Durability::Eventual);
}

#[test]
fn checkpoints_keep_the_journal_short() {
    let (_folder, path) = place();
    let db = small().durability(Durability::Eventual).journal_bytes(1 << 20).open(&path).unwrap();
    let text = "t".repeat(1_000);
    for round in 0..40 {
        db.transact(|tx| {
            (0..100)
                .try_for_each(|id| tx.put(ITEMS, id, crate::support::Item { text: text.clone(), ..item(id + round) }))
        })
        .unwrap();
    }
    db.checkpoint().unwrap();
    assert!(db.status().unwrap().checkpoints > 0);
    db.close().unwrap();
    let db = small().open(&path).unwrap();
    assert_eq!(db.get(ITEMS, 99).unwrap().unwrap().amount, 138);
    db.close().unwrap();
}

#[test]
fn sixteen_threads_commit_together() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let db = &db;
            scope.spawn(move || (0..25).for_each(|at| db.put(NOTES, thread * 100 + at, at).unwrap()));
        }
    });
    drop(db);
    let db = small().open(&path).unwrap();
    assert_eq!(db.len(NOTES).unwrap(), 400);
    assert!((0..16).all(|thread| *db.get(NOTES, thread * 100 + 24).unwrap().unwrap() == 24));
    db.close().unwrap();
}
