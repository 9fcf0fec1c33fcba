//! Every operator of a query against the same done by hand, on a database, a snapshot and in a transaction.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;

use gangline::{Access, Db, Query, Shared};
use rayon::iter::ParallelIterator;

use crate::support::{ITEMS, Item, Random, item, small, with_items};

const ROWS: u64 = 3_000;

/// A query that can be told to the library and to a list.
#[derive(Debug, Clone, Copy)]
struct Asked {
    low: Bound<u64>,
    high: Bound<u64>,
    /// Divisors: a group is selected, or another is selected as well, of those that are then left some are.
    select: Option<u64>,
    or: Option<u64>,
    and: Option<u64>,
    reverse: bool,
    offset: Option<usize>,
    limit: Option<usize>,
    sequential: bool,
}

impl Asked {
    fn random(random: &mut Random) -> Asked {
        let bound = |random: &mut Random| {
            let key = random.below(ROWS + 100);
            [Bound::Included(key), Bound::Excluded(key), Bound::Unbounded][random.below(3) as usize]
        };
        let maybe = |random: &mut Random, end: u64| (random.below(2) == 0).then(|| 1 + random.below(end));
        Asked {
            low: bound(random),
            high: bound(random),
            select: maybe(random, 7),
            or: maybe(random, 30),
            and: maybe(random, 3),
            reverse: random.below(2) == 0,
            offset: maybe(random, 40).map(|rows| (rows * rows) as usize),
            limit: maybe(random, 40).map(|rows| (rows * rows / 3) as usize),
            sequential: random.below(4) == 0,
        }
    }

    fn of(self, on: &impl Access) -> Query<'_, u64, Item> {
        let mut query = on.query(ITEMS).range((self.low, self.high));
        if let Some(divisor) = self.select {
            query = query.select(move |item| (item.amount as u64).is_multiple_of(divisor));
        }
        if let Some(divisor) = self.or {
            query = query.or(move |item| item.id % divisor == 1);
        }
        if let Some(divisor) = self.and {
            query = query.select(move |item| item.group.is_multiple_of(divisor));
        }
        if let Some(rows) = self.offset {
            query = query.offset(rows);
        }
        if let Some(rows) = self.limit {
            query = query.limit(rows);
        }
        let query = if self.reverse { query.reverse() } else { query };
        if self.sequential { query.sequential() } else { query }
    }

    fn by_hand(self, rows: &BTreeMap<u64, Item>) -> Vec<(u64, Item)> {
        let fits = |item: &Item| {
            let select = self.select.is_none_or(|divisor| (item.amount as u64).is_multiple_of(divisor));
            let or = self.or.is_some_and(|divisor| item.id % divisor == 1);
            let first = if self.select.is_none() && self.or.is_some() { or } else { select || or };
            first && self.and.is_none_or(|divisor| item.group.is_multiple_of(divisor))
        };
        let in_range = |key: &u64| {
            let low = match self.low {
                Bound::Included(low) => *key >= low,
                Bound::Excluded(low) => *key > low,
                Bound::Unbounded => true,
            };
            let high = match self.high {
                Bound::Included(high) => *key <= high,
                Bound::Excluded(high) => *key < high,
                Bound::Unbounded => true,
            };
            low && high
        };
        let all = rows.iter().filter(|(key, item)| in_range(key) && fits(item));
        let mut all: Vec<_> = all.map(|(key, item)| (*key, item.clone())).collect();
        if self.reverse {
            all.reverse();
        }
        all.into_iter().skip(self.offset.unwrap_or(0)).take(self.limit.unwrap_or(usize::MAX)).collect()
    }
}

fn texts(rows: &[Shared<Item>]) -> Vec<&str> {
    rows.iter().map(|row| row.text.as_str()).collect()
}

