//! A subscription, and how a thread waits for what comes next.

use std::fmt;
use std::iter::FusedIterator;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decoder::{Decoder, News};
use super::event::{Event, Lag};
use super::position::Position;
use super::request::Subscribe;
use crate::codec::Key;
use crate::context;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::journal::{Follower, Journal, Mark, More, Step};
use crate::table::catalog::{check_definition, program_definition};
use crate::table::entry::encode_definition;
use crate::table::table_core::Definition;
use crate::table::{Row, Table};
use crate::txn::{Engine, WantsOldRows};

/// Follows the commits of a table. Made by [`Db::subscribe`](crate::Db::subscribe).
///
/// It is an iterator that waits for the next event, and ends when the database is closed; it does not keep it open. An error
/// ends it as well, but that of a call in the wrong place; its [`reached`](Self::reached) stays before what could not be read.
pub struct Subscription<K, V: 'static> {
    engine: Arc<Engine>,
    table: Table<K, V>,
    pub(super) follower: Follower,
    decoder: Decoder,
    types: u32,
    /// To be said before anything else.
    lag: Option<Lag>,
    ended: bool,
    site: &'static Location<'static>,
    _old: Option<WantsOldRows>,
}

impl<K, V> fmt::Debug for Subscription<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("position", &self.reached()).finish_non_exhaustive()
    }
}

impl<K, V> Subscription<K, V> {
    /// Up to where it has looked: all commits before are on disk, and those of them that it follows were delivered. To be
    /// kept when all events are dealt with; it grows with commits that touch other rows as well.
    pub fn reached(&self) -> Position {
        Position::new(self.engine.incarnation, self.follower.mark(), self.decoder.id, self.types)
    }
}

impl<K: Key, V: Row> Subscription<K, V> {
    pub(super) fn open(request: Subscribe<K, V>, site: &'static Location<'static>) -> Result<Self> {
        context::check_free("Subscribe::open", site)?;
        let Subscribe { engine, table, low, high, from, with_old } = request;
        engine.check_alive()?;
        engine.table_if_any(table)?;
        let program = program_definition(table, 0)?;
        let types = crc32fast::hash(&encode_definition(&program));
        let old = with_old.then(|| WantsOldRows::of(&engine, table.name()));
        let (mut follower, mut id) = follow_from_now(&engine, &program)?;
        let mut lag = None;
        if let Some(position) = from {
            let end = follower.mark();
            let mut kept = journal(&engine)?.follow(position.mark());
            lag = cannot_follow(&engine, &position, types, &mut kept, &end)?;
            if lag.is_none() {
                (follower, id) = (kept, position.table());
            }
        }
        let decoder = Decoder::new(program, id, (low, high), with_old);
        Ok(Subscription { engine, table, follower, decoder, types, lag, ended: false, site, _old: old })
    }

    /// The next event, if there is one within this time. None: not yet.
    ///
    /// ```
    /// use std::time::Duration;
    /// use gangline::{Db, Table};
    ///
    /// const WORDS: Table<String, u64> = Table::new("words");
    /// # fn main() -> gangline::Result<()> {
    /// let db = Db::temporary()?;
    /// let mut words = db.subscribe(WORDS).open()?;
    /// assert!(words.next_timeout(Duration::ZERO)?.is_none());
    /// db.put(WORDS, "sled", 1)?;
    /// let event = words.next_timeout(Duration::from_secs(5))?.expect("it is on disk");
    /// assert_eq!(event.changes()[0].key, "sled");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Closed`](ErrorKind::Closed) when the database was closed and all was delivered,
    /// [`Poisoned`](ErrorKind::Poisoned), [`Corrupted`](ErrorKind::Corrupted), [`Io`](ErrorKind::Io),
    /// [`Nested`](ErrorKind::Nested) inside a closure of the database.
    #[track_caller]
    pub fn next_timeout(&mut self, time: Duration) -> Result<Option<Event<K, V>>> {
        // Without an end where the clock has none.
        let deadline = Instant::now().checked_add(time);
        self.wait("Subscription::next_timeout", deadline, Location::caller())
    }

    fn wait(
        &mut self,
        call: &'static str,
        deadline: Option<Instant>,
        site: &'static Location<'static>,
    ) -> Result<Option<Event<K, V>>> {
        context::check_free(call, site)?;
        loop {
            if let Some(event) = self.advance(usize::MAX)? {
                return Ok(Some(event));
            }
            let more = self.follower.wait(deadline);
            match self.or_end(more)? {
                More::Yes => {}
                More::NotYet => return Ok(None),
                More::Never => {
                    let end = self.end();
                    return Err(end);
                }
            }
        }
    }

