//! The model under cargo-fuzz: the fuzzer's bytes are the tape of decisions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gangline_torture::model::replay(bytes));
