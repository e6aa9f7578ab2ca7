//! The store: what every implementation keeps, and what SQLite keeps besides.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]
#![expect(clippy::print_stdout, reason = "a random test says its seed")]

mod store {
    mod conformance;
    mod crash;
    mod erasing;
    mod faulty;
    mod opened;
    mod opening;
    mod story;
    mod trouble;
}
