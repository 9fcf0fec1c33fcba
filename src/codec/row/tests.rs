//! Rows that come back, rows that must be refused, and bytes that are no rows.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::fault::RowFaultKind;
use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Nothing,
    Renamed(String),
    Moved(i32, i64),
    Paid { amount: u128, at: Option<i16> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Newtype(u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(i8, char);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wide {
    unsigned: (u8, u16, u32, u64, u128),
    signed: (i8, i16, i32, i64, i128),
    floats: (u32, u64),
    flag: bool,
    text: String,
    bytes: Vec<u8>,
    events: Vec<Event>,
    map: BTreeMap<String, Vec<i64>>,
    maybe: Option<Box<Option<Newtype>>>,
    pair: Pair,
    unit: Unit,
    nothing: (),
    array: [u16; 3],
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Nothing),
        any::<String>().prop_map(Event::Renamed),
        any::<(i32, i64)>().prop_map(|(a, b)| Event::Moved(a, b)),
        any::<(u128, Option<i16>)>().prop_map(|(amount, at)| Event::Paid { amount, at }),
    ]
}

fn wide() -> impl Strategy<Value = Wide> {
    let numbers =
        (any::<(u8, u16, u32, u64, u128)>(), any::<(i8, i16, i32, i64, i128)>(), any::<(u32, u64)>(), 0u32..128);
    let rest = (
        any::<bool>(),
        any::<String>(),
        any::<Vec<u8>>(),
        prop::collection::vec(event(), 0..5),
        any::<BTreeMap<String, Vec<i64>>>(),
        any::<Option<Option<u64>>>(),
        any::<(i8, char)>(),
        any::<[u16; 3]>(),
    );
    (numbers, rest).prop_map(|((u, i, floats, small), (flag, text, bytes, events, map, maybe, pair, array))| Wide {
        // Shifting makes all widths of varints likely.
        unsigned: (u.0, u.1 >> (small % 16), u.2 >> (small % 32), u.3 >> (small % 64), u.4 >> small),
        signed: (i.0, i.1 >> (small % 16), i.2 >> (small % 32), i.3 >> (small % 64), i.4 >> small),
        floats,
        flag,
        text,
        bytes,
        events,
        map,
        maybe: maybe.map(|inner| Box::new(inner.map(Newtype))),
        pair: Pair(pair.0, pair.1),
        unit: Unit,
        nothing: (),
        array,
    })
}

