//! From each operation's errors to refusals: the one place that decides which code they get.

use share_model::{Refusal, RefusalCode, RefusalDetail, Seq};

use crate::append::AppendError;
use crate::append::admission::{HistoryError, LaneError, MemoryError};
use crate::append::shape::ShapeError;
use crate::authority::AuthorityError;
use crate::claim::{ClaimError, Position};
use crate::create::CreateError;
use crate::deletion::DeleteError;
use crate::epoch::BumpError;
use crate::freeze::FreezeError;
use crate::label::LabelError;
use crate::mint::MintError;
use crate::retirement::RoomError;
use crate::revocation::RevokeError;

impl From<AuthorityError> for Refusal {
    fn from(error: AuthorityError) -> Self {
        let code = match error {
            // No word more than that: who asks has proven nothing.
            AuthorityError::Unknown => return Self::not_authorized(),
            AuthorityError::Gone { .. } => RefusalCode::Gone,
            AuthorityError::StaleEpoch { .. } => RefusalCode::StaleEpoch,
            AuthorityError::Revoked { .. } => RefusalCode::Revoked,
            AuthorityError::Expired { .. } => RefusalCode::Expired,
            AuthorityError::RightMissing { .. } | AuthorityError::NotOwner { .. } => {
                RefusalCode::RightMissing
            }
            AuthorityError::Frozen { .. } => RefusalCode::Frozen,
        };
        Self::new(code, error.to_string())
    }
}

impl From<LabelError> for Refusal {
    fn from(error: LabelError) -> Self {
        limit(
            RefusalCode::InvalidRequest,
            &error,
            (Seq::ZERO, error.bytes, error.max.into()),
        )
    }
}

impl From<CreateError> for Refusal {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Label(error) => error.into(),
        }
    }
}

impl From<MintError> for Refusal {
    fn from(error: MintError) -> Self {
        let message = error.to_string();
        match error {
            MintError::Authority(error) => error.into(),
            MintError::Label(error) => error.into(),
            MintError::Stronger { .. } => Self::new(RefusalCode::RightMissing, message),
            MintError::LivesLonger { .. }
            | MintError::Expired { .. }
            | MintError::NoRight
            | MintError::NotARead
            | MintError::Taken { .. } => Self::new(RefusalCode::InvalidRequest, message),
            MintError::Barred { .. } => Self::new(RefusalCode::Revoked, message),
            MintError::TooDeep { depth, max, .. } => limit(
                RefusalCode::QuotaExceeded,
                &message,
                (Seq::ZERO, depth + 1, max.into()),
            ),
            MintError::TooManySaved { children, max, .. } => limit(
                RefusalCode::QuotaExceeded,
                &message,
                (Seq::ZERO, children + 1, max.into()),
            ),
            MintError::TooMany { grants, max } => limit(
                RefusalCode::QuotaExceeded,
                &message,
                (Seq::ZERO, grants + 1, max.into()),
            ),
        }
    }
}

impl From<BumpError> for Refusal {
    fn from(error: BumpError) -> Self {
        let message = error.to_string();
        match error {
            BumpError::Authority(error) => error.into(),
            BumpError::Label(error) => error.into(),
            BumpError::OtherSecret { .. } | BumpError::Taken { .. } => {
                Self::new(RefusalCode::InvalidRequest, message)
            }
        }
    }
}

impl From<RevokeError> for Refusal {
    fn from(error: RevokeError) -> Self {
        let message = error.to_string();
        match error {
            RevokeError::Authority(error) => error.into(),
            RevokeError::Label(error) => error.into(),
            RevokeError::NotBelow { .. } | RevokeError::Owners { .. } => {
                Self::new(RefusalCode::InvalidRequest, message)
            }
        }
    }
}