/// Asks one query in every way.
fn compare(on: &impl Access, rows: &BTreeMap<u64, Item>, asked: Asked) {
    let expected = asked.by_hand(rows);
    let query = || asked.of(on);
    let entries: Vec<(u64, Item)> =
        query().entries().unwrap().into_iter().map(|(k, row)| (k, row.to_owned())).collect();
    assert_eq!(entries, expected, "{asked:?}");
    let keys: Vec<u64> = expected.iter().map(|(key, _)| *key).collect();
    assert_eq!(query().keys().unwrap(), keys, "{asked:?}");
    assert_eq!(query().project_keyed(|key, _| key).collect().unwrap(), keys);
    assert_eq!(query().rows().unwrap().iter().map(|row| row.to_owned()).collect::<Vec<_>>(), rows_of(&expected));
    assert_eq!(query().count().unwrap(), expected.len() as u64, "{asked:?}");
    let streamed: Vec<u64> = query().iter().unwrap().map(|entry| entry.unwrap().0).collect();
    assert_eq!(streamed, keys, "{asked:?}");
    let in_parallel: Vec<u64> = query().par_iter().unwrap().map(|entry| entry.unwrap().0).collect();
    assert_eq!(in_parallel, keys, "{asked:?}");

    assert_eq!(query().any().unwrap(), !keys.is_empty(), "{asked:?}");
    assert_eq!(query().first().unwrap().map(|(key, _)| key), keys.first().copied());
    let wanted = |item: &Item| item.amount % 11 == 3;
    let found = expected.iter().find(|(_, item)| wanted(item)).map(|(key, _)| *key);
    assert_eq!(query().find(wanted).unwrap().map(|(key, _)| key), found, "{asked:?}");
    let holds = |item: &Item| item.amount < 2_000;
    assert_eq!(query().all(holds).unwrap(), expected.iter().all(|(_, item)| holds(item)), "{asked:?}");

    let amounts: Vec<i64> = expected.iter().map(|(_, item)| item.amount).collect();
    let amount = || query().project(|item| item.amount);
    assert_eq!(amount().sum().unwrap(), amounts.iter().map(|amount| i128::from(*amount)).sum::<i128>());
    let mean = (!amounts.is_empty()).then(|| amounts.iter().sum::<i64>() as f64 / amounts.len() as f64);
    assert_eq!(amount().mean().unwrap(), mean);
    assert_eq!(
        (amount().min().unwrap(), amount().max().unwrap()),
        (amounts.iter().min().copied(), amounts.iter().max().copied())
    );
    let joined = query().project(|item| vec![item.amount]).reduce(|a, b| [a, b].concat()).unwrap();
    assert_eq!(joined.unwrap_or_default(), amounts, "reduce keeps the order");

    compare_orders(&query, &expected, asked);
    compare_groups(&query, &expected);
}

fn rows_of(entries: &[(u64, Item)]) -> Vec<Item> {
    entries.iter().map(|(_, item)| item.clone()).collect()
}

fn compare_orders<'q>(query: &impl Fn() -> Query<'q, u64, Item>, expected: &[(u64, Item)], asked: Asked) {
    let mut sorted = rows_of(expected);
    sorted.sort_by_key(|item| item.group);
    let sorted: Vec<&str> = sorted.iter().map(|item| item.text.as_str()).collect();
    assert_eq!(texts(&query().sort_by(|item| item.group).unwrap()), sorted, "{asked:?}");
    for k in [0, 1, 5, 100, usize::MAX] {
        let best = query().top_k(k, |item| Reverse(item.group)).unwrap();
        assert_eq!(texts(&best), sorted.iter().take(k).copied().collect::<Vec<_>>(), "{k} of {asked:?}");
    }
}

