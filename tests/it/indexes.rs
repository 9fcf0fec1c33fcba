//! Secondary indexes: what they find, what they refuse, and that they follow the rows whatever is done to these.

use std::collections::BTreeMap;
use std::ops::Bound;

use gangline::{Access, Db, ErrorKind, First, Index, MAX_KEY_BYTES, Options, Result, Table};
use serde::{Deserialize, Serialize};

use super::support::{Random, kind, place, small};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    email: Option<String>,
    country: String,
    roles: Vec<u8>,
    age: u16,
}

/// For some rows only, and for one each.
const BY_EMAIL: Index<String, User> =
    Index::<String, User>::new("by_email", |user, out| user.email.iter().for_each(|email| out.key(email))).unique();
/// Of two fields.
const BY_PLACE: Index<(String, u16), User> =
    Index::new("by_place", |user, out| out.key((user.country.as_str(), user.age)));
/// Several keys a row, some of them twice.
const BY_ROLE: Index<u8, User> = Index::new("by_role", |user, out| user.roles.iter().for_each(|role| out.key(*role)));

const USERS: Table<u64, User> = Table::new("users").indexes(&[&BY_EMAIL, &BY_PLACE, &BY_ROLE]);
const COUNTRIES: [&str; 4] = ["at", "d", "de", "fr"];

fn user(number: u64, random: &mut Random) -> User {
    User {
        name: format!("user {number:-<80}"),
        email: (random.below(3) > 0).then(|| format!("{}@x", random.below(60))),
        country: COUNTRIES[random.below(4) as usize].into(),
        roles: (0..random.below(4)).map(|_| random.below(5) as u8).collect(),
        age: random.below(30) as u16,
    }
}

/// What the indexes should find, by looking at every row.
fn by_hand<K: Ord>(
    rows: &BTreeMap<u64, User>,
    keys: impl Fn(&User) -> Vec<K>,
    wanted: impl Fn(&K) -> bool,
) -> Vec<u64> {
    let mut found: Vec<(K, u64)> = Vec::new();
    for (key, user) in rows {
        found.extend(keys(user).into_iter().filter(&wanted).min().map(|index_key| (index_key, *key)));
    }
    found.sort();
    found.into_iter().map(|(_, key)| key).collect()
}

fn emails(user: &User) -> Vec<String> {
    user.email.iter().cloned().collect()
}

fn check(data: &impl Access, rows: &BTreeMap<u64, User>, random: &mut Random) -> Result<()> {
    let at = |user: &User| vec![(user.country.clone(), user.age)];
    let email = format!("{}@x", random.below(60));
    let found = data.get_by(USERS, &BY_EMAIL, &email)?.map(|(key, row)| (key, User::clone(&row)));
    let wanted = rows.iter().find(|(_, user)| user.email.as_ref() == Some(&email));
    assert_eq!(found, wanted.map(|(key, user)| (*key, user.clone())));
    assert_eq!(data.query(USERS).by(&BY_EMAIL).all().keys()?, by_hand(rows, emails, |_| true));

    let country = COUNTRIES[random.below(4) as usize];
    let in_country = by_hand(rows, at, |(of, _)| of == country);
    assert_eq!(data.query(USERS).by(&BY_PLACE).prefix(First(country)).keys()?, in_country);
    let (low, high) = ((country, random.below(30) as u16), ("de", random.below(30) as u16));
    let inside = |key: &(String, u16)| (key.0.as_str(), key.1) > low && (key.0.as_str(), key.1) <= high;
    let range = (Bound::Excluded(low), Bound::Included(high));
    assert_eq!(data.query(USERS).by(&BY_PLACE).range(range).keys()?, by_hand(rows, at, inside));

    let role = random.below(6) as u8;
    let roles = |user: &User| user.roles.clone();
    assert_eq!(data.query(USERS).by(&BY_ROLE).equal(role).keys()?, by_hand(rows, roles, |key| *key == role));
    let upper = by_hand(rows, roles, |key| *key >= role);
    assert_eq!(data.query(USERS).by(&BY_ROLE).range(role..).keys()?, upper);
    assert_eq!(data.query(USERS).by(&BY_ROLE).range(role..).limit(3).keys()?, upper[..upper.len().min(3)]);
    let low = upper.iter().copied().filter(|key| *key < 100).collect::<Vec<_>>();
    assert_eq!(data.query(USERS).range(..100).by(&BY_ROLE).range(role..).keys()?, low);
    let old = data.query(USERS).by(&BY_ROLE).range(role..).select(|user| user.age > 20);
    assert_eq!(old.count()?, upper.iter().filter(|key| rows[key].age > 20).count() as u64);
    Ok(())
}

