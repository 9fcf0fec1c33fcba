//! Pages against a `BTreeMap`, and hostile bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    SplitAndAppend(prop::sample::Index),
    SplitAndKeep(prop::sample::Index, bool),
    Reload,
}

fn keys() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        (0u64..40).prop_map(|key| key.to_be_bytes().to_vec()),
        prop::collection::vec(prop::sample::select(vec![0u8, 7, 255]), 0..10),
    ]
    .boxed()
}

fn steps(keys: BoxedStrategy<Vec<u8>>) -> impl Strategy<Value = Vec<Step>> {
    let row = prop_oneof![prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 100..300)];
    let step = prop_oneof![
        8 => (keys.clone(), row).prop_map(|(key, row)| Step::Put(key, row)),
        4 => keys.prop_map(Step::Remove),
        1 => any::<prop::sample::Index>().prop_map(Step::SplitAndAppend),
        1 => any::<(prop::sample::Index, bool)>().prop_map(|(at, left)| Step::SplitAndKeep(at, left)),
        1 => Just(Step::Reload),
    ];
    prop::collection::vec(step, 0..80)
}

fn page_of(model: &Model) -> PageBytes {
    let mut page = PageBytes::new();
    model.iter().for_each(|(key, row)| page.insert(page.len(), key, row));
    page
}

fn take_step(page: &mut PageBytes, model: &mut Model, step: Step) {
    match step {
        Step::Put(key, row) => {
            match page.search(&key) {
                Ok(at) => page.replace(at, &row),
                Err(at) => page.insert(at, &key, &row),
            }
            model.insert(key, row);
        }
        Step::Remove(key) => {
            assert_eq!(page.search(&key).is_ok(), model.remove(&key).is_some());
            if let Ok(at) = page.search(&key) {
                page.remove(at);
            }
        }
        Step::SplitAndAppend(at) => {
            let right = page.split_off(at.index(page.len() + 1));
            page.append(&right);
        }
        Step::SplitAndKeep(at, left) => {
            let at = at.index(page.len() + 1);
            let right = page.split_off(at);
            let boundary = right.low_key().map(<[u8]>::to_vec);
            let right_model = boundary.map(|key| model.split_off(&key)).unwrap_or_default();
            if !left {
                *page = right;
                *model = right_model;
            }
        }
        Step::Reload => {
            let identity = PageIdentity { table: 1, segment: 2, page: 3, commit: 4 };
            let mut out = Vec::new();
            page.encode(&identity, &mut out);
            let (read, decoded) = PageBytes::decode(&out).unwrap();
            assert_eq!(read, identity);
            *page = decoded;
        }
    }
}

fn check_page(page: &PageBytes, model: &Model) {
    assert!(page.iter().eq(model.iter().map(|(key, row)| (&key[..], &row[..]))), "{page:?} is not {model:?}");
    assert_eq!(page.len(), model.len());
    assert_eq!(page.low_key(), model.keys().next().map(Vec::as_slice));
    for (at, key) in model.keys().enumerate() {
        assert_eq!(page.search(key), Ok(at));
        let after = [key, &[0][..]].concat();
        if !model.contains_key(&after) {
            assert_eq!(page.search(&after), Err(at + 1));
        }
    }
    let mut out = vec![1, 2];
    page.encode(&PageIdentity::default(), &mut out);
    assert_eq!(out.len() - 2, page.encoded_len());
    assert!(page.gap_bytes as usize * 2 <= page.rows.len(), "gaps are closed");
    assert_eq!(page.checksum(), page_of(model).checksum());
    assert!(page.memory_bytes() >= size_of::<PageBytes>() + page.keys.len() + page.rows.len());
}

