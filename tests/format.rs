//! Stores written by earlier versions open, and say what they said.
//!
//! A fixture ([`fixture`]) is committed once and never changes; a new format gets a new one. `GANGLINE_WRITE_FIXTURES=1
//! cargo test --test format` writes those that are not there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fixture;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gangline::{Db, Durability, ErrorKind, Index, Options, Result, Table};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Role {
    Buyer,
    Seller { since: u16 },
    Admin(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    roles: Vec<Role>,
    balance: i64,
    rating: Option<f32>,
    tags: BTreeMap<String, u8>,
}

const PEOPLE: Table<u64, Person> = Table::new("people");
const PAIRS: Table<(String, i32), Vec<u8>> = Table::new("pairs");
const FLAGS: Table<Option<bool>, char> = Table::new("flags");

const ROWS: u64 = 300;

fn person(id: u64) -> Person {
    let role = match id % 3 {
        0 => Role::Buyer,
        1 => Role::Seller { since: 2000 + id as u16 % 20 },
        _ => Role::Admin(format!("level {id}")),
    };
    Person {
        name: format!("person {id}"),
        roles: vec![role],
        balance: -(id as i64) * 7,
        rating: id.is_multiple_of(2).then_some(id as f32 / 4.0),
        tags: BTreeMap::from([("id".to_owned(), id as u8)]),
    }
}

/// Rows of several sizes over that of a page, from format 2 on. Mostly zeros, which take no room in a fixture.
const LARGE: Table<u32, Vec<u8>> = Table::new("large");

fn large(size: u32) -> Vec<u8> {
    (0..size).map(|at| if at.is_multiple_of(1_000) { (at / 1_000 + size) as u8 | 1 } else { 0 }).collect()
}

/// Those that the checkpoint has, and those that only the journal has.
const LARGE_SIZES: [&[u32]; 2] = [&[5_000, 7_100, 20_000, 60_000], &[0, 30_000]];

/// With indexes, from format 3 on.
const TOWNS: Table<u32, String> = Table::new("towns").indexes(&[&BY_NAME, &BY_LETTER]);
const BY_NAME: Index<String, String> = Index::<String, String>::new("by_name", |town, out| out.key(town)).unique();
const BY_LETTER: Index<char, String> =
    Index::new("by_letter", |town, out| town.chars().take(2).for_each(|letter| out.key(letter)));

fn town(id: u32) -> String {
    format!("{}town {id}", char::from(b'a' + (id % 5) as u8))
}

/// Writes the store of a fixture: a checkpoint with most rows, and some that only the journal has.
fn write_store(dir: &Path, format: u32, close: bool) -> Result<()> {
    let db = Options::new().durability(Durability::Eventual).segment_rows(64).open(dir)?;
    for id in 0..ROWS - 20 {
        db.put(PEOPLE, id, person(id))?;
    }
    for at in -5..5 {
        db.put(PAIRS, ("a\0b", at), vec![at as u8; 40])?;
    }
    let put_large = |sizes: &[u32]| sizes.iter().try_for_each(|size| db.put(LARGE, *size, large(*size)));
    if format > 1 {
        put_large(LARGE_SIZES[0])?;
    }
    if format > 2 {
        (0..40).try_for_each(|id| db.put(TOWNS, id, town(id)))?;
    }
    db.checkpoint()?;
    if format > 2 {
        (38..42).try_for_each(|id| db.put(TOWNS, id, town(id + 100)))?;
        db.remove(TOWNS, 0)?;
    }
    if format > 1 {
        put_large(LARGE_SIZES[1])?;
    }
    for id in ROWS - 20..ROWS {
        db.put(PEOPLE, id, person(id))?;
    }
    db.put(FLAGS, None, 'n')?;
    db.put(FLAGS, Some(true), 'ü')?;
    db.remove(PEOPLE, 7)?;
    db.sync()?;
    if close { db.close() } else { Ok(()) }
}

