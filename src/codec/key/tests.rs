//! The laws of keys, over every built-in key type.

use std::cmp::Reverse;
use std::fmt::Debug;
use std::ops::Bound;

use proptest::prelude::*;

use super::encoded::successor;
use super::*;

fn bytes_of<K: Key>(key: &K) -> Vec<u8> {
    let mut out = Vec::new();
    K::encode(key.as_ref(), &mut out);
    out
}

fn check_laws<K: Key + Debug>(a: &K, b: &K, rest: &[u8]) -> Result<(), TestCaseError> {
    let (left, right) = (bytes_of(a), bytes_of(b));
    prop_assert_eq!(a.cmp(b), left.cmp(&right), "order of {:?} and {:?}", a, b);
    prop_assert!(a == b || !right.starts_with(&left), "{:?} is the start of {:?}", a, b);

    let followed = [&left[..], rest].concat();
    let mut reading = &followed[..];
    prop_assert_eq!(K::decode(&mut reading), Some(a.clone()));
    prop_assert_eq!(reading, rest);

    let owned = encode_key::<K>(a.as_ref());
    prop_assert_eq!(&owned[..], &left[..]);
    prop_assert_eq!(decode_key::<K>(&left), Some(a.clone()));
    let too_long = [&left[..], &[0]].concat();
    prop_assert!(decode_key::<K>(&too_long).is_none(), "bytes left over were accepted");

    // Whatever is accepted must be what would have been written.
    let mut hostile = rest;
    if let Some(key) = K::decode(&mut hostile) {
        prop_assert_eq!(bytes_of(&key), &rest[..rest.len() - hostile.len()]);
    }
    for cut in 0..left.len() {
        prop_assert!(decode_key::<K>(&left[..cut]).is_none(), "cut bytes were accepted");
    }
    check_bounds(a, b)
}

fn check_bounds<K: Key + Debug>(a: &K, b: &K) -> Result<(), TestCaseError> {
    let key = bytes_of(b);
    let bounds = [Bound::Included(a.as_ref()), Bound::Excluded(a.as_ref()), Bound::Unbounded];
    for (start, bound) in bounds.iter().enumerate() {
        let (low, high) = key_bounds::<K>((*bound, Bound::Unbounded));
        let wanted = match start {
            0 => b >= a,
            1 => b > a,
            _ => true,
        };
        prop_assert!(high.is_none());
        prop_assert_eq!(key[..] >= low[..], wanted);

        let (low, high) = key_bounds::<K>((Bound::Unbounded, *bound));
        let wanted = match start {
            0 => b <= a,
            1 => b < a,
            _ => true,
        };
        prop_assert!(low.is_empty());
        prop_assert_eq!(high.is_none_or(|high| key[..] < high[..]), wanted);
    }
    Ok(())
}

fn laws<K: Key + Debug>(keys: impl Strategy<Value = K> + 'static) {
    let mut runner = proptest::test_runner::TestRunner::default();
    let keys = keys.boxed();
    // Strings of few different bytes and numbers near one another meet the interesting cases more often.
    let rest = prop_oneof![any::<Vec<u8>>(), prop::collection::vec(prop::sample::select(vec![0u8, 1, 0xff]), 0..12)];
    runner.run(&(keys.clone(), keys, rest), |(a, b, rest)| check_laws(&a, &b, &rest)).unwrap();
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', 'a', 'ÿ']), 0..6).prop_map(String::from_iter)
    ]
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![any::<Vec<u8>>(), prop::collection::vec(prop::sample::select(vec![0u8, 1, 0xfe, 0xff]), 0..6)]
}

fn float() -> impl Strategy<Value = TotalF64> {
    prop_oneof![
        any::<u64>().prop_map(|bits| TotalF64(f64::from_bits(bits))),
        prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]).prop_map(TotalF64)
    ]
}

#[test]
fn numbers_keep_the_laws() {
    laws(any::<u8>());
    laws(any::<u16>());
    laws(any::<u32>());
    laws(any::<u64>());
    laws(any::<u128>());
    laws(any::<i8>());
    laws(any::<i16>());
    laws(any::<i32>());
    laws(any::<i64>());
    laws(any::<i128>());
    laws(-2i64..2);
    laws(any::<bool>());
    laws(any::<char>());
    laws(float());
}

#[test]
fn text_and_bytes_keep_the_laws() {
    laws(text());
    laws(blob());
    laws(any::<[u8; 4]>());
    laws(prop::collection::vec(0u8..2, 2).prop_map(|bytes| [bytes[0], bytes[1]]));
}

