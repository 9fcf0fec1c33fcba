//! Roots come back whole or not at all, whatever happens to a slot.

use super::*;
use crate::storage::OsFiles;
use crate::storage::wrap::{Call, Fault, FaultFiles, PowerFiles, RecordingFiles};

fn root(number: u64) -> Root {
    Root {
        number,
        format: FORMAT,
        clean: number.is_multiple_of(2),
        sled_folder: "sled-000001".to_owned(),
        directory_hash: 0x1234 + number,
        directory_entries: 77,
        next_id: 1000 * number,
        last_commit: 500 + number,
        journal: Position { file: number, offset: 4152 },
        journal_chain: 0xdead_0000 + number as u32,
        sweep: number.is_multiple_of(3),
        free: (0..number as u32).map(|tree| (tree, [tree as u8; 16])).collect(),
        store_id: [9; 16],
        incarnation: 3,
        live_bytes: (number % 4 > 1).then_some(7_000 + number),
    }
}

fn reopened(dir: &Path) -> Root {
    RootFile::open(&OsFiles, dir).unwrap().unwrap().1
}

#[test]
fn the_newest_of_many_roots_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    assert!(RootFile::open(&OsFiles, dir.path()).unwrap().is_none());
    let mut file = RootFile::create(&OsFiles, dir.path(), &root(1)).unwrap();
    for number in 2..=7 {
        assert_eq!(reopened(dir.path()), root(number - 1));
        file.write(&root(number)).unwrap();
    }
    // A file that was reopened goes on with the other slot.
    let (mut file, newest) = RootFile::open(&OsFiles, dir.path()).unwrap().unwrap();
    assert_eq!(newest, root(7));
    file.write(&root(8)).unwrap();
    assert_eq!(reopened(dir.path()), root(8));
}

#[test]
fn slots_are_written_in_turn_and_synced() {
    let dir = tempfile::tempdir().unwrap();
    let files = RecordingFiles::new(Arc::new(OsFiles));
    let mut file = RootFile::create(files.as_ref(), dir.path(), &root(1)).unwrap();
    let before = files.count();
    for number in 2..=4 {
        file.write(&root(number)).unwrap();
    }
    let calls = files.calls();
    let offsets: Vec<_> = calls[before..]
        .chunks(2)
        .map(|calls| match calls {
            [Call::Write { offset, .. }, Call::Sync { .. }] => *offset,
            other => panic!("a write and a sync were expected: {other:?}"),
        })
        .collect();
    assert_eq!(offsets, [64 * 1024, 0, 64 * 1024]);
}

#[test]
fn any_flipped_byte_costs_at_most_its_own_slot() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = RootFile::create(&OsFiles, dir.path(), &root(4)).unwrap();
    file.write(&root(5)).unwrap();
    let path = dir.path().join(names::ROOT);
    let good = std::fs::read(&path).unwrap();
    let used = encode(&root(5)).unwrap().len().max(encode(&root(4)).unwrap().len()) + 8;
    for slot in 0..2 {
        for at in 0..used {
            let mut bytes = good.clone();
            bytes[slot * SLOT_BYTES as usize + at] ^= 0x10;
            std::fs::write(&path, bytes).unwrap();
            let found = reopened(dir.path());
            assert!(found == root(5) || (slot == 1 && found == root(4)), "slot {slot}, byte {at}");
        }
    }
    let mut bytes = good.clone();
    bytes[30] ^= 1;
    bytes[SLOT_BYTES as usize + 30] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(RootFile::open(&OsFiles, dir.path()).unwrap_err().kind(), ErrorKind::Corrupted);
    for len in [0, 10, 40] {
        std::fs::write(&path, &good[..len]).unwrap();
        assert_eq!(RootFile::open(&OsFiles, dir.path()).unwrap_err().kind(), ErrorKind::Corrupted);
    }
}

#[test]
fn another_format_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = RootFile::create(&OsFiles, dir.path(), &root(1)).unwrap();
    file.write(&Root { format: FORMAT + 1, ..root(2) }).unwrap();
    let error = RootFile::open(&OsFiles, dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FormatVersion);
    assert!(error.to_string().contains("format 4") && error.to_string().contains("formats 1 to 3"), "{error}");
}

#[test]
fn a_root_of_the_largest_size_fits_and_a_larger_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = RootFile::create(&OsFiles, dir.path(), &root(1)).unwrap();
    let largest = Root { free: vec![(1, [7; 16]); MAX_FREE], sled_folder: "s".repeat(255), ..root(2) };
    file.write(&largest).unwrap();
    assert_eq!(reopened(dir.path()), largest);
    let larger = Root { free: vec![(1, [7; 16]); MAX_FREE + 1], ..root(3) };
    assert_eq!(file.write(&larger).unwrap_err().kind(), ErrorKind::InvalidArgument);
    file.write(&root(4)).unwrap();
    assert_eq!(reopened(dir.path()), root(4));
}

#[test]
fn a_torn_write_leaves_the_root_before_and_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let files = FaultFiles::new(Arc::new(OsFiles));
    let mut file = RootFile::create(files.as_ref(), dir.path(), &root(1)).unwrap();
    for torn_bytes in [0, 1, 20, 60, 119] {
        files.set(Fault { write_in: Some(0), torn_bytes, ..Fault::default() });
        assert_eq!(file.write(&root(2)).unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(file.write(&root(2)).unwrap_err().kind(), ErrorKind::Poisoned);
        let (again, newest) = RootFile::open(files.as_ref(), dir.path()).unwrap().unwrap();
        assert_eq!(newest, root(1), "{torn_bytes} bytes");
        file = again;
    }
    files.set(Fault { sync_in: Some(0), ..Fault::default() });
    assert_eq!(file.write(&root(2)).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn a_power_cut_leaves_one_of_the_last_two_roots_or_no_store() {
    let dir = Path::new("/store");
    for seed in 0..64_u32 {
        let files = PowerFiles::new();
        let mut bits = seed;
        let mut keep = || {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bits >> 31 == 1
        };
        let mut file = RootFile::create(files.as_ref(), dir, &root(1)).unwrap();
        file.write(&root(2)).unwrap();
        file.write(&root(3)).unwrap();
        // The write of a fourth root has begun.
        let handle = files.open(&dir.join(names::ROOT)).unwrap();
        let large = Root { free: vec![(1, [7; 16]); 1000], ..root(4) };
        handle.write_at(SLOT_BYTES, &encode(&large).unwrap()).unwrap();
        let after = files.cut(&mut keep);
        let (_, newest) = RootFile::open(after.as_ref(), dir).unwrap().unwrap();
        assert!(newest == root(3) || newest == large, "seed {seed}");
    }
}

#[test]
fn a_root_that_a_failed_sync_lost_is_written_again_when_it_is_believed() {
    let dir = Path::new("/store");
    let files = PowerFiles::new();
    let mut file = RootFile::create(files.as_ref(), dir, &root(1)).unwrap();
    files.lose_next_sync(&dir.join(names::ROOT));
    assert_eq!(file.write(&root(2)).unwrap_err().kind(), ErrorKind::Io);
    let (_, newest) = RootFile::open(files.as_ref(), dir).unwrap().unwrap();
    assert_eq!(newest, root(2));
    let after = files.cut(|| false);
    assert_eq!(RootFile::open(after.as_ref(), dir).unwrap().unwrap().1, root(2));
}
