//! Where a server listens for what.

use std::fmt;

use super::listener::{Listener, Listening};

/// Where a server listens: for RPC, and for HTTP if it serves that.
pub struct Doors {
    pub(super) rpc: Box<dyn Listener>,
    pub(super) http: Option<Box<dyn Listener>>,
}

impl Doors {
    /// Also for HTTP, at this listener.
    #[must_use]
    pub fn with_http(self, listener: impl Listener + 'static) -> Self {
        Self {
            http: Some(Box::new(listener)),
            ..self
        }
    }

    pub(super) fn listening(&self) -> (Vec<Listening>, Vec<Listening>) {
        let http = self.http.as_ref().map(|http| http.listening());
        (self.rpc.listening(), http.unwrap_or_default())
    }
}

/// For RPC alone.
impl<L: Listener + 'static> From<L> for Doors {
    fn from(listener: L) -> Self {
        Self {
            rpc: Box::new(listener),
            http: None,
        }
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rpc, http) = self.listening();
        f.debug_struct("Doors")
            .field("rpc", &rpc)
            .field("http", &http)
            .finish()
    }
}
