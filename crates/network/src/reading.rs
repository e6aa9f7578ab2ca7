//! Reading messages from the stream, as fast as the bounds let it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use crate::budget::{OWN_BYTES, Room};
use crate::error::NetworkError;
use crate::frame::FrameReader;
use crate::link::Link;
use crate::message::Message;
use crate::questions::Incoming;

/// What a connection without traffic keeps for the next bytes.
const BUFFER_BYTES_MIN: usize = 8 << 10;
/// What one with traffic has for them.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// How long after its last bytes a connection has no traffic.
const IDLE: Duration = Duration::from_secs(1);
/// Messages after which the other connections of the thread have their turn.
const MESSAGES_IN_A_ROW: u32 = 32;

/// Reads messages from a stream.
pub(crate) struct Reading<T> {
    link: Rc<Link>,
    io: Rc<RefCell<T>>,
    state: RefCell<State>,
}

struct State {
    /// Bytes that came lie between `start` and `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    frames: FrameReader,
    /// For the message that was begun.
    room: Option<Room>,
    /// A question that waits for others to be answered.
    waiting: Option<(Message, Incoming)>,
    in_a_row: u32,
    /// Until when the first message has to come; none once it did.
    first: Option<Instant>,
    span: Option<Span>,
}

/// A span of time in which the message that was begun must go on.
#[derive(Clone, Copy)]
struct Span {
    end: Instant,
    /// Bytes of the message at its start.
    received: usize,
}

/// What is next.
enum Next {
    Message(Message),
    /// Nothing more can be had of the bytes that came.
    Bytes,
    /// It is the others' turn.
    Others,
    /// Too much waits to be written, too many calls for their answer, or calls hold too much.
    Room,
    /// A message that only a proven peer may send.
    Proof {
        announced: usize,
    },
    /// Room for so many bytes.
    Budget(usize),
}

impl<T: AsyncRead + Unpin> Reading<T> {
    pub(crate) fn new(link: Rc<Link>, io: Rc<RefCell<T>>) -> Self {
        let first = Instant::now().checked_add(link.limits.first_message);
        let state = State {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            frames: FrameReader::new(link.limits.frame()),
            room: None,
            waiting: None,
            in_a_row: 0,
            first,
            span: None,
        };
        Self {
            link,
            io,
            state: RefCell::new(state),
        }
    }

