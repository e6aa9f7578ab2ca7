//! The store: what every implementation keeps, and what SQLite keeps besides.

mod store {
    mod conformance;
    // crash
    mod faulty;

    mod opened;
    mod story;
}
