//! What the two sides owe each other: answers, finishes and releases, by their numbers.
//!
//! The library keeps tables of the same and bounds none of them. Here each message is looked at on
//! its way, in and out.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use capnp::message::{Builder, HeapAllocator};
use capnp::struct_list;
use capnp_rpc::rpc_capnp::{cap_descriptor, message, payload, resolve, return_};

use crate::error::NetworkError;
use crate::limits::NetworkLimits;

/// What a message that came means for the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// The peer asks something.
    Question(u32),
    /// The peer needs an answer no more; with its capabilities if so.
    Finish(u32, bool),
    /// The peer answers.
    Return(u32),
    /// The peer gives back a capability so many times.
    Release(u32, u32),
    /// Anything else.
    Other,
}

impl Incoming {
    /// Looks at a message.
    pub(crate) fn of(
        message: message::Reader<'_>,
        limits: &NetworkLimits,
    ) -> Result<Self, NetworkError> {
        let check = |payload: payload::Reader<'_>| {
            let (count, max) = (payload.get_cap_table()?.len(), limits.capabilities_max);
            if count as usize > max {
                return Err(NetworkError::Capabilities { count, max });
            }
            Ok(())
        };
        // What the library does not know it says itself.
        let Ok(which) = message.which() else {
            return Ok(Self::Other);
        };
        Ok(match which {
            message::Bootstrap(bootstrap) => Self::Question(bootstrap?.get_question_id()),
            message::Call(call) => {
                let call = call?;
                check(call.get_params()?)?;
                Self::Question(call.get_question_id())
            }
            message::Return(answer) => {
                let answer = answer?;
                if let return_::Results(results) = answer.which()? {
                    check(results?)?;
                }
                Self::Return(answer.get_answer_id())
            }
            message::Finish(finish) => {
                let finish = finish?;
                Self::Finish(finish.get_question_id(), finish.get_release_result_caps())
            }
            message::Release(release) => {
                let release = release?;
                Self::Release(release.get_id(), release.get_reference_count())
            }
            _ => Self::Other,
        })
    }
}

/// The numbers of one connection.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    /// What the peer asked, while either side still needs its number.
    theirs: BTreeMap<u32, Question>,
    /// Of those, how many wait for their answer.
    waiting: usize,
    /// How many the peer gave up before.
    cancelled: usize,
    /// Bytes of answers that the peer has not finished.
    answer_bytes: usize,
    /// What this side asked and has no answer to.
    ours: BTreeSet<u32>,
    /// Capabilities that the peer was handed, and how many times.
    exports: BTreeMap<u32, u32>,
}

#[derive(Debug)]
enum Question {
    Waiting,
    Cancelled,
    Answered { bytes: usize, exports: Vec<u32> },
}

/// When a message is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// As soon as it can be.
    Now,
    /// With the next one, if that comes soon.
    WithOthers,
}

impl Questions {
    /// How many calls of the peer wait for their answer.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether more may be about to be sent: other answers, or other calls. Where one call follows the
    /// other there is nothing to wait for.
    pub(crate) fn are_several(&self) -> bool {
        self.waiting > 0 || self.ours.len() > 1
    }

    /// Bytes of answers that the peer has and did not finish.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// A message comes in.
    pub(crate) fn receive(
        &mut self,
        incoming: Incoming,
        limits: &NetworkLimits,
    ) -> Result<(), NetworkError> {
        match incoming {
            Incoming::Question(id) => {
                let btree_map::Entry::Vacant(question) = self.theirs.entry(id) else {
                    return Err(NetworkError::QuestionInUse);
                };
                question.insert(Question::Waiting);
                self.waiting += 1;
            }
            Incoming::Finish(id, releases) => self.finish(id, releases, limits)?,
            Incoming::Return(id) => {
                if !self.ours.remove(&id) {
                    return Err(NetworkError::AnswerUnasked);
                }
            }
            Incoming::Release(id, count) => self.release(id, count),
            Incoming::Other => {}
        }
        Ok(())
    }