    /// The next message, if it has come and nothing has to be waited for.
    pub(crate) fn try_message(&self) -> Result<Option<Message>, NetworkError> {
        if self.link.is_closing() {
            return Ok(None);
        }
        match self.next() {
            Ok(Next::Message(message)) => Ok(Some(message)),
            Ok(_) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The next message; none if the peer has left.
    pub(crate) async fn message(&self) -> Result<Option<Message>, NetworkError> {
        let message = self.wait_message().await;
        message.map_err(|error| self.failed(error))
    }

    /// What made reading end is why the connection does.
    fn failed(&self, error: NetworkError) -> NetworkError {
        self.link.end(error.clone());
        self.link.ended().unwrap_or(error)
    }

    async fn wait_message(&self) -> Result<Option<Message>, NetworkError> {
        loop {
            if self.link.is_closing() {
                return Ok(None);
            }
            match self.next()? {
                Next::Message(message) => return Ok(Some(message)),
                Next::Bytes => {
                    if !self.more_bytes().await? {
                        return Ok(None);
                    }
                }
                Next::Others => {
                    tokio::task::yield_now().await;
                    self.state.borrow_mut().in_a_row = 0;
                }
                Next::Room => self.wait_room().await,
                Next::Proof { announced } => self.wait_proven(announced).await?,
                Next::Budget(bytes) => self.wait_budget(bytes).await,
            }
        }
    }

    fn next(&self) -> Result<Next, NetworkError> {
        if let Some(error) = self.link.ended() {
            return Err(error);
        }
        self.state.borrow_mut().next(&self.link)
    }

    /// Waits until the connection is over or there is room.
    async fn wait_room(&self) {
        let link = &self.link;
        let is_open = || {
            let is_over = link.ended().is_some();
            (is_over || self.state.borrow().has_room(link)).then_some(())
        };
        link.room.until(is_open).await;
    }

    /// What comes meanwhile stays unread: the calls that prove it came before.
    async fn wait_proven(&self, announced: usize) -> Result<(), NetworkError> {
        let link = &self.link;
        let proven = self.or_ended(link.standing.wait_proven());
        let proven = tokio::time::timeout(link.limits.message_stall, proven).await;
        proven.map_err(|_| NetworkError::Unproven {
            announced,
            max: link.limits.message_bytes_unproven_max,
        })
    }

    async fn wait_budget(&self, bytes: usize) {
        let link = &self.link;
        let share = link.share();
        let taking = async {
            let room = link.budget.take(bytes, share.as_deref()).await;
            self.state.borrow_mut().room = Some(room);
        };
        self.or_ended(taking).await;
    }

    /// Waits, unless the connection is over.
    async fn or_ended(&self, waiting: impl Future<Output = ()>) {
        let ended = self.link.reader.until(|| self.link.ended());
        tokio::select! {
            biased;
            _ = ended => {}
            () = waiting => {}
        }
    }

    /// Reads on; says whether more came before the stream's end.
    async fn more_bytes(&self) -> Result<bool, NetworkError> {
        // Most often something is there; then no timer is needed.
        let first = poll_fn(|context| Poll::Ready(self.poll_read(context))).await;
        if let Poll::Ready(read) = first {
            return read;
        }
        self.state.borrow_mut().in_a_row = 0;
        loop {
            let deadline = self.state.borrow_mut().deadline(&self.link);
            let reading = poll_fn(|context| self.poll_read(context));
            let Some(deadline) = deadline else {
                return reading.await;
            };
            match tokio::time::timeout_at(deadline, reading).await {
                Ok(read) => return read,
                Err(_) => self.state.borrow_mut().late(&self.link)?,
            }
        }
    }

    fn poll_read(&self, context: &mut Context<'_>) -> Poll<Result<bool, NetworkError>> {
        if let Some(error) = self.link.ended() {
            return Poll::Ready(Err(error));
        }
        let mut state = self.state.borrow_mut();
        let mut io = self.io.borrow_mut();
        let read = state.poll_read(Pin::new(&mut *io), context);
        if read.is_pending() {
            self.link.reader.listen(context);
        }
        read
    }
}

impl State {
    fn next(&mut self, link: &Rc<Link>) -> Result<Next, NetworkError> {
        if self.in_a_row >= MESSAGES_IN_A_ROW {
            return Ok(Next::Others);
        }
        loop {
            if !link.may_read() {
                return Ok(Next::Room);
            }
            if let Some((message, incoming)) = self.waiting.take() {
                if matches!(incoming, Incoming::Question(_)) && !link.has_question_room() {
                    self.waiting = Some((message, incoming));
                    return Ok(Next::Room);
                }
                link.receive(incoming)?;
                self.in_a_row += 1;
                return Ok(Next::Message(message));
            }
            if let Some(wait) = self.wait_for_room(link) {
                return Ok(wait);
            }
            if let Some(frame) = self.frames.take() {
                self.first = None;
                self.span = None;
                let room = self.room.take();
                let room = room.expect("no message is read to its end without room for it");
                let hold = link.hold(frame.bytes(), room);
                let message = Message::new(frame, hold, &link.limits);
                let incoming = link.look_at(&message)?;
                self.waiting = Some((message, incoming));
                continue;
            }
            if self.start == self.end {
                return Ok(Next::Bytes);
            }
            self.start += self.frames.feed(&self.buffer[self.start..self.end])?;
        }
    }

    /// Takes room for the message that was begun, when it is time; or says what to wait for. Small
    /// messages are read first.
    fn wait_for_room(&mut self, link: &Link) -> Option<Next> {
        let bytes = self.frames.announced()?;
        let is_due = bytes > OWN_BYTES || self.frames.received() == bytes;
        if self.room.is_some() || !is_due {
            return None;
        }
        let is_proven = link.standing.is_proven();
        if bytes > link.limits.message_bytes_unproven_max && !is_proven {
            return Some(Next::Proof { announced: bytes });
        }
        if !self.has_room(link) {
            return Some(Next::Room);
        }
        self.room = link.budget.try_take(bytes, link.share().as_deref());
        self.span = None;
        self.room.is_none().then_some(Next::Budget(bytes))
    }

    /// Whether nothing that the connection has itself keeps it from reading on.
    fn has_room(&self, link: &Link) -> bool {
        let has_question_room = match &self.waiting {
            Some((_, Incoming::Question(_))) => link.has_question_room(),
            Some(_) => true,
            // A large message is a question, and should not take room from others to wait.
            None => self.begun_bytes() <= OWN_BYTES || link.has_question_room(),
        };
        let has_held_room = self.room.is_some() || link.has_held_room(self.begun_bytes());
        link.may_read() && has_question_room && has_held_room
    }

    fn begun_bytes(&self) -> usize {
        self.frames.announced().unwrap_or(0)
    }

    /// When to look whether the peer is too slow, or idle.
    fn deadline(&mut self, link: &Link) -> Option<Instant> {
        let now = Instant::now();
        let received = self.frames.received();
        let next = if received > 0 {
            let end = now.checked_add(link.limits.message_stall)?;
            Some(self.span.get_or_insert(Span { end, received }).end)
        } else if self.buffer.len() > BUFFER_BYTES_MIN {
            now.checked_add(IDLE)
        } else {
            None
        };
        next.into_iter().chain(self.first).min()
    }

    /// A deadline has come.
    fn late(&mut self, link: &Link) -> Result<(), NetworkError> {
        let now = Instant::now();
        if self.first.is_some_and(|first| first <= now) {
            let ms = link.limits.first_message.as_millis();
            return Err(NetworkError::FirstMessage { ms });
        }
        match self.span {
            Some(span) if span.end <= now => {
                let bytes = link.limits.progress_of(self.begun_bytes());
                if self.frames.received() - span.received < bytes {
                    let ms = link.limits.message_stall.as_millis();
                    return Err(NetworkError::MessageStall { bytes, ms });
                }
                self.span = None;
            }
            Some(_) => {}
            None => self.buffer = Vec::new(),
        }
        Ok(())
    }

    fn poll_read<T: AsyncRead>(
        &mut self,
        io: Pin<&mut T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<bool, NetworkError>> {
        (self.start, self.end) = (0, 0);
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER_BYTES_MIN];
        }
        let mut into = ReadBuf::new(&mut self.buffer);
        ready!(io.poll_read(context, &mut into))?;
        self.end = into.filled().len();
        if self.end == 0 {
            let is_between = self.frames.received() == 0;
            return Poll::Ready(if is_between {
                Ok(false)
            } else {
                Err(NetworkError::Cut)
            });
        }
        if self.end == self.buffer.len() && self.end < BUFFER_BYTES_MAX {
            // What was read stays; the next read has more room.
            self.buffer.resize(BUFFER_BYTES_MAX, 0);
        }
        Poll::Ready(Ok(true))
    }
}

#[cfg(test)]
mod tests;
