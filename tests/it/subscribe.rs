//! Subscriptions: what is delivered, in which order, from where.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_core::Stream;
use gangline::{
    BulkKind, Change, Db, Durability, ErrorKind, Event, Index, Lag, Migration, Old, Position, Subscription, Table,
    TransactionOptions,
};

use crate::support::{ITEMS, Item, PATIENCE, amount, block_on, copy, ids, item, kind, place, small};

/// The next event, which must come.
#[track_caller]
fn next(feed: &mut Subscription<u64, Item>) -> Event<u64, Item> {
    feed.next_timeout(PATIENCE).unwrap().expect("an event in time")
}

/// Keys and amounts of the next commit.
#[track_caller]
fn rows(feed: &mut Subscription<u64, Item>) -> Vec<(u64, Option<i64>)> {
    match next(feed) {
        Event::Rows { changes, .. } => changes.iter().map(pair).collect(),
        event => panic!("{event:?}"),
    }
}

fn pair(change: &Change<u64, Item>) -> (u64, Option<i64>) {
    (change.key, change.new.as_ref().map(|row| row.amount))
}

#[track_caller]
fn nothing(feed: &mut Subscription<u64, Item>) {
    assert!(feed.next_timeout(Duration::ZERO).unwrap().is_none());
}

#[test]
fn commits_come_from_the_call_on_in_their_order() {
    let db = small().temporary().unwrap();
    db.put(ITEMS, 1, item(1)).unwrap();
    let mut feed = db.subscribe(ITEMS).open().unwrap();
    nothing(&mut feed);
    db.put(ITEMS, 2, item(2)).unwrap();
    db.transact(|tx| {
        tx.remove(ITEMS, 1)?;
        tx.put(ITEMS, 4, item(4))?;
        tx.put(ITEMS, 3, item(3))
    })
    .unwrap();
    let first = next(&mut feed);
    assert_eq!(first.changes().iter().map(pair).collect::<Vec<_>>(), [(2, Some(2))]);
    let second = next(&mut feed);
    let changes: Vec<_> = second.changes().iter().map(pair).collect();
    assert_eq!(changes, [(1, None), (3, Some(3)), (4, Some(4))]);
    assert_eq!(second.position().commit(), first.position().commit() + 1);
    assert_eq!(feed.reached(), second.position());
    nothing(&mut feed);
}