fn check_store(dir: &Path, format: u32) -> Result<()> {
    let db = Options::new().create(false).open(dir)?;
    assert!(db.verify()?.is_clean(), "{}", db.verify()?);
    assert_eq!(db.len(PEOPLE)?, ROWS - 1);
    for id in 0..ROWS {
        let expected = (id != 7).then(|| person(id));
        assert_eq!(db.get(PEOPLE, id)?.as_deref(), expected.as_ref(), "person {id}");
    }
    let pairs = db.query(PAIRS).project_keyed(|(text, at), row| (text.to_owned(), at, row.len())).collect()?;
    assert_eq!(pairs, (-5..5).map(|at| ("a\0b".to_owned(), at, 40)).collect::<Vec<_>>());
    assert_eq!(db.query(FLAGS).keys()?, [None, Some(true)]);
    assert_eq!(db.get(FLAGS, Some(true))?.as_deref(), Some(&'ü'));
    const OTHER: Table<i64, Person> = Table::new("people");
    let error = db.get(OTHER, 1).expect_err("the keys are stored as u64");
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let mut sizes = if format > 1 { LARGE_SIZES.concat() } else { Vec::new() };
    sizes.sort_unstable();
    assert_eq!(db.query(LARGE).keys()?, sizes);
    for size in sizes {
        assert!(db.get(LARGE, size)?.is_some_and(|row| *row == large(size)), "the row of {size} bytes");
    }
    if format > 2 {
        assert_eq!(db.get_by(TOWNS, &BY_NAME, "dtown 138")?.map(|(id, _)| id), Some(38));
        assert_eq!(db.query(TOWNS).by(&BY_LETTER).equal('a').keys()?, [5, 10, 15, 20, 25, 30, 35, 40]);
        assert_eq!(db.query(TOWNS).by(&BY_LETTER).equal('t').count()?, 41);
        assert!(db.verify()?.is_clean(), "the functions are known by now: {}", db.verify()?);
    }
    db.put(PEOPLE, 7, person(7))?;
    assert_eq!(db.len(PEOPLE)?, ROWS);
    db.close()
}

fn files_below(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push((name, entry.path()));
        }
    }
    files.sort();
}

/// A folder as text.
fn pack(dir: &Path) -> String {
    let mut text = String::new();
    let mut files = Vec::new();
    files_below(dir, "", &mut files);
    for (name, path) in files {
        let bytes = fs::read(path).unwrap();
        writeln!(text, "file {} {name}", bytes.len()).unwrap();
        for (at, block) in bytes.chunks(32).enumerate() {
            let used = block.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if used > 0 {
                write!(text, "{:x} ", at * 32).unwrap();
                block[..used].iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
                text.push('\n');
            }
        }
    }
    text
}

fn check_fixture(format: u32, close: bool) {
    let name = format!("format-{format}-{}", if close { "closed" } else { "open" });
    let path = fixture::path(&name);
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    if !path.exists() && std::env::var_os("GANGLINE_WRITE_FIXTURES").is_some() {
        write_store(&store, format, close).unwrap();
        fs::write(&path, pack(&store)).unwrap();
        fs::remove_dir_all(&store).unwrap();
    }
    let text = fs::read_to_string(&path).expect("the fixture is committed");
    fixture::unpack(&text, &store);
    check_store(&store, format).unwrap();
    // What was written to it stays, and it opens again.
    let db = Db::open(&store).unwrap();
    assert_eq!(db.get(PEOPLE, 7).unwrap().as_deref(), Some(&person(7)));
}

#[test]
fn a_closed_store_of_format_1_opens() {
    check_fixture(1, true);
}

#[test]
fn a_store_of_format_1_that_was_not_closed_opens() {
    check_fixture(1, false);
}

#[test]
fn a_closed_store_of_format_2_opens() {
    check_fixture(2, true);
}

#[test]
fn a_store_of_format_2_that_was_not_closed_opens() {
    check_fixture(2, false);
}

#[test]
fn a_closed_store_of_format_3_opens() {
    check_fixture(3, true);
}

#[test]
fn a_store_of_format_3_that_was_not_closed_opens() {
    check_fixture(3, false);
}
