//! Creating a share.

use share_model::{
    AuditEvent, Cursor, Document, Epoch, GrantId, Limits, Origin, Refusal, RequestId, Rights,
    SecretHash, ShareId, ShareVersion, UnixMs,
};

use crate::audit::Audit;
use crate::grants::Grants;
use crate::label::{LabelError, check_label};
use crate::ledger::Ledger;
use crate::record::{Change, Created, Grant, Record, RecordError};
use crate::state::{Creation, Head, ShareState};

/// A request to create a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateShare {
    /// The share's id.
    pub share: ShareId,
    /// The factory's grant under which it is created.
    pub factory: GrantId,
    /// Makes creating repeatable.
    pub request: RequestId,
    /// The owner's grant.
    pub owner_grant: GrantId,
    /// SHA-256 of the owner's secret.
    pub owner_secret_hash: SecretHash,
    /// A title for people.
    pub title: String,
    /// Who creates it.
    pub origin: Origin,
}

/// Why no share was created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CreateError {
    #[error(transparent)]
    Label(#[from] LabelError),
}

impl ShareState {
    /// A new share and its first record.
    ///
    /// # Errors
    ///
    /// `invalidRequest` if a text is too long.
    pub fn create(
        command: CreateShare,
        limits: Limits,
        now: UnixMs,
    ) -> Result<(Self, Record), Refusal> {
        check_texts(&command, &limits)?;
        let created = Created {
            share: command.share,
            factory: command.factory,
            request: command.request,
            title: command.title,
            owner: Grant {
                id: command.owner_grant,
                rights: Rights::ALL,
                epoch: Epoch::ZERO.next(),
                expires_at: None,
                label: String::new(),
                parent: None,
                origin: command.origin.clone(),
                secret_hash: command.owner_secret_hash,
                created_at: now,
            },
            origin: command.origin,
        };
        let record = Record {
            version: ShareVersion::ZERO.next(),
            at: now,
            change: Change::Created(created.clone()),
        };
        Ok((Self::created(created, now, limits), record))
    }

    /// Whether a repeated create is the one that made this share.
    pub fn is_created_by(
        &self,
        factory: GrantId,
        request: RequestId,
        secret_hash: &SecretHash,
    ) -> bool {
        let created = &self.head.created;
        created.factory == factory
            && created.request == request
            && created.owner_secret_hash == *secret_hash
    }

    /// The share that its first record describes: where a replay begins.
    ///
    /// # Errors
    ///
    /// If the record is not a share's first.
    pub fn begin(first: &Record, limits: Limits) -> Result<Self, RecordError> {
        let expected = ShareVersion::ZERO.next();
        if first.version != expected {
            return Err(RecordError::OutOfSequence {
                found: first.version,
                expected,
            });
        }
        let Change::Created(created) = &first.change else {
            return Err(RecordError::Contradiction {
                version: first.version,
                what: "a share's first record does not create it",
            });
        };
        Ok(Self::created(created.clone(), first.at, limits))
    }

    fn created(created: Created, at: UnixMs, limits: Limits) -> Self {
        let (owner, origin) = (created.owner.id, created.origin.clone());
        let mut state = Self {
            limits,
            document: Document::default(),
            head: Head {
                version: ShareVersion::ZERO.next(),
                cursor: Cursor::ZERO,
                log_start: Cursor::ZERO,
                epoch: created.owner.epoch,
                created: Creation {
                    share: created.share,
                    factory: created.factory,
                    request: created.request,
                    title: created.title,
                    origin: created.origin,
                    at,
                    owner_grant: created.owner.id,
                    owner_secret_hash: created.owner.secret_hash,
                },
                grants: Grants::new(created.owner),
                last_bump: None,
                ledger: Ledger::default(),
                frozen_at: None,
                tombstone: None,
                audit: Audit::default(),
                stored_bytes: 0,
            },
        };
        state.audit_change(at, (AuditEvent::Created, Some(owner), None), origin);
        state
    }
}

fn check_texts(command: &CreateShare, limits: &Limits) -> Result<(), CreateError> {
    check_label("title", &command.title, limits)?;
    check_label("origin id", command.origin.id(), limits)?;
    Ok(())
}
