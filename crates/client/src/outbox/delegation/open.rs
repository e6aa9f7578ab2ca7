//! What of a share is delegated and not over, and how it ends.

use rusqlite::Connection;
use share_model::ShareId;

use super::super::error::OutboxError;
use super::Stamp;
use super::event::{self, LeaseEventKind, NewEvent};
use super::scope::Scope;
use super::session::AgentSession;
use super::table::{self, Delegated, Ending};

/// The delegations of a share that are not over at the moment of its stamp. Every step begins with
/// them, so that a claim that ran out is over before anything is decided by it.
pub(super) struct Open<'a> {
    pub(super) db: &'a Connection,
    pub(super) stamp: &'a Stamp,
    pub(super) share: ShareId,
    /// Oldest first. What is delegated under a claim that is over is over as well.
    pub(super) rows: Vec<Delegated>,
}

impl<'a> Open<'a> {
    pub(super) fn load(
        db: &'a Connection,
        stamp: &'a Stamp,
        share: ShareId,
    ) -> Result<Self, OutboxError> {
        let mut open = Self {
            db,
            stamp,
            share,
            rows: table::open(db, share)?,
        };
        let now = stamp.now();
        let expired = |row: &Delegated| {
            let expires_at = row.claim.as_ref().and_then(|claim| claim.expires_at);
            expires_at.is_some_and(|at| at <= now)
        };
        while let Some(number) = open.number_of(expired) {
            open.end(number, Ending::Expired, None)?;
        }
        Ok(open)
    }

    /// The number of the first row like this.
    pub(super) fn number_of(&self, is_it: impl Fn(&Delegated) -> bool) -> Option<i64> {
        let found = self.rows.iter().find(|row| is_it(row));
        found.map(|row| row.number)
    }

    /// Ends a row, and what was delegated under its claim. `by` is who says so.
    pub(super) fn end(
        &mut self,
        number: i64,
        ending: Ending,
        by: Option<&AgentSession>,
    ) -> Result<(), OutboxError> {
        let Some(at) = self.rows.iter().position(|row| row.number == number) else {
            return Ok(());
        };
        let row = self.rows.remove(at);
        table::end(self.db, number, (self.stamp.now(), ending))?;
        let event = NewEvent {
            ops: row.enqueued,
            ..NewEvent::of(LeaseEventKind::Ended(ending), by)
        };
        event::insert(self.db, self.stamp, number, event)?;
        while let Some(below) = self.number_of(|row| row.under == Some(number)) {
            self.end(below, Ending::WithItsParent, None)?;
        }
        Ok(())
    }

    /// Whether the row comes from the session: it delegated it, or a claim above it.
    pub(super) fn comes_from(&self, row: &Delegated, session: &AgentSession) -> bool {
        if row.of.parent == *session {
            return true;
        }
        let above = row.under.and_then(|above| self.row(above));
        above.is_some_and(|above| self.comes_from(above, session))
    }

    fn row(&self, number: i64) -> Option<&Delegated> {
        self.rows.iter().find(|row| row.number == number)
    }

    /// What the session holds that covers `key`: the narrowest, of two alike the newest.
    pub(super) fn held(&self, session: &AgentSession, key: &str) -> Option<&Delegated> {
        let held = self.rows.iter().filter(|row| row.is_claimed_by(session));
        held.filter(|row| row.of.scope.covers(key))
            .max_by_key(|row| (row.of.scope.as_str().len(), row.number))
    }

    /// What the session holds that contains `scope`.
    pub(super) fn held_scope(&self, session: &AgentSession, scope: &Scope) -> Option<&Delegated> {
        self.held(session, scope.as_str())
    }
}
