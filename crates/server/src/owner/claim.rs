//! Claiming a writer.

use share_engine::{Authority, ClaimRequest, Context, LogAnswers};
use share_model::{Claimed, Refusal, RefusalCode};

use super::appenders::AppenderTicket;
use super::call::{Command, Ran};
use super::share::Share;

/// Claims the writer of an outbox.
#[derive(Debug)]
pub(crate) struct ClaimCall {
    pub(crate) authority: Authority,
    pub(crate) request: ClaimRequest,
}

/// A claim that holds.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) appender: AppenderTicket,
    pub(crate) claimed: Claimed,
}

impl Command for ClaimCall {
    type Answer = Claim;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Claim> {
        if !share.appenders.has_room() {
            return Err(no_room()).into();
        }
        let claimed = share
            .state()
            .and_then(|state| state.claim(context, &self.authority, self.request.clone()));
        let (answer, record) = match claimed {
            Ok(claimed) => claimed,
            Err(refusal) => return Err(refusal).into(),
        };
        let claimed = Claimed {
            incarnation: answer.incarnation,
            history: context.history,
            writer: answer.writer,
            floor: answer.floor,
            highest: answer.highest,
            chain: answer.chain,
        };
        let appender = share
            .appenders
            .insert(answer.appender, self.authority.clone());
        Ok((Claim { appender, claimed }, Some(record))).into()
    }
}

fn no_room() -> Refusal {
    Refusal::new(
        RefusalCode::WritersExhausted,
        "the share has as many live appenders as it may have: drop some, or come later",
    )
}
