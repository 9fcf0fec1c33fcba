//! Rows with a time until which they are there.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use gangline::{Access, Db, ErrorKind, Index, Table};
use serde::{Deserialize, Serialize};

use crate::support::{kind, place, small, until};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    user: u64,
    until: Option<SystemTime>,
}

const BY_USER: Index<u64, Session> = Index::new("by_user", |session, out| out.key(session.user));
const SESSIONS: Table<u64, Session> = Table::new("sessions").indexes(&[&BY_USER]).expires(|session| session.until);
/// The same rows, whatever the time is.
const ALL: Table<u64, Session> = Table::new("sessions").indexes(&[&BY_USER]);

fn session(user: u64, seconds: i64) -> Session {
    let (now, by) = (SystemTime::now(), Duration::from_secs(seconds.unsigned_abs()));
    Session { user, until: Some(if seconds < 0 { now - by } else { now + by }) }
}

/// 3,000 sessions of 10 users: every third is over, every third lasts for an hour, every third for ever.
fn with_sessions() -> Db {
    let db = small().in_memory().unwrap();
    fill(&db);
    db
}

fn fill(db: &Db) {
    for start in (0..3_000).step_by(40) {
        db.transact(|tx| {
            (start..3_000.min(start + 40)).try_for_each(|id| {
                let session = match id % 3 {
                    0 => session(id % 10, -60),
                    1 => session(id % 10, 3_600),
                    _ => Session { user: id % 10, until: None },
                };
                tx.put(SESSIONS, id, session)
            })
        })
        .unwrap();
    }
}

fn alive() -> Vec<u64> {
    (0..3_000).filter(|id| id % 3 != 0).collect()
}

/// Every way to read sees the same rows.
fn check(on: &impl Access) {
    let expected = alive();
    let query = || on.query(SESSIONS);
    assert_eq!(query().keys().unwrap(), expected);
    assert_eq!(query().count().unwrap(), 2_000);
    assert_eq!(query().rows().unwrap().len(), 2_000);
    assert_eq!(query().iter().unwrap().count(), 2_000);
    assert_eq!(query().offset(1_000).limit(1).keys().unwrap(), [expected[1_000]]);
    assert_eq!(query().reverse().first().unwrap().unwrap().0, 2_999);
    assert_eq!(on.read(SESSIONS, |_| true, |_| ()).unwrap().len(), 2_000);
    assert_eq!(on.query(ALL).count().unwrap(), 3_000, "they are still stored");
    assert!(on.get(SESSIONS, 0).unwrap().is_none() && on.get(SESSIONS, 1).unwrap().is_some());
    let of_7 = expected.iter().filter(|id| *id % 10 == 7).count() as u64;
    assert_eq!(query().by(&BY_USER).equal(7).count().unwrap(), of_7);
    assert_eq!(query().by(&BY_USER).equal(7).rows().unwrap().len() as u64, of_7);
    let by_user = query().group_by(|session| session.user).count().unwrap();
    let by_index: BTreeMap<u64, u64> =
        (0..10).map(|user| (user, query().by(&BY_USER).equal(user).keys().unwrap().len() as u64)).collect();
    assert_eq!(by_user, by_index);
    let joined = on.query(ALL).range(..30).join(SESSIONS, |session| session.user);
    let there = joined.project(|session, other| other.is_some() == (session.user % 3 != 0));
    assert_eq!(there.reduce(|a, b| a && b).unwrap(), Some(true), "sessions by the numbers of users");
}

