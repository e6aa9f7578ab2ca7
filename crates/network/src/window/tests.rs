use capnp::message::{Builder, HeapAllocator};
use futures_util::FutureExt;
use futures_util::future::join;
use tokio::sync::oneshot;

use super::*;

/// A call of so many bytes.
struct Call(usize);

impl OutgoingMessage for Call {
    fn get_body(&mut self) -> capnp::Result<capnp::any_pointer::Builder<'_>> {
        Err(Error::unimplemented(String::new()))
    }

    fn get_body_as_reader(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        Err(Error::unimplemented(String::new()))
    }

    fn send(self: Box<Self>) -> (Promise<(), Error>, Rc<Builder<HeapAllocator>>) {
        (Promise::ok(()), Rc::new(Builder::new_default()))
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        Builder::new_default()
    }

    fn size_in_words(&self) -> usize {
        self.0 / 8
    }
}

type Answering = oneshot::Sender<Result<(), Error>>;

fn send(window: &mut Window, bytes: usize) -> (Promise<(), Error>, Answering) {
    let (answer, answered) = oneshot::channel();
    let answered = Promise::from_future(async move { answered.await.unwrap() });
    (window.send(Box::new(Call(bytes)), answered), answer)
}

#[tokio::test]
async fn calls_go_while_the_window_and_the_largest_have_room() {
    let (mut window, mut driven) = Window::new();
    // 64 KiB and the largest call: of 16 KiB, five fill it.
    let mut answers = Vec::new();
    for _ in 0..4 {
        let (room, answer) = send(&mut window, 16 << 10);
        assert_eq!(room.now_or_never().map(|room| room.is_ok()), Some(true));
        answers.push(answer);
    }
    let (mut room, _unanswered) = send(&mut window, 16 << 10);
    assert!((&mut driven).now_or_never().is_none());
    assert!((&mut room).now_or_never().is_none());
    answers.remove(0).send(Ok(())).unwrap();
    assert!((&mut driven).now_or_never().is_none());
    assert_eq!(room.now_or_never().map(|room| room.is_ok()), Some(true));
}

#[tokio::test]
async fn an_error_is_told_to_who_waits_and_at_every_later_call() {
    let (mut window, mut driven) = Window::new();
    let (_, failing) = send(&mut window, 64 << 10);
    let (waiting, _unanswered) = send(&mut window, 64 << 10);
    failing.send(Err(Error::overloaded("full".into()))).unwrap();
    assert!((&mut driven).now_or_never().is_none());
    let (later, _unanswered) = send(&mut window, 8);
    for room in [waiting, later, window.wait_all_acked()] {
        let error = room.now_or_never().expect("told at once").unwrap_err();
        assert_eq!(
            (error.kind, &*error.extra),
            (capnp::ErrorKind::Overloaded, "full")
        );
    }
}

#[tokio::test]
async fn all_answers_are_waited_for_and_driving_ends_with_the_last_once_nothing_is_sent() {
    let (mut window, driven) = Window::new();
    let (_, answer) = send(&mut window, 8);
    let all = window.wait_all_acked();
    let (_, last) = send(&mut window, 8);
    drop(window);
    answer.send(Ok(())).unwrap();
    last.send(Ok(())).unwrap();
    let (driven, all) = join(driven, all).await;
    assert!(driven.is_ok() && all.is_ok());
}
