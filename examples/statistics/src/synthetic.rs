//! A seeded table of made-up users, large enough that parallel reads can be seen.
//!
//! A row depends on its number and the seed alone, so a table that is too short is continued where it ends, and a
//! killed run costs nothing. Rows are like those of the benchmarks: 96 bytes, every tenth user a seller.

use gangline::{Db, Durability, Table};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::progress::Progress;

/// The made-up users, by number from 0.
pub const SYNTHETIC: Table<u64, MadeUpUser> = Table::new("synthetic_users");

const SEED: u64 = 0x5eed_0f5e_11e5;
const BATCH_ROWS: u64 = 1_000;

/// What a made-up user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MadeUpRole {
    /// Buys.
    Buyer,
    /// Sells.
    Seller,
    /// Looks after the others.
    Admin,
}

/// A row of [`SYNTHETIC`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MadeUpUser {
    /// Its key.
    pub id: u64,
    /// 13 characters.
    pub name: String,
    /// Some 24 characters.
    pub email: String,
    /// One or two.
    pub roles: Vec<MadeUpRole>,
    /// Two letters.
    pub country: String,
    /// Seconds.
    pub created: i64,
    /// 0 to 5.
    pub rating: f32,
    /// Cents.
    pub balance: i64,
    /// 32 characters.
    pub bio: String,
}

impl MadeUpUser {
    /// Whether the user sells.
    pub fn is_seller(&self) -> bool {
        self.roles.contains(&MadeUpRole::Seller)
    }

    /// User number `id`, the same in every run.
    pub fn numbered(id: u64) -> Self {
        let mut random = Random(SEED ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut roles = vec![if random.below(10) == 0 { MadeUpRole::Seller } else { MadeUpRole::Buyer }];
        if random.below(20) == 0 {
            roles.push(MadeUpRole::Admin);
        }
        let countries = ["BR", "DE", "FR", "JP", "NO", "PT", "US", "ZA"];
        MadeUpUser {
            id,
            name: format!("user {:08x}", random.below(1 << 32)),
            email: format!("user{:07}@example.com", id % 10_000_000),
            roles,
            country: countries[random.below(8) as usize].to_owned(),
            created: 1_500_000_000 + random.below(100_000_000) as i64,
            rating: random.below(51) as f32 / 10.0,
            balance: random.below(1_000_000) as i64 - 100_000,
            bio: format!("{:016x}{:016x}", random.next(), random.next()),
        }
    }
}

/// SplitMix64: enough to make rows look different.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Makes the table at least `rows` long. Longer ones stay.
///
/// # Errors
///
/// Those of the store.
pub fn grow_to(db: &Db, rows: u64) -> Result<()> {
    let start = db.len(SYNTHETIC)?;
    let missing = rows.saturating_sub(start);
    if missing == 0 {
        return Ok(());
    }
    let progress = Progress::new("synthetic rows", usize::try_from(missing.div_ceil(BATCH_ROWS)).unwrap_or(usize::MAX));
    for first in (start..rows).step_by(BATCH_ROWS as usize) {
        let batch: Vec<MadeUpUser> = (first..rows.min(first + BATCH_ROWS)).map(MadeUpUser::numbered).collect();
        db.transact(|tx| {
            // What survives a kill is a prefix of the commits, and so the first rows of the table.
            tx.durability(Durability::Eventual)?;
            batch.iter().try_for_each(|user| tx.put(SYNTHETIC, user.id, user))
        })?;
        progress.step();
    }
    Ok(db.sync()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_continued_where_it_ends() {
        let db = Db::in_memory().unwrap();
        grow_to(&db, 1_500).unwrap();
        grow_to(&db, 700).unwrap();
        assert_eq!(db.len(SYNTHETIC).unwrap(), 1_500);
        grow_to(&db, 10_000).unwrap();
        let mut sellers = db.read(SYNTHETIC, MadeUpUser::is_seller, |user| user.id).unwrap();
        sellers.sort_unstable();
        let expected: Vec<u64> = (0..10_000).filter(|id| MadeUpUser::numbered(*id).is_seller()).collect();
        assert_eq!(sellers, expected);
        assert!((900..1_100).contains(&sellers.len()), "{}", sellers.len());
    }

    #[test]
    fn rows_have_the_size_of_the_benchmarks() {
        let user = MadeUpUser::numbered(77);
        assert_eq!((user.name.len(), user.email.len(), user.country.len(), user.bio.len()), (13, 23, 2, 32));
    }
}
