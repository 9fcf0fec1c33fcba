//! Journals that no writer has written, under cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gangline_torture::targets::journal::replay(bytes));
