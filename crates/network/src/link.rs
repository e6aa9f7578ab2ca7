//! What the parts of one connection share.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use tokio::time::Instant;

use crate::bell::Bell;
use crate::budget::{Budget, Room, Share};
use crate::error::NetworkError;
use crate::limits::NetworkLimits;
use crate::message::Message;
use crate::questions::{Haste, Incoming, Questions};
use crate::queue::{Queue, Sent, size_of};
use crate::standing::Standing;

/// What a connection may have queued although all together have too much.
const QUEUED_ANYWAY_BYTES: usize = 64 << 10;

/// Calls that may wait although all together have too many.
const CALLS_ANYWAY: usize = 8;

/// What the parts of one connection share.
pub(crate) struct Link {
    pub(crate) limits: NetworkLimits,
    pub(crate) budget: Arc<Budget>,
    pub(crate) standing: Standing,
    /// What the peer's party has of the budget, once it has proven one.
    share: RefCell<Option<Arc<Share>>>,
    questions: RefCell<Questions>,
    queue: RefCell<Queue>,
    /// Something in the queue is not to wait for others.
    is_due: Cell<bool>,
    /// Bytes of messages that calls hold.
    held: Cell<usize>,
    ended: RefCell<Option<NetworkError>>,
    /// Set once: nothing is sent from then on.
    closing: RefCell<Option<Closing>>,
    /// Nothing is written any more.
    is_written_off: Cell<bool>,
    /// The library has let go of the connection.
    is_left: Cell<bool>,
    /// Who reads waits here for the connection's end.
    pub(crate) reader: Bell,
    /// Who reads waits here for room of any kind.
    pub(crate) room: Bell,
    /// Who writes waits here.
    pub(crate) writer: Bell,
    /// Who has the turn waits here.
    pub(crate) turn: Bell,
}

/// How a connection is to end once everything is written.
#[derive(Clone)]
pub(crate) struct Closing {
    pub(crate) result: capnp::Result<()>,
    /// When the peer must have taken the rest.
    pub(crate) deadline: Option<Instant>,
}

impl Link {
    pub(crate) fn new(limits: NetworkLimits, budget: Arc<Budget>, standing: Standing) -> Rc<Self> {
        Rc::new(Self {
            limits,
            budget,
            standing,
            share: RefCell::new(None),
            questions: RefCell::default(),
            queue: RefCell::default(),
            is_due: Cell::new(false),
            held: Cell::new(0),
            ended: RefCell::new(None),
            closing: RefCell::new(None),
            is_written_off: Cell::new(false),
            is_left: Cell::new(false),
            reader: Bell::default(),
            room: Bell::default(),
            writer: Bell::default(),
            turn: Bell::default(),
        })
    }

    /// The connection is over; the first reason stays.
    pub(crate) fn end(&self, error: NetworkError) {
        self.ended.borrow_mut().get_or_insert(error);
        self.reader.ring();
        self.room.ring();
    }

    /// Why the connection is over, if it is.
    pub(crate) fn ended(&self) -> Option<NetworkError> {
        self.ended.borrow().clone()
    }

    /// Whether more may be about to be sent.
    pub(crate) fn may_send_more(&self) -> bool {
        self.questions.borrow().are_several()
    }

    /// Whether so little waits to be written that more may be read.
    pub(crate) fn may_read(&self) -> bool {
        let queued = self.queue.borrow().bytes();
        queued <= self.limits.queue_bytes_max
            && (queued <= QUEUED_ANYWAY_BYTES || !self.budget.is_queue_full())
    }

    /// Whether the peer may ask one more question.
    pub(crate) fn has_question_room(&self) -> bool {
        let waiting = self.questions.borrow().waiting();
        let has_own = waiting < self.limits.questions_unproven_max
            || (waiting < self.limits.questions_max && self.standing.is_proven());
        has_own && (waiting < CALLS_ANYWAY || !self.budget.is_calls_full(self.share().as_deref()))
    }

    /// Whether one more large answer may be built.
    pub(crate) fn has_answer_room(&self) -> bool {
        let kept = self.questions.borrow().answer_bytes();
        let share = self.share();
        self.may_read()
            && kept <= self.limits.answer_bytes_max
            && !self.budget.is_kept_full(share.as_deref())
    }

    /// Whether one more page may be built: its size is the server's, and it lies here until the peer
    /// takes it.
    pub(crate) fn has_page_room(&self) -> bool {
        self.has_answer_room() && !self.budget.are_answers_full(self.share().as_deref())
    }

    /// What the peer's party has of the budget; `None`: the peer has proven nothing.
    pub(crate) fn share(&self) -> Option<Arc<Share>> {
        if let Some(share) = &*self.share.borrow() {
            return Some(Arc::clone(share));
        }
        let share = self.budget.share_of(self.standing.party()?);
        let questions = self.questions.borrow();
        let queued = self.queue.borrow().bytes();
        let has = (queued, questions.answer_bytes(), questions.waiting());
        self.budget.join(has, &share);
        drop(questions);
        self.share.replace(Some(Arc::clone(&share)));
        Some(share)
    }

