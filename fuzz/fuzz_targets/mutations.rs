//! Runs `share_tests::fuzzing::mutations`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| share_tests::fuzzing::mutations(data));
