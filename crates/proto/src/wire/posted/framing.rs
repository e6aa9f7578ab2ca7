//! Whole messages as the bodies of requests and answers: a segment table, then the segments.

use capnp::Word;
use capnp::message::{Builder, ReaderOptions};
use capnp::serialize;
use share_model::Limits;

use super::{
    PostedAnswer, PostedCall, read_posted_answer, read_posted_call, write_posted_answer,
    write_posted_call,
};
use crate::wire::error::{WireError, WireFault};
use crate::wire::field::got;

/// How deep structs may lie within each other.
const NESTING_MAX: i32 = 64;
/// How often over a message may be read: pointers may lead to the same place, and none does that a
/// client of this project writes.
const READINGS_MAX: usize = 2;
/// Words that may be read beside that: empty lists of anything count one each.
const READINGS_BESIDE_WORDS: usize = 1024;

/// Reads the body of a request.
///
/// # Errors
///
/// If it is not one message and nothing else, or as [`read_posted_call`].
pub fn posted_call_of(body: &[u8], limits: &Limits) -> Result<PostedCall, WireError> {
    read_body(body, |message| {
        read_posted_call(got(message.get_root(), "call")?, limits)
    })
}

/// Reads the body of the answer to a call whose batches had so many `entries` each.
///
/// # Errors
///
/// If it is not one message and nothing else, or as [`read_posted_answer`].
pub fn posted_answer_of(body: &[u8], entries: &[usize]) -> Result<PostedAnswer, WireError> {
    read_body(body, |message| {
        read_posted_answer(got(message.get_root(), "answer")?, entries)
    })
}

/// The body of a request.
pub fn posted_call_bytes(call: &PostedCall) -> Vec<u8> {
    let mut message = Builder::new_default();
    write_posted_call(call, message.init_root());
    serialize::write_message_to_words(&message)
}

/// The body of an answer.
pub fn posted_answer_bytes(answer: &PostedAnswer) -> Vec<u8> {
    let mut message = Builder::new_default();
    write_posted_answer(answer, message.init_root());
    serialize::write_message_to_words(&message)
}

type Message<'a> = capnp::message::Reader<serialize::BufferSegments<&'a [u8]>>;

/// Reads bytes that may lie anywhere in memory: they are copied if words may not lie there, and nothing
/// is allocated by a number within them.
fn read_body<T>(
    body: &[u8],
    read: impl FnOnce(&Message<'_>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let malformed = |kind| WireError::new("body", WireFault::Malformed(kind));
    if !body.len().is_multiple_of(size_of::<Word>()) {
        return Err(malformed(capnp::ErrorKind::PrematureEndOfFile));
    }
    let words = body.len() / size_of::<Word>();
    let mut aligned;
    let mut rest = body;
    if !body.as_ptr().addr().is_multiple_of(align_of::<Word>()) {
        aligned = Word::allocate_zeroed_vec(words);
        Word::words_to_bytes_mut(&mut aligned).copy_from_slice(body);
        rest = Word::words_to_bytes(&aligned);
    }
    let mut options = ReaderOptions::new();
    options.nesting_limit(NESTING_MAX);
    options.traversal_limit_in_words(Some(READINGS_MAX * words + READINGS_BESIDE_WORDS));
    let message = serialize::read_message_from_flat_slice(&mut rest, options);
    let message = message.map_err(|error| malformed(error.kind))?;
    if !rest.is_empty() {
        return Err(malformed(capnp::ErrorKind::Failed));
    }
    read(&message)
}
