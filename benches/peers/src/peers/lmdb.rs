//! LMDB through heed: rows are read in the memory map, loads append, eventual commits are `NO_SYNC` with a sync beside.

use heed::types::{Bytes, U64};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, PutFlags, byteorder};

use crate::encoded::{Encoded, Store, missing};
use crate::outcome::Outcome;
use crate::peer::{Durability, Peer, Settings};

type Users = Database<'static, U64<byteorder::BE>, Bytes>;

/// Address space of the map: far more than any run stores. The file grows as it is needed.
const MAP_BYTES: usize = 64 << 30;

/// Opens a store.
#[expect(unsafe_code, reason = "heed cannot know that nobody else maps the file; the folder is this run's own")]
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    let mut options = EnvOpenOptions::new();
    options.map_size(MAP_BYTES).max_readers(256);
    // SAFETY: the folder belongs to this run, and one process at a time opens it. NO_SYNC can lose a whole environment
    // at a power cut, which is what an eventual commit of LMDB's costs; nothing is recovered here.
    let env = unsafe {
        if settings.durability == Durability::Eventual {
            options.flags(EnvFlags::NO_SYNC);
        }
        options.open(&settings.folder)?
    };
    let tx = env.write_txn()?;
    let users = env.create_databases_and_commit(tx, |open, tx| {
        open.create_database(tx, None).map(CommitOrAbort::<_, ()>::Commit)
    })?;
    Ok(Box::new(Encoded::new(Lmdb { users: users.unwrap_commit(), env }, settings)))
}

#[derive(Debug)]
struct Lmdb {
    env: Env,
    users: Users,
}

impl Store for Lmdb {
    fn each(&self, from: u64, to: u64, mut visit: impl FnMut(&[u8]) -> Outcome<bool>) -> Outcome<()> {
        let tx = self.env.read_txn()?;
        for entry in self.users.range(&tx, &(from..to))? {
            if !visit(entry?.1)? {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, ids: &[u64], mut visit: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
        let tx = self.env.read_txn()?;
        for id in ids {
            visit(self.users.get(&tx, id)?.ok_or_else(|| missing(*id))?)?;
        }
        Ok(())
    }

    fn load(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        let mut tx = self.env.write_txn()?;
        for row in rows {
            let (id, value) = row?;
            self.users.put_with_flags(&mut tx, PutFlags::APPEND, &id, &value)?;
        }
        tx.commit()?;
        self.sync()
    }

    fn overwrite(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        let mut tx = self.env.write_txn()?;
        for row in rows {
            let (id, value) = row?;
            self.users.put(&mut tx, &id, &value)?;
        }
        Ok(tx.commit()?)
    }

    fn remove(&self, ids: &[u64]) -> Outcome<()> {
        let mut tx = self.env.write_txn()?;
        for id in ids {
            self.users.delete(&mut tx, id)?;
        }
        tx.commit()?;
        self.sync()
    }

    fn put(&self, id: u64, value: &[u8]) -> Outcome<()> {
        let mut tx = self.env.write_txn()?;
        self.users.put(&mut tx, &id, value)?;
        Ok(tx.commit()?)
    }

    fn edit_two(&self, ids: [u64; 2], edit: impl Fn(usize, &[u8]) -> Outcome<Vec<u8>>) -> Outcome<u64> {
        let mut tx = self.env.write_txn()?;
        for (which, id) in ids.into_iter().enumerate() {
            let edited = edit(which, self.users.get(&tx, &id)?.ok_or_else(|| missing(id))?)?;
            self.users.put(&mut tx, &id, &edited)?;
        }
        tx.commit()?;
        // Writers stand in line: nothing has to be tried again.
        Ok(0)
    }

    fn sync(&self) -> Outcome<()> {
        Ok(self.env.force_sync()?)
    }

    fn close(self) -> Outcome<()> {
        self.sync()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}
