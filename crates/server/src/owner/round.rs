//! One round of an owner: run what waits, commit, answer.

use std::time::Duration;

use share_engine::{Context, LogAnswers, Record};
use share_model::{Seq, ShareVersion, WriterId, planted};
use tracing::{info, warn};

use super::Owner;
use super::call::{Waiting, answer_after};
use super::checkpoint;
use super::quota::Room;
use crate::fault::Fault;
use crate::store::{CommitOutcome, ShareCommit, StoreError};

type Calls = Vec<Box<dyn Waiting>>;

/// How a round went.
enum Round {
    /// So many of the calls, from the first, are to be answered now.
    Answered(usize),
    /// The state is another one than it was thought: run them again.
    Again,
    /// So many of the calls, from the first, get this fault.
    Failed(usize, Fault),
}

impl Owner {
    /// Gives each of the calls its outcome.
    ///
    /// # Errors
    ///
    /// If the state can't be had any more; then every call has failed.
    pub(super) async fn rounds(&mut self, mut calls: Calls) -> Result<(), Fault> {
        let tries_max = self.around.limits.tries_max;
        let mut tries = 0;
        while !calls.is_empty() {
            let round = match self.round(&mut calls).await {
                Ok(Round::Again) if tries + 1 == tries_max => {
                    Round::Failed(calls.len(), Fault::Contended { tries: tries_max })
                }
                Ok(round) => round,
                Err(fault) => {
                    fail(calls, &fault);
                    return Err(fault);
                }
            };
            match round {
                Round::Answered(count) => {
                    tries = 0;
                    self.answer(calls.drain(..count));
                }
                Round::Failed(count, fault) => {
                    tries = 0;
                    fail(calls.drain(..count), &fault);
                }
                Round::Again => tries += 1,
            }
        }
        Ok(())
    }

    /// Writes the notes that are due, or all there are.
    pub(super) async fn write_notes(&mut self) -> Result<(), Fault> {
        let mut nobody = Calls::new();
        for _ in 0..self.around.limits.tries_max {
            match self.round(&mut nobody).await? {
                Round::Again => {}
                // Refused: they are kept, and tried again later.
                Round::Answered(_) | Round::Failed(..) => break,
            }
        }
        Ok(())
    }

    async fn round(&mut self, calls: &mut Calls) -> Result<Round, Fault> {
        let expected = self.share.version();
        let (mut ran, records) = self.run_calls(calls).await?;
        if records.is_empty() {
            // Whatever was answered, was seen in a state that is durable.
            self.share.appenders.keep();
            return Ok(Round::Answered(ran));
        }
        let mut ops = Vec::new();
        if self.feed.has_readers() {
            ops.extend(records.iter().flat_map(Record::logged));
        }
        let ends = records.iter().any(|record| record.change.ends_authority());
        let is_early = match ends {
            true => planted!("revoke-acked-before-durable"),
            false => records.iter().any(Record::has_logged) && planted!("ack-before-commit"),
        };
        if is_early {
            self.answer(calls.drain(..ran));
            ran = 0;
            self.dawdle(if ends { 1000 } else { 200 }).await;
        }
        if !ops.is_empty() && planted!("send-before-commit") {
            self.show(std::mem::take(&mut ops));
            self.dawdle(200).await;
        }
        let mut since = self.checkpoints.since();
        records.iter().for_each(|record| since.add(record));
        let commit = ShareCommit {
            share: self.share.id,
            expected,
            records,
        };
        let outcomes = self.around.store.commit(vec![commit]).await;
        match outcomes.into_iter().next() {
            Some(CommitOutcome::Done) => {
                self.share.appenders.keep();
                self.share.notes.keep();
                self.checkpoints.set(since);
                if ends && !planted!("subscriptions-not-cut") {
                    self.cut();
                }
                // Before all readers are woken: whoever appends next need not wait for them.
                self.answer(calls.drain(..ran));
                self.show(ops);
                Ok(Round::Answered(0))
            }
            Some(CommitOutcome::Conflict { actual }) => {
                info!(share = %self.share.id, %expected, %actual, "commit conflicts, running again");
                self.reload().await?;
                self.cut();
                self.show(Vec::new());
                Ok(Round::Again)
            }
            Some(CommitOutcome::Unknown(_)) if planted!("unknown-taken-as-done") => {
                self.share.appenders.keep();
                self.show(ops);
                Ok(Round::Answered(ran))
            }
            Some(CommitOutcome::Unknown(why)) => {
                warn!(share = %self.share.id, %expected, why, "commit of unknown outcome");
                self.find_out(expected).await?;
                Ok(Round::Again)
            }
            Some(CommitOutcome::Refused(error)) => self.refused(ran, error).await,
            None => {
                warn!(share = %self.share.id, "the store gave no outcome");
                self.find_out(expected).await?;
                Ok(Round::Again)
            }
        }
    }

