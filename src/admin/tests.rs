//! What goes out comes in again, bit for bit; what is wrong is named.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::columns::Columns;
use super::encode::encode_json;
use super::json::Json;
use super::key::{encode_key_json, encode_key_text, is_plain_key};
use super::mismatch::Mismatch;
use crate::codec::{Key, Shape, StoredValue, TotalF64, encode_key, encode_row, read_key};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wrapped<T>(T);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Nothing;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Level {
    Low,
    High,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Kind {
    Plain,
    One(Option<u8>),
    Two(u8, String),
    Named { level: Level, of: Option<Option<i16>> },
    Nested(Vec<Kind>),
}

/// A chain of newtypes through options, whose end is null.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Everything {
    key: bool,
    unsigned: (u8, u16, u32, u64, u128),
    signed: (i8, i16, i32, i64, i128),
    single: f32,
    double: f64,
    letter: char,
    text: String,
    bytes: Vec<u8>,
    maybe_text: Option<String>,
    maybe_number: Option<i32>,
    maybe_level: Option<Level>,
    nested: Option<Option<Option<u8>>>,
    lists: Option<Option<Vec<u8>>>,
    units: (Option<()>, Option<Nothing>, Option<Wrapped<Option<u8>>>),
    level: Level,
    kinds: Vec<Kind>,
    by_text: BTreeMap<String, u8>,
    by_number: BTreeMap<i8, Option<String>>,
    by_pair: BTreeMap<(u8, bool), Wrapped<u64>>,
    chain: Chain,
    array: [u16; 2],
}

fn shape<V: DeserializeOwned>() -> Shape {
    Shape::of_type::<V>().map_err(|fault| fault.to_string()).unwrap()
}

fn kind(depth: u32) -> BoxedStrategy<Kind> {
    let level = || prop_oneof![Just(Level::Low), Just(Level::High)];
    let plain = prop_oneof![
        Just(Kind::Plain),
        any::<Option<u8>>().prop_map(Kind::One),
        (any::<u8>(), any::<String>()).prop_map(|(a, b)| Kind::Two(a, b)),
        (level(), any::<Option<Option<i16>>>()).prop_map(|(level, of)| Kind::Named { level, of }),
    ];
    match depth.checked_sub(1) {
        None => plain.boxed(),
        Some(depth) => prop_oneof![plain, prop::collection::vec(kind(depth), 0..3).prop_map(Kind::Nested)].boxed(),
    }
}

fn everything() -> impl Strategy<Value = Everything> {
    let cell = || prop_oneof!["[-=+@'\t\r\n\"a1,;é＝ ]{0,5}", any::<String>()];
    let numbers = (any::<(u8, u16, u32, u64, u128)>(), any::<(i8, i16, i32, i64, i128)>(), any::<u32>(), any::<u64>());
    let texts = (any::<char>(), cell(), prop::collection::vec(any::<u8>(), 0..4), prop::option::of(cell()));
    let options = (any::<Option<i32>>(), any::<Option<bool>>(), any::<Option<Option<Option<u8>>>>());
    let others = (
        any::<Option<Option<Vec<u8>>>>(),
        any::<(Option<()>, bool, Option<u8>)>(),
        prop::collection::vec(kind(2), 0..3),
        0_usize..5,
    );
    let maps = (
        prop::collection::btree_map(any::<String>(), any::<u8>(), 0..3),
        prop::collection::btree_map(any::<i8>(), any::<Option<String>>(), 0..3),
        prop::collection::btree_map(any::<(u8, bool)>(), any::<u64>(), 0..3),
    );
    (numbers, texts, options, others, maps).prop_map(|(numbers, texts, options, others, maps)| Everything {
        key: options.1.is_some(),
        unsigned: numbers.0,
        signed: numbers.1,
        single: f32::from_bits(numbers.2),
        double: f64::from_bits(numbers.3),
        letter: texts.0,
        text: texts.1,
        bytes: texts.2,
        maybe_text: texts.3,
        maybe_number: options.0,
        maybe_level: options.1.map(|high| if high { Level::High } else { Level::Low }),
        nested: options.2,
        lists: others.0,
        units: (others.1.0, others.1.1.then_some(Nothing), others.1.2.map(|of| Wrapped((of > 9).then_some(of)))),
        level: Level::High,
        kinds: others.2,
        by_text: maps.0,
        by_number: maps.1,
        by_pair: maps.2.into_iter().map(|(key, value)| (key, Wrapped(value))).collect(),
        chain: (0..others.3).fold(Chain(None), |chain, _| Chain(Some(Box::new(chain)))),
        array: [1, 2],
    })
}

fn encoded(row: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_row(row, &mut bytes).unwrap();
    bytes
}

fn through_json(shape: &Shape, bytes: &[u8]) -> Vec<u8> {
    let text = shape.read_value(bytes).unwrap().to_string();
    serde_json::from_str::<serde::de::IgnoredAny>(&text).unwrap();
    let mut again = Vec::new();
    encode_json(shape, Json::parse(&text).unwrap(), &mut again).unwrap_or_else(|error| panic!("{error}: {text}"));
    again
}

