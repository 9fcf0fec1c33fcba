//! The live numbers: counted once when the server starts, and from then on kept up by subscriptions.
//!
//! Each table has a thread that waits for its next commit. The counting reads a snapshot that is taken after the
//! subscription begins, so no commit is missed; those that the snapshot has already are passed over by their number.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use gangline::{Db, Event, Key, Row, Subscription, Table};
use parking_lot::Mutex;

use crate::data::model::{ORDER_ITEMS, ORDERS, Order, OrderItem, REVIEWS, Review};
use crate::data::value::{Cents, Id};
use crate::error::{Error, Result, in_one_line};

/// Seconds that the chart of orders looks back.
pub(super) const SECONDS: usize = 60;

/// The numbers of a table.
trait Count<V>: Default + Send + 'static {
    /// Counts a row, or takes it out again. `at` is the second in which a subscription brought it.
    fn add(&mut self, row: &V, sign: i64, at: Option<u64>);
    fn merge(&mut self, other: Self);
}

/// Of the orders.
#[derive(Debug, Default, Clone)]
pub(super) struct Orders {
    pub(super) rows: i64,
    /// Seconds in which orders came, with how many.
    pub(super) recent: VecDeque<(u64, u64)>,
}

/// Of the items.
#[derive(Debug, Default, Clone)]
pub(super) struct Items {
    pub(super) rows: i64,
    pub(super) revenue: i64,
    pub(super) freight: i64,
    /// What sellers took in since the server started.
    pub(super) by_seller: HashMap<Id, i64>,
}

/// Of the reviews.
#[derive(Debug, Default, Clone)]
pub(super) struct Reviews {
    pub(super) rows: i64,
    pub(super) score_sum: i64,
    /// The newest one that a subscription brought.
    pub(super) newest: Option<(u8, String)>,
}

impl Count<Order> for Orders {
    fn add(&mut self, _: &Order, sign: i64, at: Option<u64>) {
        self.rows += sign;
        let Some(second) = at.filter(|_| sign > 0) else { return };
        match self.recent.back_mut() {
            Some((last, orders)) if *last == second => *orders += 1,
            _ => self.recent.push_back((second, 1)),
        }
        self.recent.truncate_front_to(SECONDS + 1);
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
    }
}

/// Keeps the last ones.
trait TruncateFront {
    fn truncate_front_to(&mut self, most: usize);
}

impl<T> TruncateFront for VecDeque<T> {
    fn truncate_front_to(&mut self, most: usize) {
        self.drain(..self.len().saturating_sub(most));
    }
}

impl Count<OrderItem> for Items {
    fn add(&mut self, item: &OrderItem, sign: i64, at: Option<u64>) {
        self.rows += sign;
        self.revenue += sign * item.price.get();
        self.freight += sign * item.freight.get();
        if at.is_some() {
            *self.by_seller.entry(item.seller).or_default() += sign * item.price.get();
        }
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.revenue += other.revenue;
        self.freight += other.freight;
    }
}

impl Count<Review> for Reviews {
    fn add(&mut self, review: &Review, sign: i64, at: Option<u64>) {
        self.rows += sign;
        self.score_sum += sign * i64::from(review.score);
        if at.is_some() && sign > 0 {
            self.newest = Some((review.score, review.message.clone().unwrap_or_default()));
        }
    }

    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.score_sum += other.score_sum;
    }
}

impl Items {
    pub(super) fn revenue(&self) -> Cents {
        Cents::new(self.revenue)
    }

    pub(super) fn freight(&self) -> Cents {
        Cents::new(self.freight)
    }
}

/// The numbers of all tables, each as of the last commit that its subscription brought.
pub(super) struct Tally {
    pub(super) orders: Arc<Mutex<Orders>>,
    pub(super) items: Arc<Mutex<Items>>,
    pub(super) reviews: Arc<Mutex<Reviews>>,
    started: Instant,
}

impl Tally {
    pub(super) fn follow(db: &Db) -> Result<Self> {
        let started = Instant::now();
        Ok(Tally {
            orders: follow(db, ORDERS, started)?,
            items: follow(db, ORDER_ITEMS, started)?,
            reviews: follow(db, REVIEWS, started)?,
            started,
        })
    }

    /// The second that it is now, counted from the start.
    pub(super) fn now(&self) -> u64 {
        self.started.elapsed().as_secs()
    }
}

/// Counts a table and starts the thread that keeps the numbers up. It ends when the store is closed.
fn follow<K: Key, V: Row, C: Count<V>>(db: &Db, table: Table<K, V>, started: Instant) -> Result<Arc<Mutex<C>>> {
    let subscription = db.subscribe(table).with_old().open()?;
    let (numbers, counted) = count(db, table)?;
    let (numbers, db) = (Arc::new(Mutex::new(numbers)), db.clone());
    let shared = Arc::clone(&numbers);
    let keep_up = move || {
        if let Err(error) = keep_up(&db, table, subscription, &shared, counted, started) {
            tracing::error!(error = in_one_line(&error), "the live numbers stand still");
        }
    };
    let spawned = thread::Builder::new().name("live numbers".to_owned()).spawn(keep_up);
    spawned.map_err(|source: io::Error| Error::Serve { action: "start a thread".to_owned(), source })?;
    Ok(numbers)
}

/// The numbers of a table, and of which commit they are.
fn count<K: Key, V: Row, C: Count<V>>(db: &Db, table: Table<K, V>) -> Result<(C, u64)> {
    let snapshot = db.snapshot();
    let numbers = snapshot.query(table).fold(
        C::default,
        |mut numbers, row| {
            numbers.add(row, 1, None);
            numbers
        },
        |mut left, right| {
            left.merge(right);
            left
        },
    )?;
    Ok((numbers, snapshot.commit_number()))
}

fn keep_up<K: Key, V: Row, C: Count<V>>(
    db: &Db,
    table: Table<K, V>,
    subscription: Subscription<K, V>,
    numbers: &Mutex<C>,
    mut counted: u64,
    started: Instant,
) -> Result<()> {
    for event in subscription {
        let event = event?;
        if !matches!(event, Event::Rows { .. }) {
            // Rows that are not listed, or commits that were missed: count again.
            let (anew, as_of) = count(db, table)?;
            (*numbers.lock(), counted) = (anew, as_of);
        } else if event.position().commit() > counted {
            let at = Some(started.elapsed().as_secs());
            let mut numbers = numbers.lock();
            for change in event.changes() {
                change.old.row().into_iter().for_each(|row| numbers.add(row, -1, at));
                change.new.iter().for_each(|row| numbers.add(row, 1, at));
            }
        }
    }
    Ok(())
}
