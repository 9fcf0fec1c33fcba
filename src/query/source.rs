//! Where a query reads: the database now, a snapshot, or inside a transaction.

use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use super::scan::Scan;
use crate::codec::{Key, KeyBuf};
use crate::context;
use crate::error::Result;
use crate::lock::{Limit, LockSet, Mode, check_all};
use crate::table::registry::Registration;
use crate::table::table_core::TableCore;
use crate::table::{Expiry, Row, Table};
use crate::txn::{Engine, Snapshot, Transaction};

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    Db(&'a Arc<Engine>),
    Snapshot(&'a Snapshot),
    /// For queries that outlive the call that made them.
    KeptSnapshot(Snapshot),
    Transaction(&'a Transaction),
}

impl Source<'_> {
    /// Fixes what is read. None when the table was never written to. `limits` end the wait for it, and the scan; in a
    /// transaction its own do so as well.
    pub(crate) fn open<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        low: KeyBuf,
        high: Option<KeyBuf>,
        site: &'static Location<'static>,
        limits: Vec<Limit>,
    ) -> Result<Option<Scan<V>>> {
        check_all(&limits, "before it began")?;
        if let Source::Transaction(tx) = self {
            return open_locked(tx, table, (low, high), Mode::S, site, limits).map(Some);
        }
        let Some((engine, core, number, registration)) = self.capture(table, site)? else { return Ok(None) };
        let scan = self.aged(Scan::new(&engine, core, number, registration, (low, high), Vec::new(), site));
        Ok(Some(scan.limited(limits).expiring(self.expiry(table))))
    }

    /// Which rows are over.
    pub(crate) fn expiry<K, V>(&self, table: Table<K, V>) -> Option<Expiry<V>> {
        Expiry::of(table, || match self {
            Source::Db(_) => SystemTime::now(),
            Source::Snapshot(snapshot) => snapshot.now,
            Source::KeptSnapshot(snapshot) => snapshot.now,
            Source::Transaction(tx) => tx.now,
        })
    }
}

/// As [`Source::open`], for a range that a transaction locks in `mode`, with its own writes.
pub(super) fn open_locked<K: Key, V: Row>(
    tx: &Transaction,
    table: Table<K, V>,
    (low, high): (KeyBuf, Option<KeyBuf>),
    mode: Mode,
    site: &'static Location<'static>,
    mut limits: Vec<Limit>,
) -> Result<Scan<V>> {
    let engine = &tx.engine;
    let core = engine.table(table)?;
    let own = tx.lock_for_scan(&core, &low, high.as_deref(), mode, site, &limits)?;
    limits.extend(tx.limits());
    let registration = engine.capture();
    let number = registration.number();
    let scan = Scan::new(engine, core, number, Some(registration), (low, high), own, site);
    Ok(scan.limited(limits).expiring(Source::Transaction(tx).expiry(table)))
}

/// What a read outside transactions reads: where, and at which number, registered for it if nobody else has it.
pub(super) type Captured = (Arc<Engine>, Arc<TableCore>, u64, Option<Registration>);

impl Source<'_> {
    /// Fixes the number of a read. None when the table was never written to. Of a transaction this is for a look only: it
    /// reads at a number that it takes under its locks.
    pub(super) fn capture<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        site: &'static Location<'static>,
    ) -> Result<Option<Captured>> {
        match self {
            Source::Db(engine) => {
                context::check_free("a read of the database", site)?;
                engine.check_alive()?;
                let Some(core) = engine.table_if_any(table)? else { return Ok(None) };
                // Where the table's shared lock is free, the number is taken under it: then the read sees no commit
                // that it would have had to wait for. It is never queued for: a reader behind one long writer would
                // stop every writer behind it.
                let mut locks = LockSet::begin(&engine.locks, site, None);
                let _ = locks.try_lock_table(&core, Mode::S);
                let registration = engine.capture();
                locks.release_all();
                Ok(Some((Arc::clone(engine), core, registration.number(), Some(registration))))
            }
            Source::Snapshot(_) | Source::KeptSnapshot(_) => {
                let snapshot = self.snapshot().expect("it is one of a snapshot");
                // Allowed in every closure: it wants no lock, and on a scan's worker it runs right there.
                let engine = &snapshot.engine;
                engine.check_alive()?;
                snapshot.check_age()?;
                let Some(core) = engine.table_at(table, snapshot.registration.number())? else { return Ok(None) };
                Ok(Some((Arc::clone(engine), core, snapshot.registration.number(), None)))
            }
            Source::Transaction(tx) => {
                let Some(core) = tx.engine.table_if_any(table)? else { return Ok(None) };
                let registration = tx.engine.capture();
                Ok(Some((Arc::clone(&tx.engine), core, registration.number(), Some(registration))))
            }
        }
    }
}

impl Source<'_> {
    fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Source::Snapshot(snapshot) => Some(snapshot),
            Source::KeptSnapshot(snapshot) => Some(snapshot),
            Source::Db(_) | Source::Transaction(_) => None,
        }
    }

    /// What was taken out of a table, if it is that of the number read at.
    ///
    /// # Errors
    /// As [`Snapshot::kept`].
    pub(super) fn kept<T>(&self, taken: Result<T>) -> Result<T> {
        match self.snapshot() {
            Some(snapshot) => snapshot.kept(taken),
            None => taken,
        }
    }

    /// A scan of a snapshot ends when the snapshot's time is over.
    pub(super) fn aged<V: Row>(&self, scan: Scan<V>) -> Scan<V> {
        match self.snapshot() {
            Some(snapshot) => scan.of_snapshot(snapshot),
            None => scan,
        }
    }

    /// What a scan would read now, for a look at its parts: nothing is locked. None when there is no such table.
    pub(crate) fn look<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        low: KeyBuf,
        high: Option<KeyBuf>,
        site: &'static Location<'static>,
    ) -> Result<Option<Scan<V>>> {
        let Some((engine, core, number, registration)) = self.capture(table, site)? else { return Ok(None) };
        Ok(Some(Scan::new(&engine, core, number, registration, (low, high), Vec::new(), site)))
    }

    /// The key range of the first or last `segments` segments of a table now. A guess at how far to look: segments may
    /// be split before the range is read, which changes what is locked and not what is found.
    pub(crate) fn reach<K: Key, V: Row>(
        &self,
        table: Table<K, V>,
        first: bool,
        segments: usize,
    ) -> Result<(KeyBuf, Option<KeyBuf>)> {
        let core = match self {
            Source::Db(engine) => engine.table_if_any(table)?,
            // Another table may have the name by now.
            Source::Snapshot(snapshot) => snapshot.engine.table_at(table, snapshot.commit_number())?,
            Source::KeptSnapshot(snapshot) => snapshot.engine.table_at(table, snapshot.commit_number())?,
            Source::Transaction(tx) => tx.engine.table_if_any(table)?,
        };
        let Some(core) = core else { return Ok((KeyBuf::empty(), None)) };
        Ok(core.with_directory(|directory| {
            let all = directory.segments();
            if first {
                (KeyBuf::empty(), all.get(segments).map(|next| next.low().clone()))
            } else {
                (all[all.len().saturating_sub(segments)].low().clone(), None)
            }
        }))
    }
}
