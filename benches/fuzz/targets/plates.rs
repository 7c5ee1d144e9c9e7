//! See [`fuzz::plates`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::plates::check(input));