fn encoded<V: Serialize>(row: &V) -> Vec<u8> {
    let mut out = Vec::new();
    encode_row(row, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_come_back(row in wide()) {
        let bytes = encoded(&row);
        prop_assert_eq!(decode_row::<Wide>(&bytes).unwrap(), row);
        check_row::<Wide>(&bytes).unwrap();
    }

    #[test]
    fn floats_come_back_bit_by_bit(a: f32, b: f64) {
        let (c, d): (f32, f64) = decode_row(&encoded(&(a, b))).unwrap();
        prop_assert_eq!((a.to_bits(), b.to_bits()), (c.to_bits(), d.to_bits()));
    }

    #[test]
    fn hostile_bytes_are_refused_or_are_rows(
        row in wide(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        random in any::<Vec<u8>>(),
    ) {
        let mut bytes = encoded(&row);
        prop_assert!(decode_row::<Wide>(&bytes[..cut.index(bytes.len())]).is_err());
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(decode_row::<Wide>(&longer).is_err());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for hostile in [&bytes, &random] {
            match decode_row::<Wide>(hostile) {
                Ok(row) => prop_assert_eq!(decode_row::<Wide>(&encoded(&row)).unwrap(), row),
                Err(fault) => prop_assert_eq!(fault.kind(), RowFaultKind::Damaged),
            }
        }
    }
}

#[test]
fn a_damaged_length_does_not_take_all_memory() {
    for tag in [252u8, 253] {
        let bytes = [&[tag][..], &[0xff; 8]].concat();
        let fault = decode_row::<String>(&bytes).unwrap_err();
        assert_eq!(fault.what(), "LimitExceeded", "refused before anything is allocated");
        assert!(decode_row::<Vec<u8>>(&bytes).is_err());
        assert!(decode_row::<Vec<u64>>(&bytes).is_err());
        assert!(decode_row::<HashMap<u64, String>>(&bytes).is_err());
    }
}

#[test]
fn a_row_that_could_not_be_read_under_the_limit_is_refused() {
    // Each number takes one byte and claims sixteen.
    let mut row = vec![0u128; READ_LIMIT / 16];
    assert!(refusal(&row).contains("more than 129 MiB"));
    row.pop();
    assert_eq!(decode_row::<Vec<u128>>(&encoded(&row)).unwrap(), row);
}

#[test]
fn lists_of_nothing_are_refused() {
    assert!(refusal(&vec![Unit; 3]).contains("take no bytes"));
    assert!(refusal(&(1u8, Some(vec![((), [0u8; 0])]))).contains("take no bytes"));
    assert!(refusal(&BTreeMap::from([((), ())])).contains("take no bytes"));
    assert_eq!(encoded(&Vec::<Unit>::new()), [0]);
}

#[derive(Serialize, Deserialize)]
enum Chain {
    End,
    Link(Box<Chain>),
}

#[test]
fn a_row_that_nests_too_deep_is_refused() {
    let chain = |length| (1..length).fold(Chain::End, |inner, _| Chain::Link(Box::new(inner)));
    assert!(decode_row::<Chain>(&encoded(&chain(MAX_DEPTH))).is_ok());
    assert!(refusal(&chain(MAX_DEPTH + 1)).contains("nests deeper"));
    let options = Some(Some(Some((1, [vec![Newtype(3)]]))));
    assert_eq!(decode_row::<Option<Option<Option<(i32, [Vec<Newtype>; 1])>>>>(&encoded(&options)).unwrap(), options);
}

#[test]
fn rows_of_common_types_come_back() {
    fn back<V: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(row: V) {
        let bytes = encoded(&row);
        assert_eq!(decode_row::<V>(&bytes).unwrap(), row);
        check_row::<V>(&bytes).unwrap();
    }
    back(IpAddr::from([127, 0, 0, 1]));
    back(Duration::new(5, 6));
    back(Some(std::num::NonZeroU32::MIN));
    back((0..100u64).map(|at| (at, at.to_string())).collect::<HashMap<_, _>>());
    back(Ok::<u8, String>(3));
    back(std::cmp::Reverse(3u8));
    back(1u64..5);
}

#[test]
fn what_a_row_takes_on_the_heap_is_estimated() {
    assert_eq!(heap_bytes(&(1u64, 'x', [1u32; 8])), 0);
    assert_eq!(heap_bytes(&"0123456789".to_string()), 32);
    assert_eq!(heap_bytes(&String::new()), 0);
    assert_eq!(heap_bytes(&vec![1u64; 100]), 816);
    assert_eq!(heap_bytes(&vec![Unit; 1000]), 0);
    assert_eq!(heap_bytes(&vec!["x".repeat(25), String::new()]), 64 + 48);
    let mut out = Vec::new();
    assert_eq!(encode_row(&vec![1u64; 100], &mut out).unwrap(), RowSize { heap_bytes: 816 });
}

#[derive(Serialize, Deserialize)]
struct LeftOut {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Holder {
    parts: Vec<LeftOut>,
}

fn refusal<V: Serialize>(row: &V) -> String {
    let mut out = vec![1, 2, 3];
    let fault = encode_row(row, &mut out).unwrap_err();
    assert_eq!(out, [1, 2, 3], "a refused row leaves nothing behind");
    assert_eq!(fault.kind(), RowFaultKind::Unsupported);
    fault.to_string()
}

#[test]
fn what_cannot_come_back_is_refused_by_name() {
    let text = refusal(&Holder { parts: vec![LeftOut { id: 1, nick: None }] });
    assert!(text.contains("Holder`") && text.contains("`nick` of `LeftOut`"), "{text}");
    let text = refusal(&Flat { id: 1, rest: BTreeMap::new() });
    assert!(text.contains("flatten") && text.contains("Flat`"), "{text}");
    assert_eq!(heap_bytes(&Flat { id: 1, rest: BTreeMap::new() }), 0);

    let written = encoded(&LeftOut { id: 1, nick: Some(String::new()) });
    assert!(check_row::<LeftOut>(&written).is_ok());
    let error = RowFault::unsupported("what").of_type::<u8>().into_error("users");
    assert_eq!(error.kind(), crate::ErrorKind::UnsupportedRow);
    assert_eq!(error.to_string(), "table `users`: cannot store a row of type `u8`: what");
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Number { value: u64 },
}

#[derive(Serialize, Deserialize)]
struct OneSided {
    id: u64,
    #[serde(skip_serializing)]
    #[expect(dead_code, reason = "a field that only the reader asks for")]
    secret: u64,
}

#[derive(Serialize, Deserialize)]
struct Changing {
    #[serde(skip_deserializing)]
    first: u8,
    second: u8,
}

#[test]
fn a_type_that_reads_other_than_it_writes_is_refused_with_its_first_row() {
    fn check<V: Serialize + serde::de::DeserializeOwned>(row: V) -> bool {
        check_row::<V>(&encoded(&row)).is_ok()
    }
    assert!(!check(Untagged::Number(1)));
    assert!(!check(Untagged::Text(String::new())));
    assert!(!check(Internal::Number { value: 1 }));
    assert!(!check(OneSided { id: 1, secret: 2 }));
    assert!(!check(Changing { first: 1, second: 2 }));
    assert!(check(Newtype(1)));
}

#[test]
fn bytes_are_what_the_documents_say() {
    let row = (250u16, 251u16, 70_000u32, -1i64, Some("é"), None::<u8>, vec![true], Event::Moved(1, -2), 1.0f32);
    let bytes: &[u8] = &[
        250, // one byte
        251, 251, 0, // two bytes
        252, 0x70, 0x11, 1, 0, // four bytes
        1, // zigzag
        1, 2, 0xc3, 0xa9, // some, length, text
        0,    // none
        1, 1, // length, entry
        2, 2, 3, // variant, its parts
        0, 0, 0x80, 0x3f,
    ];
    assert_eq!(encoded(&row), bytes);
}
