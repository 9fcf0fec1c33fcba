//! A `BTreeMap` behind a read-write lock, scanned by ranges with rayon.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use crate::encoded::missing;
use crate::outcome::Outcome;
use crate::peer::{Peer, Session, Settings, in_parts};
use crate::row::{Countries, User, user};

/// Makes the rows.
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    let rows = (0..settings.rows).map(|id| (id, user(id))).collect();
    Ok(Box::new(Map { rows: RwLock::new(rows), count: settings.rows, threads: settings.threads }))
}

struct Map {
    rows: RwLock<BTreeMap<u64, User>>,
    count: u64,
    threads: usize,
}

impl Map {
    fn ids(&self, pass: impl Fn(&User) -> bool + Sync) -> Outcome<Vec<u64>> {
        let rows = self.rows.read();
        let parts = in_parts(self.count, self.threads, |from, to| {
            Ok(rows.range(from..to).filter(|(_, user)| pass(user)).map(|(_, user)| user.id).collect::<Vec<_>>())
        })?;
        Ok(parts.concat())
    }
}

impl Peer for Map {
    fn load(&self, users: Vec<User>) -> Outcome<()> {
        *self.rows.write() = users.into_iter().map(|user| (user.id, user)).collect();
        Ok(())
    }

    fn overwrite(&self, users: &mut (dyn Iterator<Item = User> + Send)) -> Outcome<()> {
        self.rows.write().extend(users.map(|user| (user.id, user)));
        Ok(())
    }

    fn sellers(&self) -> Outcome<Vec<u64>> {
        self.ids(User::is_seller)
    }

    fn liked(&self) -> Outcome<Vec<u64>> {
        self.ids(User::is_liked)
    }

    fn countries(&self) -> Outcome<Countries> {
        let rows = self.rows.read();
        let parts = in_parts(self.count, self.threads, |from, to| {
            let mut countries = Countries::default();
            rows.range(from..to).for_each(|(_, user)| countries.add(&user.country, 1, f64::from(user.rating)));
            Ok(countries)
        })?;
        Ok(parts.into_iter().fold(Countries::default(), Countries::merge))
    }

    fn balances(&self) -> Outcome<Vec<i64>> {
        Ok(self.rows.read().values().map(|user| user.balance).collect())
    }

    fn remove_liked(&self) -> Outcome<u64> {
        let mut rows = self.rows.write();
        let before = rows.len();
        rows.retain(|_, user| !user.is_liked());
        Ok((before - rows.len()) as u64)
    }

    fn session(&self) -> Outcome<Box<dyn Session + '_>> {
        Ok(Box::new(MapSession(&self.rows)))
    }

    fn sync(&self) -> Outcome<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}

struct MapSession<'a>(&'a RwLock<BTreeMap<u64, User>>);

impl Session for MapSession<'_> {
    fn get(&mut self, ids: &[u64]) -> Outcome<u64> {
        let rows = self.0.read();
        ids.iter().map(|id| rows.get(id).map(User::sum).ok_or_else(|| missing(*id))).sum()
    }

    fn range(&mut self, from: u64, rows: u64) -> Outcome<u64> {
        Ok(self.0.read().range(from..from + rows).map(|(_, user)| user.sum()).sum())
    }

    fn put(&mut self, user: &User) -> Outcome<()> {
        self.0.write().insert(user.id, user.clone());
        Ok(())
    }

    fn transfer(&mut self, from: u64, to: u64) -> Outcome<u64> {
        let mut rows = self.0.write();
        rows.get_mut(&from).ok_or_else(|| missing(from))?.balance -= 1;
        rows.get_mut(&to).ok_or_else(|| missing(to))?.balance += 1;
        Ok(0)
    }
}
