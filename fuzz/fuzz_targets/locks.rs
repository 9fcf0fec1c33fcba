//! Schedules of locks, under cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gangline_torture::targets::locks::replay(bytes));