impl From<FreezeError> for Refusal {
    fn from(error: FreezeError) -> Self {
        match error {
            FreezeError::Authority(error) => error.into(),
            FreezeError::Label(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Refusal {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Authority(error) => error.into(),
            DeleteError::Label(error) => error.into(),
        }
    }
}

impl From<ClaimError> for Refusal {
    fn from(error: ClaimError) -> Self {
        let message = error.to_string();
        match error {
            ClaimError::Authority(error) => error.into(),
            ClaimError::HistoryChanged { position, .. } => history_changed(message, &position),
            ClaimError::Fenced { .. } => Self::new(RefusalCode::WriterFenced, message),
            ClaimError::IncarnationsExhausted { .. } => {
                Self::new(RefusalCode::InvalidRequest, message)
            }
            ClaimError::NoRoom(error) => error.into(),
        }
    }
}

impl From<RoomError> for Refusal {
    fn from(error: RoomError) -> Self {
        let (actual, max) = match error {
            RoomError::Share { open, max } | RoomError::Subtree { open, max, .. } => (open, max),
            RoomError::Retired { retired, max } => (retired, max),
        };
        limit(
            RefusalCode::WritersExhausted,
            &error,
            (Seq::ZERO, actual + 1, max.into()),
        )
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        let message = error.to_string();
        match error {
            AppendError::Authority(error) => error.into(),
            AppendError::HistoryChanged {
                why: HistoryError::Other { .. } | HistoryError::SettledAboveHighest { .. },
                position,
            } => history_changed(message, &position),
            AppendError::Fenced(_) => Self::new(RefusalCode::WriterFenced, message),
            AppendError::Shape(error) => error.into(),
            AppendError::Lane(error) => error.into(),
            AppendError::Memory(error) => error.into(),
        }
    }
}

impl From<ShapeError> for Refusal {
    fn from(error: ShapeError) -> Self {
        match error {
            ShapeError::TooManyOps { ops, max } => {
                limit(RefusalCode::BatchTooLarge, &error, (Seq::ZERO, ops, max))
            }
            ShapeError::TooManyBytes { bytes, max } => {
                limit(RefusalCode::BatchTooLarge, &error, (Seq::ZERO, bytes, max))
            }
            ShapeError::TooManyDependencies { seq, count, max } => {
                limit(RefusalCode::InvalidRequest, &error, (seq, count, max))
            }
            ShapeError::CursorWithoutAtomic
            | ShapeError::AbandonInAtomic { .. }
            | ShapeError::SeqZero
            | ShapeError::NotAscending { .. } => {
                Self::new(RefusalCode::InvalidRequest, error.to_string())
            }
        }
    }
}

impl From<LaneError> for Refusal {
    fn from(error: LaneError) -> Self {
        match error {
            LaneError::WindowExceeded { seq, ahead, window } => limit(
                RefusalCode::WindowExceeded,
                &error,
                (seq, ahead, window.into()),
            ),
            LaneError::OutOfOrder { expected, .. } => {
                Self::new(RefusalCode::OutOfOrder, error.to_string())
                    .with_detail(RefusalDetail::Expected(expected))
            }
            LaneError::AlreadySettled { .. } => {
                Self::new(RefusalCode::AlreadySettled, error.to_string())
            }
            LaneError::Forked { .. } => Self::new(RefusalCode::WriterForked, error.to_string()),
        }
    }
}

impl From<MemoryError> for Refusal {
    fn from(error: MemoryError) -> Self {
        let (code, actual, max) = match error {
            MemoryError::Requeued { identities, max }
            | MemoryError::RequeuedBelow {
                identities, max, ..
            } => (RefusalCode::RequeueLimit, identities, max),
            MemoryError::Abandoned { abandoned, max } => {
                (RefusalCode::AbandonLimit, abandoned, max)
            }
        };
        limit(code, &error, (Seq::ZERO, actual, max.into()))
    }
}

fn history_changed(message: String, position: &Position) -> Refusal {
    Refusal::new(RefusalCode::HistoryChanged, message).with_detail(RefusalDetail::History {
        history: position.history,
        floor: position.floor,
        highest: position.highest,
        chain: position.chain,
    })
}

/// A refusal by a bound: which seq broke it, what was asked for and what is allowed.
fn limit(
    code: RefusalCode,
    message: &impl ToString,
    (seq, actual, max): (Seq, u64, u64),
) -> Refusal {
    Refusal::new(code, message.to_string()).with_detail(RefusalDetail::Limit { seq, actual, max })
}
