//! Gangline: `read`, `query` and `transact` over the typed table. The load is a `bulk_load`, which is durable when it returns.

use gangline::{Db, Durability as Theirs, Options};

use crate::outcome::Outcome;
use crate::peer::{Durability, Peer, Session, Settings};
use crate::row::{Countries, USERS, User};

/// Rows of one transaction while much is written: far below the limit of a transaction's bytes.
const BATCH: usize = 10_000;

/// Opens a store with the budget, threads and durability that are asked for.
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    let durability = match settings.durability {
        Durability::Immediate => Theirs::Immediate,
        Durability::Eventual => Theirs::Eventual,
    };
    let options = Options::new().durability(durability).scan_threads(settings.threads);
    let db = options.cache_bytes(settings.budget as usize).open(settings.folder.join("store"))?;
    Ok(Box::new(Gangline(db)))
}

struct Gangline(Db);

impl Gangline {
    fn put_all(&self, users: &[User]) -> Outcome<()> {
        Ok(self.0.transact(|tx| users.iter().try_for_each(|user| tx.put(USERS, user.id, user)))?)
    }
}

impl Peer for Gangline {
    fn load(&self, users: Vec<User>) -> Outcome<()> {
        self.0.bulk_load(USERS, users.into_iter().map(|user| (user.id, user)))?;
        Ok(())
    }

    fn overwrite(&self, users: &mut (dyn Iterator<Item = User> + Send)) -> Outcome<()> {
        loop {
            let batch: Vec<User> = users.take(BATCH).collect();
            if batch.is_empty() {
                return Ok(());
            }
            self.put_all(&batch)?;
        }
    }

    fn sellers(&self) -> Outcome<Vec<u64>> {
        Ok(self.0.read(USERS, User::is_seller, |user| user.id)?)
    }

    fn liked(&self) -> Outcome<Vec<u64>> {
        Ok(self.0.read(USERS, User::is_liked, |user| user.id)?)
    }

    fn countries(&self) -> Outcome<Countries> {
        let step = |mut countries: Countries, user: &User| {
            countries.add(&user.country, 1, f64::from(user.rating));
            countries
        };
        Ok(self.0.query(USERS).fold(Countries::default, step, Countries::merge)?)
    }

    fn balances(&self) -> Outcome<Vec<i64>> {
        Ok(self.0.read(USERS, |_| true, |user| user.balance)?)
    }

    fn remove_liked(&self) -> Outcome<u64> {
        let ids = self.liked()?;
        for ids in ids.chunks(BATCH) {
            self.0.transact(|tx| ids.iter().try_for_each(|id| tx.remove(USERS, *id).map(drop)))?;
        }
        self.0.sync()?;
        Ok(ids.len() as u64)
    }

    fn session(&self) -> Outcome<Box<dyn Session + '_>> {
        Ok(Box::new(GanglineSession(&self.0)))
    }

    fn sync(&self) -> Outcome<()> {
        Ok(self.0.sync()?)
    }

    fn needs_ticker(&self) -> bool {
        false
    }

    fn settle(&self) -> Outcome<()> {
        Ok(self.0.checkpoint()?)
    }

    fn counters(&self) -> Outcome<Vec<(&'static str, f64)>> {
        let status = self.0.status()?;
        Ok(vec![
            ("restarts", status.locks.restarts as f64),
            ("lock_timeouts", status.locks.timeouts as f64),
            ("checkpoints", status.checkpoints as f64),
        ])
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(self.0.close()?)
    }
}

struct GanglineSession<'a>(&'a Db);

impl Session for GanglineSession<'_> {
    fn get(&mut self, ids: &[u64]) -> Outcome<u64> {
        let mut total = 0;
        for id in ids {
            total += self.0.get(USERS, *id)?.map_or(0, |user| user.sum());
        }
        Ok(total)
    }

    fn range(&mut self, from: u64, rows: u64) -> Outcome<u64> {
        let query = self.0.query(USERS).range(from..from + rows);
        Ok(query.sequential().fold(|| 0, |sum, user| sum + user.sum(), |a, b| a + b)?)
    }

    fn put(&mut self, user: &User) -> Outcome<()> {
        Ok(self.0.put(USERS, user.id, user)?)
    }

    fn transfer(&mut self, from: u64, to: u64) -> Outcome<u64> {
        self.0.transact(|tx| {
            tx.modify(USERS, from, |user| user.balance -= 1)?;
            tx.modify(USERS, to, |user| user.balance += 1)
        })?;
        // Its restarts are counted by the store.
        Ok(0)
    }
}
