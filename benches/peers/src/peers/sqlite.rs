//! SQLite: WAL mode, prepared statements, a connection a reading thread, and one connection that all writers share.
//!
//! Several writing connections would wait for each other by sleeping; behind a fair latch they are faster. The predicate
//! of a scan is SQL over a column that stands early in the row, so that the rest of it is not decoded.

use parking_lot::Mutex;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};

use crate::encoded::missing;
use crate::outcome::Outcome;
use crate::peer::{Durability, Peer, Session, Settings, in_parts};
use crate::row::{Countries, LIKED, Role, User, sum};

/// Opens a store.
pub(crate) fn open(settings: &Settings) -> Outcome<Box<dyn Peer>> {
    let store =
        Sqlite { settings: settings.clone(), writer: Mutex::new(connect(settings)?), readers: Mutex::default() };
    store.writer.lock().execute_batch(
        "CREATE TABLE IF NOT EXISTS users (
            id INTEGER PRIMARY KEY, roles INTEGER NOT NULL, country TEXT NOT NULL, created INTEGER NOT NULL,
            rating REAL NOT NULL, balance INTEGER NOT NULL, name TEXT NOT NULL, email TEXT NOT NULL, bio TEXT NOT NULL);
         CREATE TABLE IF NOT EXISTS synced (at INTEGER);",
    )?;
    Ok(Box::new(store))
}

/// A connection with the settings that are asked for.
fn connect(settings: &Settings) -> Outcome<Connection> {
    let connection = Connection::open(settings.folder.join("store.sqlite"))?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    connection.set_prepared_statement_cache_capacity(32);
    let synchronous = synchronous(settings.durability);
    // The budget is shared by the connections that read; the map reads in the page cache of the system.
    let cache_kib = (settings.budget >> 10) / (settings.threads as u64 + 1);
    let map_bytes = settings.budget.min(64 << 30);
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
         PRAGMA cache_size = -{cache_kib}; PRAGMA mmap_size = {map_bytes};"
    ))?;
    Ok(connection)
}

struct Sqlite {
    settings: Settings,
    writer: Mutex<Connection>,
    /// Connections that read and are not in use.
    readers: Mutex<Vec<Connection>>,
}

const ROLE_BITS: [(Role, i64); 3] = [(Role::Buyer, 1), (Role::Seller, 2), (Role::Admin, 4)];

const PUT: &str = "INSERT INTO users (id, roles, country, created, rating, balance, name, email, bio)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (id) DO UPDATE SET roles = ?2, country = ?3, created = ?4, rating = ?5, balance = ?6, name = ?7,
        email = ?8, bio = ?9";

fn put(connection: &Connection, user: &User) -> Outcome<()> {
    let roles: i64 = ROLE_BITS.iter().filter(|(role, _)| user.roles.contains(role)).map(|(_, bit)| bit).sum();
    connection.prepare_cached(PUT)?.execute(params![
        user.id as i64,
        roles,
        user.country,
        user.created,
        f64::from(user.rating),
        user.balance,
        user.name,
        user.email,
        user.bio
    ])?;
    Ok(())
}

/// Reads all columns, as the others decode all fields.
fn row_sum(row: &Row<'_>) -> Outcome<u64> {
    for column in 0..9 {
        row.get_ref(column)?;
    }
    Ok(sum(row.get::<_, i64>(0)? as u64, row.get(3)?, row.get_ref(6)?.as_str()?))
}

impl Sqlite {
    /// Lends a reading connection, and makes one if all are in use.
    fn reading<T>(&self, body: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        let free = self.readers.lock().pop();
        let connection = match free {
            Some(connection) => connection,
            None => connect(&self.settings)?,
        };
        let value = body(&connection);
        self.readers.lock().push(connection);
        value
    }

    fn ids(&self, condition: &str) -> Outcome<Vec<u64>> {
        let sql = format!("SELECT id FROM users WHERE id >= ?1 AND id < ?2 AND {condition}");
        let parts = in_parts(self.settings.rows, self.settings.threads, |from, to| {
            self.reading(|connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                let mut rows = statement.query([from as i64, to as i64])?;
                let mut ids = Vec::new();
                while let Some(row) = rows.next()? {
                    ids.push(row.get::<_, i64>(0)? as u64);
                }
                Ok(ids)
            })
        })?;
        Ok(parts.concat())
    }

    fn write(&self, body: impl FnOnce(&Connection) -> Outcome<()>) -> Outcome<()> {
        commit(&self.writer.lock(), body)
    }

    /// Runs a transaction that is on disk with its log when it returns.
    fn write_durably(&self, body: impl FnOnce(&Connection) -> Outcome<()>) -> Outcome<()> {
        let writer = self.writer.lock();
        writer.pragma_update(None, "synchronous", "FULL")?;
        let done = commit(&writer, body);
        writer.pragma_update(None, "synchronous", synchronous(self.settings.durability))?;
        done
    }
}