fn compare_groups<'q>(query: &impl Fn() -> Query<'q, u64, Item>, expected: &[(u64, Item)]) {
    let mut groups = BTreeMap::<u64, Vec<Item>>::new();
    for (_, item) in expected {
        groups.entry(item.group).or_default().push(item.clone());
    }
    let of_each = |of: fn(&[Item]) -> i64| groups.iter().map(|(group, items)| (*group, of(items))).collect();
    let grouped = || query().group_by(|item| item.group);
    let rows = grouped().rows().unwrap();
    let rows: BTreeMap<u64, Vec<Item>> =
        rows.into_iter().map(|(group, rows)| (group, rows.iter().map(|row| row.to_owned()).collect())).collect();
    assert_eq!(rows, groups);
    let expected: BTreeMap<u64, i64> = of_each(|items| items.len() as i64);
    assert_eq!(
        grouped().count().unwrap().into_iter().map(|(g, n)| (g, n as i64)).collect::<BTreeMap<_, _>>(),
        expected
    );
    let expected: BTreeMap<u64, i64> = of_each(|items| items.iter().map(|item| item.amount).sum());
    assert_eq!(grouped().fold(|| 0, |sum, item| sum + item.amount, |a, b| a + b).unwrap(), expected);
    let sums = grouped().sum(|item| item.amount).unwrap();
    assert_eq!(sums.iter().map(|(g, sum)| (*g, *sum as i64)).collect::<BTreeMap<_, _>>(), expected);
    let means = grouped().mean(|item| item.amount as f64).unwrap();
    for (group, mean) in &means {
        assert!((mean - expected[group] as f64 / groups[group].len() as f64).abs() < 1e-9);
    }
    assert_eq!(means.len(), groups.len());
    let expected: BTreeMap<u64, i64> = of_each(|items| items.iter().map(|item| item.amount).min().unwrap());
    assert_eq!(grouped().min(|item| item.amount).unwrap(), expected);
    let expected: BTreeMap<u64, i64> = of_each(|items| items.iter().map(|item| item.amount).max().unwrap());
    assert_eq!(grouped().max(|item| item.amount).unwrap(), expected);
}

fn model() -> BTreeMap<u64, Item> {
    (0..ROWS).map(|id| (id, item(id))).collect()
}

fn queries(seed: u64, count: usize) -> impl Iterator<Item = Asked> {
    let mut random = Random(seed);
    std::iter::repeat_with(move || Asked::random(&mut random)).take(count)
}

#[test]
fn every_operator_agrees_on_a_database_and_on_a_snapshot() {
    let db = with_items(ROWS);
    let snapshot = db.snapshot();
    let before = model();
    for asked in queries(1, 60) {
        compare(&db, &before, asked);
    }
    let mut after = before.clone();
    db.transact(|tx| (0..ROWS).step_by(3).try_for_each(|id| tx.remove(ITEMS, id).map(drop))).unwrap();
    (0..ROWS).step_by(3).for_each(|id| drop(after.remove(&id)));
    for asked in queries(2, 30) {
        compare(&snapshot, &before, asked);
        compare(&db, &after, asked);
    }
}

/// A few large segments are cut in runs of pages; a table of many small ones is not.
#[test]
fn every_operator_agrees_where_segments_are_cut_in_runs() {
    let db = small().segment_rows(1_000).in_memory().unwrap();
    crate::support::fill(&db, ROWS);
    let plan = db.query(ITEMS).explain().unwrap();
    assert!(plan.parts > 2 * plan.segments && plan.threads == 2, "{plan}");
    for asked in queries(5, 40) {
        compare(&db, &model(), asked);
    }
}

#[test]
fn every_operator_sees_what_its_transaction_wrote() {
    let db = with_items(ROWS);
    let mut random = Random(3);
    for round in 0..4 {
        let mut rows: BTreeMap<u64, Item> = model();
        let writes: Vec<(u64, Option<Item>)> = (0..400)
            .map(|_| {
                let key = random.below(ROWS + 50);
                let changed = Item { amount: random.below(5_000) as i64, ..item(key) };
                (key, (random.below(3) > 0).then_some(changed))
            })
            .collect();
        for (key, write) in &writes {
            match write {
                Some(item) => drop(rows.insert(*key, item.clone())),
                None => drop(rows.remove(key)),
            }
        }
        let rolled_back = db.try_transact(|tx| -> Result<(), Undo> {
            for (key, write) in &writes {
                match write {
                    Some(item) => tx.put(ITEMS, *key, item)?,
                    None => drop(tx.remove(ITEMS, *key)?),
                }
            }
            for asked in queries(10 + round, 12) {
                compare(tx, &rows, asked);
            }
            Err(Undo)
        });
        assert!(rolled_back.is_err());
    }
    assert_eq!(db.len(ITEMS).unwrap(), ROWS);
}

#[derive(Debug)]
struct Undo;

