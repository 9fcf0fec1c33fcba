//! The store on sled against the store in memory, and the guards around sled's traps.

use std::fs;
use std::ops::ControlFlow;

use parking_lot::Mutex;

use super::*;
use crate::storage::MemoryStore;

const NAME: &str = "sled-000001";
const TABLE: TreeId = TreeId(7);

fn put(tree: TreeId, key: &[u8], value: &[u8]) -> StoreOp {
    StoreOp::Put { tree, key: key.to_vec(), value: value.to_vec() }
}

fn remove(tree: TreeId, key: &[u8]) -> StoreOp {
    StoreOp::Remove { tree, key: key.to_vec() }
}

fn entries(store: &dyn PageStore, tree: TreeId, from: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    store
        .scan(tree, from, &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    entries
}

fn value(store: &dyn PageStore, tree: TreeId, key: &[u8]) -> Option<Vec<u8>> {
    let mut found = None;
    let is_there = store.read(tree, key, &mut |value| found = Some(value.to_vec())).unwrap();
    assert_eq!(is_there, found.is_some());
    found
}

/// Files of the store's folder whose names begin so.
fn names(dir: &tempfile::TempDir, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(dir.path().join(NAME)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// Both stores in the same way: what they give back has to be the same.
fn exercise(store: &dyn PageStore) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut batch = Vec::new();
    for number in 0..300_u32 {
        batch.push(put(TABLE, &(number * 7 % 300).to_be_bytes(), &vec![number as u8; number as usize * 20]));
        batch.push(put(TreeId(number % 3), &number.to_be_bytes(), b"small"));
    }
    store.write(batch).unwrap();
    store.write((0..300_u32).step_by(3).map(|number| remove(TABLE, &number.to_be_bytes())).collect()).unwrap();
    // Neither the key nor the tree has to exist.
    store
        .write(vec![remove(TABLE, b"nothing"), remove(TreeId(99), b"nothing"), put(TABLE, b"", b"empty key")])
        .unwrap();
    store.drop_tree(TreeId(2)).unwrap();
    store.drop_tree(TreeId(98)).unwrap();
    store.sync().unwrap();
    assert_eq!(store.trees().unwrap(), [TreeId(0), TreeId(1), TABLE]);
    assert_eq!(value(store, TABLE, b""), Some(b"empty key".to_vec()));
    assert_eq!(value(store, TABLE, b"nothing"), None);
    assert_eq!(value(store, TreeId(99), b"nothing"), None);
    [TreeId(0), TreeId(1), TreeId(2), TABLE].map(|tree| entries(store, tree, &10_u32.to_be_bytes())).to_vec()
}

#[test]
fn sled_gives_back_what_memory_does_also_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let expected = exercise(&MemoryStore::new());
    assert_eq!(expected[3].len(), 194);
    let store = SledStore::open(dir.path(), NAME).unwrap();
    assert_eq!(exercise(&store), expected);
    assert!(store.size_on_disk().unwrap() > 300_000);
    store.close().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    assert_eq!(store.trees().unwrap(), [TreeId(0), TreeId(1), TABLE]);
    let found = [TreeId(0), TreeId(1), TreeId(2), TABLE].map(|tree| entries(&store, tree, &10_u32.to_be_bytes()));
    assert_eq!(found.to_vec(), expected);
}

#[test]
fn a_scan_stops_where_it_is_told() {
    for store in [
        Box::new(MemoryStore::new()) as Box<dyn PageStore>,
        Box::new(SledStore::open(tempfile::tempdir().unwrap().path(), NAME).unwrap()),
    ] {
        store.write((0..100_u8).map(|key| put(TABLE, &[key], &[key])).collect()).unwrap();
        let mut seen = Vec::new();
        store
            .scan(TABLE, &[40], &mut |key, _| {
                seen.push(key[0]);
                if key[0] == 44 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(seen, [40, 41, 42, 43, 44]);
    }
}

#[test]
fn a_value_that_is_too_large_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    for store in
        [Box::new(MemoryStore::new()) as Box<dyn PageStore>, Box::new(SledStore::open(dir.path(), NAME).unwrap())]
    {
        let batch = vec![put(TABLE, b"a", b"small"), put(TABLE, b"b", &[0; 7 * 1024 + 1])];
        assert_eq!(store.write(batch).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert_eq!(value(store.as_ref(), TABLE, b"a"), None);
        store.write(vec![put(TABLE, b"b", &[1; 7 * 1024])]).unwrap();
        assert_eq!(value(store.as_ref(), TABLE, b"b"), Some(vec![1; 7 * 1024]));
    }
}

#[test]
fn an_unfinished_snapshot_is_removed_before_opening() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write(vec![put(TABLE, b"key", b"value")]).unwrap();
    store.close().unwrap();
    let leftover = dir.path().join(NAME).join("snap.7FFFFFFFFFFFFFFF.generating");
    fs::write(&leftover, b"half").unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    assert!(!leftover.exists());
    assert!(names(&dir, "aside.").is_empty(), "sled must not have met it");
    assert_eq!(value(&store, TABLE, b"key"), Some(b"value".to_vec()));
}

#[test]
fn a_damaged_snapshot_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write((0..100_u8).map(|key| put(TABLE, &[key], &[key; 1000])).collect()).unwrap();
    store.close().unwrap();
    drop(store);
    let [snapshot] = names(&dir, "snap.").try_into().unwrap();
    let path = dir.path().join(NAME).join(snapshot);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&path, bytes).unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    assert_eq!(entries(&store, TABLE, b"").len(), 100);
    assert_eq!(names(&dir, "aside.").len(), 1);
}

