//! How much of a stream may be under way.
//!
//! The library has the same and keeps it to itself; only its own connections get it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use capnp::Error;
use capnp::capability::Promise;
use capnp_rpc::{FlowController, OutgoingMessage};
use futures_util::Stream;
use futures_util::stream::FuturesUnordered;

/// Bytes of a stream's calls that may wait for their answer.
const WINDOW_BYTES: usize = 64 << 10;

/// Lets calls of one stream go as long as a fixed number of bytes is under way. The first error is
/// told at every later call.
pub(crate) struct Window(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    under_way: usize,
    largest: usize,
    failed: Option<Error>,
    /// Answers that were not looked at yet.
    begun: Vec<Answer>,
    /// Answers that were not there yet.
    unanswered: usize,
    /// Nothing more is sent.
    is_left: bool,
    driver: Option<Waker>,
    waiting: Vec<Waker>,
}

type Answer = Pin<Box<dyn Future<Output = (usize, Result<(), Error>)>>>;

impl Window {
    /// A window, and what has to be polled for it.
    pub(crate) fn new() -> (Self, Promise<(), Error>) {
        let state = Rc::new(RefCell::new(State::default()));
        let driven = drive(Rc::clone(&state));
        (Self(state), Promise::from_future(driven))
    }

    fn wait(&self, is_over: impl Fn(&State) -> bool + 'static) -> Promise<(), Error> {
        let state = Rc::clone(&self.0);
        let waiting = poll_fn(move |context| {
            let mut state = state.borrow_mut();
            if let Some(error) = &state.failed {
                return Poll::Ready(Err(error.clone()));
            }
            if is_over(&state) {
                return Poll::Ready(Ok(()));
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        });
        Promise::from_future(waiting)
    }
}

impl FlowController for Window {
    fn send(
        &mut self,
        message: Box<dyn OutgoingMessage>,
        answer: Promise<(), Error>,
    ) -> Promise<(), Error> {
        let bytes = message.size_in_words() * 8;
        // Now, whatever the window says: else later calls would overtake it. When it is written
        // nobody asks.
        drop(message.send());
        let mut state = self.0.borrow_mut();
        state.under_way += bytes;
        state.largest = state.largest.max(bytes);
        state.unanswered += 1;
        state
            .begun
            .push(Box::pin(async move { (bytes, answer.await) }));
        state.wake_driver();
        if let Some(error) = &state.failed {
            return Promise::err(error.clone());
        }
        if state.has_room() {
            return Promise::ok(());
        }
        drop(state);
        self.wait(State::has_room)
    }

    fn wait_all_acked(&mut self) -> Promise<(), Error> {
        self.wait(|state| state.unanswered == 0)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.is_left = true;
        state.wake_driver();
    }
}

impl State {
    /// The window is wider by the largest call: else one that is larger than the window would go alone
    /// and be waited for.
    fn has_room(&self) -> bool {
        self.under_way < WINDOW_BYTES + self.largest
    }

    fn wake_driver(&mut self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }

    fn answered(&mut self, bytes: usize, answer: Result<(), Error>) {
        self.under_way -= bytes;
        self.unanswered -= 1;
        if let Err(error) = answer {
            self.failed.get_or_insert(error);
        }
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

/// Takes the answers, until there are none and nothing more is sent.
async fn drive(state: Rc<RefCell<State>>) -> Result<(), Error> {
    let mut answers = FuturesUnordered::new();
    poll_fn(|context| poll_answers(&state, &mut answers, context)).await;
    Ok(())
}

fn poll_answers(
    state: &RefCell<State>,
    answers: &mut FuturesUnordered<Answer>,
    context: &mut Context<'_>,
) -> Poll<()> {
    loop {
        answers.extend(state.borrow_mut().begun.drain(..));
        // Not while the state is borrowed: what answers may send.
        match Pin::new(&mut *answers).poll_next(context) {
            Poll::Ready(Some((bytes, answer))) => state.borrow_mut().answered(bytes, answer),
            Poll::Ready(None) | Poll::Pending => {
                let mut state = state.borrow_mut();
                if !state.begun.is_empty() {
                    continue;
                }
                if state.is_left && state.unanswered == 0 {
                    return Poll::Ready(());
                }
                state.driver = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests;
