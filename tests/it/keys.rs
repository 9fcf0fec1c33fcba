//! Every type of key as the key of a table: it comes back, sorts as in Rust, and is found.

use std::cmp::Reverse;
use std::fmt::Debug;

use gangline::{Key, KeyVia, Table, TotalF64};

use crate::support::{place, small};

/// Puts the keys in a scattered order, and finds them in theirs, before and after opening again.
fn round_trip<K: Key + Debug>(name: &'static str, keys: impl IntoIterator<Item = K>) {
    let mut sorted: Vec<K> = keys.into_iter().collect();
    sorted.sort();
    sorted.dedup();
    assert!(sorted.len() > 1, "{name}");
    let table: Table<K, usize> = Table::new(name);
    let (_folder, path) = place();
    let db = small().segment_rows(2).open(&path).unwrap();
    let stride = (3..).find(|stride| !sorted.len().is_multiple_of(*stride)).unwrap_or(1);
    let scattered = (0..stride).flat_map(|start| (start..sorted.len()).step_by(stride));
    db.transact(|tx| scattered.clone().try_for_each(|at| tx.insert(table, sorted[at].as_ref(), at))).unwrap();
    let check = |db: &gangline::Db| {
        assert_eq!(db.query(table).keys().unwrap(), sorted, "{name}");
        assert_eq!(db.read(table, |_| true, |at| *at).unwrap(), (0..sorted.len()).collect::<Vec<_>>(), "{name}");
        for (at, key) in sorted.iter().enumerate() {
            assert_eq!(db.get(table, key.as_ref()).unwrap().as_deref(), Some(&at), "{name} {key:?}");
            assert_eq!(db.query(table).range(key.as_ref()..).count().unwrap() as usize, sorted.len() - at);
            assert_eq!(db.query(table).range(..=key.as_ref()).count().unwrap() as usize, at + 1);
        }
        assert_eq!(db.last(table).unwrap().map(|(key, _)| key).as_ref(), sorted.last());
    };
    check(&db);
    db.close().unwrap();
    let db = small().open(&path).unwrap();
    check(&db);
    let middle = sorted.len() / 2;
    assert_eq!(db.remove(table, sorted[middle].as_ref()).unwrap().as_deref(), Some(&middle));
    assert!(!db.contains(table, sorted[middle].as_ref()).unwrap());
    db.close().unwrap();
}

#[test]
fn integers() {
    round_trip("u8", [0u8, 1, 127, 128, 255]);
    round_trip("u16", [0u16, 255, 256, u16::MAX]);
    round_trip("u32", [0u32, 1, 65_536, u32::MAX]);
    round_trip("u64", (0..64).map(|bit| 1u64 << bit).chain([0, u64::MAX]));
    round_trip("u128", (0..128).map(|bit| 1u128 << bit).chain([0, u128::MAX]));
    round_trip("i8", [i8::MIN, -1, 0, 1, i8::MAX]);
    round_trip("i16", [i16::MIN, -256, -1, 0, 1, 256, i16::MAX]);
    round_trip("i32", [i32::MIN, -65_536, -1, 0, 1, 65_536, i32::MAX]);
    round_trip("i64", (0..63).flat_map(|bit| [1i64 << bit, -(1i64 << bit)]).chain([0, i64::MIN, i64::MAX]));
    round_trip("i128", [i128::MIN, -1, 0, 1, i128::MAX]);
}

#[test]
fn floating_point_in_its_total_order() {
    let numbers =
        [f64::NEG_INFINITY, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, f64::MIN_POSITIVE, 1.5, f64::INFINITY, f64::NAN];
    round_trip("f64", numbers.map(TotalF64));
}

#[test]
fn truth_letters_and_texts() {
    round_trip("bool", [false, true]);
    round_trip("char", ['\0', 'a', 'z', 'ä', '\u{D7FF}', '\u{E000}', '\u{10FFFF}']);
    let texts = ["", "\0", "\0\0", "\0\u{1}", "a", "a\0", "a\0b", "a\u{1}", "ab", "b", "ä", "\u{FFFF}"];
    round_trip("string", texts.map(str::to_owned));
    round_trip("bytes", [vec![], vec![0], vec![0, 0], vec![0, 1], vec![0, 255], vec![1], vec![255], vec![255, 0]]);
    round_trip("array", [[0u8; 4], [0, 0, 0, 1], [1, 0, 0, 0], [255; 4]]);
}

#[test]
fn tuples_options_and_reverse() {
    let texts = ["", "a", "a\0", "b"].map(str::to_owned);
    round_trip("pair", texts.iter().flat_map(|text| [0u64, 1, u64::MAX].map(|number| (text.clone(), number))));
    round_trip("triple", texts.iter().flat_map(|a| texts.iter().map(|b| (a.clone(), b.clone(), 1i8))));
    round_trip("four", [(0u8, 0u8, 0u8, 0u8), (0, 0, 0, 1), (0, 0, 1, 0), (1, 0, 0, 0)]);
    round_trip("five", [(0u8, 0u8, 0u8, 0u8, -1i8), (0, 0, 0, 0, 1), (0, 0, 1, 0, 0)]);
    round_trip("six", [(0u8, 0u8, 0u8, 0u8, 0u8, 'a'), (0, 0, 0, 0, 0, 'b'), (0, 0, 1, 0, 0, 'a')]);
    round_trip("option", [None, Some(0u32), Some(1), Some(u32::MAX)]);
    round_trip("option of text", [None, Some(String::new()), Some("a".to_owned())]);
    round_trip("reverse", [Reverse(0u64), Reverse(1), Reverse(u64::MAX)]);
    round_trip("reverse of text", texts.map(Reverse));
    round_trip(
        "nested",
        [(None, (1u8, "a".to_owned())), (Some(1i64), (0, String::new())), (Some(-1), (9, "b".to_owned()))],
    );
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct OrderId([u8; 16]);

impl KeyVia for OrderId {
    type Repr = [u8; 16];

    fn to_repr(self) -> [u8; 16] {
        self.0
    }

    fn from_repr(repr: [u8; 16]) -> Option<Self> {
        Some(OrderId(repr))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    New,
    Paid,
    Sent,
}

impl KeyVia for Status {
    type Repr = u8;

    fn to_repr(self) -> u8 {
        self as u8
    }

    fn from_repr(repr: u8) -> Option<Self> {
        [Status::New, Status::Paid, Status::Sent].into_iter().find(|status| *status as u8 == repr)
    }
}

#[test]
fn types_of_the_program() {
    round_trip("newtype", (0..20).map(|n| OrderId([n * 12; 16])));
    round_trip("enum", [Status::Sent, Status::New, Status::Paid]);
    let pairs = [Status::New, Status::Paid].into_iter().flat_map(|status| (0..5u64).map(move |n| (status, Reverse(n))));
    round_trip("status and newest first", pairs);
}