    /// A message of so many bytes goes out.
    pub(crate) fn send(
        &mut self,
        message: &Builder<HeapAllocator>,
        bytes: usize,
        limits: &NetworkLimits,
    ) -> Result<Haste, NetworkError> {
        let message: message::Reader<'_> = message.get_root_as_reader()?;
        match message.which()? {
            message::Finish(finish) => {
                // Nobody waits for it; but of a call without an answer it is the end.
                let has_answer = !self.ours.contains(&finish?.get_question_id());
                return Ok(match has_answer {
                    true => Haste::WithOthers,
                    false => Haste::Now,
                });
            }
            message::Bootstrap(bootstrap) => self.ask(bootstrap?.get_question_id(), limits)?,
            message::Call(call) => {
                let call = call?;
                self.ask(call.get_question_id(), limits)?;
                self.export(call.get_params()?.get_cap_table()?)?;
            }
            message::Return(answer) => self.answer(answer?, bytes, limits)?,
            message::Resolve(resolve) => {
                if let resolve::Cap(cap) = resolve?.which()? {
                    self.export_one(cap?)?;
                }
            }
            _ => {}
        }
        let max = limits.exports_max;
        if self.exports.len() > max {
            return Err(NetworkError::Exports { max });
        }
        Ok(Haste::Now)
    }

    fn ask(&mut self, id: u32, limits: &NetworkLimits) -> Result<(), NetworkError> {
        self.ours.insert(id);
        let max = limits.asked_max;
        if self.ours.len() > max {
            return Err(NetworkError::Asked { max });
        }
        Ok(())
    }

    fn answer(
        &mut self,
        answer: return_::Reader<'_>,
        bytes: usize,
        limits: &NetworkLimits,
    ) -> Result<(), NetworkError> {
        let exports = match answer.which()? {
            return_::Results(results) => self.export(results?.get_cap_table()?)?,
            _ => Vec::new(),
        };
        let btree_map::Entry::Occupied(mut question) = self.theirs.entry(answer.get_answer_id())
        else {
            return Ok(());
        };
        if let Question::Cancelled = question.get() {
            self.cancelled -= 1;
            question.remove();
            return Ok(());
        }
        self.waiting -= 1;
        if answer.get_no_finish_needed() {
            question.remove();
            return Ok(());
        }
        question.insert(Question::Answered { bytes, exports });
        self.answer_bytes += bytes;
        let max = limits.answers_max;
        if self.theirs.len() - self.waiting - self.cancelled > max {
            return Err(NetworkError::Answers { max });
        }
        let max = limits.answer_bytes_max.saturating_mul(16);
        if self.answer_bytes > max {
            return Err(NetworkError::AnswerBytes { max });
        }
        Ok(())
    }

    fn finish(
        &mut self,
        id: u32,
        releases: bool,
        limits: &NetworkLimits,
    ) -> Result<(), NetworkError> {
        // The library lets unknown numbers pass as well.
        let btree_map::Entry::Occupied(mut question) = self.theirs.entry(id) else {
            return Ok(());
        };
        match question.get() {
            Question::Cancelled => {}
            Question::Waiting => {
                question.insert(Question::Cancelled);
                self.waiting -= 1;
                self.cancelled += 1;
                let max = limits.cancelled_max;
                if self.cancelled > max {
                    return Err(NetworkError::Cancelled { max });
                }
            }
            Question::Answered { .. } => {
                if let Question::Answered { bytes, exports } = question.remove() {
                    self.answer_bytes -= bytes;
                    for export in exports.into_iter().filter(|_| releases) {
                        self.release(export, 1);
                    }
                }
            }
        }
        Ok(())
    }

    fn export(
        &mut self,
        table: struct_list::Reader<'_, cap_descriptor::Owned>,
    ) -> Result<Vec<u32>, NetworkError> {
        let mut exports = Vec::new();
        for descriptor in table {
            exports.extend(self.export_one(descriptor)?);
        }
        Ok(exports)
    }

    fn export_one(
        &mut self,
        descriptor: cap_descriptor::Reader<'_>,
    ) -> Result<Option<u32>, NetworkError> {
        match descriptor.which()? {
            cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id) => {
                *self.exports.entry(id).or_default() += 1;
                Ok(Some(id))
            }
            _ => Ok(None),
        }
    }

    /// Numbers that are wrong the library refuses.
    fn release(&mut self, id: u32, count: u32) {
        if let btree_map::Entry::Occupied(mut export) = self.exports.entry(id) {
            *export.get_mut() = export.get().saturating_sub(count);
            if *export.get() == 0 {
                export.remove();
            }
        }
    }
}
