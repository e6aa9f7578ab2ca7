//! Stages of a replay: every place at which its client may die, or its folder be copied.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use futures_util::FutureExt;
use share_client::{Answer, ClientError, LaneAppender, LaneRequest, Link, LinkedLane};
use share_model::{Ack, Batch, Envelope};
use tokio::sync::Notify;

/// Counts the stages that a replay passes, and holds it at one of them for ever.
#[derive(Debug, Default)]
pub struct Stages {
    passed: Cell<usize>,
    hold_at: Option<usize>,
    held: Notify,
}

impl Stages {
    /// Stages that hold nothing up.
    pub fn open() -> Rc<Self> {
        Rc::default()
    }

    /// The replay goes no further than the stage with this number, counted from 1.
    pub fn held_at(stage: usize) -> Rc<Self> {
        Rc::new(Self {
            hold_at: Some(stage),
            ..Self::default()
        })
    }

    /// How many stages were passed or reached.
    pub fn passed(&self) -> usize {
        self.passed.get()
    }

    /// Ends when the replay is held.
    pub async fn held(&self) {
        self.held.notified().await;
    }

    /// Passes the next stage; whether the replay goes on.
    fn pass(&self) -> bool {
        let stage = self.passed.get() + 1;
        let is_held = self.hold_at.is_some_and(|hold_at| stage >= hold_at);
        if is_held {
            self.held.notify_one();
        } else {
            self.passed.set(stage);
        }
        !is_held
    }

    async fn pass_or_stay(&self) {
        if !self.pass() {
            std::future::pending::<()>().await;
        }
    }
}

/// A link whose every call and answer is a stage. A batch has two on its way out: before the server
/// can have it, and after.
pub struct StagedLink {
    link: Rc<dyn Link>,
    stages: Rc<Stages>,
}

impl StagedLink {
    /// Over `link`.
    pub fn new(link: Rc<dyn Link>, stages: Rc<Stages>) -> Self {
        Self { link, stages }
    }
}

fn staged<T: 'static>(stages: &Rc<Stages>, answer: Answer<T>) -> Answer<T> {
    let stages = Rc::clone(stages);
    async move {
        let answer = answer.await;
        stages.pass_or_stay().await;
        answer
    }
    .boxed_local()
}

#[async_trait(?Send)]
impl Link for StagedLink {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        self.stages.pass_or_stay().await;
        let linked = self.link.open(request).await?;
        self.stages.pass_or_stay().await;
        Ok(LinkedLane {
            redeemed: staged(&self.stages, linked.redeemed),
            claimed: staged(&self.stages, linked.claimed),
            appender: Box::new(StagedAppender {
                appender: linked.appender,
                stages: Rc::clone(&self.stages),
            }),
        })
    }
}

struct StagedAppender {
    appender: Box<dyn LaneAppender>,
    stages: Rc<Stages>,
}

impl LaneAppender for StagedAppender {
    fn append(&self, batch: &Batch, envelope: Envelope) -> Answer<Ack> {
        if !self.stages.pass() {
            return std::future::pending().boxed_local();
        }
        staged(&self.stages, self.appender.append(batch, envelope))
    }
}
