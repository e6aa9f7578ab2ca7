//! Building large answers one after the other.

use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::link::Link;

/// Where the methods of one connection that build large answers wait for each other: so that many
/// calls do not pile up as many answers that the peer does not take.
#[derive(Clone)]
pub struct AnswerGate {
    link: Rc<Link>,
    turns: Arc<Semaphore>,
}

/// The right to build a large answer. Held until the method has returned.
#[derive(Debug)]
pub struct Turn {
    _turn: OwnedSemaphorePermit,
    _building: [Option<OwnedSemaphorePermit>; 2],
}

impl AnswerGate {
    pub(crate) fn new(link: Rc<Link>) -> Self {
        Self {
            link,
            turns: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits until no other method builds a large answer, and little enough waits to be written or to
    /// be finished by the peer, and by all peers. That may be never: bound it by the method's deadline.
    /// Cancel safe.
    pub async fn turn(&self) -> Turn {
        self.turn_when(Link::has_answer_room).await
    }

    /// The same for a page that the peer asked for, whose size is not bounded by what it takes: waits
    /// also while too much waits to be written to all peers, or to those of its party.
    pub async fn turn_for_page(&self) -> Turn {
        self.turn_when(Link::has_page_room).await
    }

    async fn turn_when(&self, has_room: fn(&Link) -> bool) -> Turn {
        let turns = Arc::clone(&self.turns);
        let turn = match Arc::clone(&turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => {
                let turn = turns.acquire_owned().await.expect("nobody closes it");
                // Whoever had it has returned, but its answer may not be on its way yet.
                tokio::task::yield_now().await;
                turn
            }
        };
        let link = &self.link;
        loop {
            self.room(has_room).await;
            let building = link.budget.build(link.share().as_deref()).await;
            if has_room(link) {
                return Turn {
                    _turn: turn,
                    _building: building,
                };
            }
        }
    }

    /// Waits until a large answer may be built.
    async fn room(&self, has_room: fn(&Link) -> bool) {
        let link = &self.link;
        // Most often there is room; then nothing has to be listened to.
        if has_room(link) {
            return;
        }
        loop {
            // Listens from before the look.
            let mut freed = pin!(link.budget.freed());
            freed.as_mut().enable();
            let room = || has_room(link).then_some(());
            tokio::select! {
                biased;
                () = link.turn.until(room) => return,
                () = freed => {}
            }
        }
    }
}

impl fmt::Debug for AnswerGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerGate")
            .field("free", &self.turns.available_permits())
            .finish_non_exhaustive()
    }
}
