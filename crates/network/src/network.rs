//! One connection as the RPC library wants it.

use std::cell::RefCell;
use std::future::pending;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use capnp::Error;
use capnp::capability::Promise;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{FlowController, IncomingMessage, OutgoingMessage};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::answers::AnswerGate;
use crate::budget::Budget;
use crate::error::NetworkError;
use crate::limits::NetworkLimits;
use crate::link::Link;
use crate::message::Draft;
use crate::reading::Reading;
use crate::standing::Standing;
use crate::window::Window;
use crate::writing::write;

/// A connection between two vats, client and server, whose peer can't make it cost more than its
/// [`NetworkLimits`]: what `capnp_rpc::twoparty::VatNetwork` is without bounds.
///
/// It is made within a tokio runtime, and driven by the `RpcSystem` that it is given to.
pub struct VatNetwork<T> {
    side: Side,
    link: Rc<Link>,
    handle: Weak<Handle<T>>,
    /// For whoever accepts.
    accepted: Option<Rc<Handle<T>>>,
    reading: Rc<Reading<T>>,
    io: Rc<RefCell<T>>,
    answers: AnswerGate,
}

/// Tells why a connection ended.
#[derive(Clone)]
pub struct Ended(Rc<Link>);

impl Ended {
    /// Why the connection ended; `None` while it lasts, and if the peer left in order.
    pub fn reason(&self) -> Option<NetworkError> {
        self.0.ended()
    }
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ended").field(&self.reason()).finish()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> VatNetwork<T> {
    /// A network of this one connection, of which this is `side`. `budget` is shared by all connections
    /// of a server, `standing` by whoever deals with this one.
    pub fn new(
        io: T,
        side: Side,
        limits: NetworkLimits,
        budget: Arc<Budget>,
        standing: Standing,
    ) -> Self {
        let link = Link::new(limits, budget, standing);
        let io = Rc::new(RefCell::new(io));
        let reading = Rc::new(Reading::new(Rc::clone(&link), Rc::clone(&io)));
        let handle = Handle::new(&link, &reading);
        Self {
            side,
            answers: AnswerGate::new(Rc::clone(&link)),
            link,
            handle: Rc::downgrade(&handle),
            accepted: Some(handle),
            reading,
            io,
        }
    }

    /// Where methods with large answers wait for each other.
    pub fn answers(&self) -> AnswerGate {
        self.answers.clone()
    }

    /// Tells why the connection ended, when it has.
    pub fn ended(&self) -> Ended {
        Ended(Rc::clone(&self.link))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> capnp_rpc::VatNetwork<Side> for VatNetwork<T> {
    fn connect(&mut self, host: Side) -> Option<Box<dyn capnp_rpc::Connection<Side>>> {
        if host == self.side {
            return None;
        }
        let side = self.side;
        let handle = self.handle.upgrade();
        // If the connection is over, it says so to whatever is tried with it.
        let handle = handle.unwrap_or_else(|| Handle::new(&self.link, &self.reading));
        Some(Box::new(Connection { side, handle }))
    }

    fn accept(&mut self) -> Promise<Box<dyn capnp_rpc::Connection<Side>>, Error> {
        let side = self.side;
        match self.accepted.take() {
            Some(handle) => Promise::ok(Box::new(Connection { side, handle })),
            None => Promise::from_future(pending()),
        }
    }

    fn drive_until_shutdown(&mut self) -> Promise<(), Error> {
        Promise::from_future(write(Rc::clone(&self.link), Rc::clone(&self.io)))
    }
}

/// What the library's connections share; when the last is dropped, it has let go.
struct Handle<T> {
    link: Rc<Link>,
    reading: Rc<Reading<T>>,
}

impl<T> Handle<T> {
    fn new(link: &Rc<Link>, reading: &Rc<Reading<T>>) -> Rc<Self> {
        Rc::new(Self {
            link: Rc::clone(link),
            reading: Rc::clone(reading),
        })
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        self.link.leave();
    }
}

struct Connection<T> {
    side: Side,
    handle: Rc<Handle<T>>,
}

impl<T: AsyncRead + Unpin + 'static> capnp_rpc::Connection<Side> for Connection<T> {
    fn get_peer_vat_id(&self) -> Side {
        other(self.side)
    }

    fn new_outgoing_message(&mut self, first_segment_words: u32) -> Box<dyn OutgoingMessage> {
        let link = Rc::clone(&self.handle.link);
        Box::new(Draft::new(link, first_segment_words))
    }

    fn receive_incoming_message(&mut self) -> Promise<Option<Box<dyn IncomingMessage>>, Error> {
        match self.handle.reading.try_message() {
            Ok(Some(message)) => Promise::ok(Some(Box::new(message))),
            Err(error) => Promise::err(error.into()),
            Ok(None) => {
                // Not the handle, which would keep the connection from ending.
                let reading = Rc::clone(&self.handle.reading);
                Promise::from_future(async move {
                    // The library takes it for granted at the end of a stream, not at an error, that
                    // it is still there itself; when both sides leave at once, it is not.
                    let left = || Error::disconnected("the peer has left".to_owned());
                    let message = reading.message().await?.ok_or_else(left)?;
                    Ok(Some(Box::new(message) as Box<dyn IncomingMessage>))
                })
            }
        }
    }

    fn new_stream(&mut self) -> (Box<dyn FlowController>, Promise<(), Error>) {
        let (window, driven) = Window::new();
        (Box::new(window), driven)
    }

    fn shutdown(&mut self, result: capnp::Result<()>) -> Promise<(), Error> {
        let link = Rc::clone(&self.handle.link);
        link.close(result);
        Promise::from_future(async move {
            link.written_off().await;
            Ok(())
        })
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}
