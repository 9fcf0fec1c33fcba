//! Pages, other entries and rows out of hostile bytes, under cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gangline_torture::targets::stored::replay(bytes));
