//! Runs `share_tests::fuzzing::state_files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| share_tests::fuzzing::state_files(data));
