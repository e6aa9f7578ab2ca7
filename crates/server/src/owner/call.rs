//! Calls to an owner: a command, and where its outcome goes.

use share_engine::{Authority, Context, LogAnswers, Record};
use share_model::{Refusal, RefusalCode, Seq, WriterId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::allotment::Taken;
use super::share::Share;
use super::subscribers::{Cutting, Stopped};
use crate::fault::Fault;

/// What a call gets: an answer, a refusal, or a fault and no outcome at all.
pub(crate) type Outcome<T> = Result<Result<T, Refusal>, Fault>;

/// What a command did to the state.
pub(crate) struct Ran<T> {
    pub(crate) answer: Result<T, Refusal>,
    /// To be durable before the answer leaves. A refusal may have one: it can move a floor.
    pub(crate) record: Option<Record>,
}

impl<T> From<Result<(T, Option<Record>), Refusal>> for Ran<T> {
    fn from(result: Result<(T, Option<Record>), Refusal>) -> Self {
        match result {
            Ok((answer, record)) => Self {
                answer: Ok(answer),
                record,
            },
            Err(refusal) => Self {
                answer: Err(refusal),
                record: None,
            },
        }
    }
}

/// Something that a share is asked. May be run several times, on states that are thrown away, before
/// one of its answers is given.
pub(crate) trait Command: Send + 'static {
    /// What the caller gets.
    type Answer: Send + 'static;

    /// Whether the answer waits until the subscriptions that the command ended have stopped.
    const AFTER_CUT: bool = false;

    /// Under whose authority it is: a refusal is noted for that grant.
    fn caller(&self) -> Option<&Authority> {
        None
    }

    /// Tells the answer of a command that waits for a cut how far those had got that were cut.
    fn stopped(_answer: &mut Self::Answer, _stopped: &Stopped) {}

    /// Bytes that the command's ops add to the share's at most.
    fn adds_at_most(&self) -> u64 {
        0
    }

    /// It was refused by a quota, and nothing of it is in the state.
    fn over_quota(&self, _share: &mut Share, _refusal: &Refusal) {}

    /// What the command has to know of the log before it is run.
    fn lookups(&self, _share: &Share) -> Vec<(WriterId, Seq)> {
        Vec::new()
    }

    /// Runs the command on the state.
    fn run(&self, share: &mut Share, context: &Context, log: &LogAnswers) -> Ran<Self::Answer>;
}

/// A call that waits for its outcome, whatever its command.
pub(crate) trait Waiting: Send {
    /// As [`Command::lookups`].
    fn lookups(&self, share: &Share) -> Vec<(WriterId, Seq)>;

    /// Runs the command and keeps its answer; an earlier one is forgotten.
    fn run(&mut self, share: &mut Share, context: &Context, log: &LogAnswers) -> Option<Record>;

    /// As [`Command::adds_at_most`].
    fn adds_at_most(&self) -> u64;

    /// Keeps this refusal as the answer.
    fn refuse(&mut self, share: &mut Share, refusal: Refusal, context: &Context);

    /// Whether [`Waiting::answer`] has to wait for a cut.
    fn is_after_cut(&self) -> bool;

    /// Gives the answer of the last run: what it was seen in is durable. `stopped` are those that
    /// were cut.
    fn answer(self: Box<Self>, stopped: &Stopped);

    /// Gives no outcome.
    fn fail(self: Box<Self>, fault: Fault);
}

/// A command with its caller.
pub(crate) struct Call<C: Command> {
    command: C,
    reply: oneshot::Sender<Outcome<C::Answer>>,
    ready: Option<Result<C::Answer, Refusal>>,
    /// The room that the call takes.
    _room: Room,
}

/// In the share's queue, in the server, and of what the caller's subtree of grants may use.
type Room = ([OwnedSemaphorePermit; 2], Option<Taken>);

impl<C: Command> Call<C> {
    pub(super) fn new(command: C, room: Room) -> (Self, Reply<C::Answer>) {
        let (reply, receiver) = oneshot::channel();
        let call = Self {
            command,
            reply,
            ready: None,
            _room: room,
        };
        (call, Reply(Ok(receiver)))
    }
}

impl<C: Command> Waiting for Call<C> {
    fn lookups(&self, share: &Share) -> Vec<(WriterId, Seq)> {
        self.command.lookups(share)
    }

    fn run(&mut self, share: &mut Share, context: &Context, log: &LogAnswers) -> Option<Record> {
        let ran = self.command.run(share, context, log);
        if let (Err(refusal), Some(by)) = (&ran.answer, self.command.caller())
            && is_of_authority(refusal.code)
        {
            share.refused(refusal.code, by.grant(), ("", context.now));
        }
        self.ready = Some(ran.answer);
        ran.record
    }

    fn adds_at_most(&self) -> u64 {
        self.command.adds_at_most()
    }

    fn refuse(&mut self, share: &mut Share, refusal: Refusal, context: &Context) {
        if let Some(by) = self.command.caller() {
            share.refused(refusal.code, by.grant(), ("", context.now));
        }
        self.command.over_quota(share, &refusal);
        self.ready = Some(Err(refusal));
    }

    fn is_after_cut(&self) -> bool {
        C::AFTER_CUT
    }

    fn answer(self: Box<Self>, stopped: &Stopped) {
        let mut ready = self.ready;
        if let Some(Ok(answer)) = &mut ready {
            C::stopped(answer, stopped);
        }
        let outcome = ready.ok_or(Fault::Unloaded);
        // The caller may have gone: what it asked for is done all the same.
        let _ = self.reply.send(outcome);
    }

    fn fail(self: Box<Self>, fault: Fault) {
        // As above.
        let _ = self.reply.send(Err(fault));
    }
}

/// Answers a call once a cut is complete, or tells it that it was not in time.
pub(super) async fn answer_after(call: Box<dyn Waiting>, cutting: Cutting) {
    match cutting.complete().await {
        Ok(stopped) => call.answer(&stopped),
        Err(fault) => call.fail(fault),
    }
}

/// Whether a refusal is about who asks, and not about what.
fn is_of_authority(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::StaleEpoch
            | RefusalCode::Revoked
            | RefusalCode::Expired
            | RefusalCode::RightMissing
            | RefusalCode::QuotaExceeded
    )
}

/// The outcome of a call that was handed over; the call was queued when this was made.
#[derive(Debug)]
pub(crate) struct Reply<T>(Result<oneshot::Receiver<Outcome<T>>, Fault>);

impl<T> Reply<T> {
    /// The outcome of a call that was not taken.
    pub(crate) fn fault(fault: Fault) -> Self {
        Self(Err(fault))
    }

    /// Waits for the outcome. Dropping this changes nothing about the call.
    pub(crate) async fn outcome(self) -> Outcome<T> {
        match self.0?.await {
            Ok(outcome) => outcome,
            // The owner ended, by a panic or with the runtime, and dropped the call.
            Err(_) => Err(Fault::Unloaded),
        }
    }
}
