//! The server is reached by a call in memory.

use std::cell::RefCell;
use std::rc::Rc;

use share_client::Link;

use crate::server::{Server, ToServer};

pub(crate) fn link(server: &Rc<RefCell<Server>>) -> Rc<dyn Link> {
    Rc::new(ToServer(Rc::clone(server)))
}
