//! Both queries in SQL, with SQLite. It has no parallel plans, so it answers on one thread.

use std::path::Path;

use rusqlite::{Connection, params};

use super::item::items;
use super::query::{Group, Q1_LAST_DAY, Q6_DAYS};
use super::{Found, asked};
use crate::cli::Options;
use crate::outcome::Outcome;
use crate::workload::timed;

pub(super) fn run(folder: &Path, options: &Options) -> Outcome<Found> {
    let connection = Connection::open(folder.join("store.sqlite"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -4194304; PRAGMA mmap_size = 17179869184;
         CREATE TABLE lineitem (
            order_key INTEGER, line INTEGER, part INTEGER, supplier INTEGER, quantity INTEGER, price INTEGER,
            discount INTEGER, tax INTEGER, return_flag TEXT, status TEXT, shipped INTEGER, committed INTEGER,
            received INTEGER, instructions TEXT, mode TEXT, comment TEXT, PRIMARY KEY (order_key, line)) WITHOUT ROWID;",
    )?;
    let (load, ()) = timed(|| load(&connection, options.scale))?;
    let (q1_ms, q1) = asked(options, || q1(&connection))?;
    let (q6_ms, q6) = asked(options, || q6(&connection))?;
    let rows = connection.query_row("SELECT count(*) FROM lineitem", [], |row| row.get::<_, i64>(0))? as u64;
    connection.close().map_err(|(_, error)| error)?;
    Ok(Found { rows, load_s: load.as_secs_f64(), q1_ms, q6_ms, q1, q6 })
}

fn load(connection: &Connection, scale: f64) -> Outcome<()> {
    let tx = connection.unchecked_transaction()?;
    let sql = "INSERT INTO lineitem VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let mut statement = tx.prepare(sql)?;
    for ((order, line), item) in items(scale) {
        let (flag, status) = (item.return_flag.to_string(), item.status.to_string());
        statement.execute(params![
            order as i64,
            line,
            item.part,
            item.supplier,
            item.quantity,
            item.price,
            item.discount,
            item.tax,
            flag,
            status,
            item.shipped,
            item.committed,
            item.received,
            item.instructions,
            item.mode,
            item.comment
        ])?;
    }
    drop(statement);
    Ok(tx.commit()?)
}

fn q1(connection: &Connection) -> Outcome<Vec<Group>> {
    let mut statement = connection.prepare_cached(
        "SELECT return_flag, status, sum(quantity), sum(price), sum(price * (100 - discount)),
            sum(price * (100 - discount) * (100 + tax)), sum(discount), count(*)
         FROM lineitem WHERE shipped <= ?1 GROUP BY return_flag, status ORDER BY return_flag, status",
    )?;
    let lines = statement.query_map([Q1_LAST_DAY], |row| {
        let letter = |column| row.get::<_, String>(column).map(|text| text.chars().next().unwrap_or(' '));
        Ok(Group {
            return_flag: letter(0)?,
            status: letter(1)?,
            quantity: row.get(2)?,
            price: row.get(3)?,
            discounted: row.get(4)?,
            charge: row.get(5)?,
            discount: row.get(6)?,
            count: row.get(7)?,
        })
    })?;
    Ok(lines.collect::<Result<_, _>>()?)
}

fn q6(connection: &Connection) -> Outcome<i64> {
    let sql = "SELECT coalesce(sum(price * discount), 0) FROM lineitem
        WHERE shipped >= ?1 AND shipped < ?2 AND discount BETWEEN 5 AND 7 AND quantity < 24";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([Q6_DAYS.start, Q6_DAYS.end], |row| row.get(0))?)
}
