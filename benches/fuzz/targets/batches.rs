//! See [`fuzz::batches`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::batches::check(input));
