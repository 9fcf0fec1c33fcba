//! Rows in a new version of their type.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gangline::{Db, ErrorKind, Index, Migration, Options, Result, Table};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::support::{place, small};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct UserV1 {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct UserV2 {
    first: String,
    last: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct UserV3 {
    last: String,
    number: u64,
}

const BY_NAME: Index<String, UserV1> =
    Index::<String, UserV1>::new("by_name", |user, out| out.key(&user.name)).unique();
const BY_LAST: Index<String, UserV2> =
    Index::new("by_last", |user, out| user.last.iter().for_each(|last| out.key(last)));
const V1: Table<u64, UserV1> = Table::new("users").indexes(&[&BY_NAME]);
const V2: Table<u64, UserV2> = Table::new("users").version(2).indexes(&[&BY_LAST]);
const V3: Table<u64, UserV3> = Table::new("users").version(3);
const OTHER: Table<u64, u64> = Table::new("other");
const OTHER_V2: Table<u64, String> = Table::new("other").version(2);

fn second(old: UserV1) -> UserV2 {
    let (first, last) = old.name.split_once(' ').map_or((&*old.name, None), |(first, last)| (first, Some(last)));
    UserV2 { first: first.to_owned(), last: last.map(str::to_owned) }
}

fn name(id: u64) -> String {
    if id.is_multiple_of(3) { format!("name{id}") } else { format!("name{id} family{}-{}", id % 5, "x".repeat(100)) }
}

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn make(path: &Path, rows: u64) {
    let db = small().open(path).unwrap();
    db.bulk_load(V1, (0..rows).map(|id| (id, UserV1 { name: name(id) }))).unwrap();
    db.bulk_load(OTHER, (0..rows).map(|id| (id, id))).unwrap();
    // A part of it is in the journal only, and one segment was touched since.
    db.remove(V1, 5).unwrap();
    db.put(V1, 5, UserV1 { name: name(5) }).unwrap();
    drop(db);
}

fn open(path: &Path, cache: usize) -> Result<Db> {
    let users = Migration::new(V2).from(1, second);
    let other = Migration::new(OTHER_V2).from(1, |old: u64| format!("number {old}"));
    small().cache_bytes(cache).migrate(users).migrate(other).open(path)
}

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn check(db: &Db, rows: u64) {
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    let expected: Vec<(u64, UserV2)> = (0..rows).map(|id| (id, second(UserV1 { name: name(id) }))).collect();
    assert_eq!(db.query(V2).keys().unwrap(), (0..rows).collect::<Vec<_>>());
    assert!(db.query(V2).rows().unwrap().iter().map(|user| &**user).eq(expected.iter().map(|(_, user)| user)));
    let of_family = format!("family3-{}", "x".repeat(100));
    let with_last: Vec<u64> = (0..rows).filter(|id| !id.is_multiple_of(3) && id % 5 == 3).collect();
    assert_eq!(db.query(V2).by(&BY_LAST).equal(&of_family).keys().unwrap(), with_last);
    assert_eq!(db.len(OTHER_V2).unwrap(), rows);
    assert_eq!(db.get(OTHER_V2, 7).unwrap().as_deref(), Some(&"number 7".to_owned()));
}

#[test]
fn rows_and_indexes_are_made_anew_once() {
    for cache in [60_000, 1 << 28] {
        let (_folder, path) = place();
        make(&path, 500);
        let db = open(&path, cache).unwrap();
        check(&db, 500);
        db.put(V2, 500, second(UserV1 { name: name(500) })).unwrap();
        db.put(OTHER_V2, 500, "number 500".to_owned()).unwrap();
        // Once before, and once behind a root.
        drop(db);
        let again = Migration::new(V2).from(1, |_: UserV1| -> UserV2 { unreachable!("it is migrated") });
        let db = small().migrate(again).open(&path).unwrap();
        check(&db, 501);
        db.close().unwrap();
        let db = Db::open(&path).unwrap();
        check(&db, 501);
        let tables: Vec<String> = db.verify().unwrap().tables.into_iter().map(|table| table.name).collect();
        assert_eq!(tables, ["users", "other", "users.by_last"]);
    }
}

#[test]
fn an_old_program_is_told_of_the_version() {
    let (_folder, path) = place();
    make(&path, 50);
    let error = Db::open(&path).unwrap().get(V2, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("version 1") && error.to_string().contains("Options::migrate"), "{error}");
    let db = open(&path, 1 << 28).unwrap();
    for error in [db.get(V1, 1).unwrap_err(), db.put(V1, 1, UserV1 { name: name(1) }).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
        assert!(error.to_string().contains("is stored in version 2, the program has version 1"), "{error}");
    }
    // The program that forgot to raise the version is told what differs, and how to go on.
    let error = db.get(Table::<u64, UserV3>::new("users").version(2), 1).unwrap_err();
    assert!(error.to_string().contains("Table::version"), "{error}");
}

