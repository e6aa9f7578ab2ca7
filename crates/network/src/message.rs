//! One message, on its way in or out.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use capnp::Error;
use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator, Reader};
use capnp_rpc::rpc_capnp::message;

use crate::frame::Frame;
use crate::limits::NetworkLimits;
use crate::link::{Hold, Link};
use crate::queue::Sent;

/// Words of a message's first segment, unless it is told that there will be fewer: the library asks for
/// eight times as many, which cost time to clear.
const FIRST_SEGMENT_WORDS: u32 = 128;

/// A message that came in. Its room is given back when the last part of it is dropped.
pub(crate) struct Message {
    reader: Reader<Frame>,
    _hold: Hold,
}

impl Message {
    pub(crate) fn new(frame: Frame, hold: Hold, limits: &NetworkLimits) -> Self {
        let options = limits.reader_options(frame.words());
        Self {
            reader: Reader::new(frame, options),
            _hold: hold,
        }
    }

    pub(crate) fn root(&self) -> capnp::Result<message::Reader<'_>> {
        self.reader.get_root()
    }
}

impl capnp_rpc::IncomingMessage for Message {
    fn get_body(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.reader.get_root()
    }
}

/// A message that is being written.
pub(crate) struct Draft {
    message: Builder<HeapAllocator>,
    link: Rc<Link>,
}

impl Draft {
    pub(crate) fn new(link: Rc<Link>, first_segment_words: u32) -> Self {
        let words = match first_segment_words {
            0 => FIRST_SEGMENT_WORDS,
            words => words.min(FIRST_SEGMENT_WORDS),
        };
        let allocator = HeapAllocator::new().first_segment_words(words);
        Self {
            message: Builder::new(allocator),
            link,
        }
    }
}

impl capnp_rpc::OutgoingMessage for Draft {
    fn get_body(&mut self) -> capnp::Result<capnp::any_pointer::Builder<'_>> {
        self.message.get_root()
    }

    fn get_body_as_reader(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.message.get_root_as_reader()
    }

    fn send(self: Box<Self>) -> (Promise<(), Error>, Sent) {
        let Self { message, link } = *self;
        let message = Rc::new(message);
        let written = match link.send(&message) {
            Some(until) => Promise::from_future(written(link, until)),
            None => Promise::err(over()),
        };
        (written, message)
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.message
    }

    fn size_in_words(&self) -> usize {
        self.message.size_in_words()
    }
}

/// Waits until so many bytes were written.
async fn written(link: Rc<Link>, until: u64) -> Result<(), Error> {
    poll_fn(|context| {
        if link.is_written_off() {
            return Poll::Ready(Err(over()));
        }
        link.with_queue(|queue| {
            if queue.written() >= until {
                return Poll::Ready(Ok(()));
            }
            queue.listen(context.waker());
            Poll::Pending
        })
    })
    .await
}

/// What is said when nothing is written any more.
pub(crate) fn over() -> Error {
    Error::disconnected("the connection is over".to_owned())
}
