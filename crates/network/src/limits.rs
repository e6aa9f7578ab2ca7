//! What one connection may cost.

use std::time::Duration;

use capnp::message::ReaderOptions;

use crate::frame::{FrameLimits, WORD_BYTES};

/// Bytes of memory that the small parts of messages may come to beside one large message.
const HELD_BESIDE_BYTES: usize = 1 << 20;
/// How often the words of a message may be read: what calls it reads a part of it, whoever is called
/// the rest, some of it twice.
const READINGS_MAX: usize = 2;
/// Words of a message that may be read beyond that: a small message has parts that many look at.
const READINGS_BESIDE_WORDS: usize = 1024;

/// Bounds of one connection. Where no other is said, the connection ends one past the bound, with
/// the [`NetworkError`](crate::NetworkError) of that bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Bytes of one message, its header included.
    pub message_bytes_max: usize,
    /// Bytes of one message of a peer that has proven nothing yet. A larger one waits, unread, for
    /// [`NetworkLimits::message_stall`].
    pub message_bytes_unproven_max: usize,
    /// Segments of one message.
    pub segments_max: usize,
    /// Structs and lists within each other in one message; past it the reader of the message fails.
    pub nesting_max: u16,
    /// Descriptors of capabilities in one message.
    pub capabilities_max: usize,
    /// Bytes of messages that calls of the connection hold at a time; more wait unread.
    pub held_bytes_max: usize,
    /// From the connection's begin to the end of its first message; `Duration::MAX` for ever.
    pub first_message: Duration,
    /// How long a message that was begun may go on with fewer bytes than
    /// [`NetworkLimits::message_progress_bytes`], or than a 64th of it.
    pub message_stall: Duration,
    /// Bytes of a message that was begun, in each such span.
    pub message_progress_bytes: usize,
    /// How long the peer may take nothing while something waits to be written, and how long it may
    /// take to the rest when the connection ends.
    pub write_stall: Duration,
    /// Bytes that wait to be written: while there are more, nothing is read.
    pub queue_bytes_max: usize,
    /// Calls of the peer that were neither answered nor finished; more wait unread.
    pub questions_max: usize,
    /// The same, of a peer that has proven nothing yet.
    pub questions_unproven_max: usize,
    /// Calls that the peer finished before their answer. Each costs memory to the connection's end.
    pub cancelled_max: usize,
    /// Answers that the peer has and did not finish.
    pub answers_max: usize,
    /// Bytes of such answers: while there are more, no further [`Turn`](crate::Turn) is given; with
    /// sixteen times as many the connection ends.
    pub answer_bytes_max: usize,
    /// Capabilities that the peer was handed and did not release.
    pub exports_max: usize,
    /// Calls of this side that the peer did not answer.
    pub asked_max: usize,
}

impl NetworkLimits {
    /// Bounds of a connection whose peer may be anybody.
    pub fn server() -> Self {
        // A full batch has 32 MiB, and comes in a message with room for its framing.
        let message_bytes_max = 40 << 20;
        Self {
            message_bytes_max,
            message_bytes_unproven_max: 64 << 10,
            segments_max: 512,
            nesting_max: 64,
            capabilities_max: 64,
            held_bytes_max: message_bytes_max + HELD_BESIDE_BYTES,
            first_message: Duration::from_secs(10),
            message_stall: Duration::from_secs(10),
            message_progress_bytes: 16 << 10,
            write_stall: Duration::from_secs(30),
            queue_bytes_max: 256 << 10,
            questions_max: 1024,
            questions_unproven_max: 64,
            cancelled_max: 4096,
            answers_max: 4096,
            answer_bytes_max: 1 << 20,
            exports_max: 4096,
            asked_max: 65_536,
        }
    }

    /// Bounds of a connection to a server that this side chose. What waits to be written does not keep
    /// it from reading: else two sides that each wait for the other to read would wait for ever.
    pub fn client() -> Self {
        let message_bytes_max = 64 << 20;
        Self {
            message_bytes_max,
            message_bytes_unproven_max: message_bytes_max,
            capabilities_max: 4096,
            held_bytes_max: 4 * message_bytes_max,
            first_message: Duration::MAX,
            message_stall: Duration::from_secs(30),
            write_stall: Duration::from_secs(60),
            queue_bytes_max: usize::MAX,
            questions_max: 65_536,
            questions_unproven_max: 65_536,
            cancelled_max: 65_536,
            answers_max: 65_536,
            answer_bytes_max: message_bytes_max,
            exports_max: 65_536,
            ..Self::server()
        }
    }

    pub(crate) fn frame(&self) -> FrameLimits {
        FrameLimits {
            message_bytes_max: self.message_bytes_max,
            segments_max: self.segments_max,
        }
    }

    /// Bytes that a message of `announced` bytes has to go on by in each span.
    pub(crate) fn progress_of(&self, announced: usize) -> usize {
        self.message_progress_bytes.max(announced / 64)
    }

    /// How a message of so many words may be read: not much more of it than there is, although its
    /// pointers may lead to one place many times.
    pub(crate) fn reader_options(&self, words: usize) -> ReaderOptions {
        let mut options = ReaderOptions::new();
        options.nesting_limit(i32::from(self.nesting_max));
        let words = words.min(self.message_bytes_max / WORD_BYTES);
        let words = READINGS_MAX * words + READINGS_BESIDE_WORDS;
        options.traversal_limit_in_words(Some(words));
        options
    }
}

#[cfg(test)]
mod tests {
    use capnp::message::{Builder, Reader};
    use capnp::serialize;
    use capnp_rpc::rpc_capnp::message;

    use super::*;

    #[test]
    fn a_message_is_read_twice_over_and_a_little_and_not_more() {
        let limits = NetworkLimits::server();
        let options = limits.reader_options(100);
        assert_eq!(options.traversal_limit_in_words, Some(1224));
        assert_eq!(options.nesting_limit, 64);
        let most = limits.reader_options(usize::MAX);
        assert_eq!(most.traversal_limit_in_words, Some(10 * (1 << 20) + 1024));
    }

    /// A message within itself, so many times, is read to its innermost one.
    fn is_read(times: u16, limits: &NetworkLimits) -> bool {
        let mut nested = Builder::new_default();
        let mut inner: message::Builder<'_> = nested.init_root();
        for _ in 0..times {
            inner = inner.init_unimplemented();
        }
        inner.init_bootstrap();
        let bytes = serialize::write_message_to_words(&nested);
        let options = limits.reader_options(bytes.len() / WORD_BYTES);
        let read: Reader<_> = serialize::read_message(&mut &bytes[..], options).unwrap();
        let mut inner: message::Reader<'_> = read.get_root().unwrap();
        loop {
            inner = match inner.which().unwrap() {
                message::Unimplemented(Ok(within)) => within,
                message::Bootstrap(within) => return within.is_ok(),
                _ => return false,
            };
        }
    }

    #[test]
    fn structs_lie_so_deep_within_each_other_and_not_one_deeper() {
        let limits = NetworkLimits {
            nesting_max: 8,
            ..NetworkLimits::server()
        };
        // The message and what begins the connection are two levels of their own.
        assert!(is_read(6, &limits));
        assert!(!is_read(7, &limits));
    }
}