    /// Runs calls until one of them has to know something of the log that is not committed yet.
    /// Gives how many were run, and their records.
    ///
    /// # Errors
    ///
    /// If the state can't be had any more.
    async fn run_calls(&mut self, calls: &mut Calls) -> Result<(usize, Vec<Record>), Fault> {
        let context = Context {
            now: self.around.seams.clock.now(),
            history: self.around.history,
        };
        let mut records = Vec::new();
        let mut at = 0;
        let mut bytes = 0;
        while let Some(call) = calls.get_mut(at) {
            bytes += call.adds_at_most();
            if at > 0 && bytes > self.around.limits.round_bytes_max {
                break;
            }
            let wanted = call.lookups(&self.share);
            if !wanted.is_empty() && !records.is_empty() {
                break;
            }
            let log = match self.look_up(wanted).await {
                Ok(log) => log,
                Err(fault) => {
                    calls.remove(at).fail(fault);
                    continue;
                }
            };
            match self.make_room(call.adds_at_most()).await {
                Ok(Room::Enough) => records.extend(call.run(&mut self.share, &context, &log)),
                // It may have to be undone, and what was run before it must not.
                Ok(Room::Until { .. }) if at > 0 => break,
                Ok(Room::Until { bytes, refusal }) => {
                    let record = call.run(&mut self.share, &context, &log);
                    if self.is_beyond(bytes) {
                        self.reload().await?;
                        call.refuse(&mut self.share, refusal, &context);
                    } else {
                        records.extend(record);
                    }
                }
                Err(fault) => {
                    calls.remove(at).fail(fault);
                    continue;
                }
            }
            at += 1;
        }
        if self.share.notes.due().is_some_and(|due| due <= context.now) {
            records.extend(self.share.write_notes(&context));
        }
        Ok((at, records))
    }

    /// Planted bugs take their time: a crash can come between what they do too early and the commit.
    async fn dawdle(&self, ms: u64) {
        self.around
            .seams
            .clock
            .sleep(Duration::from_millis(ms))
            .await;
    }

    async fn look_up(&self, wanted: Vec<(WriterId, Seq)>) -> Result<LogAnswers, Fault> {
        let mut log = LogAnswers::new();
        if wanted.is_empty() {
            return Ok(log);
        }
        let found = self
            .around
            .store
            .lookup(self.share.id, wanted.clone())
            .await?;
        for ((writer, seq), found) in wanted.into_iter().zip(found) {
            log.insert(writer, seq, found);
        }
        Ok(log)
    }

    /// After a commit of unknown outcome: what is stored now is what is true. Running the calls
    /// again on it answers each truly, for each is repeatable: what was committed comes back as
    /// such, the rest is done now.
    async fn find_out(&mut self, expected: ShareVersion) -> Result<(), Fault> {
        self.reload().await?;
        if self.share.version() != expected {
            // What an unknown commit left behind may be seen before it is durable. A checkpoint that
            // was stored contains it, and stands behind it in the store's file.
            let since = self.checkpoints.since();
            let confirm = checkpoint::store(&self.share, self.around.store.clone(), since);
            if let Some(confirm) = confirm {
                confirm.await.into_result()?;
            }
        }
        self.cut();
        self.show(Vec::new());
        Ok(())
    }

    async fn refused(&mut self, ran: usize, error: StoreError) -> Result<Round, Fault> {
        let fault = Fault::Store(error);
        if let Fault::Store(StoreError::Stopped { .. }) = fault {
            return Err(fault);
        }
        warn!(share = %self.share.id, %fault, "commit refused");
        self.reload().await?;
        Ok(Round::Failed(ran, fault))
    }

    fn answer(&mut self, calls: impl Iterator<Item = Box<dyn Waiting>>) {
        for call in calls {
            if call.is_after_cut() {
                let cutting = self.share.subscribers.cutting();
                self.cuts.spawn_local(answer_after(call, cutting));
            } else {
                call.answer(&Vec::new());
            }
        }
    }
}

fn fail(calls: impl IntoIterator<Item = Box<dyn Waiting>>, fault: &Fault) {
    for call in calls {
        call.fail(fault.clone());
    }
}
