//! Broken builds: the harness is worth what it catches of bugs that were planted on purpose.

mod list;

pub use list::PLANTED;
