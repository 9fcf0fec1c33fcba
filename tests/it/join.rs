//! Joins: each row beside the row of another table, in all that can be read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use gangline::{Access, Db, Index, Result, Table};

use super::support::{Ends, Random, beside, small, until, waits};

/// An order: the user, if it is known, and the price.
const ORDERS: Table<u64, (Option<u32>, i64)> = Table::new("orders").indexes(&[&BY_USER]);
const BY_USER: Index<u32, (Option<u32>, i64)> =
    Index::new("by_user", |order, out| order.0.iter().for_each(|user| out.key(*user)));
const USERS: Table<u32, String> = Table::new("users");

type Orders = BTreeMap<u64, (Option<u32>, i64)>;
type Users = BTreeMap<u32, String>;

fn beside_each(data: &impl Access, orders: &Orders, users: &Users) -> Result<()> {
    let by_hand = |order: &(Option<u32>, i64)| (order.1, order.0.and_then(|user| users.get(&user).cloned()));
    let both = |order: &(Option<u32>, i64), user: Option<&String>| (order.1, user.cloned());
    let joined = data.query(ORDERS).join(USERS, |order| order.0).project(both).collect()?;
    assert_eq!(joined, orders.values().map(by_hand).collect::<Vec<_>>());
    let some = data.query(ORDERS).range(10..).by(&BY_USER).range(3..9).join(USERS, |order| order.0.unwrap_or(0));
    let mut wanted: Vec<_> =
        orders.range(10..).filter(|(_, order)| order.0.is_some_and(|user| (3..9).contains(&user))).collect();
    wanted.sort_by_key(|(key, order)| (order.0, **key));
    assert_eq!(some.project(both).collect()?, wanted.into_iter().map(|(_, order)| by_hand(order)).collect::<Vec<_>>());
    let known: i128 = data
        .query(ORDERS)
        .join(USERS, |order| order.0)
        .project(|order, user| if user.is_some() { order.1 } else { 0 })
        .sum()?;
    assert_eq!(
        known,
        orders.values().map(by_hand).filter(|(_, user)| user.is_some()).map(|(price, _)| i128::from(price)).sum()
    );
    Ok(())
}

#[test]
fn rows_stand_beside_those_that_they_name() {
    let db = small().in_memory().unwrap();
    beside_each(&db, &Orders::new(), &Users::new()).unwrap();
    let (mut random, mut orders, mut users) = (Random(5), Orders::new(), Users::new());
    for user in (0..12).filter(|user| user % 4 > 0) {
        users.insert(user, format!("user {user}"));
    }
    for key in 0..3_000 {
        orders.insert(key, ((random.below(5) > 0).then(|| random.below(14) as u32), random.below(100) as i64));
    }
    db.transact(|tx| {
        users.iter().try_for_each(|(key, user)| tx.put(USERS, *key, user))?;
        orders.iter().try_for_each(|(key, order)| tx.put(ORDERS, *key, *order))
    })
    .unwrap();
    beside_each(&db, &orders, &users).unwrap();
    let snapshot = db.snapshot();
    let before = (orders.clone(), users.clone());
    // Inside a transaction its own writes are seen, of both tables.
    users.remove(&5);
    users.insert(4, "new".into());
    orders.insert(7, (Some(4), 1_000));
    orders.remove(&8);
    db.transact(|tx| {
        tx.remove(USERS, 5)?;
        tx.put(USERS, 4, "new".to_owned())?;
        tx.put(ORDERS, 7, (Some(4), 1_000))?;
        tx.remove(ORDERS, 8)?;
        beside_each(tx, &orders, &users)
    })
    .unwrap();
    beside_each(&db, &orders, &users).unwrap();
    beside_each(&snapshot, &before.0, &before.1).unwrap();
}

/// Each order says how often its user was renamed, in the same commits: a join never sees one without the other.
#[test]
fn both_tables_are_of_one_commit() {
    let db = small().in_memory().unwrap();
    let rename = |turn: i64| {
        db.transact(|tx| {
            (0..40).try_for_each(|user| tx.put(USERS, user, turn.to_string()))?;
            (0..400).try_for_each(|order| tx.put(ORDERS, order, (Some(order as u32 % 40), turn)))
        })
    };
    rename(0).unwrap();
    let check = |data: &dyn Fn() -> Result<Vec<bool>>| assert!(data().unwrap().iter().all(|same| *same));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = Ends(&ended);
        scope.spawn(|| {
            for turn in 1.. {
                rename(turn).unwrap();
                if ended.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let same = |order: &(Option<u32>, i64), user: Option<&String>| user == Some(&order.1.to_string());
        for _ in 0..20 {
            check(&|| db.query(ORDERS).join(USERS, |order| order.0).project(same).collect());
            check(&|| db.transact(|tx| tx.query(ORDERS).join(USERS, |order| order.0).project(same).collect()));
        }
    });
}

#[test]
fn a_transaction_keeps_the_other_table_as_it_was() {
    let db = Db::in_memory().unwrap();
    db.put(ORDERS, 1, (Some(7), 1)).unwrap();
    let joins = |tx: &gangline::Transaction| {
        tx.query(ORDERS).join(USERS, |order| order.0).project(|_, _| ()).collect().map(drop)
    };
    beside(&db, joins, |scope, let_go| {
        let before = waits(&db);
        let writer = scope.spawn(|| db.put(USERS, 7, "Ada".to_owned()).unwrap());
        until("the writer waits", || waits(&db) > before);
        let_go();
        writer.join().unwrap();
    });
}
