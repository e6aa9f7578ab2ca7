//! What administrators see: grants, and the audit.

use std::collections::BTreeMap;

use share_engine::{Authority, Context, LogAnswers};
use share_model::{AuditEntry, GrantId, GrantInfo};

use super::call::{Command, Ran};
use super::share::Share;

/// Asks for the grants with ids above one.
#[derive(Debug)]
pub(crate) struct GrantsCall {
    pub(crate) authority: Authority,
    pub(crate) after: Option<GrantId>,
}

impl Command for GrantsCall {
    type Answer = Vec<GrantInfo>;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Self::Answer> {
        // Who asks sees what was gathered so far; refused, it has no business to make it written.
        let may = share
            .state()
            .and_then(|state| state.grants(context, &self.authority, self.after));
        if let Err(refusal) = may {
            return Err(refusal).into();
        }
        let record = share.write_notes(context);
        let grants = share
            .state()
            .and_then(|state| state.grants(context, &self.authority, self.after));
        let answer = grants.map(|mut grants| {
            share.count_live(&mut grants);
            grants
        });
        Ran { answer, record }
    }
}

impl Share {
    /// Fills in how many sessions and viewers each grant has.
    fn count_live(&self, grants: &mut [GrantInfo]) {
        let mut live: BTreeMap<GrantId, (u32, u32)> = BTreeMap::new();
        for by in self.sessions.live() {
            live.entry(by.grant()).or_default().0 += 1;
        }
        for (_, by) in self.subscribers.live() {
            live.entry(by.grant()).or_default().1 += 1;
        }
        for grant in grants {
            // Whoever still holds a session of a grant that has ended holds nothing.
            let is_ended = grant.revoked_at.is_some();
            let counted = live.get(&grant.id).filter(|_| !is_ended);
            (grant.sessions, grant.viewers) = counted.copied().unwrap_or_default();
        }
    }
}

/// Asks for the audit's entries with numbers above one.
#[derive(Debug)]
pub(crate) struct AuditCall {
    pub(crate) authority: Authority,
    pub(crate) after: u64,
}

impl Command for AuditCall {
    type Answer = Vec<AuditEntry>;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Self::Answer> {
        let may = share
            .state()
            .and_then(|state| state.audit(context, &self.authority, self.after));
        if let Err(refusal) = may {
            return Err(refusal).into();
        }
        let record = share.write_notes(context);
        let answer = share
            .state()
            .and_then(|state| state.audit(context, &self.authority, self.after));
        Ran { answer, record }
    }
}
