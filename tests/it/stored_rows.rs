//! Keys and rows read by what is stored of their types alone.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use gangline::{Db, ErrorKind, Key, KeyVia, Options, StoredValue, Table, TotalF64};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::support::{fill, item, kind, place, small, with_items};

/// `key: row` of all rows of a table, as JSON.
fn dump(db: &Db, table: &str) -> Vec<String> {
    let lines = db.stored_rows(table).unwrap().map(|entry| entry.map(|(key, row)| format!("{key}: {row}")));
    lines.collect::<Result<_, _>>().unwrap()
}

/// Puts a row under each key, and gives the keys as they are stored.
fn keys<K: Key>(keys: Vec<K>) -> String {
    let table: Table<K, bool> = Table::new("keys");
    let db = Db::in_memory().unwrap();
    db.put_many(table, keys.into_iter().map(|key| (key, true))).unwrap();
    let keys: Vec<String> = db.stored_rows("keys").unwrap().map(|entry| entry.unwrap().0.to_string()).collect();
    keys.join(" ")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Grade(u8);

impl KeyVia for Grade {
    type Repr = u8;

    fn to_repr(self) -> u8 {
        self.0
    }

    fn from_repr(repr: u8) -> Option<Self> {
        Some(Grade(repr))
    }
}

/// A key with bytes and a shape of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Own;

impl Key for Own {
    type Ref<'a> = Own;

    fn encode(_key: Own, out: &mut Vec<u8>) {
        out.extend(b"own");
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        bytes.strip_prefix(b"own").map(|rest| *bytes = rest).map(|()| Own)
    }

    fn as_ref(&self) -> Own {
        *self
    }

    fn shape(out: &mut String) {
        out.push_str("own");
    }
}

#[test]
fn keys_of_every_type_are_read() {
    assert_eq!(keys(vec![0, 7, u64::MAX]), "0 7 18446744073709551615");
    assert_eq!(keys(vec![i128::MIN, -1, 5]), format!("{} -1 5", i128::MIN));
    assert_eq!(keys(vec![false, true]), "false true");
    assert_eq!(keys(vec!['a', '"']), r#""\"" "a""#);
    assert_eq!(keys([f64::NEG_INFINITY, -0.0, 0.5].map(TotalF64).to_vec()), r#""-inf" -0.0 0.5"#);
    assert_eq!(keys(vec![String::new(), "ä\0\"".to_owned()]), "\"\" \"ä\\u0000\\\"\"");
    assert_eq!(keys(vec![vec![], vec![0u8, 255]]), r#""" "00ff""#);
    assert_eq!(keys(vec![[1u8, 2, 3]]), r#""010203""#);
    #[cfg(feature = "uuid")]
    assert_eq!(keys(vec![uuid::Uuid::from_u128(7)]), "\"00000000000000000000000000000007\"");
    assert_eq!(keys(vec![None, Some(Reverse(9u8)), Some(Reverse(1))]), "null 9 1");
    assert_eq!(keys(vec![("a".to_owned(), -1i8, Some((true, 2u16)))]), r#"["a",-1,[true,2]]"#);
    assert_eq!(keys(vec![Grade(3), Grade(4)]), "3 4");
    assert_eq!(keys(vec![Own]), r#""6f776e""#);
}

/// A type that takes only some of the values that its stored form could have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Even(u32);

impl TryFrom<u32> for Even {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number.is_multiple_of(2) { Ok(Even(number)) } else { Err(format!("{number} is odd")) }
    }
}

impl From<Even> for u32 {
    fn from(even: Even) -> u32 {
        even.0
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Nothing,
    Wrapped(f32),
    Pair(i64, Option<Option<u8>>),
    Named { maps: BTreeMap<(u8, char), Vec<Even>> },
}

#[test]
fn rows_are_read_after_reopening_as_they_were_put() {
    const KINDS: Table<u8, Kind> = Table::new("kinds");
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    db.put(KINDS, 1, Kind::Nothing).unwrap();
    db.put(KINDS, 2, Kind::Wrapped(f32::NAN)).unwrap();
    db.put(KINDS, 3, Kind::Pair(i64::MIN, Some(None))).unwrap();
    db.put(KINDS, 4, Kind::Named { maps: BTreeMap::from([((9, 'x'), vec![Even(2), Even(300)])]) }).unwrap();
    db.close().unwrap();
    let db = Options::new().open(&path).unwrap();
    let expected = [
        r#"1: "Nothing""#,
        r#"2: {"Wrapped":"NaN"}"#,
        r#"3: {"Pair":[-9223372036854775808,[null]]}"#,
        r#"4: {"Named":{"maps":[[[9,"x"],[2,300]]]}}"#,
    ];
    assert_eq!(dump(&db, "kinds"), expected);
    // Nothing is lost that JSON does not tell.
    let (_, row) = db.stored_rows("kinds").unwrap().nth(2).unwrap().unwrap();
    let inner = StoredValue::Option(Some(Box::new(StoredValue::Option(None))));
    let pair = StoredValue::List(vec![StoredValue::Signed(i64::MIN.into()), inner]);
    assert_eq!(row, StoredValue::Variant("Pair".to_owned(), Some(Box::new(pair))));
}

#[test]
fn large_rows_and_rows_of_no_bytes_are_read() {
    const LARGE: Table<u32, String> = Table::new("large");
    const MARKS: Table<String, ()> = Table::new("marks");
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    (0..20).for_each(|n| db.put(LARGE, n, "x".repeat(n as usize * 10_000)).unwrap());
    db.put_many(MARKS, ["", "a"].map(|mark| (mark.to_owned(), ()))).unwrap();
    db.close().unwrap();
    let db = small().open(&path).unwrap();
    for (n, entry) in db.stored_rows("large").unwrap().enumerate() {
        assert_eq!(entry.unwrap().1, StoredValue::Text("x".repeat(n * 10_000)));
    }
    assert_eq!(dump(&db, "marks"), [r#""": null"#, r#""a": null"#]);
}

#[test]
fn what_is_read_is_one_commit_whatever_is_written_meanwhile() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    fill(&db, 400);
    let snapshot = db.snapshot();
    let mut rows = db.stored_rows("items").unwrap();
    assert!(matches!(rows.next(), Some(Ok((StoredValue::Unsigned(0), _)))));
    (400..500).for_each(|id| db.put(crate::support::ITEMS, id, item(id)).unwrap());
    db.update(crate::support::ITEMS, |_| true, |item| item.amount = -1).unwrap();
    db.remove_range(crate::support::ITEMS, 50..100).unwrap();
    assert!(db.drop_table("items").unwrap());
    db.put(Table::<u8, u8>::new("items"), 1, 1).unwrap();
    let amounts = |rows: gangline::StoredRows<'_>| -> Vec<i128> {
        rows.map(|entry| match entry.unwrap().1 {
            StoredValue::Struct(fields) => match fields[2] {
                (ref name, StoredValue::Signed(amount)) if name == "amount" => amount,
                ref other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect()
    };
    assert_eq!(amounts(rows), (1..400).collect::<Vec<_>>());
    assert_eq!(amounts(snapshot.stored_rows("items").unwrap()), (0..400).collect::<Vec<_>>());
    assert_eq!(dump(&db, "items"), ["1: 1"]);
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Flag {
    Number,
    Letter,
}

/// What stands behind the flag depends on it, so that no look at the type shows it.
#[derive(Debug, Clone, Serialize)]
struct Flagged(Flag, u64);

impl<'de> Deserialize<'de> for Flagged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Flagged;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flag and what follows from it")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Flagged, A::Error> {
                let flag = parts.next_element()?.unwrap_or(Flag::Number);
                let number = match flag {
                    Flag::Number => parts.next_element()?,
                    Flag::Letter => parts.next_element::<char>()?.map(u64::from),
                };
                Ok(Flagged(flag, number.unwrap_or_default()))
            }
        }
        deserializer.deserialize_tuple_struct("Flagged", 2, Parts)
    }
}

#[test]
fn what_the_stored_shape_does_not_tell_is_an_error_of_its_row() {
    // The rows that are looked at first do not show it either.
    const ROWS: Table<u32, Option<Flagged>> = Table::new("rows");
    let db = Db::in_memory().unwrap();
    (0..100).for_each(|n| db.put(ROWS, n, None).unwrap());
    db.put_many(ROWS, [(100, Some(Flagged(Flag::Number, 300))), (101, None)]).unwrap();
    let mut rows = db.stored_rows("rows").unwrap().skip(100);
    let error = rows.next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("\"rows\": the row under 100 "), "{error}");
    assert_eq!(rows.next().unwrap().unwrap().1, StoredValue::Option(None));
    assert!(rows.next().is_none());
}

#[test]
fn expired_rows_are_there_until_they_are_removed() {
    const SHORT: Table<u8, SystemTime> = Table::new("short").expires(|at| Some(*at));
    let db = Db::in_memory().unwrap();
    db.put(SHORT, 1, SystemTime::UNIX_EPOCH + Duration::from_secs(9)).unwrap();
    assert_eq!(db.len(SHORT).unwrap(), 0);
    assert_eq!(dump(&db, "short"), [r#"1: {"secs_since_epoch":9,"nanos_since_epoch":0}"#]);
}

#[test]
fn tables_that_are_not_there_and_nested_calls_are_refused() {
    let db = with_items(3);
    let snapshot = db.snapshot();
    db.next_id(crate::support::ITEMS).unwrap();
    for name in ["", "nothing", "items.by_group", "gangline.ids"] {
        assert_eq!(kind(db.stored_rows(name)), Err(ErrorKind::InvalidArgument), "{name}");
    }
    db.put(Table::<u8, u8>::new("later"), 1, 1).unwrap();
    assert_eq!(kind(snapshot.stored_rows("later")), Err(ErrorKind::InvalidArgument));
    let nested = |_: &crate::support::Item| assert_eq!(kind(db.stored_rows("items")), Err(ErrorKind::Nested));
    db.read(crate::support::ITEMS, |_| true, nested).unwrap();
    db.clone().close().unwrap();
    assert_eq!(kind(db.stored_rows("items")), Err(ErrorKind::Closed));
}
