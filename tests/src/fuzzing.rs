//! What becomes of bytes that nobody of ours wrote. Each function takes any bytes, and panics where a
//! promise is broken: `fuzz/` has a target for each, and `tests/tests/corpora.rs` runs the inputs that
//! were kept.

mod frame;
mod json_lines;
mod mutations;
mod recordings;
mod ref_text;
mod state_files;
mod wire;

pub use frame::frame;
pub use json_lines::json_lines;
pub use mutations::mutations;
pub use recordings::recordings;
pub use ref_text::ref_text;
pub use state_files::state_files;
pub use wire::wire;
