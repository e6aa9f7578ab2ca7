//! The other side, which writes what it likes.

use capnp::message::{Builder, HeapAllocator, Reader, ReaderOptions};
use capnp::traits::ImbueMut;
use capnp_rpc::rpc_capnp::message;
use share_network::{Frame, FrameLimits, FrameReader};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The service, which every peer asks for first.
pub(super) const SERVICE: u32 = 0;

/// A message as bytes.
pub(super) fn bytes_of(build: impl FnOnce(message::Builder<'_>)) -> Vec<u8> {
    let mut message: Builder<HeapAllocator> = Builder::new_default();
    build(message.init_root());
    capnp::serialize::write_message_to_words(&message)
}

/// Asks for the service, by question 0.
pub(super) fn bootstrap() -> Vec<u8> {
    bytes_of(|message| message.init_bootstrap().set_question_id(SERVICE))
}

/// Calls a method of the service with so many bytes.
pub(super) fn call(question: u32, method: u16, data: usize) -> Vec<u8> {
    call_with(question, method, data, 0)
}

/// The same, with capabilities 1, 2 … of the peer.
pub(super) fn call_with(question: u32, method: u16, data: usize, capabilities: u32) -> Vec<u8> {
    bytes_of(|message| {
        let mut call = message.init_call();
        call.set_question_id(question);
        call.set_interface_id(1);
        call.set_method_id(method);
        let target = call.reborrow().init_target();
        target.init_promised_answer().set_question_id(SERVICE);
        let mut params = call.init_params();
        let mut table = params.reborrow().init_cap_table(capabilities);
        for at in 0..capabilities {
            table.reborrow().get(at).set_sender_hosted(at + 1);
        }
        let content = params.get_content();
        content.initn_as::<capnp::data::Builder<'_>>(u32::try_from(data).unwrap());
    })
}

/// Calls a method of the service with a capability of the peer.
pub(super) fn call_with_sink(question: u32, method: u16) -> Vec<u8> {
    bytes_of(|message| {
        let mut call = message.init_call();
        call.set_question_id(question);
        call.set_method_id(method);
        let target = call.reborrow().init_target();
        target.init_promised_answer().set_question_id(SERVICE);
        let mut params = call.init_params();
        let mut table = params.reborrow().init_cap_table(1);
        table.reborrow().get(0).set_sender_hosted(1);
        let mut content = params.get_content();
        // Has to live as long as the message.
        content.imbue_mut(Box::leak(Box::default()));
        let any = capnp_rpc::new_broken_cap(capnp::Error::failed(String::new()));
        content.set_as_capability(any.hook);
    })
}

/// Needs an answer no more, nor its capabilities.
pub(super) fn finish(question: u32) -> Vec<u8> {
    bytes_of(|message| {
        let mut finish = message.init_finish();
        finish.set_question_id(question);
        finish.set_release_result_caps(true);
    })
}

/// Needs an answer no more, but its capabilities.
pub(super) fn finish_keeping(question: u32) -> Vec<u8> {
    bytes_of(|message| {
        let mut finish = message.init_finish();
        finish.set_question_id(question);
        finish.set_release_result_caps(false);
    })
}

/// Gives back a capability.
pub(super) fn release(export: u32) -> Vec<u8> {
    bytes_of(|message| {
        let mut release = message.init_release();
        release.set_id(export);
        release.set_reference_count(1);
    })
}

/// Answers a question with nothing.
pub(super) fn answer(question: u32) -> Vec<u8> {
    bytes_of(|message| {
        let mut answer = message.init_return();
        answer.set_answer_id(question);
        answer.init_results();
    })
}

/// What a message that came is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// An answer to this question, of about so many bytes.
    Return(u32, usize),
    Call(u32),
    Finish(u32),
    Abort,
    Other,
}

/// One side of a pipe.
pub(super) struct Peer {
    pub(super) io: DuplexStream,
    frames: FrameReader,
    rest: Vec<u8>,
}

impl Peer {
    pub(super) fn new(io: DuplexStream) -> Self {
        let limits = FrameLimits {
            message_bytes_max: 64 << 20,
            segments_max: 512,
        };
        Self {
            io,
            frames: FrameReader::new(limits),
            rest: Vec::new(),
        }
    }

    /// Writes, which fails when the server has ended the connection.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await;
    }

    /// The next message; none at the stream's end.
    pub(super) async fn next(&mut self) -> Option<Came> {
        loop {
            let taken = self.frames.feed(&self.rest).unwrap();
            self.rest.drain(..taken);
            if let Some(frame) = self.frames.take() {
                return Some(came(frame));
            }
            if self.rest.is_empty() {
                let mut more = vec![0; 64 << 10];
                let read = self.io.read(&mut more).await.unwrap_or(0);
                if read == 0 {
                    return None;
                }
                self.rest = more[..read].to_vec();
            }
        }
    }
}

fn came(frame: Frame) -> Came {
    let bytes = frame.bytes();
    let reader = Reader::new(frame, ReaderOptions::new());
    let root: message::Reader<'_> = reader.get_root().unwrap();
    match root.which().unwrap() {
        message::Return(answer) => Came::Return(answer.unwrap().get_answer_id(), bytes),
        message::Call(call) => Came::Call(call.unwrap().get_question_id()),
        message::Finish(finish) => Came::Finish(finish.unwrap().get_question_id()),
        message::Abort(_) => Came::Abort,
        _ => Came::Other,
    }
}
