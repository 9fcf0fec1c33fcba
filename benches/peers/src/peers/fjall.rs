//! fjall: sorted loads are ingested, transactions are optimistic ones, eventual commits are synced by a thread beside.
//! Without compression, which the others do not have either.

use fjall::{KeyspaceCreateOptions, OptimisticTxDatabase, OptimisticTxKeyspace, PersistMode, Readable};

use crate::encoded::{Encoded, Store, key, missing};
use crate::outcome::Outcome;
use crate::peer::{Durability, Peer, Settings};

/// Rows of one batch. A batch lies in memory until it is written.
const BATCH: usize = 10_000;

/// Opens a store.
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    let db = OptimisticTxDatabase::builder(&settings.folder).cache_size(settings.budget).open()?;
    let users = db.keyspace("users", KeyspaceCreateOptions::default)?;
    let mode = match settings.durability {
        Durability::Immediate => PersistMode::SyncData,
        Durability::Eventual => PersistMode::Buffer,
    };
    Ok(Box::new(Encoded::new(Fjall { db, users, mode }, settings)))
}

struct Fjall {
    db: OptimisticTxDatabase,
    users: OptimisticTxKeyspace,
    mode: PersistMode,
}

impl Store for Fjall {
    fn each(&self, from: u64, to: u64, mut visit: impl FnMut(&[u8]) -> Outcome<bool>) -> Outcome<()> {
        for entry in self.db.read_tx().range(&self.users, key(from)..key(to)) {
            if !visit(&entry.value()?)? {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, ids: &[u64], mut visit: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
        let tx = self.db.read_tx();
        for id in ids {
            visit(&tx.get(&self.users, key(*id))?.ok_or_else(|| missing(*id))?)?;
        }
        Ok(())
    }

    fn load(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        let mut ingestion = self.users.inner().start_ingestion()?;
        for row in rows {
            let (id, value) = row?;
            ingestion.write(key(id), value)?;
        }
        ingestion.finish()?;
        self.sync()
    }

    fn overwrite(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let mut batch = self.db.inner().batch();
            for row in rows.by_ref().take(BATCH) {
                let (id, value) = row?;
                batch.insert(self.users.inner(), key(id), value);
            }
            batch.commit()?;
        }
        Ok(())
    }

    fn remove(&self, ids: &[u64]) -> Outcome<()> {
        for ids in ids.chunks(BATCH) {
            let mut batch = self.db.inner().batch();
            ids.iter().for_each(|id| batch.remove(self.users.inner(), key(*id)));
            batch.commit()?;
        }
        self.sync()
    }

    fn put(&self, id: u64, value: &[u8]) -> Outcome<()> {
        let mut batch = self.db.inner().batch().durability(Some(self.mode));
        batch.insert(self.users.inner(), key(id), value);
        Ok(batch.commit()?)
    }

    fn edit_two(&self, ids: [u64; 2], edit: impl Fn(usize, &[u8]) -> Outcome<Vec<u8>>) -> Outcome<u64> {
        let mut again = 0;
        loop {
            let mut tx = self.db.write_tx()?.durability(Some(self.mode));
            for (which, id) in ids.into_iter().enumerate() {
                let edited = edit(which, &tx.get(&self.users, key(id))?.ok_or_else(|| missing(id))?)?;
                tx.insert(&self.users, key(id), edited);
            }
            if tx.commit()?.is_ok() {
                return Ok(again);
            }
            again += 1;
        }
    }

    fn sync(&self) -> Outcome<()> {
        Ok(self.db.persist(PersistMode::SyncData)?)
    }

    fn settle(&self) -> Outcome<()> {
        Ok(self.users.inner().major_compact()?)
    }

    fn close(self) -> Outcome<()> {
        self.sync()
    }
}
