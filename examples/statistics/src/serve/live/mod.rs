//! The live page: shoppers who write, subscriptions that follow what they wrote, and a stream that shows it.
//!
//! `shoppers` place orders in transactions, `upkeep` locks whole tables for seconds, `tally` follows the commits by
//! subscriptions, and `ticker` puts all of that and the lock table into pieces of HTML, some times a second. Whoever
//! looks gets the newest pieces: a slow browser misses some, and never stops an order.

mod fragments;
mod shoppers;
mod tally;
mod ticker;
mod upkeep;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use gangline::Db;
use maud::Markup;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::app::App;
use super::page::Refusal;
use crate::error::Result;
use shoppers::Shoppers;
use tally::Tally;
use ticker::Ticker;
use upkeep::Upkeep;

const SHOPPERS: usize = 4;

/// Everything that moves.
pub(super) struct Live {
    shoppers: Mutex<Option<Shoppers>>,
    upkeep: Arc<Upkeep>,
    ticker: Mutex<Option<Ticker>>,
    ticks: watch::Receiver<Arc<str>>,
    board: Arc<Board>,
}

/// What the ticker reads.
struct Board {
    tally: Tally,
    upkeep: Arc<Upkeep>,
    /// Whether there are shoppers.
    shopping: AtomicBool,
    requests: AtomicU64,
}

impl Live {
    /// Follows the store's commits. Nobody shops yet.
    pub(super) fn start(db: &Db) -> Result<Self> {
        let upkeep = Arc::new(Upkeep::default());
        let board = Arc::new(Board {
            tally: Tally::follow(db)?,
            upkeep: Arc::clone(&upkeep),
            shopping: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        });
        let (ticker, ticks) = Ticker::start(db, &board)?;
        Ok(Live { shoppers: Mutex::new(None), upkeep, ticker: Mutex::new(Some(ticker)), ticks, board })
    }

    pub(super) fn count_request(&self) {
        self.board.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A live action by its name in the address.
    pub(super) fn act(&self, db: &Db, action: &str) -> Result<(), Refusal> {
        let mut shoppers = self.shoppers.lock();
        match action {
            "start" if shoppers.is_none() => *shoppers = Some(Shoppers::start(db, SHOPPERS)?),
            "stop" => drop(shoppers.take()),
            "maintenance" => self.upkeep.start(db)?,
            "start" => {}
            _ => return Err(Refusal::NotFound("There is no such action.".to_owned())),
        }
        self.board.shopping.store(shoppers.is_some(), Ordering::Relaxed);
        Ok(())
    }

    /// Sends the shoppers home and ends the streams.
    pub(super) fn stop(&self) {
        drop(self.shoppers.lock().take());
        self.upkeep.stop();
        drop(self.ticker.lock().take());
    }
}

/// `/live`
pub(super) fn page(app: &App) -> Result<Markup> {
    let pieces = ticker::pieces(&app.db, &app.live.board, &ticker::Rates::default())?;
    Ok(fragments::page(&pieces, app.token.text()))
}

/// `/live/events`: the newest pieces at once, and then whenever there are new ones.
pub(super) async fn events(State(app): State<Arc<App>>) -> impl IntoResponse {
    let mut ticks = app.live.ticks.clone();
    ticks.mark_changed();
    let events = stream::unfold(ticks, async |mut ticks| {
        // Fails when the ticker has ended: then the stream has, too.
        ticks.changed().await.ok()?;
        let tick = Arc::clone(&ticks.borrow_and_update());
        Some((Ok::<_, Infallible>(Event::default().data(&*tick)), ticks))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10)))
}
