//! Runs `share_tests::fuzzing::json_lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| share_tests::fuzzing::json_lines(data));