impl From<gangline::Error> for Undo {
    fn from(error: gangline::Error) -> Self {
        panic!("{error}")
    }
}

#[test]
fn a_table_that_is_not_there_gives_what_no_rows_give() {
    let db = small().in_memory().unwrap();
    let none = BTreeMap::new();
    for asked in queries(4, 10) {
        compare(&db, &none, asked);
        compare(&db.snapshot(), &none, asked);
        db.transact(|tx| {
            compare(tx, &none, asked);
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn keys_and_counts_of_a_cold_table_decode_no_row() {
    let (_folder, path) = crate::support::place();
    let db = small().open(&path).unwrap();
    crate::support::fill(&db, ROWS);
    db.close().unwrap();
    let db = small().open(&path).unwrap();
    let before = db.status().unwrap().cache_bytes;
    assert_eq!(db.query(ITEMS).keys().unwrap(), (0..ROWS).collect::<Vec<_>>());
    assert_eq!(db.query(ITEMS).count().unwrap(), ROWS);
    assert_eq!(db.query(ITEMS).offset(2_000).limit(500).count().unwrap(), 500);
    let keys = db.status().unwrap().cache_bytes - before;
    assert_eq!(db.query(ITEMS).rows().unwrap().len() as u64, ROWS);
    let rows = db.status().unwrap().cache_bytes - before;
    assert!(rows > keys + ROWS * 250, "decoded rows have {} bytes of text each: {keys}, {rows}", 255);
    db.close().unwrap();
}

#[test]
fn a_far_offset_projects_what_it_gives_and_little_more() {
    let db = with_items(5_000);
    let projected = std::sync::atomic::AtomicU64::new(0);
    let keys = db.query(ITEMS).offset(4_000).limit(10).project_keyed(|key, _| {
        projected.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        key
    });
    assert_eq!(keys.collect().unwrap(), (4_000..4_010).collect::<Vec<_>>());
    let projected = projected.into_inner();
    assert!((10..1_000).contains(&projected), "{projected}");
}

#[test]
fn a_closure_of_any_operator_may_not_call_the_database_and_may_panic() {
    let db = with_items(5_000);
    let nested = |db: &Db| assert_eq!(db.get(ITEMS, 1).unwrap_err().kind(), gangline::ErrorKind::Nested);
    db.query(ITEMS).top_k(3, |item| (nested(&db), item.amount).1).unwrap();
    db.query(ITEMS).limit(10).sort_by(|item| (nested(&db), item.amount).1).unwrap();
    db.query(ITEMS).group_by(|item| (nested(&db), item.group).1).count().unwrap();
    db.query(ITEMS).group_by(|item| item.group).max(|item| (nested(&db), item.amount).1).unwrap();
    db.query(ITEMS).project(|item| (nested(&db), item.amount).1).sum().unwrap();
    db.query(ITEMS).project(|item| item.amount).reduce(|a, b| (nested(&db), a + b).1).unwrap();
    db.query(ITEMS).offset(5).fold(|| nested(&db), |(), _| nested(&db), |(), ()| nested(&db)).unwrap();
    assert!(db.query(ITEMS).all(|_| (nested(&db), true).1).unwrap());
    let streamed = db.query(ITEMS).select(|_| (nested(&db), true).1).project(|_| nested(&db)).iter().unwrap();
    assert_eq!(streamed.inspect(|_| assert!(db.contains(ITEMS, 1).unwrap(), "between the results")).count(), 5_000);
    for operator in 0..3 {
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let bad = |item: &Item| {
                if item.id == 4_000 { std::panic::resume_unwind(Box::new("on purpose")) } else { item.group }
            };
            match operator {
                0 => drop(db.query(ITEMS).top_k(2, bad)),
                1 => drop(db.query(ITEMS).group_by(bad).count()),
                _ => drop(db.query(ITEMS).project(bad).max()),
            }
        }));
        assert_eq!(panics.unwrap_err().downcast_ref(), Some(&"on purpose"));
    }
    assert_eq!(db.query(ITEMS).count().unwrap(), 5_000);
    db.put(ITEMS, 1, item(1)).unwrap();
}
