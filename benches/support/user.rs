//! The row of the benchmarks: 96 bytes encoded, some 330 in memory. The peers' package takes this file too.
#![allow(dead_code, reason = "each bench takes what it needs")]

use gangline::Table;
use serde::{Deserialize, Serialize};

/// A part that a user plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    Buyer,
    Seller,
    Admin,
}

/// The row with its own strings, as programs have it.
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

/// The table of them.
pub(crate) const USERS: Table<u64, User> = Table::new("users");

/// Where users live, as many in each.
pub(crate) const COUNTRIES: [&str; 4] = ["BR", "DE", "PT", "US"];

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
        country: COUNTRIES[id as usize % 4].to_owned(),
        created: 1_600_000_000 + id as i64,
        rating: (id % 50) as f32 / 10.0,
        balance: 1_000,
        bio: "writes about the weather and sled".to_owned(),
    }
}