proptest! {
    #[test]
    fn a_page_behaves_as_a_map(steps in prop_oneof![
        steps(keys()),
        steps((0u64..60).prop_map(|key| key.wrapping_mul(0x0101_0101_0101_0101).to_be_bytes().to_vec()).boxed()),
    ]) {
        let (mut page, mut model) = (PageBytes::new(), Model::new());
        for step in steps {
            let before = page.clone();
            take_step(&mut page, &mut model, step);
            check_page(&page, &model);
            drop(before);
        }
    }

    #[test]
    fn a_copy_is_not_changed_by_what_happens_to_the_page(steps in steps(keys())) {
        let (mut page, mut model) = (PageBytes::new(), Model::new());
        page.insert(0, b"k", b"row");
        model.insert(b"k".to_vec(), b"row".to_vec());
        let (copy, was) = (page.clone(), model.clone());
        steps.into_iter().for_each(|step| take_step(&mut page, &mut model, step));
        check_page(&copy, &was);
    }

    #[test]
    fn hostile_bodies_are_refused_or_are_pages(
        rows in prop::collection::btree_map(keys(), any::<Vec<u8>>(), 0..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        random in any::<Vec<u8>>(),
    ) {
        let mut out = Vec::new();
        page_of(&rows).encode(&PageIdentity::default(), &mut out);
        let mut body = out[HEADER_BYTES..].to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        // The frame's checksum would refuse these; what lies behind it must hold too.
        for hostile in [&body[..], &body[..cut.index(body.len())], &random] {
            let mut sealed = Vec::new();
            frame::seal(FrameKind::Page, &PageIdentity::default(), hostile, &mut sealed);
            match PageBytes::decode(&sealed) {
                Ok((identity, page)) => {
                    let mut again = Vec::new();
                    page.encode(&identity, &mut again);
                    prop_assert_eq!(again, sealed);
                }
                Err(fault) => prop_assert!(fault.at <= sealed.len()),
            }
        }
        out.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
        prop_assert!(PageBytes::decode(&out).is_err());
    }
}

fn decode_body(body: &[u8]) -> Result<PageBytes, WireFault> {
    let mut sealed = Vec::new();
    frame::seal(FrameKind::Page, &PageIdentity::default(), body, &mut sealed);
    PageBytes::decode(&sealed).map(|(_, page)| page)
}

#[test]
fn faults_say_what_is_wrong() {
    let what = |body: &[u8]| decode_body(body).map_err(|fault| (fault.what, fault.at - HEADER_BYTES));
    assert_eq!(what(&[]), Err(("the bytes end too early", 0)));
    assert_eq!(what(&[9, 1, 0]), Err(("a count is larger than the bytes that follow", 0)));
    assert_eq!(what(&[2, 1, 0, 1, 0, b'b', b'a']), Err(("the keys of a page do not ascend", 6)));
    assert_eq!(what(&[2, 1, 0, 1, 0, b'a', b'a']), Err(("the keys of a page do not ascend", 6)));
    assert_eq!(what(&[1, 1, 0, b'a', b'x']), Err(("bytes follow where the end should be", 4)));
    assert_eq!(what(&[1, 1, 5, b'a', b'x']), Err(("the bytes end too early", 4)));
    let mut sealed = Vec::new();
    frame::seal(FrameKind::Catalog, &PageIdentity::default(), &[0], &mut sealed);
    assert_eq!(PageBytes::decode(&sealed).unwrap_err().at, 5);
}

#[test]
fn checksums_do_not_depend_on_how_rows_are_spread() {
    let mut page = PageBytes::new();
    for at in 0..20u64 {
        page.insert(page.len(), &at.to_be_bytes(), &[at as u8; 30]);
    }
    let whole = page.checksum();
    let right = page.split_off(7);
    assert_eq!(whole, page.checksum().wrapping_add(right.checksum()));
    assert_ne!(row_checksum(b"ab", b"c"), row_checksum(b"a", b"bc"));
    assert_eq!(row_checksum(b"k", b"row"), xxh3_64(b"\x01\0\0\0krow"));
}

#[test]
fn a_row_that_grows_does_not_make_the_buffer_grow_for_ever() {
    let mut page = PageBytes::new();
    for at in 0..40u64 {
        page.insert(page.len(), &at.to_be_bytes(), &[1; 90]);
    }
    for round in 0..1_000usize {
        page.replace(round % 40, &vec![2; 80 + round % 23]);
    }
    assert!(page.memory_bytes() < 3 * page.encoded_len(), "{} for {}", page.memory_bytes(), page.encoded_len());
}

#[test]
fn bytes_are_what_the_documents_say() {
    let mut page = PageBytes::new();
    page.insert(0, b"b", b"second");
    page.insert(0, b"a", b"");
    let mut out = Vec::new();
    page.encode(&PageIdentity { table: 1, segment: 2, page: 3, commit: 4 }, &mut out);
    let header = b"GnLn\x01\x01\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x0d\0\0\0";
    let body = b"\x02\x01\0\x01\x06absecond";
    assert_eq!(out[..40], header[..]);
    assert_eq!(out[44..], body[..]);
    assert_eq!(out[40..44], crc32fast::hash(&[&header[..], &body[..]].concat()).to_le_bytes());
}
