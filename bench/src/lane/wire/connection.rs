//! A connection on which little is asked and much is sent.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use capnp_rpc::rpc_capnp::payload;
use share_model::{PROTOCOL_VERSION, ShareRef};
use share_proto::share_capnp::bootstrap::redeem_share_params;
use share_proto::wire::write_share_ref;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::REDEEM_SHARE;
use super::event::{Event, unexpected};
use super::incoming::Incoming;
use super::outgoing::{Outgoing, Target};
use crate::error::BenchError;

/// Words of a ref, and of anything else by which a connection begins.
pub(super) const BEGIN_WORDS: usize = 256;

/// A connection.
pub(super) struct Connection {
    stream: TcpStream,
    incoming: Incoming,
    pub(super) outgoing: Outgoing,
    pub(super) questions: Questions,
}

/// The numbers of the questions that were asked and not answered.
#[derive(Default)]
pub(super) struct Questions {
    is_asked: Vec<bool>,
    free: Vec<u32>,
}

/// What a connection begins with, while its answers are on their way.
pub(super) struct Redeeming {
    pub(super) bootstrap: u32,
    /// Its answer has the session.
    pub(super) redeem: u32,
}

impl Connection {
    pub(super) async fn connect(address: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            questions: Questions::default(),
        })
    }

    /// Asks for the session of a ref.
    pub(super) fn redeem(&mut self, reference: &ShareRef) -> Result<Redeeming, BenchError> {
        let redeeming = Redeeming {
            bootstrap: self.questions.ask(),
            redeem: self.questions.ask(),
        };
        self.outgoing.bootstrap(redeeming.bootstrap)?;
        let call = (Target::Bootstrap(redeeming.bootstrap), REDEEM_SHARE);
        self.outgoing
            .call(redeeming.redeem, call, BEGIN_WORDS, |params| {
                let mut params: redeem_share_params::Builder<'_> = params.init_content().init_as();
                params.set_protocol_version(PROTOCOL_VERSION);
                write_share_ref(reference, params.init_ref());
                Ok(())
            })?;
        Ok(redeeming)
    }

    /// Waits until all these questions are answered, and nothing else happens.
    pub(super) async fn answers(
        &mut self,
        questions: &[u32],
        mut take: impl FnMut(u32, payload::Reader<'_>) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        let mut missing = questions.len();
        while missing > 0 {
            self.receive(|event, _| match event {
                Event::Returned {
                    question, answer, ..
                } if questions.contains(&question) => {
                    missing -= 1;
                    take(question, answer?)
                }
                _ => Err(unexpected("something that is no answer to what was asked")),
            })
            .await?;
        }
        Ok(())
    }

    /// Writes what is to be sent, waits for bytes, and hands over what came whole. What `take` has to say
    /// to it is written when something is waited for again. Cancel safe.
    pub(super) async fn receive(
        &mut self,
        mut take: impl FnMut(Event<'_>, &mut Outgoing) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        if poll_fn(|context| self.poll(context)).await? == 0 {
            let message = "the server closed the connection".to_owned();
            return Err(BenchError::Unexpected(message));
        }
        while let Some(message) = self.incoming.take()? {
            let event = Event::of(message.get_root()?)?;
            match event {
                Event::Returned {
                    question,
                    needs_finish,
                    ..
                } => {
                    self.questions.answered(question)?;
                    if needs_finish {
                        self.outgoing.finish(question)?;
                    }
                }
                Event::Resolved(import) => {
                    self.outgoing.release(import)?;
                    continue;
                }
                Event::Forgotten => continue,
                Event::Called { .. } => {}
            }
            take(event, &mut self.outgoing)?;
        }
        Ok(())
    }

    /// Writes as much as the server takes, and reads once. The server may take no more before its answers
    /// are read, so neither waits for the other.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.outgoing.bytes().is_empty() {
            match stream.as_mut().poll_write(context, self.outgoing.bytes())? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(bytes) => self.outgoing.written(bytes),
                Poll::Pending => break,
            }
        }
        let mut room = ReadBuf::new(self.incoming.room());
        ready!(stream.poll_read(context, &mut room))?;
        let bytes = room.filled().len();
        self.incoming.filled(bytes);
        Poll::Ready(Ok(bytes))
    }
}

impl Questions {
    /// A number that no question has.
    pub(super) fn ask(&mut self) -> u32 {
        if let Some(question) = self.free.pop() {
            self.is_asked[question as usize] = true;
            return question;
        }
        let question = u32::try_from(self.is_asked.len()).expect("memory ends before");
        self.is_asked.push(true);
        question
    }

    /// Its question is answered, and the number free.
    fn answered(&mut self, question: u32) -> Result<(), BenchError> {
        match self.is_asked.get_mut(question as usize) {
            Some(is_asked) if *is_asked => *is_asked = false,
            _ => {
                let message = format!("the server answers question {question}, which nobody asked");
                return Err(BenchError::Unexpected(message));
            }
        }
        self.free.push(question);
        Ok(())
    }
}
