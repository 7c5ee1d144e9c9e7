//! See [`fuzz::scans`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::scans::check(input));