#[test]
fn wrappers_and_tuples_keep_the_laws() {
    laws(prop::option::of(0u8..3));
    laws(prop::option::of(prop::option::of(text())));
    laws(any::<u64>().prop_map(Reverse));
    laws(text().prop_map(Reverse));
    laws(prop::option::of(blob().prop_map(Reverse)).prop_map(Reverse));
    laws((text(), 0u8..2));
    laws((prop::option::of(0u32..3), text()));
    laws((text().prop_map(Reverse), blob(), -1i8..2));
    laws((0u8..2, blob().prop_map(Reverse), any::<bool>(), text()));
    laws((0u8..2, 0i16..2, any::<bool>(), text(), float()));
    laws((0u8..2, 0i16..2, any::<bool>(), text(), prop::option::of(blob()), 0u128..2));
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Status {
    New,
    Paid,
}

impl KeyVia for Status {
    type Repr = u8;

    fn to_repr(self) -> u8 {
        self as u8
    }

    fn from_repr(repr: u8) -> Option<Self> {
        [Status::New, Status::Paid].into_iter().find(|status| *status as u8 == repr)
    }
}

#[test]
fn a_key_by_way_of_another_keeps_the_laws() {
    laws(prop::sample::select(vec![Status::New, Status::Paid]));
    laws((prop::sample::select(vec![Status::New, Status::Paid]), text()));
    assert_eq!(decode_key::<Status>(&[2]), None);
}

#[cfg(feature = "uuid")]
#[test]
fn uuids_keep_the_laws() {
    laws(any::<[u8; 16]>().prop_map(::uuid::Uuid::from_bytes));
}

#[test]
fn bytes_are_what_the_documents_say() {
    assert_eq!(bytes_of(&0x0102_0304u32), [1, 2, 3, 4]);
    assert_eq!(bytes_of(&-1i16), [0x7f, 0xff]);
    assert_eq!(bytes_of(&1i16), [0x80, 1]);
    assert_eq!(bytes_of(&true), [1]);
    assert_eq!(bytes_of(&'a'), [0, 0, 0, 0x61]);
    assert_eq!(bytes_of(&TotalF64(1.0)), [0xbf, 0xf0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes_of(&TotalF64(-1.0)), [0x40, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(bytes_of(&"a\0b".to_string()), [0x61, 0, 0xff, 0x62, 0, 0]);
    assert_eq!(bytes_of(&vec![0xffu8]), [0xff, 0, 0]);
    assert_eq!(bytes_of(&[5u8, 0]), [5, 0]);
    assert_eq!(bytes_of(&Some(7u8)), [1, 7]);
    assert_eq!(bytes_of(&None::<u8>), [0]);
    assert_eq!(bytes_of(&Reverse(7u8)), [0xf8]);
    assert_eq!(bytes_of(&(1u8, "x".to_string())), [1, 0x78, 0, 0]);
}

#[test]
fn shapes_are_what_the_documents_say() {
    fn shape<K: Key>() -> String {
        let mut out = String::new();
        K::shape(&mut out);
        out
    }
    assert_eq!(shape::<u64>(), "u64");
    assert_eq!(shape::<i128>(), "i128");
    assert_eq!(shape::<(String, u32)>(), "(string,u32)");
    assert_eq!(shape::<(Option<u32>, Reverse<u64>, Vec<u8>)>(), "(option(u32),reverse(u64),bytes)");
    assert_eq!(shape::<[u8; 16]>(), "array(u8,16)");
    assert_eq!(shape::<(bool, char, TotalF64, Status)>(), "(bool,char,f64,u8)");
}

fn within<K: Key>(prefix: &impl Prefix<K>, key: K::Ref<'_>) -> bool {
    let (low, high) = prefix_bounds::<K>(prefix);
    let key = encode_key::<K>(key);
    key >= low && high.is_none_or(|high| key < high)
}

proptest! {
    #[test]
    fn a_text_prefix_holds_what_starts_with_it(prefix in text(), key in text()) {
        prop_assert_eq!(within::<String>(&&prefix[..], &key), key.starts_with(&prefix));
        let longer = format!("{prefix}{key}");
        prop_assert!(within::<String>(&&prefix[..], &longer));
    }

    #[test]
    fn a_bytes_prefix_holds_what_starts_with_it(prefix in blob(), key in blob()) {
        prop_assert_eq!(within::<Vec<u8>>(&&prefix[..], &key), key.starts_with(&prefix));
        let longer = [&prefix[..], &key[..]].concat();
        prop_assert!(within::<Vec<u8>>(&&prefix[..], &longer));
    }

    #[test]
    fn leading_parts_hold_what_starts_with_them(a in 250u8.., b in text(), c in 0i8..2, x in 250u8.., y in text(), z in 0i8..2) {
        let key = (x, &y[..], z);
        prop_assert_eq!(within::<(u8, String, i8)>(&First(a), key), a == x);
        prop_assert_eq!(within::<(u8, String, i8)>(&(a, &b[..]), key), (a, &b) == (x, &y));
        prop_assert_eq!(within::<(u8, String, i8, u8)>(&(a, &b[..], c), (x, &y, z, 1)), (a, &b, c) == (x, &y, z));
        prop_assert!(within::<(u8, String, i8)>(&First(x), key));
        prop_assert!(within::<(u8, String, i8)>(&(x, &y[..]), key));
    }
}

#[test]
fn a_prefix_without_a_successor_has_no_upper_end() {
    assert_eq!(successor(&[]), None);
    assert_eq!(successor(&[0xff, 0xff]), None);
    assert_eq!(successor(&[1, 0xff]).as_deref(), Some(&[2][..]));
    assert_eq!(prefix_bounds::<(u8, u8)>(&First(0xff)).1, None);
}

#[test]
fn a_key_type_may_encode_other_keys_while_it_is_encoded() {
    #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
    struct Outer(u8);
    impl Key for Outer {
        type Ref<'a> = u8;
        fn encode(key: u8, out: &mut Vec<u8>) {
            out.extend_from_slice(&encode_key::<u8>(key));
        }
        fn decode(bytes: &mut &[u8]) -> Option<Self> {
            u8::decode(bytes).map(Outer)
        }
        fn as_ref(&self) -> u8 {
            self.0
        }
        fn shape(out: &mut String) {
            u8::shape(out);
        }
    }
    assert_eq!(&encode_key::<(u8, Outer, u8)>((1, 2, 3))[..], [1, 2, 3]);
}
