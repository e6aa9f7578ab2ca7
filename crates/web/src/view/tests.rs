//! The view as a whole.

mod document;
mod dom;
mod hostile;
mod limits;
mod markdown;
mod pages;
mod parts;
mod random;
mod recordings;
mod speed;
