//! Simulated shoppers: threads that place orders and write reviews, in transactions, until they are sent home.
//!
//! An order is one transaction over five tables. It also moves on what its sellers took in today, in the order in which
//! the items lie in the basket; so two shoppers often want the same sellers in different orders, which would be a
//! deadlock in many a store. Here one of the two starts over. The payment takes some milliseconds inside of the
//! transaction, so that there is something to see in the lock table.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gangline::{Db, ErrorKind, KeyVia, Transaction, TransactionOptions};
use parking_lot::{Condvar, Mutex};

use crate::data::model::{
    ORDER_ITEMS, ORDERS, Order, OrderItem, PAYMENTS, PLACED, PRODUCTS, Payment, REVIEWS, Review, TAKINGS, Takings,
    USERS, User,
};
use crate::data::value::{Cents, Id, LocalTime};
use crate::error::{Error, Result, in_one_line};

/// So few sellers that shoppers meet.
const SELLERS: usize = 12;
const CHOICE: usize = 400;
const MOST_PIECES: u64 = 3;

/// Whom and what orders are about.
struct Market {
    customers: Vec<Id>,
    sellers: Vec<Id>,
    products: Vec<Id>,
    /// The newest time in the store: shoppers live on the day after which it ends.
    today: LocalTime,
}

/// Threads that shop until this is dropped.
pub(super) struct Shoppers {
    home: Arc<Home>,
    threads: Vec<JoinHandle<()>>,
}

/// Whether it is time to go home.
#[derive(Default)]
pub(super) struct Home {
    time: Mutex<bool>,
    rung: Condvar,
}

impl Home {
    pub(super) fn ring(&self) {
        *self.time.lock() = true;
        self.rung.notify_all();
    }

    /// Waits for so long; true if it is time to go home.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let mut home = self.time.lock();
        if !*home {
            self.rung.wait_for(&mut home, time);
        }
        *home
    }
}

impl Shoppers {
    pub(super) fn start(db: &Db, count: usize) -> Result<Self> {
        let market = Arc::new(Market::read(db)?);
        let mut shoppers = Shoppers { home: Arc::default(), threads: Vec::new() };
        for number in 1..=count {
            let (db, market, home) = (db.clone(), Arc::clone(&market), Arc::clone(&shoppers.home));
            let spawned = thread::Builder::new().name(format!("shopper {number}")).spawn(move || {
                if let Err(error) = shop(&db, &market, &home, number) {
                    tracing::error!(error = in_one_line(&error), shopper = number, "a shopper gave up");
                }
            });
            let refused = |source: io::Error| Error::Serve { action: "start a shopper".to_owned(), source };
            shoppers.threads.push(spawned.map_err(refused)?);
        }
        tracing::info!(shoppers = count, "shopping");
        Ok(shoppers)
    }
}

impl Drop for Shoppers {
    fn drop(&mut self) {
        self.home.ring();
        for thread in self.threads.drain(..) {
            // A shopper that panicked has said so.
            _ = thread.join();
        }
        tracing::info!("the shoppers went home");
    }
}

impl Market {
    fn read(db: &Db) -> Result<Self> {
        let customers = db.query(USERS).select(User::is_customer).limit(CHOICE).project(|user| user.id).collect()?;
        let sellers = db.query(USERS).select(User::is_seller).limit(SELLERS).project(|user| user.id).collect()?;
        let products = db.query(PRODUCTS).limit(CHOICE).project(|product| product.id).collect()?;
        let today = db.query(ORDER_ITEMS).project(|item| item.shipping_limit).max()?;
        match today {
            Some(today) if !customers.is_empty() && !sellers.is_empty() && !products.is_empty() => {
                Ok(Market { customers, sellers, products, today })
            }
            _ => {
                Err(Error::NoData("the store has nothing to order: customers, sellers, products and items".to_owned()))
            }
        }
    }
}

