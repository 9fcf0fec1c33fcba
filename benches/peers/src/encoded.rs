//! Stores that hold bytes, made into peers: one encoding and one way to read it for LMDB, redb, fjall, RocksDB and sled.
//!
//! Rows are read where they lie, with borrowed strings, wherever a store lends its bytes.

use crate::outcome::Outcome;
use crate::peer::{Peer, Session, Settings, in_parts};
use crate::row::{Countries, LIKED, Role, User, UserRef, decode, decode_ref, encode, sum};

/// A store of bytes under numbers.
pub(crate) trait Store: Sync {
    /// Shows the values of the keys `from..to`, in order, for as long as `visit` gives true.
    fn each(&self, from: u64, to: u64, visit: impl FnMut(&[u8]) -> Outcome<bool>) -> Outcome<()>;

    /// Shows the values of keys that are all there, as of one moment.
    fn get(&self, ids: &[u64], visit: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()>;

    /// Stores values of ascending keys in an empty store, durably.
    fn load(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()> {
        self.overwrite(rows)?;
        self.sync()
    }

    /// Overwrites many values; not durable.
    fn overwrite(&self, rows: &mut dyn Iterator<Item = Outcome<(u64, Vec<u8>)>>) -> Outcome<()>;

    /// Removes many keys, durably.
    fn remove(&self, ids: &[u64]) -> Outcome<()>;

    /// One value in a commit of its own.
    fn put(&self, id: u64, value: &[u8]) -> Outcome<()>;

    /// Changes two values in a transaction. `edit` is given which of them it is; it may be called again after a
    /// conflict. Gives how often it was.
    fn edit_two(&self, ids: [u64; 2], edit: impl Fn(usize, &[u8]) -> Outcome<Vec<u8>>) -> Outcome<u64>;

    fn sync(&self) -> Outcome<()>;

    fn settle(&self) -> Outcome<()> {
        Ok(())
    }

    fn close(self) -> Outcome<()>;
}

/// A peer over a store of bytes.
#[derive(Debug)]
pub(crate) struct Encoded<S> {
    store: S,
    rows: u64,
    threads: usize,
}

impl<S: Store> Encoded<S> {
    pub(crate) fn new(store: S, settings: &Settings) -> Self {
        Encoded { store, rows: settings.rows, threads: settings.threads }
    }

    /// Folds all rows in parallel; the results of the parts, in the order of the keys.
    fn parts<T: Default + Send>(&self, step: impl Fn(&mut T, &[u8]) -> Outcome<()> + Sync) -> Outcome<Vec<T>> {
        in_parts(self.rows, self.threads, |from, to| {
            let mut part = T::default();
            self.store.each(from, to, |bytes| {
                step(&mut part, bytes)?;
                Ok(true)
            })?;
            Ok(part)
        })
    }

    /// The numbers of the rows that pass, in order.
    fn ids(&self, pass: impl Fn(&UserRef<'_>) -> bool + Sync) -> Outcome<Vec<u64>> {
        let parts = self.parts(|ids: &mut Vec<u64>, bytes| {
            let user = decode_ref(bytes)?;
            if pass(&user) {
                ids.push(user.id);
            }
            Ok(())
        })?;
        Ok(parts.concat())
    }
}

fn encoded(users: impl Iterator<Item = User>) -> impl Iterator<Item = Outcome<(u64, Vec<u8>)>> {
    users.map(|user| {
        let mut bytes = Vec::with_capacity(128);
        encode(&user, &mut bytes)?;
        Ok((user.id, bytes))
    })
}

impl<S: Store> Peer for Encoded<S> {
    fn load(&self, users: Vec<User>) -> Outcome<()> {
        self.store.load(&mut encoded(users.into_iter()))
    }

    fn overwrite(&self, users: &mut (dyn Iterator<Item = User> + Send)) -> Outcome<()> {
        self.store.overwrite(&mut encoded(users))
    }

    fn sellers(&self) -> Outcome<Vec<u64>> {
        self.ids(|user| user.roles.has(Role::Seller))
    }

    fn sellers_owned(&self) -> Outcome<Vec<u64>> {
        let parts = self.parts(|ids: &mut Vec<u64>, bytes| {
            let user = decode(bytes)?;
            if user.is_seller() {
                ids.push(user.id);
            }
            Ok(())
        })?;
        Ok(parts.concat())
    }

    fn liked(&self) -> Outcome<Vec<u64>> {
        self.ids(|user| user.rating >= LIKED)
    }

    fn countries(&self) -> Outcome<Countries> {
        let parts = self.parts(|countries: &mut Countries, bytes| {
            let user = decode_ref(bytes)?;
            countries.add(user.country, 1, f64::from(user.rating));
            Ok(())
        })?;
        Ok(parts.into_iter().fold(Countries::default(), Countries::merge))
    }

    fn balances(&self) -> Outcome<Vec<i64>> {
        let mut balances = Vec::with_capacity(self.rows as usize);
        self.store.each(0, self.rows, |bytes| {
            balances.push(decode_ref(bytes)?.balance);
            Ok(true)
        })?;
        Ok(balances)
    }

    fn remove_liked(&self) -> Outcome<u64> {
        let ids = self.liked()?;
        self.store.remove(&ids)?;
        Ok(ids.len() as u64)
    }

    fn session(&self) -> Outcome<Box<dyn Session + '_>> {
        Ok(Box::new(EncodedSession { store: &self.store, bytes: Vec::new() }))
    }

    fn sync(&self) -> Outcome<()> {
        self.store.sync()
    }

    fn settle(&self) -> Outcome<()> {
        self.store.settle()
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        self.store.close()
    }
}

struct EncodedSession<'a, S> {
    store: &'a S,
    bytes: Vec<u8>,
}

impl<S: Store> Session for EncodedSession<'_, S> {
    fn get(&mut self, ids: &[u64]) -> Outcome<u64> {
        let mut total = 0;
        self.store.get(ids, |bytes| {
            let user = decode_ref(bytes)?;
            total += sum(user.id, user.created, user.name);
            Ok(())
        })?;
        Ok(total)
    }

    fn range(&mut self, from: u64, rows: u64) -> Outcome<u64> {
        let (mut total, mut left) = (0, rows);
        self.store.each(from, u64::MAX, |bytes| {
            let user = decode_ref(bytes)?;
            total += sum(user.id, user.created, user.name);
            left -= 1;
            Ok(left > 0)
        })?;
        Ok(total)
    }

    fn put(&mut self, user: &User) -> Outcome<()> {
        self.bytes.clear();
        encode(user, &mut self.bytes)?;
        self.store.put(user.id, &self.bytes)
    }

    fn transfer(&mut self, from: u64, to: u64) -> Outcome<u64> {
        self.store.edit_two([from, to], |which, bytes| {
            let mut user = decode_ref(bytes)?;
            user.balance += if which == 0 { -1 } else { 1 };
            let mut edited = Vec::with_capacity(bytes.len() + 8);
            encode(&user, &mut edited)?;
            Ok(edited)
        })
    }
}

/// A key whose bytes are in the order of the numbers.
pub(crate) fn key(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

/// The error of a row that must be there.
pub(crate) fn missing(id: u64) -> Box<dyn std::error::Error + Send + Sync> {
    format!("row {id} is not there").into()
}
