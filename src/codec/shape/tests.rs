//! Shapes of types that are easy, that refuse made-up values, that hold themselves, and that cannot be stored.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::time::Duration;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::*;
use crate::codec::{decode_row, encode_row};

fn named(name: &str, fields: Vec<(&str, Shape)>) -> Shape {
    Shape::Struct { name: name.into(), fields: Fields::Named(with_names(fields)) }
}

fn with_names(fields: Vec<(&str, Shape)>) -> Vec<(String, Shape)> {
    fields.into_iter().map(|(name, shape)| (name.to_string(), shape)).collect()
}

fn enumeration(name: &str, variants: Vec<(&str, Fields)>) -> Shape {
    let variants = variants.into_iter().map(|(name, fields)| Variant { name: name.into(), fields }).collect();
    Shape::Enum { name: name.into(), variants, whole: true }
}

fn boxed(shape: Shape) -> Box<Shape> {
    Box::new(shape)
}

fn of<V: DeserializeOwned>() -> Shape {
    Shape::of_type::<V>().unwrap()
}

/// A text that refuses all made-up ones, as a date or an identifier of some library would.
#[derive(Debug, Clone, PartialEq)]
struct Picky(String);

impl Serialize for Picky {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("picky:") { Ok(Picky(text)) } else { Err(serde::de::Error::custom("not picky")) }
    }
}

/// A number that refuses zero only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct Odd(u8);

impl TryFrom<u8> for Odd {
    type Error = &'static str;
    fn try_from(value: u8) -> Result<Self, &'static str> {
        if value % 2 == 1 { Ok(Odd(value)) } else { Err("even") }
    }
}

