//! What all requests share: the store, the studio, and the catalogue as of a moment ago.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gangline::Db;
use parking_lot::{Mutex, RwLock};

use super::drawing::{Drawn, draw, mix_palette};
use super::live::Live;
use super::manners::Token;
use super::pages::overview_figures;
use crate::catalogue::Catalogue;
use crate::charts::studio::Studio;
use crate::data::load::Holding;
use crate::data::source::is_sample;
use crate::error::Result;

/// While somebody writes, a catalogue is shown for so long. Without writers it is always that of the last commit.
const FRESH: Duration = Duration::from_millis(800);

/// The state of the server.
pub(super) struct App {
    pub(super) db: Db,
    pub(super) studio: Studio,
    pub(super) live: Live,
    pub(super) token: Token,
    /// What the data are called.
    pub(super) label: String,
    pub(super) sample: bool,
    shown: RwLock<Option<Arc<Shown>>>,
    refreshing: Mutex<()>,
}

/// A catalogue with the charts of the overview.
pub(super) struct Shown {
    pub(super) catalogue: Catalogue,
    pub(super) overview: Vec<Drawn>,
    read_at: Instant,
}

impl App {
    pub(super) fn new(db: Db, held: &Holding) -> Result<Self> {
        let app = App {
            live: Live::start(&db)?,
            db,
            studio: Studio::default(),
            token: Token::random()?,
            label: held.label.clone(),
            sample: is_sample(&held.fingerprint),
            shown: RwLock::default(),
            refreshing: Mutex::default(),
        };
        // So that the first to come does not wait for it.
        app.shown()?;
        Ok(app)
    }

    /// The catalogue, with the charts of the overview. One request reads it anew, and whoever comes meanwhile is shown
    /// the one before.
    pub(super) fn shown(&self) -> Result<Arc<Shown>> {
        let before = self.shown.read().clone();
        if let Some(shown) = before.as_ref().filter(|shown| self.is_fresh(shown)) {
            return Ok(Arc::clone(shown));
        }
        let _refreshing = match (before, self.refreshing.try_lock()) {
            (_, Some(turn)) => turn,
            (Some(shown), None) => return Ok(shown),
            (None, None) => self.refreshing.lock(),
        };
        if let Some(shown) = self.shown.read().as_ref().filter(|shown| self.is_fresh(shown)) {
            return Ok(Arc::clone(shown));
        }
        let catalogue = Catalogue::read(&self.db)?;
        mix_palette(&self.db, &self.studio, &catalogue)?;
        let overview = draw(&self.db, overview_figures(&catalogue, &self.studio))?;
        let shown = Arc::new(Shown { catalogue, overview, read_at: Instant::now() });
        *self.shown.write() = Some(Arc::clone(&shown));
        Ok(shown)
    }

    fn is_fresh(&self, shown: &Shown) -> bool {
        shown.read_at.elapsed() < FRESH || shown.catalogue.commit == self.db.snapshot().commit_number()
    }
}
