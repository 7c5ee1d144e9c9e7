//! See [`fuzz::venue_codes`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::venue_codes::check(input));
