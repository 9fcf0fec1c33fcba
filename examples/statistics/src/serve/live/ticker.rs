//! Some times a second, while anybody looks: everything that moves, as pieces of HTML for the elements that show it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gangline::Db;
use tokio::sync::watch;

use super::shoppers::Home;
use super::{Board, fragments};
use crate::charts::figures::Figure;
use crate::charts::palette::GROUPS;
use crate::data::value::Cents;
use crate::error::{Error, Result, in_one_line};
use crate::serve::page::count;

const EVERY: Duration = Duration::from_millis(250);
/// Sellers in the chart of what was taken in.
const SELLERS: usize = 8;

/// A piece for each element, by its id.
pub(super) type Pieces = BTreeMap<&'static str, String>;

/// The thread that makes the pieces. It ends when this is dropped, and with it all streams.
pub(super) struct Ticker {
    home: Arc<Home>,
    thread: Option<JoinHandle<()>>,
}

/// What happened in a second.
#[derive(Default)]
pub(super) struct Rates {
    commits: f64,
    requests: f64,
}

/// Counters at one time.
struct Counters {
    at: Instant,
    commits: u64,
    requests: u64,
}

impl Counters {
    fn read(db: &Db, board: &Board) -> Result<Self> {
        let (commits, requests) = (db.status()?.commits, board.requests.load(Ordering::Relaxed));
        Ok(Counters { at: Instant::now(), commits, requests })
    }

    fn since(&self, before: &Counters) -> Rates {
        let seconds = (self.at - before.at).as_secs_f64().max(1e-3);
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        Rates { commits: rate(self.commits, before.commits), requests: rate(self.requests, before.requests) }
    }
}

impl Ticker {
    pub(super) fn start(db: &Db, board: &Arc<Board>) -> Result<(Self, watch::Receiver<Arc<str>>)> {
        let first = encoded(&pieces(db, board, &Rates::default())?);
        let (ticks, newest) = watch::channel(first);
        let home = Arc::new(Home::default());
        let (db, board, own_home) = (db.clone(), Arc::clone(board), Arc::clone(&home));
        let work = move || {
            if let Err(error) = tick(&db, &board, &own_home, &ticks) {
                tracing::error!(error = in_one_line(&error), "the live page stands still");
            }
        };
        let spawned = thread::Builder::new().name("ticker".to_owned()).spawn(work);
        let refused = |source: io::Error| Error::Serve { action: "start the live page".to_owned(), source };
        let thread = Some(spawned.map_err(refused)?);
        Ok((Ticker { home, thread }, newest))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.home.ring();
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so.
            _ = thread.join();
        }
    }
}

fn tick(db: &Db, board: &Board, home: &Home, ticks: &watch::Sender<Arc<str>>) -> Result<()> {
    let mut before = Counters::read(db, board)?;
    while !home.rest(EVERY) {
        let now = Counters::read(db, board)?;
        // The server itself keeps one receiver.
        if ticks.receiver_count() > 1 {
            ticks.send_replace(encoded(&pieces(db, board, &now.since(&before))?));
        }
        before = now;
    }
    Ok(())
}

fn encoded(pieces: &Pieces) -> Arc<str> {
    serde_json::to_string(pieces).expect("a map of texts is JSON").into()
}

/// Everything that moves, as it is now.
pub(super) fn pieces(db: &Db, board: &Board, rates: &Rates) -> Result<Pieces> {
    let (status, tally, dump) = (db.status()?, &board.tally, db.locks().dump());
    let (orders, items, reviews) =
        (tally.orders.lock().clone(), tally.items.lock().clone(), tally.reviews.lock().clone());
    let number = |number: i64| count(u64::try_from(number).unwrap_or(0));
    let mean = match reviews.rows {
        0 => "none".to_owned(),
        rows => format!("{:.4}", reviews.score_sum as f64 / rows as f64),
    };
    let mut best: Vec<_> = items.by_seller.iter().map(|(id, cents)| (*cents, *id)).collect();
    best.sort_by_key(|(cents, id)| (std::cmp::Reverse(*cents), *id));
    let best: Vec<_> =
        best.iter().take(SELLERS).map(|(cents, id)| (id.short(), Cents::new(*cents), GROUPS[0])).collect();
    let remark = "in reais, since the server started".to_owned();
    Ok(Pieces::from([
        ("count-revenue", format!("R$ {}", items.revenue().grouped())),
        ("count-freight", format!("R$ {}", items.freight().grouped())),
        ("count-orders", number(orders.rows)),
        ("count-items", number(items.rows)),
        ("count-reviews", number(reviews.rows)),
        ("count-score", mean),
        ("live-commits", format!("{:.0}", rates.commits)),
        ("live-requests", format!("{:.0}", rates.requests)),
        ("live-all-commits", count(status.commits)),
        ("live-restarts", count(status.restarts)),
        ("live-waits", count(status.locks.waits)),
        ("live-wait-time", format!("{:.1} ms", status.locks.wait_time.percentile(0.99).as_secs_f64() * 1e3)),
        ("live-state", fragments::state(board).into_string()),
        ("live-orders-chart", fragments::chart(&Figure::seconds(&orders.recent, tally.now()))?),
        ("live-sellers-chart", fragments::chart(&Figure::sellers("Takings by seller", remark, &best))?),
        ("live-review", fragments::review(reviews.newest.as_ref()).into_string()),
        ("live-locks", fragments::locks(&dump).into_string()),
        ("live-chains", fragments::chains(&dump).into_string()),
    ]))
}
