//! What is written is what is read.

use crate::kinds::ALL;
use crate::seeds::{replay, seeds};
use crate::values::Values;

#[test]
fn every_kind_of_message_reads_back_as_the_value_that_was_written() {
    for seed in seeds(400) {
        let values = Values::new(seed);
        let context = replay(seed, "every_kind_of_message_reads_back");
        for kind in ALL {
            (kind.round_trip)(&values, &context);
        }
    }
}
