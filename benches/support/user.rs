//! The row of the benchmarks: 96 bytes encoded, some 330 in memory. The peers' package has it too.

use gangline::Table;
use serde::{Deserialize, Serialize};

/// A part that a user plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    Buyer,
    Seller,
    Admin,
}

/// The row with its own strings, as programs have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub roles: Vec<Role>,
    pub country: String,
    pub created: i64,
    pub rating: f32,
    pub balance: i64,
    pub bio: String,
}

impl User {
    pub fn is_seller(&self) -> bool {
        self.roles.contains(&Role::Seller)
    }

    /// The predicate that half of the rows pass.
    pub fn is_liked(&self) -> bool {
        self.rating >= LIKED
    }

    /// What a point read adds up, so that nothing is read in vain.
    pub fn sum(&self) -> u64 {
        sum(self.id, self.created, &self.name)
    }
}

/// The rating from which on a user is liked: half of them are.
pub const LIKED: f32 = 2.5;

/// What a read of a row adds up.
pub fn sum(id: u64, created: i64, name: &str) -> u64 {
    id + created as u64 + name.len() as u64
}

/// The table of them.
pub const USERS: Table<u64, User> = Table::new("users");

/// Where users live, as many in each.
pub const COUNTRIES: [&str; 4] = ["BR", "DE", "PT", "US"];

/// The user with a number: a tenth are sellers.
pub fn user(id: u64) -> User {
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