#[test]
fn each_older_version_has_its_own_way() {
    let (_folder, path) = place();
    make(&path, 60);
    let migration = || {
        Migration::new(V3)
            .from(1, |old: UserV1| UserV3 { last: old.name, number: 1 })
            .from(2, |old: UserV2| UserV3 { last: old.last.unwrap_or_default(), number: 2 })
    };
    drop(open(&path, 1 << 28).unwrap());
    let db = Options::new().migrate(migration()).open(&path).unwrap();
    assert_eq!(db.query(V3).select(|user| user.number == 2).count().unwrap(), 60);
    let tables: Vec<String> = db.verify().unwrap().tables.into_iter().map(|table| table.name).collect();
    assert_eq!(tables, ["users", "other"], "the indexes of the old version are gone");
    drop(db);
    let (_folder, path) = place();
    make(&path, 60);
    let db = Options::new().migrate(migration()).open(&path).unwrap();
    assert_eq!(db.query(V3).select(|user| user.number == 1).count().unwrap(), 60);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_the_store_as_it_was() {
    let (_folder, path) = place();
    make(&path, 200);
    let refused = |migration: Migration<u64, UserV2>, word: &str| {
        let other = Migration::new(OTHER_V2).from(1, |old: u64| format!("number {old}"));
        let error = small().migrate(other).migrate(migration).open(&path).map(drop).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        let db = small().open(&path).unwrap();
        assert_eq!(db.query(V1).count().unwrap(), 200);
        assert_eq!(db.query(V1).by(&BY_NAME).range(..).count().unwrap(), 200);
        assert_eq!(db.get(OTHER, 3).unwrap().as_deref(), Some(&3), "no table is migrated without the others");
        assert!(db.verify().unwrap().is_clean());
        db.close().unwrap();
        error
    };
    let error = refused(Migration::new(V2).from(7, second), "no migration from 1");
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    refused(Migration::new(V2).from(1, |old: u64| second(UserV1 { name: old.to_string() })), "another shape");
    let failing = |old: UserV1| if old.name.starts_with("name150") { Err("no such user") } else { Ok(second(old)) };
    let error = refused(Migration::new(V2).try_from(1, failing), "no such user");
    assert!(std::error::Error::source(&error).is_some());
    assert!(error.to_string().contains("0x0000000000000096"), "the key is named: {error}");
    let keys = Migration::new(Table::<u32, UserV2>::new("users").version(2)).from(1, second);
    let error = small().migrate(keys).open(&path).map(drop).unwrap_err();
    assert!(error.to_string().contains("keys of table"), "{error}");
    // A panic of the closure, too.
    let panicking = Migration::new(V2).from(1, |_: UserV1| -> UserV2 { panic!("of the program") });
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| small().migrate(panicking).open(&path)));
    assert!(outcome.is_err());
    check(&open(&path, 60_000).unwrap(), 200);
}

#[test]
fn two_rows_with_one_key_of_a_unique_index_are_refused() {
    const BY_FIRST: Index<u64, UserV2> = Index::<u64, UserV2>::new("by_first", |_, out| out.key(1)).unique();
    let (_folder, path) = place();
    make(&path, 100);
    let table: Table<u64, UserV2> = Table::new("users").version(2).indexes(&[&BY_FIRST]);
    let error = small().migrate(Migration::new(table).from(1, second)).open(&path).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(error.to_string().contains("by_first"), "{error}");
    check(&open(&path, 1 << 28).unwrap(), 100);
}

#[test]
fn progress_is_told_and_new_stores_need_none() {
    let (_folder, path) = place();
    make(&path, 2_000);
    let (told, converted) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
    let (tell, count) = (Arc::clone(&told), Arc::clone(&converted));
    let migration = Migration::new(V2)
        .from(1, move |old: UserV1| {
            count.fetch_add(1, Ordering::Relaxed);
            second(old)
        })
        .progress(move |progress| tell.lock().push((progress.table, progress.rows, progress.of)));
    drop(small().migrate(migration).open(&path).unwrap());
    let told = told.lock().clone();
    assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&("users", 2_000, 2_000)));
    assert!(converted.load(Ordering::Relaxed) >= 2_000);
    let (_folder, path) = place();
    let db = open(&path, 1 << 28).unwrap();
    assert_eq!(db.len(V2).unwrap(), 0);
}
