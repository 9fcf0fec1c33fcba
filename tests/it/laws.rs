//! What holds of the public types whatever they do: who may send and share them, what they print.

use std::error::Error as _;
use std::fmt::Debug;

use gangline::{
    CancelToken, Db, Durability, Error, ErrorKind, LockGuard, Options, OwnedLockGuard, Pool, Shared, Snapshot, Status,
    Table, TableInfo, Task, Transaction, TransactionOptions, VerifyReport,
};

use crate::support::{ITEMS, Item, item, place, small, with_items};

fn shared_between_threads<T: Send + Sync + 'static>() {}
fn sent_to_threads<T: Send + 'static>() {}
fn printed<T: Debug>() {}

#[test]
fn handles_are_shared_between_threads() {
    shared_between_threads::<Db>();
    shared_between_threads::<Snapshot>();
    shared_between_threads::<Shared<Item>>();
    shared_between_threads::<Table<u64, Item>>();
    // A table is only a name, so it may be of types that are not shared themselves.
    shared_between_threads::<Table<u64, std::cell::Cell<u8>>>();
    shared_between_threads::<Error>();
    shared_between_threads::<ErrorKind>();
    shared_between_threads::<Options>();
    shared_between_threads::<Durability>();
    shared_between_threads::<Pool>();
    shared_between_threads::<Status>();
    shared_between_threads::<VerifyReport>();
    shared_between_threads::<TableInfo>();
    shared_between_threads::<CancelToken>();
    shared_between_threads::<TransactionOptions>();
    shared_between_threads::<OwnedLockGuard>();
    sent_to_threads::<Task<u64>>();
}

#[test]
fn public_types_can_be_printed() {
    printed::<(Db, Snapshot, Table<u64, Item>, Options, Durability)>();
    printed::<(Error, ErrorKind, Pool, LockGuard, Transaction)>();
    printed::<(Status, VerifyReport, TableInfo, Shared<Item>, Task<u64>)>();
    let db = with_items(1);
    assert_eq!(format!("{:?}", db.get(ITEMS, 0).unwrap().unwrap()), format!("{:?}", item(0)));
    assert!(format!("{db:?} {:?} {ITEMS:?}", db.snapshot()).contains("items"));
}

/// Tells at compile time whether a type has a trait, by which of two functions is found first.
macro_rules! has_not {
    ($type:ty: $trait:path) => {{
        trait Otherwise {
            fn found() -> bool {
                false
            }
        }
        impl<T: ?Sized> Otherwise for T {}
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        #[expect(dead_code, reason = "found only where the type has the trait")]
        impl<T: ?Sized + $trait> Probe<T> {
            fn found() -> bool {
                true
            }
        }
        assert!(!<Probe<$type>>::found(), "{} is {}", stringify!($type), stringify!($trait));
    }};
}

#[test]
fn what_belongs_to_a_thread_stays_there() {
    // The order of a thread's names can be checked only if its guards stay with it.
    has_not!(LockGuard: Send);
    has_not!(Transaction: Sync);
    has_not!(LockGuard: Clone);
    has_not!(Transaction: Clone);
}

#[test]
fn errors_have_a_kind_a_text_and_a_source() {
    let (_folder, path) = place();
    std::fs::write(&path, "not a folder").unwrap();
    let io = small().open(&path).map(drop).unwrap_err();
    assert!(!io.to_string().is_empty() && !io.to_string().ends_with('.'), "{io}");
    if let Some(source) = io.source() {
        assert!(!io.to_string().contains(&source.to_string()), "a text does not repeat its source: {io}");
    }
    let db = with_items(2);
    let exists = db.insert(ITEMS, 1, item(1)).unwrap_err();
    assert_eq!(exists.kind(), ErrorKind::Exists);
    assert!(!exists.is_retryable());
    let text = exists.to_string();
    assert!(text.contains("items") && text.starts_with(char::is_lowercase) && !text.ends_with('.'), "{text}");
    assert!(format!("{exists:?}").contains("Exists"));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for options in
        [Options::new().segment_rows(0), Options::new().max_transaction_bytes(0), Options::new().journal_bytes(0)]
    {
        assert_eq!(options.in_memory().map(drop).map_err(|error| error.kind()), Err(ErrorKind::InvalidArgument));
    }
}

#[test]
fn names_that_make_no_sense_are_refused() {
    let db = with_items(1);
    let long = "n".repeat(gangline::MAX_NAME_BYTES + 1);
    assert_eq!(db.lock(&long).map(drop).map_err(|error| error.kind()), Err(ErrorKind::InvalidArgument));
    let nameless: Table<u64, u64> = Table::new("");
    assert_eq!(db.put(nameless, 1, 1).map_err(|error| error.kind()), Err(ErrorKind::InvalidArgument));
}

#[test]
fn status_tables_and_verification_agree() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    crate::support::fill(&db, 500);
    db.checkpoint().unwrap();
    let tables = db.tables().unwrap();
    assert_eq!(tables.iter().map(|table| (table.name.as_str(), table.rows)).collect::<Vec<_>>(), [("items", 500)]);
    let report = db.verify().unwrap();
    assert!(report.is_clean());
    let of_items = |report: &VerifyReport| report.tables.iter().find(|table| table.name == "items").unwrap().clone();
    let (before, again) = (of_items(&report), of_items(&db.verify().unwrap()));
    assert_eq!((before.rows, before.checksum), (500, again.checksum));
    db.modify(ITEMS, 7, |item| item.amount += 1).unwrap();
    assert_ne!(of_items(&db.verify().unwrap()).checksum, before.checksum);
    db.modify(ITEMS, 7, |item| item.amount -= 1).unwrap();
    assert_eq!(of_items(&db.verify().unwrap()).checksum, before.checksum, "it depends on the rows only");
    let status = db.status().unwrap();
    assert!(status.commits >= 3 && status.checkpoints >= 1 && status.segments >= 10, "{status:?}");
    db.close().unwrap();
}
