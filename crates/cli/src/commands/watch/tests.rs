//! The screen as a person sees it, by keys that are pressed and ops that come.

mod hostile;
mod long;
mod replayed;
pub(super) mod scene;
mod screens;
