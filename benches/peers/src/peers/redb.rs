//! redb: keys are `u64`, values bytes; one write transaction for many rows, `Durability::None` for eventual commits.

use redb::{Database, Durability as Theirs, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use crate::encoded::{Encoded, Store, missing};
use crate::outcome::Outcome;
use crate::peer::{Durability, Peer, Settings};

const USERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("users");

/// Opens a store.
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    let path = settings.folder.join("store.redb");
    let is_new = !path.exists();
    let db = Database::builder().set_cache_size(settings.budget as usize).create(path)?;
    let durability = match settings.durability {
        Durability::Immediate => Theirs::Immediate,
        Durability::Eventual => Theirs::None,
    };
    let store = Redb { db, durability };
    // Reading fails while the table was never made.
    if is_new {
        store.write(Theirs::Immediate, |tx| Ok(tx.open_table(USERS).map(drop)?))?;
    }
    Ok(Box::new(Encoded::new(store, settings)))
}

struct Redb {
    db: Database,
    durability: Theirs,
}

impl Redb {
    fn write(&self, durability: Theirs, body: impl FnOnce(&WriteTransaction) -> Outcome<()>) -> Outcome<()> {
        let mut tx = self.db.begin_write()?;
        tx.set_durability(durability)?;
        body(&tx)?;
        Ok(tx.commit()?)
    }

    fn put_all(&self, durability: Theirs, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        self.write(durability, |tx| {
            let mut table = tx.open_table(USERS)?;
            for row in rows {
                let (id, value) = row?;
                table.insert(id, value.as_slice())?;
            }
            Ok(())
        })
    }
}

impl Store for Redb {
    fn each(&self, from: u64, to: u64, mut visit: impl FnMut(&[u8]) -> Outcome<bool>) -> Outcome<()> {
        let table = self.db.begin_read()?.open_table(USERS)?;
        for entry in table.range(from..to)? {
            if !visit(entry?.1.value())? {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, ids: &[u64], mut visit: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
        let table = self.db.begin_read()?.open_table(USERS)?;
        for id in ids {
            visit(table.get(*id)?.ok_or_else(|| missing(*id))?.value())?;
        }
        Ok(())
    }

    fn load(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        self.put_all(Theirs::Immediate, rows)
    }

    fn overwrite(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        self.put_all(Theirs::None, rows)
    }

    fn remove(&self, ids: &[u64]) -> Outcome<()> {
        self.write(Theirs::Immediate, |tx| {
            let mut table = tx.open_table(USERS)?;
            for id in ids {
                table.remove(*id)?;
            }
            Ok(())
        })
    }

    fn put(&self, id: u64, value: &[u8]) -> Outcome<()> {
        self.write(self.durability, |tx| {
            tx.open_table(USERS)?.insert(id, value)?;
            Ok(())
        })
    }

    fn edit_two(&self, ids: [u64; 2], edit: impl Fn(usize, &[u8]) -> Outcome<Vec<u8>>) -> Outcome<u64> {
        self.write(self.durability, |tx| {
            let mut table = tx.open_table(USERS)?;
            for (which, id) in ids.into_iter().enumerate() {
                let edited = edit(which, table.get(id)?.ok_or_else(|| missing(id))?.value())?;
                table.insert(id, edited.as_slice())?;
            }
            Ok(())
        })?;
        // Writers stand in line: nothing has to be tried again.
        Ok(0)
    }

    fn sync(&self) -> Outcome<()> {
        // An immediate commit brings all before it to disk.
        self.write(Theirs::Immediate, |_| Ok(()))
    }

    fn close(self) -> Outcome<()> {
        self.sync()?;
        Ok(self.db.close()?)
    }
}