#[test]
fn closing_leaves_a_snapshot_of_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    let before = names(&dir, "snap.");
    store.write((0..100_u8).map(|key| put(TABLE, &[key], &[key; 1000])).collect()).unwrap();
    store.sync().unwrap();
    assert_eq!(names(&dir, "snap."), before);
    store.close().unwrap();
    assert_ne!(names(&dir, "snap."), before);
}

#[test]
fn a_store_that_is_discarded_is_not_opened_again_for_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    let before = names(&dir, "snap.");
    store.write(vec![put(TABLE, b"key", &[1; 1000])]).unwrap();
    store.discard().unwrap();
    assert_eq!(names(&dir, "snap."), before);
    assert_eq!(store.sync().unwrap_err().kind(), ErrorKind::Closed);
    SledStore::remove_folder(dir.path(), NAME).unwrap();
}

#[test]
fn many_writes_are_synced_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.sync().unwrap();
    let syncs = || store.on_writer("count", |writer| Ok(writer.syncs)).unwrap();
    let before = syncs();
    store.write((0..48_u8).map(|key| put(TABLE, &[key], &[key; 4096])).collect()).unwrap();
    assert_eq!(syncs() - before, 4);
    store.write((0..48_u8).map(|key| remove(TABLE, &[key])).collect()).unwrap();
    assert_eq!(syncs() - before, 4 + 6);
}

#[test]
fn torn_settings_are_restored_from_the_copy() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write(vec![put(TABLE, b"key", b"value")]).unwrap();
    store.close().unwrap();
    let settings = dir.path().join(NAME).join("conf");
    let good = fs::read(&settings).unwrap();
    fs::write(&settings, &good[..good.len() - 3]).unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    assert_eq!(value(&store, TABLE, b"key"), Some(b"value".to_vec()));
    assert_eq!(fs::read(&settings).unwrap(), good);
}

#[test]
fn settings_that_were_torn_while_they_were_made_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    SledStore::open(dir.path(), NAME).unwrap().close().unwrap();
    let settings = dir.path().join(NAME).join("conf");
    let good = fs::read(&settings).unwrap();
    // As a write leaves it that failed half-way, before there was anything else.
    fs::remove_dir_all(dir.path().join(NAME)).unwrap();
    fs::remove_file(dir.path().join(format!("{NAME}.conf"))).unwrap();
    fs::create_dir(dir.path().join(NAME)).unwrap();
    fs::write(&settings, &good[..good.len() - 4]).unwrap();
    SledStore::open(dir.path(), NAME).unwrap().close().unwrap();
    assert_eq!(fs::read(&settings).unwrap(), good);
}

#[test]
fn a_store_that_is_open_elsewhere_is_refused_after_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let first = SledStore::open(dir.path(), NAME).unwrap();
    assert_eq!(SledStore::open(dir.path(), NAME).unwrap_err().kind(), ErrorKind::AlreadyOpen);
    first.close().unwrap();
    SledStore::open(dir.path(), NAME).unwrap();
}

#[test]
fn opening_and_closing_in_a_tight_loop_works() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..10_u8 {
        let store = SledStore::open(dir.path(), NAME).unwrap();
        assert_eq!(entries(&store, TABLE, b"").len(), usize::from(round));
        store.write(vec![put(TABLE, &[round], b"value")]).unwrap();
        store.close().unwrap();
    }
}

#[test]
fn files_that_sled_cannot_read_are_an_error_that_names_repair() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write((0..200_u8).map(|key| put(TABLE, &[key], &[key; 3000])).collect()).unwrap();
    store.close().unwrap();
    drop(store);
    let data = dir.path().join(NAME).join("db");
    let mut bytes = fs::read(&data).unwrap();
    bytes.iter_mut().step_by(50).for_each(|byte| *byte ^= 0x55);
    fs::write(&data, bytes).unwrap();
    let read_all = || {
        let store = SledStore::open(dir.path(), NAME)?;
        let mut rows = 0;
        store.scan(TABLE, b"", &mut |_, _| {
            rows += 1;
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    };
    // sled may also come up empty; telling that from a whole store is the directory's work.
    match read_all() {
        Ok(rows) => assert_eq!(rows, 0),
        Err(error) => {
            let error: Error = error;
            assert_eq!(error.kind(), ErrorKind::Corrupted);
            assert!(error.to_string().contains("repair") && error.to_string().contains(NAME), "{error}");
        }
    }
}

#[test]
fn a_scan_ends_at_the_first_entry_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write((0..1_500_u32).map(|key| put(TABLE, &key.to_be_bytes(), &[9; 4000])).collect()).unwrap();
    store.close().unwrap();
    drop(store);
    // Behind the snapshot, so that opening does not meet it: only who reads the values does.
    let data = dir.path().join(NAME).join("db");
    let mut bytes = fs::read(&data).unwrap();
    bytes[SEGMENT_BYTES..2 * SEGMENT_BYTES].iter_mut().skip(100).step_by(1000).for_each(|byte| *byte ^= 0x55);
    fs::write(&data, bytes).unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    let mut seen = 0;
    let error = store.scan(TABLE, b"", &mut |_, _| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupted);
    assert!(seen < 1_500, "{seen}");
}