/// One random write; the model takes what the store takes.
fn write(tx: &gangline::Transaction, rows: &mut BTreeMap<u64, User>, random: &mut Random) -> Result<()> {
    let key = random.below(400);
    match random.below(10) {
        0..=1 => {
            let removed = tx.remove(USERS, key)?;
            assert_eq!(removed.map(|row| User::clone(&row)), rows.remove(&key));
        }
        2 => {
            let age = random.below(30) as u16;
            let there = tx.modify(USERS, key, |user| user.age = age)?.is_some();
            assert_eq!(there, rows.get_mut(&key).map(|user| user.age = age).is_some());
        }
        3 => {
            let age = random.below(30) as u16;
            tx.update(USERS, |user| user.age == age, |user| user.roles.push(4))?;
            rows.values_mut().filter(|user| user.age == age).for_each(|user| user.roles.push(4));
        }
        _ => {
            let user = user(key, random);
            tx.put(USERS, key, &user)?;
            rows.insert(key, user);
        }
    }
    Ok(())
}

fn has_twins(rows: &BTreeMap<u64, User>) -> bool {
    let mut all: Vec<_> = rows.values().filter_map(|user| user.email.as_ref()).collect();
    all.sort();
    all.windows(2).any(|pair| pair[0] == pair[1])
}

fn model(options: &Options, seed: u64, rounds: u64) {
    let (_folder, path) = place();
    let mut db = options.clone().open(&path).unwrap();
    let mut random = Random(seed);
    let mut rows = BTreeMap::new();
    let mut kept = Vec::new();
    let mut refused = 0;
    for round in 0..rounds {
        let count = 1 + random.below(6);
        let mut trial = rows.clone();
        let dice = std::cell::RefCell::new(Random(random.next()));
        let trial_cell = std::cell::RefCell::new(&mut trial);
        let outcome = db.transact(|tx| {
            let (rows, random) = (&mut *trial_cell.borrow_mut(), &mut *dice.borrow_mut());
            (0..count).try_for_each(|_| write(tx, rows, random))?;
            // Also what is not committed yet is found, once.
            if has_twins(rows) { Ok(()) } else { check(tx, rows, random) }
        });
        if has_twins(&trial) {
            assert_eq!(kind(outcome), Err(ErrorKind::Exists));
            refused += 1;
        } else {
            outcome.unwrap();
            rows = trial;
        }
        match random.below(40) {
            0 => db.checkpoint().unwrap(),
            1 => {
                kept.clear();
                db.close().unwrap();
                db = options.clone().open(&path).unwrap();
            }
            2 => {
                kept.clear();
                drop(db);
                db = options.clone().open(&path).unwrap();
            }
            3..=5 => kept.push((db.snapshot(), rows.clone())),
            _ => {}
        }
        kept.truncate(3);
        if round % 5 == 0 {
            check(&db, &rows, &mut random).unwrap();
            kept.iter().for_each(|(snapshot, rows)| check(snapshot, rows, &mut random).unwrap());
        }
    }
    assert!(refused > 0, "the model never met a key that was taken");
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    let names: Vec<&str> = report.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["users", "users.by_email", "users.by_place", "users.by_role"]);
    assert_eq!(report.tables[2].rows, rows.len() as u64);
    // An opening that knows no functions verifies what it can.
    db.close().unwrap();
    let db = Db::open(&path).unwrap();
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(db.tables().unwrap().len(), 1, "an index is no table of the program");
}

#[test]
fn indexes_follow_the_rows_through_everything() {
    for seed in 1..=3 {
        model(&small(), seed, 150);
    }
}

#[test]
fn indexes_follow_the_rows_with_a_cache_that_holds_nothing() {
    model(&small().cache_bytes(20_000), 11, 120);
}