impl From<Odd> for u8 {
    fn from(odd: Odd) -> u8 {
        odd.0
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Role {
    Buyer,
    Seller { since: i64, name: Picky, level: Level },
    Admin(u8, Option<Role2>),
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Role2 {
    A,
    B(u16),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Level {
    Low,
    High,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: NonZeroU64,
    when: Picky,
    odd: Odd,
    roles: Vec<Role>,
    maps: BTreeMap<String, Vec<u8>>,
    pair: (Odd, char),
    array: [f32; 2],
    nothing: (),
    #[serde(skip)]
    _cache: u64,
    wrapped: Wrapped,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(Option<Box<f64>>);

fn level() -> Shape {
    enumeration("Level", vec![("Low", Fields::Unit), ("High", Fields::Unit)])
}

fn user_shape() -> Shape {
    let since = Fields::Named(with_names(vec![("since", Shape::I64), ("name", Shape::Text), ("level", level())]));
    let role2 = enumeration("Role2", vec![("A", Fields::Unit), ("B", Fields::Newtype(boxed(Shape::U16)))]);
    let role = enumeration(
        "Role",
        vec![
            ("Buyer", Fields::Unit),
            ("Seller", since),
            ("Admin", Fields::Tuple(vec![Shape::U8, Shape::Option(boxed(role2))])),
            ("Other", Fields::Newtype(boxed(Shape::Text))),
        ],
    );
    named(
        "User",
        vec![
            ("id", Shape::U64),
            ("when", Shape::Text),
            ("odd", Shape::U8),
            ("roles", Shape::List(boxed(role))),
            ("maps", Shape::Map(boxed(Shape::Text), boxed(Shape::List(boxed(Shape::U8))))),
            ("pair", Shape::Tuple(vec![Shape::U8, Shape::Char])),
            ("array", Shape::Tuple(vec![Shape::F32, Shape::F32])),
            ("nothing", Shape::Unit),
            (
                "wrapped",
                Shape::Struct {
                    name: "Wrapped".into(),
                    fields: Fields::Newtype(boxed(Shape::Option(boxed(Shape::F64)))),
                },
            ),
        ],
    )
}

fn user() -> User {
    User {
        id: NonZeroU64::MAX,
        when: Picky("picky:1".into()),
        odd: Odd(3),
        roles: vec![
            Role::Seller { since: -5, name: Picky("picky:2".into()), level: Level::High },
            Role::Admin(7, Some(Role2::B(300))),
            Role::Buyer,
        ],
        maps: BTreeMap::from([("a\"b".to_string(), vec![1, 2])]),
        pair: (Odd(1), 'é'),
        array: [1.5, f32::INFINITY],
        nothing: (),
        _cache: 0,
        wrapped: Wrapped(None),
    }
}

#[test]
fn a_type_shows_its_shape_although_it_refuses_values() {
    assert_eq!(of::<User>(), user_shape());
}

#[test]
fn a_row_shows_what_is_out_of_reach_of_made_up_values() {
    // Parts without names come in order only, so what is behind the picky one does not show.
    let first = || Shape::Tuple(vec![Shape::Text, Shape::Unknown]);
    let mut shape = of::<(Picky, Level)>();
    assert_eq!(shape, first());
    assert!(!shape.is_complete());
    shape.refine_with(&(Picky("picky:1".into()), Level::High)).unwrap();
    let seen = vec![
        Variant { name: String::new(), fields: Fields::Unknown },
        Variant { name: "High".into(), fields: Fields::Unit },
    ];
    let half = Shape::Enum { name: "Level".into(), variants: seen, whole: false };
    assert_eq!(shape, Shape::Tuple(vec![Shape::Text, half]));
    assert!(!shape.is_complete());
    shape.refine_with(&(Picky("picky:1".into()), Level::Low)).unwrap();
    let Shape::Enum { name, variants, .. } = level() else { unreachable!() };
    let both = Shape::Tuple(vec![Shape::Text, Shape::Enum { name, variants, whole: false }]);
    assert_eq!(shape, both);
    assert_eq!(Shape::difference(&both, &Shape::Tuple(vec![Shape::Text, level()])), None);

    let mut lists = of::<(Picky, (Vec<Option<u8>>, BTreeMap<u8, String>))>();
    let row = (Picky("picky:1".into()), (vec![None, Some(1u8)], BTreeMap::from([(1u8, "x")])));
    lists.refine_with(&row).unwrap();
    let list = Shape::List(boxed(Shape::Option(boxed(Shape::U8))));
    let map = Shape::Map(boxed(Shape::U8), boxed(Shape::Text));
    assert_eq!(lists, Shape::Tuple(vec![Shape::Text, Shape::Tuple(vec![list, map])]));
}

#[derive(Debug, Serialize, Deserialize)]
struct Tree {
    name: String,
    children: Vec<Tree>,
    parent: Option<Box<Tree>>,
    last: u8,
}

#[derive(Debug, Serialize, Deserialize)]
enum Expr {
    Add(Box<Expr>, Box<Expr>, u32),
    Call { name: String, arguments: Vec<Expr>, then: Box<Expr>, flag: bool },
    Number(i64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Pair<T> {
    left: T,
    right: T,
}

#[test]
fn types_inside_of_themselves_come_to_an_end() {
    let tree = named(
        "Tree",
        vec![
            ("name", Shape::Text),
            ("children", Shape::List(boxed(Shape::Recursive(0)))),
            ("parent", Shape::Option(boxed(Shape::Recursive(0)))),
            ("last", Shape::U8),
        ],
    );
    assert_eq!(of::<Tree>(), tree);
    let me = || Shape::Recursive(0);
    let call =
        vec![("name", Shape::Text), ("arguments", Shape::List(boxed(me()))), ("then", me()), ("flag", Shape::Bool)];
    let expr = enumeration(
        "Expr",
        vec![
            ("Add", Fields::Tuple(vec![me(), me(), Shape::U32])),
            ("Call", Fields::Named(with_names(call))),
            ("Number", Fields::Newtype(boxed(Shape::I64))),
        ],
    );
    assert_eq!(of::<Expr>(), expr);
    // One name does not make one type.
    let inner = || named("Pair", vec![("left", Shape::U8), ("right", Shape::U8)]);
    assert_eq!(of::<Pair<Pair<u8>>>(), named("Pair", vec![("left", inner()), ("right", inner())]));
}

#[test]
fn common_types_show_their_shape() {
    assert_eq!(of::<Duration>(), named("Duration", vec![("secs", Shape::U64), ("nanos", Shape::U32)]));
    assert_eq!(of::<HashMap<u8, bool>>(), Shape::Map(boxed(Shape::U8), boxed(Shape::Bool)));
    assert_eq!(of::<Vec<Option<i128>>>(), Shape::List(boxed(Shape::Option(boxed(Shape::I128)))));
    assert!(of::<std::net::IpAddr>().is_complete());
    assert!(of::<Result<u8, String>>().is_complete());
    assert!(of::<std::ops::Range<u64>>().is_complete());
    assert_eq!(of::<((), [u8; 0])>(), Shape::Tuple(vec![Shape::Unit, Shape::Tuple(vec![])]));
}

/// Reads a number behind `true` and a text behind `false`.
#[derive(Debug)]
struct Changing;

impl<'de> Deserialize<'de> for Changing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Changing;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a flag and what follows from it")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Changing, A::Error> {
                match seq.next_element::<Level>()? {
                    Some(Level::High) => seq.next_element::<u64>()?.map(|_| Changing),
                    _ => seq.next_element::<String>()?.map(|_| Changing),
                }
                .ok_or(serde::de::Error::custom("too short"))
            }
        }
        deserializer.deserialize_tuple(2, Reader)
    }
}

#[test]
fn what_depends_on_a_tag_stays_unknown() {
    assert_eq!(of::<Changing>(), Shape::Tuple(vec![level(), Shape::Unknown]));
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", content = "content")]
enum Adjacent {
    Number(u64),
    Text(String),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Number { value: u64 },
}

#[derive(Serialize, Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    rest: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Holder<T> {
    id: Picky,
    part: Option<T>,
}

#[test]
fn types_that_can_never_be_read_are_refused_by_name() {
    fn refusal<V: DeserializeOwned>() -> String {
        Shape::of_type::<V>().unwrap_err().to_string()
    }
    let refusals = [refusal::<Holder<Untagged>>(), refusal::<Holder<Internal>>(), refusal::<Holder<Flat>>()];
    for text in refusals {
        assert!(text.contains("Holder<") && text.contains("`part` of `Holder`"), "{text}");
    }
    let adjacent = refusal::<Holder<Adjacent>>();
    assert!(adjacent.contains("`kind` of `Adjacent`"), "{adjacent}");
    assert!(refusal::<Untagged>().contains("Untagged`: it asks for whatever is there"));
    assert!(refusal::<Flat>().contains("Flat`: it asks for the name of a field"));
    assert!(refusal::<Holder<Vec<()>>>().contains("take no bytes"));
    assert!(refusal::<Vec<((), [(); 3])>>().contains("take no bytes"));
}

#[derive(Debug, Deserialize)]
struct Panics(Inner);

#[derive(Debug)]
struct Inner;

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        assert!(number > 10, "this type panics on numbers that it does not like");
        Ok(Inner)
    }
}

#[test]
fn a_type_that_panics_on_a_made_up_value_does_no_harm() {
    let shape = of::<Panics>();
    assert_eq!(shape, Shape::Struct { name: "Panics".into(), fields: Fields::Newtype(boxed(Shape::U32)) });
}

#[test]
fn differences_name_the_place() {
    let user = |fields: Vec<(&str, Shape)>| named("User", fields);
    let say = |stored: &Shape, program: &Shape| Shape::difference(stored, program).unwrap();
    let old = user(vec![("id", Shape::U64), ("age", Shape::U32)]);
    let new = user(vec![("id", Shape::U64), ("age", Shape::U64)]);
    assert_eq!(say(&old, &new), "field `age` of struct `User`: stored u32, program u64");
    assert_eq!(say(&Shape::Text, &new), "the row: stored string, program struct `User`");
    let gone = user(vec![("id", Shape::U64)]);
    assert_eq!(say(&old, &gone), "field `age` of struct `User`: stored there, program not there");
    assert_eq!(say(&gone, &old), "field `age` of struct `User`: stored not there, program there");
    let turned = user(vec![("age", Shape::U32), ("id", Shape::U64)]);
    assert_eq!(say(&old, &turned), "field `age` of struct `User`: stored in another place, program field number 0");

    let list = |inner| user(vec![("tags", Shape::List(boxed(inner)))]);
    assert_eq!(
        say(&list(Shape::Text), &list(Shape::Bytes)),
        "field `tags` of struct `User`, entries of the list: stored string, program bytes"
    );
    let option = |inner| Shape::Tuple(vec![Shape::U8, Shape::Option(boxed(inner))]);
    assert_eq!(say(&option(Shape::I8), &option(Shape::U8)), "part 1 of the tuple: stored i8, program u8");
    let enumeration = |names: &[&str]| enumeration("E", names.iter().map(|&name| (name, Fields::Unit)).collect());
    assert_eq!(
        say(&enumeration(&["A", "B"]), &enumeration(&["A", "C"])),
        "variant number 1 of enum `E`: stored `B`, program `C`"
    );
    assert_eq!(
        say(&enumeration(&["A"]), &enumeration(&["A", "C"])),
        "variant number 1 of enum `E`: stored not there, program `C`"
    );

    // Renaming a type changes no bytes, and what is not known may be anything.
    assert_eq!(Shape::difference(&old, &named("Person", vec![("id", Shape::U64), ("age", Shape::U32)])), None);
    assert_eq!(Shape::difference(&user(vec![("id", Shape::Unknown), ("age", Shape::U32)]), &old), None);
    assert_eq!(Shape::difference(&old, &Shape::Unknown), None);
}

#[test]
fn rows_are_read_by_their_shape_alone() {
    let mut bytes = Vec::new();
    encode_row(&user(), &mut bytes).unwrap();
    let value = user_shape().read_value(&bytes).unwrap();
    let json = concat!(
        r#"{"id":18446744073709551615,"when":"picky:1","odd":3,"#,
        r#""roles":[{"Seller":{"since":-5,"name":"picky:2","level":"High"}},{"Admin":[7,{"B":300}]},"Buyer"],"#,
        r#""maps":{"a\"b":[1,2]},"pair":[1,"é"],"array":[1.5,"inf"],"nothing":null,"wrapped":null}"#
    );
    assert_eq!(value.to_string(), json);

    let leaf = || Box::new(Expr::Number(-1));
    let expr = Expr::Call { name: "f".into(), arguments: vec![Expr::Add(leaf(), leaf(), 9)], then: leaf(), flag: true };
    bytes.clear();
    encode_row(&expr, &mut bytes).unwrap();
    let json = r#"{"Call":{"name":"f","arguments":[{"Add":[{"Number":-1},{"Number":-1},9]}],"then":{"Number":-1},"flag":true}}"#;
    assert_eq!(of::<Expr>().read_value(&bytes).unwrap().to_string(), json);
    assert!(Shape::Unknown.read_value(&[1]).is_err());
    assert!(of::<Changing>().read_value(&[0, 0]).is_err());
}

#[test]
fn numbers_of_every_width_are_read() {
    type Numbers = (Vec<i16>, Vec<i32>, Vec<i64>, Vec<i128>, Vec<u16>, Vec<u32>, Vec<u64>, Vec<u128>, i8, Option<u8>);
    let numbers: Numbers = (
        vec![i16::MIN, -1, 0, 1, i16::MAX],
        vec![i32::MIN, -126, i32::MAX],
        vec![i64::MIN, 125, i64::MAX],
        vec![i128::MIN, -3, i128::MAX],
        vec![250, 251, u16::MAX],
        vec![65_536, u32::MAX],
        vec![1 << 32, u64::MAX],
        vec![1 << 64, u128::MAX],
        -128,
        Some(255),
    );
    let mut bytes = Vec::new();
    encode_row(&numbers, &mut bytes).unwrap();
    let expected = format!(
        "[{:?},{:?},{:?},{:?},{:?},{:?},{:?},{:?},-128,255]",
        numbers.0, numbers.1, numbers.2, numbers.3, numbers.4, numbers.5, numbers.6, numbers.7
    );
    assert_eq!(of::<Numbers>().read_value(&bytes).unwrap().to_string(), expected.replace(", ", ","));
}

fn shapes() -> impl Strategy<Value = Shape> {
    let plain =
        prop::sample::select(vec![Shape::Unknown, Shape::Unit, Shape::Bool, Shape::U64, Shape::I128, Shape::Text]);
    plain.prop_recursive(4, 40, 4, |inner| {
        let name = "[a-z]{0,3}";
        let parts = || prop::collection::vec(inner.clone(), 0..4);
        let fields = || {
            prop_oneof![
                Just(Fields::Unknown),
                Just(Fields::Unit),
                inner.clone().prop_map(|shape| Fields::Newtype(boxed(shape))),
                parts().prop_map(Fields::Tuple),
                prop::collection::vec((name, prop_oneof![inner.clone(), Just(Shape::Recursive(0))]), 0..4)
                    .prop_map(Fields::Named),
            ]
        };
        let variants = prop::collection::vec((name, fields()), 0..4);
        prop_oneof![
            inner.clone().prop_map(|shape| Shape::Option(boxed(shape))),
            inner.clone().prop_map(|shape| Shape::List(boxed(shape))),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| Shape::Map(boxed(key), boxed(value))),
            parts().prop_map(Shape::Tuple),
            (name, fields()).prop_map(|(name, fields)| Shape::Struct { name, fields }),
            (name, variants, any::<bool>()).prop_map(|(name, variants, whole)| {
                let variants = variants.into_iter().map(|(name, fields)| Variant { name, fields }).collect();
                Shape::Enum { name, variants, whole }
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_stored_shape_comes_back(shape in shapes()) {
        let mut bytes = Vec::new();
        shape.encode(&mut bytes);
        prop_assert_eq!(Shape::decode(&bytes), Ok(shape.clone()));
        prop_assert_eq!(Shape::difference(&shape, &shape), None);
        bytes.push(0);
        prop_assert!(Shape::decode(&bytes).is_err());
    }

    #[test]
    fn hostile_shapes_are_refused_or_are_shapes(
        shape in shapes(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        random in any::<Vec<u8>>(),
    ) {
        let mut bytes = Vec::new();
        shape.encode(&mut bytes);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let random = [&[1], &random[..]].concat();
        for hostile in [&bytes, &random] {
            if let Ok(shape) = Shape::decode(hostile) {
                let mut again = Vec::new();
                shape.encode(&mut again);
                prop_assert_eq!(&again, hostile);
            }
        }
    }

    #[test]
    fn hostile_rows_are_refused_or_are_values(
        shape in shapes(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        random in any::<Vec<u8>>(),
    ) {
        let mut bytes = Vec::new();
        encode_row(&user(), &mut bytes).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let value = user_shape().read_value(&bytes);
        // What the type itself accepts, its shape does.
        prop_assert!(value.is_ok() || decode_row::<User>(&bytes).is_err());
        if let Ok(value) = shape.read_value(&random) {
            prop_assert!(!value.to_string().is_empty());
        }
    }
}

#[test]
fn a_shape_that_nests_too_deep_is_refused() {
    let mut bytes = vec![1];
    bytes.extend([18; 100_000]);
    assert!(Shape::decode(&bytes).is_err());
    assert_eq!(Shape::decode(&[1, 24, 0]).map_err(|fault| fault.at), Err(1));

    // A row that never ends: lists of oneself, each with one entry.
    let endless = named("Endless", vec![("inner", Shape::List(boxed(Shape::Recursive(0))))]);
    assert!(endless.read_value(&[1; 100_000]).is_err());
    assert!(
        Shape::Struct { name: String::new(), fields: Fields::Newtype(boxed(Shape::Recursive(0))) }
            .read_value(&[])
            .is_err()
    );
}

#[test]
fn bytes_are_what_the_documents_say() {
    let bytes = |shape: &Shape| {
        let mut out = Vec::new();
        shape.encode(&mut out);
        out
    };
    let plain = [
        (Shape::Unknown, 0),
        (Shape::Unit, 1),
        (Shape::Bool, 2),
        (Shape::I8, 3),
        (Shape::I128, 7),
        (Shape::U8, 8),
        (Shape::U128, 12),
        (Shape::F32, 13),
        (Shape::F64, 14),
        (Shape::Char, 15),
        (Shape::Text, 16),
        (Shape::Bytes, 17),
    ];
    for (shape, tag) in plain {
        assert_eq!(bytes(&shape), [1, tag]);
    }
    let fields = vec![("b", Shape::Option(boxed(Shape::U8))), ("c", Shape::Recursive(0))];
    let shape =
        Shape::Tuple(vec![named("A", fields), Shape::Map(boxed(Shape::Bool), boxed(Shape::List(boxed(Shape::I8))))]);
    assert_eq!(bytes(&shape), *b"\x01\x15\x02\x16\x01A\x04\x02\x01b\x12\x08\x01c\x18\x00\x14\x02\x13\x03");
    let variants = vec![("X", Fields::Unit), ("Y", Fields::Newtype(boxed(Shape::F64))), ("Z", Fields::Tuple(vec![]))];
    assert_eq!(bytes(&enumeration("E", variants)), *b"\x01\x17\x01E\x01\x03\x01X\x01\x01Y\x02\x0e\x01Z\x03\x00");
}
