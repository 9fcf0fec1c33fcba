//! What only the inside of a database can bring about.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::{Db, Error, ErrorKind, Event, Events, Subscription, Table};

const NUMBERS: Table<u64, u64> = Table::new("numbers");

#[test]
fn a_database_that_was_stopped_ends_its_subscriptions() {
    let db = Db::temporary().unwrap();
    let mut feed = db.subscribe(NUMBERS).open().unwrap();
    let mut task = db.subscribe(NUMBERS).open().unwrap();
    db.put(NUMBERS, 1, 1).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            assert!(matches!(feed.next(), Some(Ok(Event::Rows { .. }))));
            let error = feed.next().unwrap().unwrap_err();
            assert!(feed.next().is_none());
            error.kind()
        });
        db.engine().poison(&Error::new(ErrorKind::Io, "a checkpoint failed"));
        assert_eq!(waiter.join().unwrap(), ErrorKind::Poisoned);
    });
    let mut poll = || pin!(task.next_async()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll(), Poll::Ready(Some(Ok(Event::Rows { .. })))));
    assert!(matches!(poll(), Poll::Ready(Some(Err(error))) if error.kind() == ErrorKind::Poisoned));
    assert!(matches!(poll(), Poll::Ready(None)));
    assert_eq!(db.subscribe(NUMBERS).open().unwrap_err().kind(), ErrorKind::Poisoned);
}

#[test]
fn a_subscription_keeps_no_database_open_and_asks_for_old_rows_no_longer_than_it_lives() {
    let db = Db::temporary().unwrap();
    let one = db.subscribe(NUMBERS).with_old().open().unwrap();
    let two = db.subscribe(NUMBERS).with_old().open().unwrap();
    assert_eq!(db.engine().tables_with_old_rows(), ["numbers"]);
    drop(one);
    assert_eq!(db.engine().tables_with_old_rows(), ["numbers"]);
    drop(two);
    assert!(db.engine().tables_with_old_rows().is_empty());
    let mut last = db.subscribe(NUMBERS).open().unwrap();
    drop(db);
    assert_eq!(last.next_timeout(Duration::from_secs(20)).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_database_in_memory_says_that_it_has_no_journal() {
    let error = Db::in_memory().unwrap().subscribe(NUMBERS).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn subscriptions_may_be_sent_to_other_threads() {
    fn is_sent<T: Send + Unpin + 'static>() {}
    is_sent::<Subscription<String, Vec<u8>>>();
    is_sent::<Events<String, Vec<u8>>>();
}