fn through_cells(shape: &Shape, bytes: &[u8]) -> Vec<u8> {
    let columns = Columns::of(shape);
    let (mut cells, mut again) = (Vec::new(), Vec::new());
    columns.cells(&shape.read_value(bytes).unwrap(), &mut cells);
    for (at, cell) in cells.iter().enumerate() {
        let risky = cell.starts_with(['=', '+', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
        let number = cell.starts_with('-') && cell.parse::<f64>().is_ok();
        assert!(!risky && (!cell.starts_with('-') || number), "a spreadsheet would run {cell:?}");
        columns.encode(at, Some(cell), &mut again).unwrap_or_else(|error| panic!("{error}: {cell:?}"));
    }
    again
}

proptest! {
    #[test]
    fn every_row_comes_back_from_json_and_from_cells(row in everything()) {
        let (shape, bytes) = (shape::<Everything>(), encoded(&row));
        prop_assert_eq!(&through_json(&shape, &bytes), &bytes);
        prop_assert_eq!(&through_cells(&shape, &bytes), &bytes);
    }

    /// Every bit pattern of an `f32`, which a way by `f64` would not keep.
    #[test]
    fn floats_come_back_bit_for_bit(single in any::<u32>(), double in any::<u64>()) {
        let row = (f32::from_bits(single), f64::from_bits(double));
        prop_assert_eq!(through_json(&shape::<(f32, f64)>(), &encoded(&row)), encoded(&row));
    }

    #[test]
    fn hostile_text_is_refused_or_is_a_row(
        row in everything(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}\":,0-9a-z.-]{0,2}"), 1..4),
    ) {
        let shape = shape::<Everything>();
        let mut text = shape.read_value(&encoded(&row)).unwrap().to_string();
        for (at, change) in changes {
            let at = at.index(text.len());
            let end = text.ceil_char_boundary(at + 1);
            text.replace_range(text.floor_char_boundary(at)..end, &change);
        }
        let mut bytes = Vec::new();
        if Json::parse(&text).and_then(|json| encode_json(&shape, json, &mut bytes)).is_ok() {
            prop_assert!(shape.read_value(&bytes).is_ok());
        }
    }
}

#[test]
fn rows_without_names_have_one_column() {
    for text in ["", "=1+1", "'", "a,b"] {
        let (shape, row) = (shape::<Wrapped<String>>(), encoded(&text));
        assert_eq!(through_cells(&shape, &row), row, "{text:?}");
        let (shape, row) = (self::shape::<Option<String>>(), encoded(&Some(text)));
        assert_eq!(through_cells(&shape, &row), row, "{text:?}");
    }
    for number in [0_i128, -5, i128::MIN, i128::MAX] {
        assert_eq!(through_cells(&shape::<i128>(), &encoded(&number)), encoded(&number));
    }
    for number in [-0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324, -1e300] {
        assert_eq!(through_cells(&shape::<f64>(), &encoded(&number)), encoded(&number));
    }
    assert_eq!(through_cells(&shape::<(u8, Level)>(), &encoded(&(7_u8, Level::Low))), encoded(&(7_u8, Level::Low)));
    assert_eq!(through_cells(&shape::<Nothing>(), &encoded(&Nothing)), encoded(&Nothing));
    // The decimals of this one, read as an `f64` first, are those of its neighbour.
    let single = 7.038531e-26_f32;
    assert_eq!(through_json(&shape::<f32>(), &encoded(&single)), encoded(&single));
}