#[test]
fn a_log_that_cannot_be_opened_is_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write((0..1_000_u32).map(|key| put(TABLE, &key.to_be_bytes(), &[7; 4000])).collect()).unwrap();
    store.close().unwrap();
    drop(store);
    let data = dir.path().join(NAME).join("db");
    let good = fs::read(&data).unwrap();
    let mut refused = 0;
    for part in 1..12 {
        // Without a snapshot all of the log is read.
        names(&dir, "snap.").iter().for_each(|name| fs::remove_file(dir.path().join(NAME).join(name)).unwrap());
        let mut bytes = good.clone();
        let at = bytes.len() / 12 * part;
        bytes[at] ^= 0x20;
        fs::write(&data, &bytes).unwrap();
        match SledStore::open(dir.path(), NAME) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupted);
                assert!(fs::read(&data).unwrap() == bytes, "opening changed what it refused");
                refused += 1;
            }
            Ok(store) => store.close().unwrap(),
        }
    }
    assert!(refused > 0, "no damage was found");
}

#[test]
fn a_writing_thread_that_hangs_poisons_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write(vec![put(TABLE, b"key", b"value")]).unwrap();
    store.close().unwrap();
    let store = SledStore::open_with(dir.path(), NAME, Duration::from_millis(50), 0).unwrap().0;
    let gate = Arc::new(Mutex::new(()));
    let shut = gate.lock();
    let for_job = Arc::clone(&gate);
    let hung = store.on_writer("hang", move |_| {
        drop(for_job.lock());
        Ok(())
    });
    assert_eq!(hung.unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(store.sync().unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(store.read(TABLE, b"key", &mut |_| {}).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Poisoned);
    drop(shut);
}

#[test]
fn a_failed_write_refuses_writes_and_still_reads() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write(vec![put(TABLE, b"key", b"value")]).unwrap();
    let full = || Error::io("write", Path::new("db"), io::ErrorKind::StorageFull.into());
    assert_eq!(store.on_writer::<()>("write", move |_| Err(full())).unwrap_err().kind(), ErrorKind::DiskFull);
    assert_eq!(store.write(vec![put(TABLE, b"other", b"value")]).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(value(&store, TABLE, b"key"), Some(b"value".to_vec()));
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Poisoned);
    let store = SledStore::open(dir.path(), NAME).unwrap();
    assert_eq!(entries(&store, TABLE, b""), [(b"key".to_vec(), b"value".to_vec())]);
}

#[test]
fn a_panic_inside_is_an_error() {
    let outcome = fenced::<()>(Path::new("/store/sled-000001"), "read", || panic!("as sled does"));
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert!(error.to_string().contains("/store/sled-000001"));
}

#[test]
fn calls_after_close_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for store in
        [Box::new(MemoryStore::new()) as Box<dyn PageStore>, Box::new(SledStore::open(dir.path(), NAME).unwrap())]
    {
        store.close().unwrap();
        store.close().unwrap();
        let kinds = [
            store.sync().unwrap_err().kind(),
            store.trees().unwrap_err().kind(),
            store.write(vec![put(TABLE, b"", b"")]).unwrap_err().kind(),
            store.read(TABLE, b"", &mut |_| {}).unwrap_err().kind(),
            store.drop_tree(TABLE).unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Closed; 5]);
    }
}

#[test]
fn readers_go_on_beside_writes_and_learn_of_the_close() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path(), NAME).unwrap();
    store.write(vec![put(TABLE, &[0], &[0; 100])]).unwrap();
    std::thread::scope(|scope| {
        let readers = [0, 1].map(|_| {
            scope.spawn(|| {
                loop {
                    let mut last = None;
                    let scanned = store.scan(TABLE, b"", &mut |key, value| {
                        assert_eq!(value, &vec![key[0]; 100]);
                        last = Some(key[0]);
                        ControlFlow::Continue(())
                    });
                    match scanned {
                        Ok(()) => assert!(last.is_some()),
                        Err(error) => break error.kind(),
                    }
                }
            })
        });
        for key in 0..200_u8 {
            store.write(vec![put(TABLE, &[key], &[key; 100])]).unwrap();
        }
        store.close().unwrap();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), ErrorKind::Closed);
        }
    });
}
