//! The row of the benchmarks: some 96 bytes encoded, some 330 in memory, the same for every peer.

use bincode::BorrowDecode;
use bincode::de::{BorrowDecoder, Decode, Decoder};
use bincode::error::DecodeError;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::outcome::Outcome;

use gangline_bench_support::user::COUNTRIES;
pub(crate) use gangline_bench_support::user::{LIKED, Role, USERS, User, sum, user};

/// What reading `rows` rows from one on must add up to, without making the rows.
pub(crate) fn right_sum(id: u64) -> u64 {
    sum(id, 1_600_000_000 + id as i64, "user 00000000")
}

/// Numbers of users by country: how many, and the sum of their ratings.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Countries([(u64, f64); 4]);

impl Countries {
    pub(crate) fn add(&mut self, country: &str, count: u64, ratings: f64) {
        if let Some(at) = COUNTRIES.iter().position(|known| *known == country) {
            self.0[at].0 += count;
            self.0[at].1 += ratings;
        }
    }

    pub(crate) fn merge(mut self, other: Countries) -> Countries {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
        self
    }

    /// What can be compared: counts, and means to a millionth, since sums of floats depend on their order.
    pub(crate) fn means(&self) -> Vec<(u64, u64)> {
        self.0.iter().map(|(count, sum)| (*count, (sum / (*count).max(1) as f64 * 1e6).round() as u64)).collect()
    }
}

/// The row as it lies in a store's bytes: nothing is allocated to read it.
#[derive(Debug, Serialize)]
pub(crate) struct UserRef<'a> {
    pub(crate) id: u64,
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
    pub(crate) roles: Roles,
    pub(crate) country: &'a str,
    pub(crate) created: i64,
    pub(crate) rating: f32,
    pub(crate) balance: i64,
    pub(crate) bio: &'a str,
}

/// A list of at most three roles, without an allocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roles {
    list: [Role; 3],
    count: usize,
}

impl Roles {
    pub(crate) fn has(&self, role: Role) -> bool {
        self.list[..self.count].contains(&role)
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.count))?;
        for role in &self.list[..self.count] {
            list.serialize_element(role)?;
        }
        list.end()
    }
}

/// By bincode's own trait and not through serde: the same bytes, for a fifth fewer instructions a row.
impl<'de, C> BorrowDecode<'de, C> for UserRef<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(from: &mut D) -> Result<Self, DecodeError> {
        Ok(UserRef {
            id: u64::decode(from)?,
            name: BorrowDecode::borrow_decode(from)?,
            email: BorrowDecode::borrow_decode(from)?,
            roles: decode_roles(from)?,
            country: BorrowDecode::borrow_decode(from)?,
            created: i64::decode(from)?,
            rating: f32::decode(from)?,
            balance: i64::decode(from)?,
            bio: BorrowDecode::borrow_decode(from)?,
        })
    }
}

fn decode_roles<D: Decoder>(from: &mut D) -> Result<Roles, DecodeError> {
    const KNOWN: [Role; 3] = [Role::Buyer, Role::Seller, Role::Admin];
    let mut roles = Roles { list: [Role::Buyer; 3], count: u64::decode(from)? as usize };
    let Some(list) = roles.list.get_mut(..roles.count) else {
        return Err(DecodeError::Other("more than three roles"));
    };
    for role in list {
        let known = KNOWN.get(u32::decode(from)? as usize);
        *role = *known.ok_or(DecodeError::Other("no such role"))?;
    }
    Ok(roles)
}

/// Writes a row behind what is in the buffer already.
pub(crate) fn encode(user: &impl Serialize, bytes: &mut Vec<u8>) -> Outcome<()> {
    bincode::serde::encode_into_std_write(user, bytes, bincode::config::standard())?;
    Ok(())
}

/// Reads a row and borrows its strings.
pub(crate) fn decode_ref(bytes: &[u8]) -> Outcome<UserRef<'_>> {
    Ok(bincode::borrow_decode_from_slice(bytes, bincode::config::standard())?.0)
}

/// Reads a row with strings of its own.
pub(crate) fn decode(bytes: &[u8]) -> Outcome<User> {
    Ok(bincode::serde::decode_from_slice(bytes, bincode::config::standard())?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borrowed_row_has_the_bytes_of_the_owned_one() {
        for id in [0, 3, 7, 107, 999_999] {
            let mut bytes = Vec::new();
            encode(&user(id), &mut bytes).unwrap();
            assert!((90..=102).contains(&bytes.len()), "{} bytes", bytes.len());
            let borrowed = decode_ref(&bytes).unwrap();
            assert_eq!(borrowed.roles.has(Role::Seller), user(id).is_seller());
            assert_eq!(sum(borrowed.id, borrowed.created, borrowed.name), right_sum(id));
            let mut again = Vec::new();
            encode(&borrowed, &mut again).unwrap();
            assert_eq!(again, bytes);
            assert_eq!(decode(&bytes).unwrap(), user(id));
        }
    }

    #[test]
    fn half_of_the_users_are_liked_and_a_tenth_sell() {
        let users: Vec<User> = (0..1_000).map(user).collect();
        assert_eq!(users.iter().filter(|user| user.is_liked()).count(), 500);
        assert_eq!(users.iter().filter(|user| user.is_seller()).count(), 100);
    }
}
