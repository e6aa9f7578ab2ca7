//! The simulated disk under SQLite and beside it: what it keeps, loses, refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

mod disk {
    mod failed_sync;
    mod faults;
    mod files;
    mod log;
    mod machine;
    mod power;
    mod real_code;
}
