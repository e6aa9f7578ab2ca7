//! Bytes that no honest peer sends: an error or a value, never a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::kinds::ALL;
use crate::seeds::{replay, seeds};
use crate::values::Values;

/// Reads `bytes` as every kind of message; how many kinds refused them.
#[track_caller]
fn read_as_everything(bytes: &[u8], seed: u64, test: &str) -> usize {
    let mut refused = 0;
    for kind in ALL {
        let read = catch_unwind(AssertUnwindSafe(|| (kind.read)(bytes)));
        match read {
            Ok(Ok(())) => {}
            Ok(Err(message)) => {
                assert!(!message.is_empty());
                refused += 1;
            }
            Err(_) => panic!("{} panicked: {}", kind.name, replay(seed, test)),
        }
    }
    refused
}

#[test]
fn flipped_bits_give_an_error_or_a_value() {
    let (mut read, mut refused) = (0, 0);
    for seed in seeds(4000) {
        let values = Values::new(seed);
        let kind = &ALL[values.usize_below(ALL.len())];
        let mut bytes = (kind.message)(&values);
        for _ in 0..=values.below(6) {
            let at = values.usize_below(bytes.len());
            bytes[at] ^= 1 << values.below(8);
        }
        let all = read_as_everything(&bytes, seed, "flipped_bits");
        refused += all;
        read += ALL.len() - all;
    }
    // Both happen, or the test would show nothing.
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
}

#[test]
fn truncated_messages_give_an_error() {
    for seed in seeds(2000) {
        let values = Values::new(seed);
        let kind = &ALL[values.usize_below(ALL.len())];
        let bytes = (kind.message)(&values);
        let cut = &bytes[..values.usize_below(bytes.len())];
        assert_eq!(
            read_as_everything(cut, seed, "truncated_messages"),
            ALL.len(),
            "{}",
            replay(seed, "truncated_messages")
        );
    }
}

#[test]
fn random_words_give_an_error_or_a_value() {
    for seed in seeds(2000) {
        let values = Values::new(seed);
        let words = 1 + values.usize_below(40);
        // One segment of so many words, of which small numbers make plausible pointers.
        let mut bytes = 0u32.to_le_bytes().to_vec();
        bytes.extend(u32::try_from(words).unwrap().to_le_bytes());
        for _ in 0..words * 8 {
            let byte = u8::try_from(values.below(256)).unwrap();
            bytes.push(if values.flag() { byte } else { byte & 7 });
        }
        read_as_everything(&bytes, seed, "random_words");
    }
}