fn key_through_text<K: Key>(key: K::Ref<'_>) {
    let (bytes, mut shape) = (encode_key::<K>(key), String::new());
    K::shape(&mut shape);
    let value = read_key(&shape, &bytes).unwrap_or_else(|| StoredValue::Bytes(bytes.to_vec()));
    let (mut by_json, mut by_text) = (Vec::new(), Vec::new());
    let json = value.to_string();
    encode_key_json(&shape, Json::parse(&json).unwrap(), &mut by_json)
        .unwrap_or_else(|error| panic!("{error}: {json}"));
    let text = if is_plain_key(&shape) { super::columns::plain_text(&value) } else { json };
    encode_key_text(&shape, &text, &mut by_text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((&by_json[..], &by_text[..]), (&bytes[..], &bytes[..]), "{shape}");
}

#[test]
fn every_key_comes_back() {
    key_through_text::<u8>(200);
    key_through_text::<u16>(60_000);
    key_through_text::<u32>(u32::MAX);
    key_through_text::<u64>(u64::MAX);
    key_through_text::<u128>(u128::MAX);
    key_through_text::<i8>(-128);
    key_through_text::<i16>(-1);
    key_through_text::<i32>(i32::MIN);
    key_through_text::<i64>(i64::MIN);
    key_through_text::<i128>(i128::MIN);
    key_through_text::<bool>(true);
    key_through_text::<char>('"');
    for float in [0.0, -0.0, 1.5, f64::NAN, f64::NEG_INFINITY, f64::from_bits(0xfff0_0000_0000_0001)] {
        key_through_text::<TotalF64>(TotalF64(float));
    }
    for text in ["", "a\0b", "\"", "null", "[1]", "-5"] {
        key_through_text::<String>(text);
        key_through_text::<(String, Reverse<String>)>((text, Reverse(text)));
    }
    key_through_text::<Vec<u8>>(&[0, 255]);
    key_through_text::<[u8; 3]>([1, 2, 255]);
    key_through_text::<Reverse<i16>>(Reverse(-7));
    key_through_text::<Option<u8>>(None);
    key_through_text::<Option<u8>>(Some(0));
    for key in [None, Some(None), Some(Some(Reverse(None))), Some(Some(Reverse(Some(false))))] {
        key_through_text::<Option<Option<Reverse<Option<bool>>>>>(key);
    }
    key_through_text::<(Option<(u8, [u8; 2])>, (bool, char), i8)>((Some((1, [2, 3])), (true, 'x'), -1));
}

/// A key with bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Own(u8);

impl Key for Own {
    type Ref<'a> = u8;

    fn encode(key: u8, out: &mut Vec<u8>) {
        out.extend([b'#', key]);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        bytes.split_off(..2).map(|bytes| Own(bytes[1]))
    }

    fn as_ref(&self) -> u8 {
        self.0
    }

    fn shape(out: &mut String) {
        out.push_str("own");
    }
}

#[test]
fn keys_with_an_encoding_of_their_own_are_bytes() {
    key_through_text::<Own>(7);
    key_through_text::<(u8, Own)>((1, 7));
}

#[test]
fn what_is_wrong_is_named() {
    let refusal = |json: &str| {
        let mut out = Vec::new();
        let text = format!(r#"{{"id":7,"kinds":[{json}]}}"#);
        let shape = shape::<Row>();
        let refused = Json::parse(&text).and_then(|json| encode_json(&shape, json, &mut out));
        refused.map_err(|mismatch: Mismatch| mismatch.into_error(9).to_string()).unwrap_err()
    };
    #[derive(Serialize, Deserialize)]
    struct Row {
        id: u8,
        kinds: Vec<Kind>,
    }
    assert_eq!(
        refusal(r#""Plain",{"One":256}"#),
        r#"line 9, column 33, field kinds[1].One: expected a whole number from 0 to 255, found "256""#
    );
    assert_eq!(
        refusal(r#"{"Named":{"level":"low","of":null}}"#),
        r#"line 9, column 36, field kinds[0].Named.level: expected one of Low, High, found "low""#
    );
    assert_eq!(
        refusal(r#"{"Named":{"of":null}}"#),
        "line 9, column 27, field kinds[0].Named: the field \"level\" is missing"
    );
    assert_eq!(refusal(r#"{"Two":[1]}"#), "line 9, column 25, field kinds[0].Two: expected a list of 2, found 1");
    assert_eq!(
        refusal(r#"{"Named":{"level":"Low","no":1}}"#),
        "line 9, column 47, field kinds[0].Named: there is no field \"no\""
    );
    assert_eq!(
        refusal("\"One\""),
        "line 9, column 18, field kinds[0].One: this variant has fields: write {\"Name\": fields}"
    );
    assert_eq!(
        refusal("7"),
        "line 9, column 18, field kinds[0]: expected the name of a variant, or {\"Name\": fields}, found a number"
    );
    assert_eq!(
        refusal(r#"{"Named":{"level":"Low","of":5}}"#),
        "line 9, column 47, field kinds[0].Named.of: expected null, or the value in brackets, since it can be null itself, found 5"
    );
    let key = |shape: &str, json: &str| {
        let mut out = Vec::new();
        encode_key_json(shape, Json::parse(json).unwrap(), &mut out).unwrap_err().into_error(1).to_string()
    };
    assert_eq!(key("u8", "\"x\""), "line 1, column 1: expected a whole number from 0 to 255, found \"x\"");
    assert_eq!(key("(u8,string)", "[1]"), "line 1, column 1: expected more parts of a key, found 1");
    assert_eq!(key("(u8,string)", "[1,\"a\",2]"), "line 1, column 1: expected a list of 2, found 3");
    assert_eq!(
        key("(u8,u16)", "[1,-1]"),
        "line 1, column 4, field [1]: expected a whole number from 0 to 65535, found \"-1\""
    );
    assert_eq!(key("array(u8,2)", "\"00\""), "line 1, column 1: expected 2 bytes, found 1");
    for shape in ["(u8", "option(u8", "option)", "reverse", "array(u8,)", ")", "(,)", &"option(".repeat(50_000)] {
        let mut out = Vec::new();
        assert!(encode_key_json(shape, Json::parse("[[[1]]]").unwrap(), &mut out).is_err(), "{shape}");
        assert!(
            encode_key_json(shape, Json::parse("null").unwrap(), &mut out).is_err() || shape == "option(u8",
            "{shape}"
        );
    }
}
