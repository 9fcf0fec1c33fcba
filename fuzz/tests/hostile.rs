//! Hostile bytes do not make a decoder ask for much memory.
//!
//! What is asked for counts, touched or not, so this looks at the greatest size of the process's address space. It is the
//! only test of its program: others would allocate beside it.
#![cfg(target_os = "linux")]

use std::path::Path;

use gangline_torture::targets;

const MIB: u64 = 1 << 20;
/// What all inputs may ask for at once that hold no rows. They are some KiB, and a decoder needs a few times as much.
const MOST: u64 = 16 * MIB;
/// A damaged length in a row may ask for what two of the largest rows take, and never more.
const MOST_OF_ROWS: u64 = 160 * MIB;
/// The inputs of `stored` from this first byte on, of sixteen, are read as rows.
const FIRST_ROW: u8 = 13;

/// The greatest size that this process ever had, in bytes.
fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux tells of its processes");
    let line = text.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("the peak is told");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
}

/// The corpora of all that decodes bytes.
fn inputs() -> Vec<(targets::Body, Vec<u8>)> {
    let decoders = targets::ALL.into_iter().filter(|(name, _)| ["journal", "keys", "stored"].contains(name));
    let read = |(name, body): (&str, targets::Body)| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files = std::fs::read_dir(folder).expect("the corpora are beside this package");
        let bytes = files.map(|file| std::fs::read(file.expect("a file").path()).expect("a file of the corpus"));
        bytes.map(|bytes| (body, bytes)).collect::<Vec<_>>()
    };
    decoders.flat_map(read).collect()
}

#[test]
fn hostile_bytes_ask_for_little_memory() {
    let is_row = |body: targets::Body, bytes: &[u8]| {
        std::ptr::fn_addr_eq(body, targets::stored::replay as targets::Body)
            && bytes.first().is_some_and(|what| what % 16 >= FIRST_ROW)
    };
    let (rows, others): (Vec<_>, Vec<_>) = inputs().into_iter().partition(|(body, bytes)| is_row(*body, bytes));
    assert!(rows.len() > 2 && others.len() > 20, "{} rows, {} others", rows.len(), others.len());
    for (inputs, most) in [(others, MOST), (rows, MOST_OF_ROWS)] {
        // The allocator's own first steps do not count.
        targets::keys::replay(&[1; 64]);
        let before = peak();
        inputs.iter().for_each(|(body, bytes)| body(bytes));
        let asked = peak() - before;
        assert!(asked <= most, "{} MiB were asked for, and at most {} are allowed", asked / MIB, most / MIB);
    }
}