#[test]
fn a_taken_key_names_index_key_and_owner() {
    let db = Db::in_memory().unwrap();
    let mut random = Random(1);
    let ada = User { email: Some("ada@x".into()), ..user(1, &mut random) };
    db.put(USERS, 1, &ada).unwrap();
    let error = db.put(USERS, 2, &ada).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    let text = error.to_string();
    assert!(text.contains("by_email") && text.contains("\"ada@x\"") && text.contains("under key 1"), "{text}");
    assert!(!db.contains(USERS, 2).unwrap());
    // Two rows of one transaction.
    let eve = User { email: Some("eve@x".into()), ..ada.clone() };
    let both = db.transact(|tx| tx.put(USERS, 5, &eve).and_then(|()| tx.put(USERS, 6, &eve)));
    assert_eq!(kind(both), Err(ErrorKind::Exists));
    // A key can change hands within a transaction, in whatever order.
    db.transact(|tx| {
        tx.put(USERS, 2, &ada)?;
        tx.remove(USERS, 1).map(drop)
    })
    .unwrap();
    assert_eq!(db.get_by(USERS, &BY_EMAIL, "ada@x").unwrap().unwrap().0, 2);
    // A row may keep its own.
    db.put(USERS, 2, User { age: 99, ..ada }).unwrap();
    assert_eq!(db.query(USERS).by(&BY_PLACE).all().count().unwrap(), 1);
}

const AGAIN: Index<u16, User> = Index::new("again", |user, out| out.key(user.age));
const LONG: Index<String, User> = Index::new("long", |user, out| out.key(&user.name));
const NAMED: Table<u64, User> = Table::new("named").indexes(&[&LONG]);

#[test]
fn what_no_index_can_be_is_refused() {
    const TWICE: Table<u64, User> = Table::new("twice").indexes(&[&AGAIN, &AGAIN]);
    const NO_NAME: Index<u16, User> = Index::new("", |user, out| out.key(user.age));
    const NAMELESS: Table<u64, User> = Table::new("nameless").indexes(&[&NO_NAME]);
    let db = Db::in_memory().unwrap();
    let ada = user(1, &mut Random(1));
    assert_eq!(kind(db.put(TWICE, 1, &ada)), Err(ErrorKind::InvalidArgument));
    assert_eq!(kind(db.put(NAMELESS, 1, &ada)), Err(ErrorKind::InvalidArgument));
    assert!(db.tables().unwrap().is_empty());
    let long = User { name: "n".repeat(MAX_KEY_BYTES), ..ada.clone() };
    let error = db.put(NAMED, 1, &long).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyTooLarge);
    assert!(error.to_string().contains("long"), "{error}");
    db.put(NAMED, 1, User { name: "n".repeat(MAX_KEY_BYTES - 2), ..ada.clone() }).unwrap();
    assert_eq!(db.query(NAMED).by(&LONG).prefix("nnn").count().unwrap(), 1);
    // Not an index of this table, or not one over these keys.
    assert_eq!(kind(db.query(NAMED).by(&AGAIN).all().count()), Err(ErrorKind::InvalidArgument));
    const SHORT: Index<u16, User> = Index::new("long", |user, out| out.key(user.age));
    assert_eq!(kind(db.query(NAMED).by(&SHORT).all().count()), Err(ErrorKind::InvalidArgument));
    assert_eq!(kind(db.get_by(NAMED, &LONG, "n")), Err(ErrorKind::InvalidArgument));
    assert_eq!(kind(db.transact(|tx| tx.get_by(NAMED, &LONG, "n"))), Err(ErrorKind::InvalidArgument));
}

#[test]
fn a_panicking_function_writes_nothing_and_stops_nobody() {
    const ODD: Index<u16, User> = Index::new("odd", |user, out| {
        assert!(user.age % 2 == 1, "an even age");
        out.key(user.age);
    });
    const PICKY: Table<u64, User> = Table::new("picky").indexes(&[&ODD]);
    let db = Db::in_memory().unwrap();
    let odd = User { age: 7, ..user(1, &mut Random(1)) };
    db.put(PICKY, 1, &odd).unwrap();
    let even = User { age: 8, ..odd.clone() };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| db.put(PICKY, 1, &even))).unwrap_err();
    assert_eq!(db.query(PICKY).by(&ODD).all().project(|user| user.age).collect().unwrap(), [7]);
    db.put(PICKY, 2, &odd).unwrap();
    assert!(db.locks().dump().granules.is_empty());
    assert!(db.verify().unwrap().is_clean());
}
