//! RocksDB's TransactionDB: write batches for many rows, pessimistic transactions, WAL synced at each commit or by a
//! thread beside. Without compression, which the others do not have either.

use rocksdb::{
    BlockBasedOptions, Cache, ErrorKind, Options, ReadOptions, TransactionDB, TransactionDBOptions, TransactionOptions,
    WriteBatchWithTransaction, WriteOptions,
};

use crate::encoded::{Encoded, Store, key, missing};
use crate::outcome::Outcome;
use crate::peer::{Durability, Peer, Settings};

/// Rows of one batch. A batch lies in memory until it is written.
const BATCH: usize = 10_000;

/// Opens a store as RocksDB does by default: a deadlock ends by the lock's time-out, 1 s.
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    open_with(settings, false)
}

/// Opens a store whose transactions look for deadlocks.
pub(crate) fn open_detecting(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    open_with(settings, true)
}

fn open_with(settings: &Settings, detects: bool) -> Outcome<Box<dyn Peer>> {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(settings.budget as usize));
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.increase_parallelism(settings.threads as i32);
    let db = TransactionDB::open(&options, &TransactionDBOptions::default(), &settings.folder)?;
    let immediate = settings.durability == Durability::Immediate;
    Ok(Box::new(Encoded::new(Rocks { db, immediate, detects }, settings)))
}

struct Rocks {
    db: TransactionDB,
    immediate: bool,
    detects: bool,
}

impl Rocks {
    fn writing(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.immediate);
        options
    }
}

impl Store for Rocks {
    fn each(&self, from: u64, to: u64, mut visit: impl FnMut(&[u8]) -> Outcome<bool>) -> Outcome<()> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(key(to));
        // The raw iterator lends the value; the other one copies it.
        let mut rows = self.db.raw_iterator_opt(options);
        rows.seek(key(from));
        while let Some(value) = rows.value() {
            if !visit(value)? {
                break;
            }
            rows.next();
        }
        Ok(rows.status()?)
    }

    fn get(&self, ids: &[u64], mut visit: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
        for id in ids {
            visit(&self.db.get_pinned(key(*id))?.ok_or_else(|| missing(*id))?)?;
        }
        Ok(())
    }

    fn overwrite(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let mut batch = WriteBatchWithTransaction::<true>::default();
            for row in rows.by_ref().take(BATCH) {
                let (id, value) = row?;
                batch.put(key(id), value);
            }
            self.db.write(batch)?;
        }
        Ok(())
    }

    fn remove(&self, ids: &[u64]) -> Outcome<()> {
        for ids in ids.chunks(BATCH) {
            let mut batch = WriteBatchWithTransaction::<true>::default();
            ids.iter().for_each(|id| batch.delete(key(*id)));
            self.db.write(batch)?;
        }
        self.sync()
    }

    fn put(&self, id: u64, value: &[u8]) -> Outcome<()> {
        Ok(self.db.put_opt(key(id), value, &self.writing())?)
    }

    fn edit_two(&self, ids: [u64; 2], edit: impl Fn(usize, &[u8]) -> Outcome<Vec<u8>>) -> Outcome<u64> {
        let mut options = TransactionOptions::default();
        options.set_deadlock_detect(self.detects);
        let writing = self.writing();
        let once = || -> Outcome<Result<(), rocksdb::Error>> {
            let tx = self.db.transaction_opt(&writing, &options);
            for (which, id) in ids.into_iter().enumerate() {
                let old = match tx.get_pinned_for_update(key(id), true) {
                    Ok(old) => old.ok_or_else(|| missing(id))?,
                    Err(error) => return Ok(Err(error)),
                };
                let edited = edit(which, &old)?;
                drop(old);
                if let Err(error) = tx.put(key(id), edited) {
                    return Ok(Err(error));
                }
            }
            Ok(tx.commit())
        };
        let mut again = 0;
        loop {
            match once()? {
                Ok(()) => return Ok(again),
                // A deadlock that was found or that ran into the time-out, or a conflict: the program tries again.
                Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::TimedOut | ErrorKind::TryAgain) => {
                    again += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn sync(&self) -> Outcome<()> {
        Ok(self.db.flush_wal(true)?)
    }

    fn settle(&self) -> Outcome<()> {
        Ok(self.db.flush()?)
    }

    fn close(self) -> Outcome<()> {
        self.sync()
    }
}