fn shop(db: &Db, market: &Market, home: &Home, number: usize) -> Result<()> {
    let mut dice = Dice::random()?;
    let ordering = TransactionOptions::new().label(format!("order by shopper {number}"));
    let reviewing = TransactionOptions::new().label(format!("review by shopper {number}"));
    loop {
        let basket = Basket::fill(market, &mut dice);
        // A lock that is not free for long, as during maintenance, is no reason to give up.
        match db.transact_with(&ordering, |tx| basket.order(tx, market, home)) {
            Err(error) if error.kind() == ErrorKind::LockTimeout => {}
            done => done?,
        }
        if dice.below(3) == 0 {
            let review = review(&basket, market, &mut dice);
            match db.transact_with(&reviewing, |tx| tx.put(REVIEWS, (review.id, review.order), &review)) {
                Err(error) if error.kind() == ErrorKind::LockTimeout => {}
                done => done?,
            }
        }
        if home.rest(Duration::from_millis(5 + dice.below(40))) {
            return Ok(());
        }
    }
}

/// One order to be.
struct Basket {
    order: Id,
    customer: Id,
    items: Vec<OrderItem>,
    payment_takes: Duration,
}

impl Basket {
    fn fill(market: &Market, dice: &mut Dice) -> Self {
        let order = dice.id();
        let items = (1..=1 + dice.below(MOST_PIECES) as u32).map(|number| OrderItem {
            order,
            number,
            product: dice.one_of(&market.products),
            seller: dice.one_of(&market.sellers),
            shipping_limit: market.today,
            price: Cents::new(500 + dice.below(30_000) as i64),
            freight: Cents::new(300 + dice.below(3_000) as i64),
        });
        let items = items.collect();
        let customer = dice.one_of(&market.customers);
        Basket { order, customer, items, payment_takes: Duration::from_millis(2 + dice.below(20)) }
    }

    fn order(&self, tx: &Transaction, market: &Market, home: &Home) -> gangline::Result<()> {
        for item in &self.items {
            let before = tx.get_for_update(TAKINGS, item.seller)?.map_or_else(Takings::default, |takings| *takings);
            let after = Takings { items: before.items + 1, revenue: before.revenue + item.price };
            tx.put(TAKINGS, item.seller, after)?;
            tx.put(ORDER_ITEMS, (item.order, item.number), item)?;
        }
        // The bank thinks. Who goes home does not wait for it, but the order is placed.
        home.rest(self.payment_takes);
        let value = self.items.iter().map(|item| item.price + item.freight).sum();
        let payment = Payment { order: self.order, number: 1, kind: "credit_card".to_owned(), instalments: 1, value };
        tx.put(PAYMENTS, (self.order, 1), payment)?;
        let order = Order {
            id: self.order,
            customer: self.customer,
            status: PLACED.to_owned(),
            purchased: market.today,
            approved: Some(market.today),
            handed_over: None,
            delivered: None,
            promised: market.today,
        };
        tx.put(ORDERS, self.order, order)
    }
}

fn review(basket: &Basket, market: &Market, dice: &mut Dice) -> Review {
    const WORDS: [&str; 5] =
        ["never came", "came late, box crushed", "as described", "fast, good quality", "wonderful, will buy again"];
    let score = dice.below(5) as u8;
    Review {
        id: dice.id(),
        order: basket.order,
        score: score + 1,
        title: None,
        message: Some(WORDS[usize::from(score)].to_owned()),
        created: market.today,
        answered: market.today,
    }
}

/// A small generator of chance: it need not be good, only different in each thread and start.
struct Dice(u64);

impl Dice {
    fn random() -> Result<Self> {
        let seed = getrandom::u64();
        Ok(Dice(seed.map_err(|error| Error::Serve { action: "roll dice".to_owned(), source: error.into() })? | 1))
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.roll() >> 32) % end
    }

    fn one_of(&mut self, ids: &[Id]) -> Id {
        ids[self.below(ids.len() as u64) as usize]
    }

    fn id(&mut self) -> Id {
        let bytes = (u128::from(self.roll()) << 64 | u128::from(self.roll())).to_be_bytes();
        Id::from_repr(bytes).expect("any 16 bytes are an id")
    }
}
