//! Runs `share_tests::fuzzing::ref_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| share_tests::fuzzing::ref_text(data));
