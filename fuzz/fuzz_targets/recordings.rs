//! Runs `share_tests::fuzzing::recordings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| share_tests::fuzzing::recordings(data));
