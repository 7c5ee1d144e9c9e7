//! See [`fuzz::profiles`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::profiles::check(input));
