//! How fast the store is read: the same read with one thread and with all.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use gangline::{Access, Key, Row, Table};

use crate::data::model::ORDER_ITEMS;
use crate::data::value::{Cents, grouped};
use crate::error::Result;
use crate::synthetic::{MadeUpUser, SYNTHETIC};

/// A read is repeated until it took so long in all, and at least [`ROUNDS`] times; the fastest counts.
const LEAST_TIME: Duration = Duration::from_millis(150);
const ROUNDS: u32 = 3;

/// Rows read in a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speed {
    /// Of which table.
    pub table: &'static str,
    /// How many rows that has.
    pub rows: u64,
    /// With one thread.
    pub rows_per_s_1: u64,
    /// With all threads.
    pub rows_per_s_all: u64,
}

impl Speed {
    /// Reads the synthetic table, if asked for, or the items.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub fn measure(da: &impl Access, synthetic: bool) -> Result<Self> {
        if synthetic {
            measure(da, "synthetic_users", SYNTHETIC, MadeUpUser::is_seller, |user| user.id)
        } else {
            measure(da, "order_items", ORDER_ITEMS, |item| item.price > Cents::new(10_000), |item| item.price)
        }
    }

    /// Writes it as `name value` lines.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "read_table {}", self.table)?;
        writeln!(out, "read_rows {}", self.rows)?;
        writeln!(out, "read_rows_per_s_1 {}", self.rows_per_s_1)?;
        writeln!(out, "read_rows_per_s_all {}", self.rows_per_s_all)
    }

    /// The same in a sentence.
    pub(crate) fn sentence(&self) -> String {
        let number = |rows: u64| grouped(i64::try_from(rows).unwrap_or(i64::MAX));
        format!(
            "Reading {} rows of {}: {} rows a second with one thread, {} with all.",
            number(self.rows),
            self.table,
            number(self.rows_per_s_1),
            number(self.rows_per_s_all),
        )
    }
}

fn measure<K: Key, V: Row, T: Send>(
    da: &impl Access,
    name: &'static str,
    table: Table<K, V>,
    select: impl Fn(&V) -> bool + Sync,
    project: impl Fn(&V) -> T + Sync,
) -> Result<Speed> {
    // Also warms up: rows are in memory from now on.
    let rows = da.query(table).count()?;
    let time_of = |query: &dyn Fn() -> Result<Vec<T>>| -> Result<Duration> {
        let mut fastest = Duration::MAX;
        let (mut total, mut rounds) = (Duration::ZERO, 0);
        while rounds < ROUNDS || total < LEAST_TIME {
            let start = Instant::now();
            let read = query()?;
            let time = start.elapsed();
            drop(read);
            (fastest, total, rounds) = (fastest.min(time), total + time, rounds + 1);
        }
        Ok(fastest)
    };
    let one = time_of(&|| Ok(da.query(table).sequential().select(&select).project(&project).collect()?))?;
    let all = time_of(&|| Ok(da.query(table).select(&select).project(&project).collect()?))?;
    let rows_per_s = |time: Duration| (rows as f64 / time.as_secs_f64().max(1e-9)) as u64;
    Ok(Speed { table: name, rows, rows_per_s_1: rows_per_s(one), rows_per_s_all: rows_per_s(all) })
}
