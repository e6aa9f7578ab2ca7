//! Creating a share.

use std::sync::Arc;

use share_engine::{Context, CreateShare, LogAnswers, Record, ShareState};
use share_model::{CreatedShare, Epoch, Refusal, RefusalCode};

use super::call::{Command, Ran};
use super::share::Share;
use crate::factory::Creating;

/// Creates the share, or finds that this request has created it.
#[derive(Debug)]
pub(crate) struct CreateCall {
    pub(crate) request: CreateShare,
    /// The share stays counted until this has been run, whoever waits for it.
    pub(crate) _counted: Option<Arc<Creating>>,
}

impl Command for CreateCall {
    type Answer = CreatedShare;

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<CreatedShare> {
        match &share.state {
            Some(state) => self.again(state).map(|created| (created, None)).into(),
            None => self.first(share, context).into(),
        }
    }
}

impl CreateCall {
    fn first(
        &self,
        share: &mut Share,
        context: &Context,
    ) -> Result<(CreatedShare, Option<Record>), Refusal> {
        let (state, record) = ShareState::create(self.request.clone(), share.limits, context.now)?;
        let created = answer(&state);
        share.state = Some(state);
        Ok((created, Some(record)))
    }

    fn again(&self, state: &ShareState) -> Result<CreatedShare, Refusal> {
        let CreateShare {
            factory,
            request,
            owner_secret_hash,
            ..
        } = &self.request;
        if state.is_created_by(*factory, *request, owner_secret_hash) {
            Ok(answer(state))
        } else {
            Err(Refusal::new(
                RefusalCode::InvalidRequest,
                format!("request {request} created a share with another secret"),
            ))
        }
    }
}

fn answer(state: &ShareState) -> CreatedShare {
    CreatedShare {
        share: state.id(),
        grant: state.created_grant(),
        // What the grant was made with, whatever was bumped since.
        epoch: Epoch::ZERO.next(),
    }
}