fn commit(writer: &Connection, body: impl FnOnce(&Connection) -> Outcome<()>) -> Outcome<()> {
    let tx = Transaction::new_unchecked(writer, TransactionBehavior::Immediate)?;
    body(&tx)?;
    Ok(tx.commit()?)
}

fn synchronous(durability: Durability) -> &'static str {
    match durability {
        Durability::Immediate => "FULL",
        Durability::Eventual => "NORMAL",
    }
}

impl Peer for Sqlite {
    fn load(&self, users: Vec<User>) -> Outcome<()> {
        self.write_durably(|connection| users.iter().try_for_each(|user| put(connection, user)))
    }

    fn overwrite(&self, users: &mut (dyn Iterator<Item = User> + Send)) -> Outcome<()> {
        self.write(|connection| {
            for user in users {
                put(connection, &user)?;
            }
            Ok(())
        })
    }

    fn sellers(&self) -> Outcome<Vec<u64>> {
        self.ids("roles & 2")
    }

    fn liked(&self) -> Outcome<Vec<u64>> {
        self.ids(&format!("rating >= {LIKED:?}"))
    }

    fn countries(&self) -> Outcome<Countries> {
        let sql = "SELECT country, count(*), sum(rating) FROM users WHERE id >= ?1 AND id < ?2 GROUP BY country";
        let parts = in_parts(self.settings.rows, self.settings.threads, |from, to| {
            self.reading(|connection| {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query([from as i64, to as i64])?;
                let mut countries = Countries::default();
                while let Some(row) = rows.next()? {
                    countries.add(row.get_ref(0)?.as_str()?, row.get::<_, i64>(1)? as u64, row.get(2)?);
                }
                Ok(countries)
            })
        })?;
        Ok(parts.into_iter().fold(Countries::default(), Countries::merge))
    }

    fn balances(&self) -> Outcome<Vec<i64>> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached("SELECT balance FROM users ORDER BY id")?;
            let balances = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
            Ok(balances)
        })
    }

    fn remove_liked(&self) -> Outcome<u64> {
        let mut removed = 0;
        self.write_durably(|connection| {
            removed = connection.execute(&format!("DELETE FROM users WHERE rating >= {LIKED:?}"), [])? as u64;
            Ok(())
        })?;
        Ok(removed)
    }

    fn session(&self) -> Outcome<Box<dyn Session + '_>> {
        Ok(Box::new(SqliteSession { store: self, reader: connect(&self.settings)? }))
    }

    fn sync(&self) -> Outcome<()> {
        // A commit that is synced syncs the whole log before it; an empty one is not written.
        self.write_durably(|connection| {
            connection.prepare_cached("INSERT OR REPLACE INTO synced (rowid, at) VALUES (1, 1)")?.execute([])?;
            Ok(())
        })
    }

    fn settle(&self) -> Outcome<()> {
        Ok(self.writer.lock().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    fn close(self: Box<Self>) -> Outcome<()> {
        self.sync()?;
        drop(self.readers.into_inner());
        self.writer.into_inner().close().map_err(|(_, error)| error.into())
    }
}

struct SqliteSession<'a> {
    store: &'a Sqlite,
    reader: Connection,
}

impl Session for SqliteSession<'_> {
    fn get(&mut self, ids: &[u64]) -> Outcome<u64> {
        let tx = if ids.len() > 1 { Some(self.reader.unchecked_transaction()?) } else { None };
        let mut statement = self.reader.prepare_cached("SELECT * FROM users WHERE id = ?1")?;
        let mut total = 0;
        for id in ids {
            let mut rows = statement.query([*id as i64])?;
            total += row_sum(rows.next()?.ok_or_else(|| missing(*id))?)?;
        }
        drop(tx);
        Ok(total)
    }

    fn range(&mut self, from: u64, rows: u64) -> Outcome<u64> {
        let mut statement = self.reader.prepare_cached("SELECT * FROM users WHERE id >= ?1 ORDER BY id LIMIT ?2")?;
        let mut found = statement.query([from as i64, rows as i64])?;
        let mut total = 0;
        while let Some(row) = found.next()? {
            total += row_sum(row)?;
        }
        Ok(total)
    }

    fn put(&mut self, user: &User) -> Outcome<()> {
        self.store.write(|connection| put(connection, user))
    }

    fn transfer(&mut self, from: u64, to: u64) -> Outcome<u64> {
        self.store.write(|connection| {
            let mut statement = connection.prepare_cached("UPDATE users SET balance = balance + ?1 WHERE id = ?2")?;
            for (change, id) in [(-1, from), (1, to)] {
                if statement.execute([change, id as i64])? != 1 {
                    return Err(missing(id));
                }
            }
            Ok(())
        })?;
        // Writers stand in line: nothing has to be tried again.
        Ok(0)
    }
}
