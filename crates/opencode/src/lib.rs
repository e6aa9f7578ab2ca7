//! opencode's items and recordings as ops of a share.
//!
//! A [`Recording`] yields the [`Request`]s of one agent session; a [`Converter`] turns their
//! [`Item`]s into the smallest mutations under the keys of `docs/design.md` §4. [`expected`] says by
//! other means what document a recording must end with, and [`compare`] where two differ: neither
//! knows the converter or the document that they check.

mod check;
mod compare;
mod convert;
mod event;
mod expected;
mod guard;
mod item;
mod recording;

pub use compare::{Difference, Discrepancy, compare};
pub use convert::{Converter, Growth};
pub use event::{Delta, Event, EventError};
pub use expected::{ExpectedError, expected};
pub use guard::is_older;
pub use item::{Item, ItemError, items, kind_at};
pub use recording::{Counts, Malformation, Recording, RecordingError, Request, RequestKind};