#[test]
fn what_is_over_is_not_read_counted_or_found_by_an_index() {
    let db = with_sessions();
    check(&db);
    let snapshot = db.snapshot();
    check(&snapshot);
    assert_eq!((db.len(SESSIONS).unwrap(), snapshot.len(SESSIONS).unwrap()), (2_000, 2_000));
    assert_eq!(db.len(ALL).unwrap(), 3_000);
    assert_eq!(db.first(SESSIONS).unwrap().unwrap().0, 1);
    assert!(!db.contains(SESSIONS, 3).unwrap() && db.contains(SESSIONS, 4).unwrap());
    let many = db.get_many(SESSIONS, [0, 1, 2, 3]).unwrap();
    assert_eq!(many.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, false]);
    db.transact(|tx| {
        check(tx);
        assert_eq!((tx.len(SESSIONS)?, tx.len(ALL)?), (2_000, 3_000));
        assert!(!tx.contains(SESSIONS, 3)? && tx.contains(SESSIONS, 4)?);
        assert_eq!(tx.get_many(SESSIONS, [0, 1])?.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn writers_find_its_place_free() {
    let db = with_sessions();
    assert_eq!(db.modify(SESSIONS, 0, |session| session.user = 99).unwrap(), None);
    assert!(db.remove(SESSIONS, 0).unwrap().is_none());
    assert_eq!(db.len(ALL).unwrap(), 2_999, "its bytes are gone");
    db.insert(SESSIONS, 3, session(3, 60)).unwrap();
    assert_eq!(kind(db.insert(SESSIONS, 3, session(3, 60))), Err(ErrorKind::Exists));
    db.compare_and_swap(SESSIONS, 6, None, Some(session(6, 60))).unwrap().unwrap();
    let before = db.query(SESSIONS).count().unwrap();
    assert_eq!(db.update(SESSIONS, |_| true, |session| session.user += 100).unwrap(), before);
    db.transact(|tx| {
        tx.put(SESSIONS, 9, session(9, -1))?;
        assert!(tx.get(SESSIONS, 9)?.is_none(), "over before it began");
        tx.put(SESSIONS, 12, session(12, 60))?;
        assert_eq!(tx.query(SESSIONS).range(8..14).keys()?, [8, 10, 11, 12, 13]);
        assert_eq!(tx.query(SESSIONS).by(&BY_USER).equal(12).keys()?, [12]);
        Ok(())
    })
    .unwrap();
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn a_transaction_and_a_snapshot_keep_to_the_moment_when_they_began() {
    let db = small().in_memory().unwrap();
    let short = Session { user: 1, until: Some(SystemTime::now() + Duration::from_millis(60)) };
    db.put(SESSIONS, 1, &short).unwrap();
    let snapshot = db.snapshot();
    db.transact(|tx| {
        if tx.get(SESSIONS, 1)?.is_none() {
            // The machine was so slow that it was over before it could be looked at.
            return Ok(());
        }
        until("the row is over", || db.snapshot().get(SESSIONS, 1).unwrap().is_none());
        assert_eq!(tx.get(SESSIONS, 1)?.as_deref(), Some(&short));
        assert_eq!(tx.query(SESSIONS).count()?, 1);
        assert_eq!(kind(tx.insert(SESSIONS, 1, &short)), Err(ErrorKind::Exists));
        assert_eq!(snapshot.get(SESSIONS, 1)?.as_deref(), Some(&short));
        assert_eq!(snapshot.query(SESSIONS).by(&BY_USER).all().count()?, 1);
        Ok(())
    })
    .unwrap();
    until("it is over for new readers", || db.get(SESSIONS, 1).unwrap().is_none());
    assert_eq!(db.transact(|tx| tx.query(SESSIONS).count()).unwrap(), 0);
}

#[test]
fn what_is_over_is_removed_when_it_is_wanted() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    assert_eq!(db.remove_expired(SESSIONS).unwrap(), 0, "there is no such table yet");
    fill(&db);
    assert_eq!(db.remove_expired(ALL).unwrap(), 0, "these do not expire");
    assert_eq!(db.remove_expired(SESSIONS).unwrap(), 1_000);
    assert_eq!(db.remove_expired(SESSIONS).unwrap(), 0);
    assert_eq!(db.query(ALL).keys().unwrap(), alive());
    assert_eq!(db.query(ALL).by(&BY_USER).all().count().unwrap(), 2_000);
    db.transact(|tx| (10_000..12_345).try_for_each(|id| tx.put(SESSIONS, id, session(1, -1)))).unwrap();
    assert_eq!(db.remove_expired(SESSIONS).unwrap(), 2_345, "more than one transaction removes");
    assert_eq!((db.len(ALL).unwrap(), db.len(SESSIONS).unwrap()), (2_000, 2_000));
    assert!(db.verify().unwrap().is_clean());
    db.transact(|_| {
        assert_eq!(kind(db.remove_expired(SESSIONS)), Err(ErrorKind::Nested));
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
}

#[test]
fn a_row_that_is_written_anew_before_it_is_removed_stays() {
    let db = with_sessions();
    crate::support::beside(
        &db,
        |tx| tx.put(SESSIONS, 0, session(0, 3_600)),
        |scope, release| {
            let remover = scope.spawn(|| db.remove_expired(SESSIONS).unwrap());
            until("it waits for the row", || crate::support::waits(&db) > 0);
            release();
            assert_eq!(remover.join().unwrap(), 999);
        },
    );
    assert!(db.contains(SESSIONS, 0).unwrap());
    assert_eq!(db.len(ALL).unwrap(), 2_001);
}
