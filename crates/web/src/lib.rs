//! The HTTP face of share sessions: the routes that unmodified opencode talks to, over a
//! [`Backend`], which the server and the bridge are.
//!
//! Nothing here knows what a share is made of. A request is checked as a whole (who asks, how much,
//! whether it is what it says) before the backend sees it, and the backend's answer is durable before
//! it leaves.

mod backend;
mod token;

pub use backend::{Asker, Backend, BackendError, CreatedShare, Data};
pub use token::HttpToken;
