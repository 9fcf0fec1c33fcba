//! What the benches share: the row of the benchmarks, sizes, times.
#![allow(dead_code, reason = "each bench takes what it needs")]

use std::time::{Duration, Instant};

use gangline::{Db, Durability, Options, Table};
use serde::{Deserialize, Serialize};

/// A part that a user plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Buyer,
    Seller,
    Admin,
}

/// The row of the benchmarks: 96 bytes encoded, some 330 in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) roles: Vec<Role>,
    pub(crate) country: String,
    pub(crate) created: i64,
    pub(crate) rating: f32,
    pub(crate) balance: i64,
    pub(crate) bio: String,
}

impl User {
    pub(crate) fn is_seller(&self) -> bool {
        self.roles.contains(&Role::Seller)
    }
}

pub(crate) const USERS: Table<u64, User> = Table::new("users");

/// The user with a number: a tenth are sellers.
pub(crate) fn user(id: u64) -> User {
    let roles = match id % 10 {
        3 => vec![Role::Buyer, Role::Seller],
        7 if id % 100 == 7 => vec![Role::Buyer, Role::Admin],
        _ => vec![Role::Buyer],
    };
    User {
        id,
        name: format!("user {id:08}"),
        email: format!("user{id:08}@example.org"),
        roles,
        country: ["BR", "DE", "PT", "US"][id as usize % 4].to_owned(),
        created: 1_600_000_000 + id as i64,
        rating: (id % 50) as f32 / 10.0,
        balance: 1_000,
        bio: "writes about the weather and sled".to_owned(),
    }
}

/// Puts the users `0..rows` into the store, in transactions of some thousand rows.
pub(crate) fn load(db: &Db, rows: u64) -> gangline::Result<()> {
    const BATCH: u64 = 10_000;
    for start in (0..rows).step_by(BATCH as usize) {
        db.transact(|tx| (start..rows.min(start + BATCH)).try_for_each(|id| tx.put(USERS, id, user(id))))?;
    }
    db.checkpoint()
}

/// Options of a store that a bench loads: what is measured is not the load.
pub(crate) fn eventual() -> Options {
    Options::new().durability(Durability::Eventual)
}

/// The command line of a bench.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    /// A tiny run that only shows that the bench works (`--test`).
    pub(crate) test: bool,
    /// Rows of the table (`--rows N`).
    pub(crate) rows: u64,
}

impl Size {
    /// Reads the command line; `--bench`, which cargo adds, says nothing.
    pub(crate) fn from_args(rows: u64, test_rows: u64) -> Size {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let test = words.iter().any(|word| word == "--test");
        let given = words.iter().position(|word| word == "--rows").and_then(|at| words.get(at + 1)?.parse().ok());
        Size { test, rows: given.unwrap_or(if test { test_rows } else { rows }) }
    }

    /// The time to measure for.
    pub(crate) fn time(&self, full: Duration) -> Duration {
        if self.test { Duration::from_millis(20) } else { full }
    }
}

/// How long something takes, and what it gives.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = run();
    (start.elapsed(), value)
}

/// The middle one of several times.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Nanoseconds for each of so many.
pub(crate) fn ns_each(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count as f64
}

/// Nanoseconds of one call, over as many calls as fit the time.
pub(crate) fn ns_of(time: Duration, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0u64;
    while start.elapsed() < time {
        (0..256).for_each(|_| call());
        calls += 256;
    }
    ns_each(start.elapsed(), calls)
}

/// Memory of this process now, in MiB; 0 where the system does not tell.
pub(crate) fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// A small, fast generator of repeatable numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}
