//! Messages of Cap'n Proto's RPC, as bytes.

use std::io;

use capnp::message::{Builder, ReaderOptions};
use capnp::traits::{HasTypeId, ImbueMut};
use capnp::{any_pointer, serialize};
use capnp_rpc::rpc_capnp::{call, message, message_target};
use share_proto::share_capnp::{appender, bootstrap, share_session, snapshot};

/// A method.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method {
    interface: u64,
    number: u16,
}

impl Method {
    pub(crate) const REDEEM_SHARE: Self = Self::of::<bootstrap::Client>(0);
    pub(crate) const CLAIM_WRITER: Self = Self::of::<share_session::Client>(0);
    pub(crate) const DOCUMENT: Self = Self::of::<share_session::Client>(1);
    pub(crate) const SUBSCRIBE: Self = Self::of::<share_session::Client>(2);
    pub(crate) const WRITERS: Self = Self::of::<share_session::Client>(4);
    pub(crate) const GRANTS: Self = Self::of::<share_session::Client>(11);
    pub(crate) const AUDIT: Self = Self::of::<share_session::Client>(12);
    pub(crate) const READ_SNAPSHOT: Self = Self::of::<snapshot::Client>(0);
    pub(crate) const APPEND_OPS: Self = Self::of::<appender::Client>(0);
    /// One that the bootstrap capability does not have.
    pub(crate) const NONE: Self = Self::of::<bootstrap::Client>(999);

    const fn of<I: HasTypeId>(number: u16) -> Self {
        Self {
            interface: I::TYPE_ID,
            number,
        }
    }
}

/// Whose method is called.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    /// What the question asks for: its bootstrap capability.
    Bootstrap(u32),
    /// The first capability in the answer to the question.
    Answer(u32),
}

/// Asks for the bootstrap capability.
pub(crate) fn bootstrap(question: u32) -> Vec<u8> {
    let mut message = Builder::new_default();
    let root: message::Builder<'_> = message.init_root();
    root.init_bootstrap().set_question_id(question);
    serialize::write_message_to_words(&message)
}

/// Calls a method whose parameters `write` writes. Capabilities among them are the caller's own:
/// `capabilities` are in the message's table.
pub(crate) fn call(
    question: u32,
    of: Of,
    method: Method,
    capabilities: u32,
    write: impl FnOnce(any_pointer::Builder<'_>),
) -> Vec<u8> {
    let mut table = Vec::new();
    let mut message = Builder::new_default();
    let root: message::Builder<'_> = message.init_root();
    let mut call = root.init_call();
    begin(call.reborrow(), question, method);
    aim(call.reborrow().init_target(), of);
    let mut params = call.init_params();
    let mut list = params.reborrow().init_cap_table(capabilities);
    for at in 0..capabilities {
        list.reborrow().get(at).set_sender_hosted(at);
    }
    let mut content = params.init_content();
    content.imbue_mut(&mut table);
    write(content);
    serialize::write_message_to_words(&message)
}

/// Says that the answer to a question is done with, or not wanted any more.
pub(crate) fn finish(question: u32, releases: bool) -> Vec<u8> {
    let mut message = Builder::new_default();
    let root: message::Builder<'_> = message.init_root();
    let mut finish = root.init_finish();
    finish.set_question_id(question);
    finish.set_release_result_caps(releases);
    finish.set_require_early_cancellation_workaround(false);
    serialize::write_message_to_words(&message)
}

/// A message of messages that say that they were not understood, `levels` deep.
pub(crate) fn nested(levels: usize) -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut root: message::Builder<'_> = message.init_root();
    for _ in 0..levels {
        root = root.init_unimplemented();
    }
    root.init_finish();
    serialize::write_message_to_words(&message)
}

/// How many bytes of the header follow its first eight.
pub(crate) fn rest_of_header(begin: &[u8]) -> usize {
    let segments = number(begin, 0) + 1;
    // The count and a size for each segment, in whole words.
    (1 + segments).div_ceil(2) * 8 - 8
}

/// How many bytes follow the header.
pub(crate) fn body_bytes(header: &[u8]) -> usize {
    let segments = number(header, 0) + 1;
    (1..=segments).map(|at| number(header, at) * 8).sum()
}

/// The question that a message answers, if it is an answer.
pub(crate) fn answers(bytes: &[u8]) -> io::Result<Option<u32>> {
    let answers = || {
        let message = serialize::read_message(bytes, ReaderOptions::new())?;
        let root: message::Reader<'_> = message.get_root()?;
        Ok(match root.which() {
            Ok(message::Return(returned)) => Some(returned?.get_answer_id()),
            Ok(_) | Err(capnp::NotInSchema(_)) => None,
        })
    };
    answers().map_err(|error: capnp::Error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn begin(mut call: call::Builder<'_>, question: u32, method: Method) {
    call.set_question_id(question);
    call.set_interface_id(method.interface);
    call.set_method_id(method.number);
}

fn aim(target: message_target::Builder<'_>, of: Of) {
    let mut answer = target.init_promised_answer();
    match of {
        Of::Bootstrap(question) => answer.set_question_id(question),
        Of::Answer(question) => {
            answer.set_question_id(question);
            answer.init_transform(1).get(0).set_get_pointer_field(0);
        }
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    let bytes = bytes
        .get(at * 4..at * 4 + 4)
        .and_then(|four| four.try_into().ok());
    let number = bytes.map_or(0, u32::from_le_bytes);
    usize::try_from(number).unwrap_or(usize::MAX)
}