#[test]
fn it_goes_on_from_a_kept_position() {
    let (_folder, path) = place();
    let mut seen = Vec::new();
    let mut kept = None::<String>;
    for round in 0..5u64 {
        let db = small().keep_journal_bytes(1 << 30).open(&path).unwrap();
        let request = db.subscribe(ITEMS);
        let mut feed = match &kept {
            None => request.open().unwrap(),
            Some(text) => request.from(serde_json::from_str(text).unwrap()).open().unwrap(),
        };
        (0..20).for_each(|n| db.put(ITEMS, round * 20 + n, item(round * 20 + n)).unwrap());
        // What is left over is delivered the next time.
        let most = if round < 4 { 13 } else { 100 - seen.len() };
        for _ in 0..most {
            seen.extend(rows(&mut feed).into_iter().map(|(key, _)| key));
        }
        assert_eq!(feed.reached().incarnation(), round + 1);
        kept = Some(serde_json::to_string(&feed.reached()).unwrap());
        // Closed, dropped, and with a checkpoint in between.
        match round % 3 {
            0 => db.close().unwrap(),
            1 => drop(db),
            _ => db.checkpoint().unwrap(),
        }
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[test]
fn only_the_rows_of_the_range_come() {
    const WORDS: Table<String, u32> = Table::new("words");
    let db = small().temporary().unwrap();
    let mut middle = db.subscribe(ITEMS).range(10..).range(..=20).open().unwrap();
    let mut sleds = db.subscribe(WORDS).prefix("sled").open().unwrap();
    for id in [9, 10, 20, 21] {
        db.put(ITEMS, id, item(id)).unwrap();
    }
    db.transact(|tx| ["sle", "sled", "sledge", "slee"].iter().try_for_each(|word| tx.put(WORDS, word, 1))).unwrap();
    assert_eq!((rows(&mut middle), rows(&mut middle)), (vec![(10, Some(10))], vec![(20, Some(20))]));
    nothing(&mut middle);
    let last = db.subscribe(ITEMS).open().unwrap().reached();
    assert_eq!(middle.reached().commit(), last.commit(), "what is not delivered is passed over as well");
    let event = sleds.next_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(event.changes().iter().map(|change| change.key.as_str()).collect::<Vec<_>>(), ["sled", "sledge"]);
}

#[test]
fn rows_before_the_change_come_where_they_are_asked_for() {
    let db = small().temporary().unwrap();
    db.put(ITEMS, 1, item(1)).unwrap();
    let mut plain = db.subscribe(ITEMS).open().unwrap();
    db.put(ITEMS, 1, item(2)).unwrap();
    let mut with_old = db.subscribe(ITEMS).with_old().open().unwrap();
    db.transact(|tx| {
        tx.put(ITEMS, 1, item(3))?;
        tx.put(ITEMS, 1, item(4))?;
        tx.put(ITEMS, 2, item(5))?;
        tx.remove(ITEMS, 3).map(drop)
    })
    .unwrap();
    db.remove(ITEMS, 1).unwrap();
    let old = |event: &Event<u64, Item>| -> Vec<(u64, Old<Item>)> {
        event.changes().iter().map(|change| (change.key, change.old.clone())).collect()
    };
    let both = next(&mut with_old);
    assert_eq!(old(&both), [(1, Old::Row(item(2).into())), (2, Old::Absent)]);
    assert_eq!(both.changes()[0].new, Some(item(4).into()));
    assert_eq!(old(&next(&mut with_old)), [(1, Old::Row(item(4).into()))]);
    // Who did not ask does not get them, although they are there.
    next(&mut plain);
    assert_eq!(old(&next(&mut plain)), [(1, Old::Unknown), (2, Old::Unknown)]);
    // They are in the journal, as long as somebody asks.
    let position = both.position();
    drop(with_old);
    db.put(ITEMS, 2, item(6)).unwrap();
    let mut later = db.subscribe(ITEMS).from(position).with_old().open().unwrap();
    assert_eq!(old(&next(&mut later)), [(1, Old::Row(item(4).into()))]);
    assert_eq!(old(&next(&mut later)), [(2, Old::Unknown)]);
}

#[test]
fn bulk_acts_send_a_marker() {
    let db = small().temporary().unwrap();
    db.put(ITEMS, 1_000, item(1_000)).unwrap();
    let mut feed = db.subscribe(ITEMS).open().unwrap();
    let mut low = db.subscribe(ITEMS).range(..5).open().unwrap();
    db.bulk_load(ITEMS, (10..500).map(|id| (id, item(id)))).unwrap();
    db.remove_range(ITEMS, 20..30).unwrap();
    db.clear(ITEMS).unwrap();
    db.put(ITEMS, 2, item(2)).unwrap();
    let mut marker = |covered: &[u64], not: &[u64]| match next(&mut feed) {
        Event::Bulk { bulk, .. } => {
            assert!(covered.iter().all(|key| bulk.covers::<u64>(*key)), "{bulk:?}");
            assert!(!not.iter().any(|key| bulk.covers::<u64>(*key)), "{bulk:?}");
            bulk.kind()
        }
        event => panic!("{event:?}"),
    };
    assert_eq!(marker(&[10, 499], &[5, 1_000]), BulkKind::Loaded);
    assert_eq!(marker(&[20, 29], &[19, 30]), BulkKind::Removed);
    assert_eq!(marker(&[0, u64::MAX], &[]), BulkKind::Cleared);
    assert_eq!(rows(&mut feed), [(2, Some(2))]);
    assert!(matches!(next(&mut low), Event::Bulk { bulk, .. } if bulk.kind() == BulkKind::Cleared));
    assert_eq!(rows(&mut low), [(2, Some(2))]);
}

#[test]
fn a_dropped_table_is_followed_on_when_it_is_made_anew() {
    const OTHER: Table<u64, String> = Table::new("items");
    let db = small().temporary().unwrap();
    let mut feed = db.subscribe(ITEMS).open().unwrap();
    let start = feed.reached();
    db.put(ITEMS, 1, item(1)).unwrap();
    db.drop_table("items").unwrap();
    // Rows that are none of this type are not delivered.
    db.put(OTHER, 1, "other".to_owned()).unwrap();
    db.drop_table("items").unwrap();
    db.put(ITEMS, 2, item(2)).unwrap();
    let mut kept = db.subscribe(ITEMS).from(start).open().unwrap();
    for feed in [&mut feed, &mut kept] {
        assert_eq!(rows(feed), [(1, Some(1))]);
        let at = feed.reached();
        assert!(matches!(next(feed), Event::Dropped { .. }));
        assert_eq!(rows(feed), [(2, Some(2))]);
        nothing(feed);
        // The table of a position is not in the catalog any more.
        let mut again = db.subscribe(ITEMS).from(at).open().unwrap();
        assert!(matches!(next(&mut again), Event::Dropped { .. }));
        assert_eq!(rows(&mut again), [(2, Some(2))]);
    }
}

/// Commits of a mebibyte each, over two files of the journal.
fn fill_journal(db: &Db) {
    const BLOBS: Table<u64, Vec<u8>> = Table::new("blobs");
    for n in 0..70 {
        let options = TransactionOptions::new().durability(Durability::Eventual);
        db.transact_with(&options, |tx| tx.put(BLOBS, n % 2, vec![n as u8; 1 << 20])).unwrap();
    }
}

#[test]
fn one_that_falls_behind_learns_that_it_lagged_and_holds_nobody_up() {
    for keep in [0, 256 << 20] {
        let db = small().keep_journal_bytes(keep).temporary().unwrap();
        let mut slow = db.subscribe(ITEMS).open().unwrap();
        let start = slow.reached();
        db.put(ITEMS, 1, item(1)).unwrap();
        fill_journal(&db);
        db.put(ITEMS, 2, item(2)).unwrap();
        db.checkpoint().unwrap();
        let mut kept = db.subscribe(ITEMS).from(start).open().unwrap();
        for feed in [&mut slow, &mut kept] {
            if keep > 0 {
                assert_eq!((rows(feed), rows(feed)), (vec![(1, Some(1))], vec![(2, Some(2))]));
            } else {
                let event = next(feed);
                assert!(matches!(event, Event::Lagged { lag: Lag::Passed, .. }), "{event:?}");
                assert_eq!(ids(&db), [1, 2]);
                assert_eq!(feed.reached(), event.position());
            }
            nothing(feed);
        }
        db.put(ITEMS, 3, item(3)).unwrap();
        assert_eq!((rows(&mut slow), rows(&mut kept)), (vec![(3, Some(3))], vec![(3, Some(3))]));
    }
}

#[test]
fn a_position_of_another_past_is_recognised() {
    let (folder, path) = place();
    let (backup, restored) = (folder.path().join("backup"), folder.path().join("restored"));
    let db = small().open(&path).unwrap();
    let mut feed = db.subscribe(ITEMS).open().unwrap();
    db.put(ITEMS, 1, item(1)).unwrap();
    next(&mut feed);
    let before = feed.reached();
    db.backup(&backup).unwrap();
    db.put(ITEMS, 2, item(2)).unwrap();
    next(&mut feed);
    let after = feed.reached();
    db.close().unwrap();
    // Of the same incarnation number as the copy, and with as many commits.
    let db = small().open(&path).unwrap();
    let mut feed = db.subscribe(ITEMS).open().unwrap();
    db.put(ITEMS, 3, item(3)).unwrap();
    next(&mut feed);
    let later = feed.reached();
    db.close().unwrap();
    Db::restore(&backup, &restored).unwrap();
    let copy = small().open(&restored).unwrap();
    (4..10).for_each(|id| copy.put(ITEMS, id, item(id)).unwrap());
    for position in [before, after, later] {
        let mut feed = copy.subscribe(ITEMS).from(position).open().unwrap();
        assert!(matches!(next(&mut feed), Event::Lagged { lag: Lag::Restored | Lag::Passed, .. }));
        nothing(&mut feed);
    }
    let mut feed = copy.subscribe(ITEMS).from(later).open().unwrap();
    assert!(matches!(next(&mut feed), Event::Lagged { lag: Lag::Restored, .. }));
}

#[test]
fn a_position_of_something_else_is_recognised() {
    const WORDS: Table<String, u64> = Table::new("words");
    let one = small().temporary().unwrap();
    let other = small().temporary().unwrap();
    let position = one.subscribe(ITEMS).open().unwrap().reached();
    let mut feed = other.subscribe(ITEMS).from(position).open().unwrap();
    assert!(matches!(next(&mut feed), Event::Lagged { lag: Lag::OtherStore, .. }));
    one.put(WORDS, "a", 1).unwrap();
    let mut feed = one.subscribe(WORDS).from(position).open().unwrap();
    let event = feed.next_timeout(PATIENCE).unwrap();
    assert!(matches!(event, Some(Event::Lagged { lag: Lag::OtherTable, .. })), "{event:?}");
    // One that was made up.
    let mut made_up = serde_json::to_value(position).unwrap();
    for (file, offset) in [(1, u64::MAX), (u64::MAX, 0), (0, 0), (1, 4_097), (1, 1)] {
        made_up["file"] = file.into();
        made_up["offset"] = offset.into();
        let position: Position = serde_json::from_value(made_up.clone()).unwrap();
        let mut feed = one.subscribe(ITEMS).from(position).open().unwrap();
        assert!(matches!(next(&mut feed), Event::Lagged { .. }));
        nothing(&mut feed);
    }
}

#[test]
fn a_migration_is_a_marker_or_a_lag() {
    const OLD: Table<u64, u64> = Table::new("numbers");
    const NEW: Table<u64, String> = Table::new("numbers").version(2);
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    db.put(OLD, 1, 1).unwrap();
    let position = db.subscribe(OLD).open().unwrap().reached();
    db.close().unwrap();
    let migration = Migration::new(NEW).from(1, |number: u64| number.to_string());
    let db = small().migrate(migration).open(&path).unwrap();
    let mut feed = db.subscribe(NEW).from(position).open().unwrap();
    let event = feed.next_timeout(PATIENCE).unwrap();
    assert!(matches!(event, Some(Event::Lagged { lag: Lag::OtherTable, .. })), "{event:?}");
    assert_eq!(kind(db.subscribe(OLD).open()), Err(ErrorKind::SchemaMismatch));
}

#[test]
fn a_copy_of_a_store_that_was_killed_goes_on() {
    const NUMBERS: Table<u64, u64> = Table::new("numbers");
    let (folder, path) = place();
    let db = small().open(&path).unwrap();
    // Its records have the rows before of one of the tables, and recovery passes over them.
    let mut feed = db.subscribe(ITEMS).with_old().open().unwrap();
    for id in 0..50 {
        db.transact(|tx| {
            tx.put(NUMBERS, id, id)?;
            tx.put(ITEMS, id, item(1_000))?;
            tx.put(ITEMS, id, item(id))
        })
        .unwrap();
    }
    (0..20).for_each(|_| drop(next(&mut feed)));
    let position = feed.reached();
    let killed = folder.path().join("killed");
    copy(&path, &killed);
    let db = small().open(&killed).unwrap();
    let mut feed = db.subscribe(ITEMS).from(position).open().unwrap();
    db.put(ITEMS, 50, item(50)).unwrap();
    assert_eq!((amount(&db, 7), db.get(NUMBERS, 7).unwrap().as_deref()), (7, Some(&7)));
    let seen: Vec<u64> = (20..51).flat_map(|_| rows(&mut feed)).map(|(key, _)| key).collect();
    assert_eq!(seen, (20..51).collect::<Vec<_>>());
    nothing(&mut feed);
}

#[test]
fn a_commit_comes_once_it_is_on_disk() {
    let options = small().durability(Durability::Eventual).eventual_sync(Duration::from_secs(3_600));
    let db = options.temporary().unwrap();
    let mut feed = db.subscribe(ITEMS).open().unwrap();
    db.put(ITEMS, 1, item(1)).unwrap();
    assert!(db.get(ITEMS, 1).unwrap().is_some());
    nothing(&mut feed);
    db.sync().unwrap();
    assert_eq!(rows(&mut feed), [(1, Some(1))]);
}

#[test]
fn closing_ends_it_when_all_was_delivered() {
    for by_drop in [false, true] {
        let db = small().durability(Durability::Eventual).temporary().unwrap();
        let feed = db.subscribe(ITEMS).open().unwrap();
        let follower = thread::spawn(move || {
            let mut feed = feed;
            let keys: Vec<u64> =
                feed.by_ref().flat_map(|event| event.unwrap().changes().to_vec()).map(|c| c.key).collect();
            assert_eq!(kind(feed.next_timeout(PATIENCE)), Err(ErrorKind::Closed));
            assert!(feed.next().is_none() && block_on(feed.next_async()).is_none());
            keys
        });
        (0..20).for_each(|id| db.put(ITEMS, id, item(id)).unwrap());
        if by_drop {
            drop(db);
        } else {
            db.close().unwrap();
        }
        assert_eq!(follower.join().unwrap(), (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn tasks_are_woken_by_the_sync() {
    let db = small().durability(Durability::Eventual).eventual_sync(Duration::from_millis(5)).temporary().unwrap();
    let mut feed = db.subscribe(ITEMS).open().unwrap();
    // One that waited and was dropped is not missed.
    assert!(pin!(feed.next_async()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let dropped = db.subscribe(ITEMS).open().unwrap();
    let writer = {
        let db = db.clone();
        thread::spawn(move || (0..300).for_each(|id| db.put(ITEMS, id, item(id)).unwrap()))
    };
    let begun = Instant::now();
    let mut stream = pin!(feed.into_stream());
    let mut keys = Vec::new();
    while keys.len() < 300 {
        let event = block_on(poll_fn(|context| stream.as_mut().poll_next(context))).unwrap().unwrap();
        keys.extend(event.changes().iter().map(|change| change.key));
    }
    assert_eq!(keys, (0..300).collect::<Vec<_>>());
    writer.join().unwrap();
    drop(dropped);
    let closer = thread::spawn(move || db.close().unwrap());
    assert!(block_on(poll_fn(|context| stream.as_mut().poll_next(context))).is_none());
    closer.join().unwrap();
    assert!(begun.elapsed() < PATIENCE, "it was not woken, but looked after a while");
}

#[test]
fn every_commit_of_many_writers_comes_once_and_in_order() {
    const WRITERS: u64 = 4;
    const COMMITS: u64 = 60;
    let db = small().temporary().unwrap();
    let mut feed = db.subscribe(ITEMS).with_old().open().unwrap();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let db = &db;
            scope.spawn(move || {
                for n in 0..COMMITS {
                    let durability = if n % 3 == 0 { Durability::Immediate } else { Durability::Eventual };
                    let options = TransactionOptions::new().durability(durability);
                    db.transact_with(&options, |tx| {
                        let total = tx.get_for_update(ITEMS, 0)?.map_or(0, |row| row.amount);
                        tx.put(ITEMS, 0, Item { amount: total + 1, ..item(0) })?;
                        tx.put(ITEMS, 1 + writer, Item { amount: n as i64, ..item(1 + writer) })
                    })
                    .unwrap();
                }
            });
        }
        let mut last = vec![-1; 1 + WRITERS as usize];
        let mut commit = 0;
        for total in 1..=(WRITERS * COMMITS) as i64 {
            let event = next(&mut feed);
            assert!(event.position().commit() > commit, "{event:?}");
            commit = event.position().commit();
            let [sum, own] = event.changes() else { panic!("{event:?}") };
            assert_eq!(sum.new.as_ref().unwrap().amount, total);
            assert_eq!(sum.old.row().map(|row| row.amount), (total > 1).then_some(total - 1));
            let amount = own.new.as_ref().unwrap().amount;
            assert_eq!(amount, last[own.key as usize] + 1);
            last[own.key as usize] = amount;
        }
    });
    nothing(&mut feed);
}

#[test]
fn entries_and_ids_are_not_delivered() {
    const BY_GROUP: Index<u64, Item> = Index::new("by_group", |item, out| out.key(item.group));
    const GROUPED: Table<u64, Item> = Table::new("grouped").indexes(&[&BY_GROUP]);
    let db = small().temporary().unwrap();
    let mut feed = db.subscribe(GROUPED).with_old().open().unwrap();
    db.next_id(GROUPED).unwrap();
    db.put(GROUPED, 1, item(1)).unwrap();
    assert_eq!(rows(&mut feed), [(1, Some(1))]);
    nothing(&mut feed);
    let ids: Table<String, u64> = Table::new("gangline.ids");
    assert_eq!(kind(db.subscribe(ids).open()), Err(ErrorKind::InvalidArgument));
}

#[test]
fn waiting_inside_a_closure_of_the_database_is_refused() {
    let db = small().temporary().unwrap();
    let mut feed = db.subscribe(ITEMS).open().unwrap();
    let feed = std::cell::RefCell::new(&mut feed);
    db.transact(|tx| {
        tx.put(ITEMS, 1, item(1))?;
        assert_eq!(kind(feed.borrow_mut().next_timeout(PATIENCE)), Err(ErrorKind::Nested));
        assert_eq!(kind(db.subscribe(ITEMS).open()), Err(ErrorKind::Nested));
        Ok(())
    })
    .unwrap();
    // It goes on all the same.
    assert_eq!(rows(&mut feed.borrow_mut()), [(1, Some(1))]);
}
