//! The bodies of the fuzz targets: each takes any bytes, and panics where it finds something.
//!
//! `fuzz_targets` hands them the bytes of cargo-fuzz, and `tests/replay.rs` those of the corpora, on any toolchain.

pub mod journal;
pub mod keys;
pub mod locks;
pub mod stored;

/// What runs one input of a target.
pub type Body = fn(&[u8]);

/// Each target with its body, by the name of its corpus.
pub const ALL: [(&str, Body); 5] = [
    ("journal", journal::replay),
    ("keys", keys::replay),
    ("locks", locks::replay),
    ("model", crate::model::replay),
    ("stored", stored::replay),
];
