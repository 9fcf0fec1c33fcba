//! A `Vec` behind a read-write lock, scanned with rayon: what a program has that keeps its rows in memory.

use parking_lot::RwLock;
use rayon::prelude::*;

use crate::outcome::Outcome;
use crate::peer::{Peer, Session, Settings};
use crate::row::{Countries, User, user};

/// Makes the rows.
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    Ok(Box::new(Rows(RwLock::new((0..settings.rows).map(user).collect()))))
}

struct Rows(RwLock<Vec<User>>);

impl Peer for Rows {
    fn load(&self, users: Vec<User>) -> Outcome<()> {
        *self.0.write() = users;
        Ok(())
    }

    fn overwrite(&self, users: &mut (dyn Iterator<Item = User> + Send)) -> Outcome<()> {
        let mut rows = self.0.write();
        for user in users {
            let at = user.id as usize;
            rows[at] = user;
        }
        Ok(())
    }

    fn sellers(&self) -> Outcome<Vec<u64>> {
        Ok(self.0.read().par_iter().filter(|user| user.is_seller()).map(|user| user.id).collect())
    }

    fn liked(&self) -> Outcome<Vec<u64>> {
        Ok(self.0.read().par_iter().filter(|user| user.is_liked()).map(|user| user.id).collect())
    }

    fn countries(&self) -> Outcome<Countries> {
        let step = |mut countries: Countries, user: &User| {
            countries.add(&user.country, 1, f64::from(user.rating));
            countries
        };
        Ok(self.0.read().par_iter().fold(Countries::default, step).reduce(Countries::default, Countries::merge))
    }

    fn balances(&self) -> Outcome<Vec<i64>> {
        Ok(self.0.read().iter().map(|user| user.balance).collect())
    }

    fn remove_liked(&self) -> Outcome<u64> {
        let mut rows = self.0.write();
        let before = rows.len();
        rows.retain(|user| !user.is_liked());
        Ok((before - rows.len()) as u64)
    }

    fn session(&self) -> Outcome<Box<dyn Session + '_>> {
        Ok(Box::new(RowsSession(&self.0)))
    }

    fn sync(&self) -> Outcome<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        Ok(())
    }
}

struct RowsSession<'a>(&'a RwLock<Vec<User>>);

impl Session for RowsSession<'_> {
    fn get(&mut self, ids: &[u64]) -> Outcome<u64> {
        let rows = self.0.read();
        Ok(ids.iter().map(|id| rows[*id as usize].sum()).sum())
    }

    fn range(&mut self, from: u64, rows: u64) -> Outcome<u64> {
        let all = self.0.read();
        let (from, to) = (from as usize, ((from + rows) as usize).min(all.len()));
        Ok(all[from..to].iter().map(User::sum).sum())
    }

    fn put(&mut self, user: &User) -> Outcome<()> {
        self.0.write()[user.id as usize] = user.clone();
        Ok(())
    }

    fn transfer(&mut self, from: u64, to: u64) -> Outcome<u64> {
        let mut rows = self.0.write();
        rows[from as usize].balance -= 1;
        rows[to as usize].balance += 1;
        Ok(0)
    }
}
