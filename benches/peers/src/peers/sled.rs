//! Plain sled: an entry a row. A flush of sled's is no `fdatasync` on Linux, so what must be on disk is synced by a
//! handle on its file, as Gangline does it.

use std::fs::File;

use sled::transaction::{ConflictableTransactionError, TransactionError};

use crate::encoded::{Encoded, Store, key, missing};
use crate::outcome::Outcome;
use crate::peer::{Durability, Peer, Settings};

/// Opens a store.
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    let config = sled::Config::new().path(&settings.folder).cache_capacity(settings.budget);
    let db = config.flush_every_ms(Some(100)).open()?;
    let file = File::options().read(true).write(true).open(settings.folder.join("db"))?;
    let immediate = settings.durability == Durability::Immediate;
    Ok(Box::new(Encoded::new(Sled { db, file, immediate }, settings)))
}

#[derive(Debug)]
struct Sled {
    db: sled::Db,
    file: File,
    immediate: bool,
}

impl Store for Sled {
    fn each(&self, from: u64, to: u64, mut visit: impl FnMut(&[u8]) -> Outcome<bool>) -> Outcome<()> {
        for entry in self.db.range(key(from)..key(to)) {
            if !visit(&entry?.1)? {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, ids: &[u64], mut visit: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
        for id in ids {
            visit(&self.db.get(key(*id))?.ok_or_else(|| missing(*id))?)?;
        }
        Ok(())
    }

    fn overwrite(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        // Batches and transactions of sled take a lock of the whole process and are slower than entries one by one.
        for row in rows {
            let (id, value) = row?;
            self.db.insert(key(id), value)?;
        }
        Ok(())
    }

    fn remove(&self, ids: &[u64]) -> Outcome<()> {
        for id in ids {
            self.db.remove(key(*id))?;
        }
        self.sync()
    }

    fn put(&self, id: u64, value: &[u8]) -> Outcome<()> {
        self.db.insert(key(id), value)?;
        if self.immediate { self.sync() } else { Ok(()) }
    }

    #[expect(clippy::disallowed_methods, reason = "sled's transactions are what is measured")]
    fn edit_two(&self, ids: [u64; 2], edit: impl Fn(usize, &[u8]) -> Outcome<Vec<u8>>) -> Outcome<u64> {
        let runs = std::cell::Cell::new(0);
        let done = self.db.transaction(|tx| {
            runs.set(runs.get() + 1);
            for (which, id) in ids.into_iter().enumerate() {
                let abort = ConflictableTransactionError::Abort;
                let old = tx.get(key(id))?.ok_or_else(|| abort(missing(id)))?;
                tx.insert(&key(id), edit(which, &old).map_err(abort)?)?;
            }
            Ok(())
        });
        match done {
            Ok(()) => {}
            Err(TransactionError::Abort(error)) => return Err(error),
            Err(TransactionError::Storage(error)) => return Err(error.into()),
        }
        if self.immediate {
            self.sync()?;
        }
        Ok(runs.get() - 1)
    }

    fn sync(&self) -> Outcome<()> {
        self.db.flush()?;
        Ok(self.file.sync_data()?)
    }

    fn close(self) -> Outcome<()> {
        self.sync()
    }
}
