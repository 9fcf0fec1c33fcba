//! Subscriptions: what is delivered, in which order, from where.

use std::thread;
use std::time::Duration;

use gangline::{BulkKind, Change, Db, Durability, ErrorKind, Event, Lag, Options, Position, Subscription};

use super::support::{ITEMS, Item, PATIENCE, ids, item, kind, place, small};

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
