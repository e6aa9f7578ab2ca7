//! What is to be sent on a connection: messages, one behind the other, for one write.

use capnp::Word;
use capnp::message::{Builder, ScratchSpaceHeapAllocator};
use capnp::serialize::write_message;
use capnp_rpc::rpc_capnp::{message, message_target, payload};

use crate::error::BenchError;

/// Words of a message that carries nothing, or little.
const SMALL_WORDS: usize = 32;

/// A method of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) interface: u64,
    pub(super) number: u16,
}

/// What a call is made on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// A capability that the server handed out.
    Import(u32),
    /// What the answer to the bootstrap will be.
    Bootstrap(u32),
    /// The capability that the answer to a call will have, which stands before all else in it.
    Answer(u32),
}

/// Messages that were not written yet.
#[derive(Default)]
pub(super) struct Outgoing {
    /// What each message is built in.
    scratch: Vec<Word>,
    bytes: Vec<u8>,
    written: usize,
}

impl Outgoing {
    /// What is to be written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// So many bytes of it were.
    pub(super) fn written(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
    }

    /// Asks for the server's first capability.
    pub(super) fn bootstrap(&mut self, question: u32) -> Result<(), BenchError> {
        self.put(SMALL_WORDS, |message| {
            message.init_bootstrap().set_question_id(question);
            Ok(())
        })
    }

    /// Calls a method, with parameters of about so many words.
    pub(super) fn call(
        &mut self,
        question: u32,
        (target, method): (Target, Method),
        words: usize,
        params: impl FnOnce(payload::Builder<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        self.put(SMALL_WORDS + words, |message| {
            let mut call = message.init_call();
            call.set_question_id(question);
            call.set_interface_id(method.interface);
            call.set_method_id(method.number);
            target.write(call.reborrow().init_target());
            params(call.init_params())
        })
    }

    /// Answers a call whose results are empty. What it handed over is kept, and there is nothing in the
    /// answer for which the caller had to say that it is done with it.
    pub(super) fn answer(&mut self, question: u32) -> Result<(), BenchError> {
        self.put(SMALL_WORDS, |message| {
            let mut answer = message.init_return();
            answer.set_answer_id(question);
            answer.set_release_param_caps(false);
            answer.set_no_finish_needed(true);
            answer.init_results();
            Ok(())
        })
    }

    /// An answer is not needed any more, but its capabilities are.
    pub(super) fn finish(&mut self, question: u32) -> Result<(), BenchError> {
        self.put(SMALL_WORDS, |message| {
            let mut finish = message.init_finish();
            finish.set_question_id(question);
            finish.set_release_result_caps(false);
            Ok(())
        })
    }

    /// A capability is not needed any more.
    pub(super) fn release(&mut self, import: u32) -> Result<(), BenchError> {
        self.put(SMALL_WORDS, |message| {
            let mut release = message.init_release();
            release.set_id(import);
            release.set_reference_count(1);
            Ok(())
        })
    }

    fn put(
        &mut self,
        words: usize,
        fill: impl FnOnce(message::Builder<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        if self.scratch.len() < words {
            self.scratch = Word::allocate_zeroed_vec(words);
        }
        let scratch = Word::words_to_bytes_mut(&mut self.scratch[..words]);
        let mut built = Builder::new(ScratchSpaceHeapAllocator::new(scratch));
        fill(built.init_root())?;
        Ok(write_message(&mut self.bytes, &built)?)
    }
}

impl Target {
    fn write(self, mut target: message_target::Builder<'_>) {
        match self {
            Self::Import(import) => target.set_imported_cap(import),
            Self::Bootstrap(question) => target.init_promised_answer().set_question_id(question),
            Self::Answer(question) => {
                let mut answer = target.init_promised_answer();
                answer.set_question_id(question);
                answer.init_transform(1).get(0).set_get_pointer_field(0);
            }
        }
    }
}
