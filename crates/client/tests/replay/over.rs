//! The server is reached by a call in memory.

use std::cell::RefCell;
use std::rc::Rc;

use share_client::Link;

use crate::server::{Server, ToServer};

/// Batches go without waiting for answers to earlier ones.
pub(crate) const IS_PIPELINED: bool = true;

pub(crate) fn link(server: &Rc<RefCell<Server>>) -> Rc<dyn Link> {
    Rc::new(ToServer(Rc::clone(server)))
}
