//! Disks and images, against traces made by hand.

use std::path::Path;

use super::disk::Disk;
use super::image::{Image, Kept};
use super::trace::Trace;
use super::trace::by_hand::{push, trace};

const OLD: [u8; 2048] = [1; 2048];
const NEW: [u8; 2048] = [2; 2048];

/// A trace in the making, of a file `store/f` with descriptor 3 in a watched folder `/w`.
struct Script(Vec<u8>);

impl Script {
    /// The file holds old bytes, and all of it is on disk.
    fn begun() -> Script {
        let mut script = Script(Vec::new());
        push(&mut script.0, 11, -1, [0, 0], b"/w/store");
        push(&mut script.0, 1, 9, [0, 0], b"/w");
        push(&mut script.0, 1, 3, [1, 0], b"/w/store/f");
        script.write(0, &OLD);
        script.sync(3, 1, true);
        push(&mut script.0, 1, 4, [0, 0], b"/w/store");
        script.sync(4, 2, true);
        script.sync(9, 3, true);
        script
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        push(&mut self.0, 3, 3, [at, 0], bytes);
    }

    fn begin(&mut self, fd: i32, token: u64) {
        push(&mut self.0, 6, fd, [token, 0], &[]);
    }

    fn end(&mut self, fd: i32, token: u64, good: bool) {
        push(&mut self.0, 7, fd, [token, u64::from(good)], &[]);
    }

    fn sync(&mut self, fd: i32, token: u64, good: bool) {
        self.begin(fd, token);
        self.end(fd, token, good);
    }

    fn trace(self) -> Trace {
        trace(self.0)
    }
}

/// The bytes of a file in an image, if it is there.
fn image_of(trace: &Trace, kept: Kept, seed: u64, name: &str) -> Option<Vec<u8>> {
    let (base, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut disk = Disk::new(trace, Path::new("/w"), base.path(), [0; 4]).unwrap();
    trace.events.iter().for_each(|event| disk.apply(event).unwrap());
    Image::with(kept, seed).build(&disk, into.path()).unwrap();
    std::fs::read(into.path().join(name)).ok()
}

#[test]
fn what_was_synced_is_there_and_the_rest_may_be() {
    let mut script = Script::begun();
    script.write(1024, &NEW);
    let trace = script.trace();
    let whole = [&OLD[..1024], &NEW[..]].concat();
    assert_eq!(image_of(&trace, Kept::Nothing, 1, "store/f").unwrap(), OLD);
    assert_eq!(image_of(&trace, Kept::Everything, 1, "store/f").unwrap(), whole);
    assert_eq!(image_of(&trace, Kept::Overwrites, 1, "store/f").unwrap(), whole[..2048]);
    let torn: Vec<Vec<u8>> =
        (0..40).map(|seed| image_of(&trace, Kept::Sectors(128), seed, "store/f").unwrap()).collect();
    assert!(torn.iter().any(|bytes| bytes[1024..1536] == OLD[..512] && bytes[1536..2048] == NEW[..512]));
    assert!(torn.iter().any(|bytes| bytes.len() == 3072 && bytes[2048..2560] == [0; 512]));
    assert!(torn.iter().all(|bytes| bytes[..1024] == OLD[..1024]));
    assert!(torn.iter().flat_map(|bytes| bytes.chunks(512)).all(|sector| sector.iter().all(|b| *b == sector[0])));
}

#[test]
fn a_sync_covers_what_was_written_before_it_began() {
    let mut script = Script::begun();
    script.write(0, &NEW[..512]);
    script.begin(3, 4);
    script.write(512, &NEW[..512]);
    script.end(3, 4, true);
    let bytes = image_of(&script.trace(), Kept::Nothing, 1, "store/f").unwrap();
    assert_eq!((&bytes[..512], &bytes[512..1024]), (&NEW[..512], &OLD[..512]));
}

#[test]
fn what_a_failed_sync_lost_no_later_one_brings_back() {
    let mut script = Script::begun();
    script.write(0, &NEW[..512]);
    script.sync(3, 4, false);
    script.write(512, &NEW[..512]);
    script.sync(3, 5, true);
    let bytes = image_of(&script.trace(), Kept::Everything, 1, "store/f").unwrap();
    assert_eq!((&bytes[..512], &bytes[512..1024]), (&OLD[..512], &NEW[..512]));
}

#[test]
fn names_are_lost_until_their_folder_is_synced() {
    let mut script = Script::begun();
    push(&mut script.0, 1, 5, [1, 0], b"/w/store/new");
    push(&mut script.0, 3, 5, [0, 0], b"text");
    script.sync(5, 4, true);
    let lost = trace(script.0.clone());
    assert_eq!(image_of(&lost, Kept::Nothing, 1, "store/new"), None);
    assert_eq!(image_of(&lost, Kept::Everything, 1, "store/new").unwrap(), b"text");
    script.sync(4, 5, true);
    push(&mut script.0, 9, -1, [0, 0], b"/w/store/new\0/w/store/f");
    push(&mut script.0, 10, -1, [0, 0], b"/w/store/f");
    let renamed = script.trace();
    assert_eq!(image_of(&renamed, Kept::Nothing, 1, "store/new").unwrap(), b"text");
    assert_eq!(image_of(&renamed, Kept::Nothing, 1, "store/f").unwrap(), OLD);
    assert_eq!(image_of(&renamed, Kept::Everything, 1, "store/f"), None);
    assert_eq!(image_of(&renamed, Kept::Everything, 1, "store/new"), None);
}

#[test]
fn promises_are_those_before_the_cut() {
    let mut script = Script::begun();
    push(&mut script.0, 1, 6, [1, 0], b"/w/promises");
    push(&mut script.0, 3, 6, [0, 0], b"2 7\n");
    push(&mut script.0, 3, 6, [4, 0], b"2 6\n0 1\n");
    let trace = script.trace();
    let base = tempfile::tempdir().unwrap();
    let mut disk = Disk::new(&trace, Path::new("/w"), base.path(), [0, 3, 0, 0]).unwrap();
    let (last, before) = trace.events.split_last().unwrap();
    before.iter().for_each(|event| disk.apply(event).unwrap());
    assert_eq!(disk.promised, [0, 3, 7, 0]);
    disk.apply(last).unwrap();
    assert_eq!(disk.promised, [1, 3, 7, 0]);
}
