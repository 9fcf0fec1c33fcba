//! How fast is a parallel `read` beside a loop over a raw sled tree?
//!
//! Both select the sellers and project their ids, warm (again and again) and cold (the first time after opening). The
//! raw tree has one row an entry and decodes borrowed, without allocating. Then the same store is read with a cache of
//! 8 MiB, in a process of its own so that its memory can be told.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]
#![expect(clippy::disallowed_methods, reason = "the raw tree is measured as it comes, with its defaults")]

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gangline::Db;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use gangline_bench_support::user::{Role, USERS, User, user};
use gangline_bench_support::{Size, eventual, load, median, ns_each, resident_mib, timed};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--small-cache") {
        let path = words.get(at + 1).ok_or("--small-cache needs a store")?;
        return read_with_small_cache(Path::new(path));
    }
    let size = Size::from_args(1_000_000, 3_000);
    let folder = tempfile::tempdir()?;
    let (ours, raw) = (folder.path().join("ours"), folder.path().join("raw"));

    let (time, loaded) = timed(|| -> Outcome<()> {
        let db = eventual().open(&ours)?;
        load(&db, size.rows)?;
        Ok(db.close()?)
    });
    loaded?;
    println!("rows {}\nload_ns_a_row {:.0}", size.rows, ns_each(time, size.rows));
    let (time, loaded) = timed(|| load_raw(&raw, size.rows));
    loaded?;
    println!("raw_load_ns_a_row {:.0}", ns_each(time, size.rows));

    let db = Db::open(&ours)?;
    let (cold, ids) = timed(|| read(&db));
    let ids = ids?;
    let warm = warm(&size, || read(&db), &ids)?;
    println!("resident_mib {}", resident_mib());
    db.close()?;

    let tree = sled::open(&raw)?;
    let (raw_cold, raw_ids) = timed(|| read_raw(&tree));
    same(&raw_ids?, &ids)?;
    let raw_warm = self::warm(&size, || read_raw(&tree), &ids)?;
    drop(tree);

    println!("sellers {}", ids.len());
    for (name, time) in [("warm", warm), ("cold", cold), ("raw_warm", raw_warm), ("raw_cold", raw_cold)] {
        println!("{name}_ns_a_row {:.1}", ns_each(time, size.rows));
    }
    println!("warm_ratio {:.1}", raw_warm.as_secs_f64() / warm.as_secs_f64());
    println!("cold_ratio {:.2}", raw_cold.as_secs_f64() / cold.as_secs_f64());

    let output = Command::new(std::env::current_exe()?).arg("--small-cache").arg(&ours).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("reading with a small cache: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    print!("{text}");
    let digest = format!("small_cache_digest {}", digest(&ids));
    if !text.lines().any(|line| line == digest) {
        return Err("with a small cache the result is another one".into());
    }
    Ok(())
}

fn read(db: &Db) -> Outcome<Vec<u64>> {
    Ok(db.read(USERS, User::is_seller, |user| user.id)?)
}

fn warm(size: &Size, read: impl Fn() -> Outcome<Vec<u64>>, expected: &[u64]) -> Outcome<Duration> {
    let rounds = if size.test { 2 } else { 7 };
    let times = (0..rounds).map(|_| {
        let (time, ids) = timed(&read);
        same(&ids?, expected)?;
        Ok(time)
    });
    Ok(median(times.collect::<Outcome<Vec<_>>>()?))
}

fn same(found: &[u64], expected: &[u64]) -> Outcome<()> {
    if found == expected { Ok(()) } else { Err("two reads of the same rows differ".into()) }
}

/// An order-dependent sum over a result, to compare it across processes.
fn digest(ids: &[u64]) -> u64 {
    ids.iter().fold(0, |digest: u64, id| digest.wrapping_mul(0x0100_0000_01B3).wrapping_add(*id + 1))
}

fn read_with_small_cache(path: &Path) -> Outcome<()> {
    let db = eventual().cache_bytes(8 << 20).open(path)?;
    let (first, ids) = timed(|| read(&db));
    let (second, again) = timed(|| read(&db));
    let ids = ids?;
    same(&again?, &ids)?;
    let rows = db.len(USERS)?;
    println!("small_cache_first_ns_a_row {:.1}", ns_each(first, rows));
    println!("small_cache_again_ns_a_row {:.1}", ns_each(second, rows));
    println!("small_cache_resident_mib {}", resident_mib());
    println!("small_cache_digest {}", digest(&ids));
    Ok(db.close()?)
}

fn load_raw(path: &Path, rows: u64) -> Outcome<()> {
    let tree = sled::open(path)?;
    let mut bytes = Vec::new();
    for id in 0..rows {
        bytes.clear();
        bincode::serde::encode_into_std_write(user(id), &mut bytes, bincode::config::standard())?;
        tree.insert(id.to_be_bytes(), bytes.as_slice())?;
    }
    tree.flush()?;
    Ok(())
}

/// The best honest loop: decodes borrowed, and looks at the roles without collecting them.
fn read_raw(tree: &sled::Db) -> Outcome<Vec<u64>> {
    let mut ids = Vec::new();
    for entry in tree.iter() {
        let (_, bytes) = entry?;
        let (user, _): (BorrowedUser<'_>, usize) =
            bincode::serde::borrow_decode_from_slice(&bytes, bincode::config::standard())?;
        if user.roles.has_seller {
            ids.push(user.id);
        }
    }
    Ok(ids)
}

/// [`User`] without what has to be allocated.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "all of a row is decoded")]
struct BorrowedUser<'a> {
    id: u64,
    name: &'a str,
    email: &'a str,
    roles: Roles,
    country: &'a str,
    created: i64,
    rating: f32,
    balance: i64,
    bio: &'a str,
}

#[derive(Debug)]
struct Roles {
    has_seller: bool,
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Roles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of roles")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut roles: A) -> Result<Roles, A::Error> {
                let mut has_seller = false;
                while let Some(role) = roles.next_element::<Role>()? {
                    has_seller |= role == Role::Seller;
                }
                Ok(Roles { has_seller })
            }
        }
        deserializer.deserialize_seq(Look)
    }
}