    /// Changes the numbers; the bytes of answers that are kept are counted for all connections.
    fn with_questions<T>(&self, change: impl FnOnce(&mut Questions) -> T) -> T {
        let mut questions = self.questions.borrow_mut();
        let before = (questions.answer_bytes(), questions.waiting());
        let result = change(&mut questions);
        let after = (questions.answer_bytes(), questions.waiting());
        drop(questions);
        let share = self.share.borrow();
        if before.0 != after.0 {
            self.budget.count_kept(before.0, after.0, share.as_deref());
        }
        if before.1 != after.1 {
            self.budget.count_calls(before.1, after.1, share.as_deref());
        }
        result
    }

    /// Whether calls may hold so many bytes more. A message that is larger than the bound is held
    /// alone.
    pub(crate) fn has_held_room(&self, bytes: usize) -> bool {
        let held = self.held.get();
        held == 0 || held.saturating_add(bytes) <= self.limits.held_bytes_max
    }

    /// A message is given out.
    pub(crate) fn hold(self: &Rc<Self>, bytes: usize, room: Room) -> Hold {
        self.held.set(self.held.get() + bytes);
        Hold {
            link: Rc::clone(self),
            bytes,
            _room: room,
        }
    }

    /// A message comes in.
    pub(crate) fn receive(&self, incoming: Incoming) -> Result<(), NetworkError> {
        self.with_questions(|questions| questions.receive(incoming, &self.limits))?;
        if let Incoming::Finish(..) = incoming {
            self.turn.ring();
        }
        Ok(())
    }

    /// What a message means for the numbers.
    pub(crate) fn look_at(&self, message: &Message) -> Result<Incoming, NetworkError> {
        Incoming::of(message.root()?, &self.limits)
    }

    /// Sends a message; gives how many bytes must have been written when it is, or none if it will
    /// never be.
    pub(crate) fn send(&self, message: &Sent) -> Option<u64> {
        if self.is_written_off.get() || self.is_closing() {
            return None;
        }
        let bytes = size_of(message);
        let sent = self.with_questions(|questions| questions.send(message, bytes, &self.limits));
        let mut queue = self.queue.borrow_mut();
        let share = self.share.borrow();
        self.budget.count_queued(0, bytes, share.as_deref());
        drop(share);
        queue.push(message, bytes);
        let until = queue.sent();
        drop(queue);
        if sent != Ok(Haste::WithOthers) {
            self.is_due.set(true);
        }
        self.writer.ring();
        self.room.ring();
        if let Err(error) = sent {
            self.end(error);
        }
        Some(until)
    }

    /// Whether something is to be written, and need not wait for others.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due.get()
    }

    /// Nothing waits to be written any more.
    pub(crate) fn is_written(&self) {
        self.is_due.set(false);
    }

    /// Looks at what waits to be written, or changes it; whoever waits for that is woken.
    pub(crate) fn with_queue<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.borrow_mut();
        let before = queue.bytes();
        let result = change(&mut queue);
        let after = queue.bytes();
        let waiting = if after < before {
            queue.take_waiting()
        } else {
            Vec::new()
        };
        drop(queue);
        if after < before {
            let share = self.share.borrow();
            self.budget.count_queued(before, after, share.as_deref());
            drop(share);
            self.room.ring();
            self.turn.ring();
            waiting.into_iter().for_each(Waker::wake);
        }
        result
    }

    /// Has the connection end when everything is written.
    pub(crate) fn close(&self, result: capnp::Result<()>) {
        let deadline = Instant::now().checked_add(self.limits.write_stall);
        let closing = Closing { result, deadline };
        self.closing.borrow_mut().get_or_insert(closing);
        self.writer.ring();
    }

    /// How the connection is to end, if it is to.
    pub(crate) fn closing(&self) -> Option<Closing> {
        self.closing.borrow().clone()
    }

    /// Whether the connection is to end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.borrow().is_some()
    }

    /// Nothing is written any more.
    pub(crate) fn write_off(&self) {
        self.is_written_off.set(true);
        self.with_queue(Queue::clear);
        let waiting = self.queue.borrow_mut().take_waiting();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether nothing is written any more.
    pub(crate) fn is_written_off(&self) -> bool {
        self.is_written_off.get()
    }

    /// Waits until nothing is written any more.
    pub(crate) async fn written_off(&self) {
        poll_fn(|context| {
            if self.is_written_off() {
                return Poll::Ready(());
            }
            self.queue.borrow_mut().listen(context.waker());
            Poll::Pending
        })
        .await;
    }

    /// The library lets go of the connection.
    pub(crate) fn leave(&self) {
        self.is_left.set(true);
        self.close(Ok(()));
    }

    /// Whether the library has let go of the connection.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left.get()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let questions = self.questions.get_mut();
        let share = self.share.get_mut().as_deref();
        self.budget
            .count_queued(self.queue.get_mut().bytes(), 0, share);
        self.budget.count_kept(questions.answer_bytes(), 0, share);
        self.budget.count_calls(questions.waiting(), 0, share);
    }
}

/// Room for a message that was given out.
pub(crate) struct Hold {
    link: Rc<Link>,
    bytes: usize,
    _room: Room,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.link.held.set(self.link.held.get() - self.bytes);
        self.link.room.ring();
    }
}