    /// No more will come: the database was closed, or it was stopped by a failure.
    pub(super) fn end(&mut self) -> Error {
        self.ended = true;
        self.engine.check_unpoisoned().err().unwrap_or_else(closed)
    }

    /// Reads on until there is an event, nothing more is on disk, or so many commits were looked at.
    pub(super) fn advance(&mut self, most: usize) -> Result<Option<Event<K, V>>> {
        if self.ended {
            return Err(closed());
        }
        let found = self.read(most);
        self.or_end(found)
    }

    fn read(&mut self, most: usize) -> Result<Option<Event<K, V>>> {
        for _ in 0..most {
            if let Some(lag) = self.lag.take() {
                return Ok(Some(Event::Lagged { position: self.reached(), lag }));
            }
            let before = self.follower.mark();
            let news = match self.follower.step()? {
                Step::Commit { number, payload } => self.decoder.take(self.table, number, payload),
                Step::End => return Ok(None),
                Step::Gone => {
                    self.skip(Lag::Passed)?;
                    continue;
                }
                Step::Foreign => return Err(self.follower.damaged()),
            };
            let position = match &news {
                Ok(_) => self.reached(),
                Err(_) => {
                    self.follower.go_back(before);
                    self.reached()
                }
            };
            match news? {
                None => {}
                Some(News::Rows(changes)) => return Ok(Some(Event::Rows { position, changes })),
                Some(News::Bulk(bulk)) => return Ok(Some(Event::Bulk { position, bulk })),
                Some(News::Dropped) => return Ok(Some(Event::Dropped { position })),
                Some(News::OtherTypes) => self.skip(Lag::OtherTable)?,
            }
        }
        Ok(None)
    }

    /// Goes on with the commits after this call.
    fn skip(&mut self, lag: Lag) -> Result<()> {
        (self.follower, self.decoder.id) = follow_from_now(&self.engine, self.decoder.program())?;
        self.lag = Some(lag);
        Ok(())
    }

    pub(super) fn or_end<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.ended |= outcome.is_err();
        outcome
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}

impl<K: Key, V: Row> Iterator for Subscription<K, V> {
    type Item = Result<Event<K, V>>;

    /// Waits for the next event. None: the database was closed.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.wait("Subscription::next", None, self.site) {
            Ok(event) => event.map(Ok),
            Err(error) if error.kind() == ErrorKind::Closed => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<K: Key, V: Row> FusedIterator for Subscription<K, V> {}

/// A follower of what is committed from now on, and the table's id now, if it has the program's types. What is committed
/// before gets to the disk first, so that the follower's mark can be kept.
fn follow_from_now(engine: &Engine, program: &Definition) -> Result<(Follower, Option<u32>)> {
    let journal = journal(engine)?;
    let (mark, table) = {
        let _last = engine.commits.latch();
        (journal.mark(), engine.catalog.find(&program.name))
    };
    journal.sync()?;
    let ours = table.filter(|table| check_definition(&table.definition(), program).is_ok());
    Ok((journal.follow(mark), ours.map(|table| table.id())))
}

/// Why the commits behind a position cannot be given, if so. `end` is on disk.
fn cannot_follow(
    engine: &Engine,
    position: &Position,
    types: u32,
    follower: &mut Follower,
    end: &Mark,
) -> Result<Option<Lag>> {
    if position.store_id() != engine.incarnation.store_id {
        return Ok(Some(Lag::OtherStore));
    }
    if position.types() != types {
        return Ok(Some(Lag::OtherTable));
    }
    if position.incarnation() > engine.incarnation.number {
        return Ok(Some(Lag::Restored));
    }
    Ok(match follower.prove(end)? {
        Step::Gone => Some(Lag::Passed),
        Step::Foreign => Some(Lag::Restored),
        Step::Commit { .. } | Step::End => None,
    })
}

fn journal(engine: &Engine) -> Result<&Journal> {
    engine.journal.as_ref().ok_or_else(|| {
        let text = "a database in memory has no journal to follow; use Db::temporary";
        Error::new(ErrorKind::Unsupported, text)
    })
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the subscription has ended; open another one from its position")
}
