//! Records: what a commit of one share changes, as it is persisted.
//!
//! Every type here is persisted: fields and variants may be added at the end under a new format
//! number only, and never change their meaning.

use serde::{Deserialize, Serialize};
use share_model::{
    BatchId, Cursor, Epoch, Fingerprint, FirstLane, GrantId, Incarnation, LoggedOp, Nonce, Op,
    Origin, OutboxId, RequestId, Rights, SecretHash, Seq, ShareId, ShareVersion, UnixMs, WriterId,
};

/// The newest reading of an encoded record; its first byte says which one follows.
///
/// * 1: everything but what is named below.
/// * 2: [`Recorded::AppliedFor`] as well.
/// * 3: [`Change::Minted`], [`Change::Revoked`], [`Change::Frozen`], [`Change::Deleted`] and
///   [`Change::Noted`] as well.
///
/// A record is written in the least format that can say it. So the bytes of what was known before
/// stay the same for ever, and a server of an earlier version can be put back, or serve beside this
/// one, as long as nothing was written that it would misread; from there on it refuses by name
/// (`Newer`). Always writing the newest would refuse it from the first commit on, for nothing.
const FORMAT: u8 = 3;

/// One commit of a share: applied to the state of `version - 1` it gives the state of `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The share's version after the commit; the first record of a share has 1.
    pub version: ShareVersion,
    /// The server's time of the commit.
    pub at: UnixMs,
    /// What changed.
    pub change: Change,
}

/// What a record changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The share came into being.
    Created(Created),
    /// A writer was claimed.
    Claimed(Claimed),
    /// A batch passed, or moved the floor.
    Appended(Appended),
    /// The epoch was bumped.
    EpochBumped(EpochBumped),
    /// A grant was minted by a server of an earlier version, which knew nothing but `save`.
    GrantMinted(Grant),
    /// Format 3. A grant was minted.
    Minted(MintedGrant),
    /// Format 3. A grant was revoked, with all below it.
    Revoked(GrantRevoked),
    /// Format 3. Appends are refused from now on, or let in again.
    Frozen(FreezeSet),
    /// Format 3. The share was deleted.
    Deleted(ShareDeleted),
    /// Format 3. How grants were used.
    Noted(Vec<Note>),
}

impl Change {
    /// Whether somebody may not do any more what he might do before.
    pub fn ends_authority(&self) -> bool {
        match self {
            Self::EpochBumped(_) | Self::Revoked(_) | Self::Deleted(_) => true,
            Self::Created(_)
            | Self::Claimed(_)
            | Self::Appended(_)
            | Self::GrantMinted(_)
            | Self::Minted(_)
            | Self::Frozen(_)
            | Self::Noted(_) => false,
        }
    }

    /// What its encoding takes, about, and rather too much: so that it is written into one piece of memory.
    fn bytes_about(&self) -> usize {
        /// Of ids, counters and lengths of a record or an entry besides what is counted.
        const FIELDS: usize = 128;
        let Self::Appended(appended) = self else {
            return FIELDS;
        };
        let entries = appended.entries.iter().map(|entry| {
            let texts = entry.outcome.applied().map_or(0, |(op, origin)| {
                let origin = origin.map_or(0, |origin| origin.id().len());
                op.mutation.bytes() + origin + size_of_val(op.depends_on.as_slice())
            });
            FIELDS + texts
        });
        FIELDS + entries.sum::<usize>()
    }

    /// The least format of a record that can say this.
    fn format(&self) -> u8 {
        match self {
            Self::Appended(appended) => {
                let formats = appended.entries.iter().map(|entry| entry.outcome.format());
                formats.max().unwrap_or(1)
            }
            Self::Created(_) | Self::Claimed(_) | Self::EpochBumped(_) | Self::GrantMinted(_) => 1,
            Self::Minted(_)
            | Self::Revoked(_)
            | Self::Frozen(_)
            | Self::Deleted(_)
            | Self::Noted(_) => 3,
        }
    }
}

/// A share came into being.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The share's id.
    pub share: ShareId,
    /// The factory's grant under which it was created.
    pub factory: GrantId,
    /// The caller's request id: creating is repeatable.
    pub request: RequestId,
    /// A title for people.
    pub title: String,
    /// Who created it.
    pub origin: Origin,
    /// The owner's grant, under epoch 1.
    pub owner: Grant,
}

/// The server's record behind a sturdy ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Names the grant.
    pub id: GrantId,
    /// What it allows.
    pub rights: Rights,
    /// The epoch under which it was given.
    pub epoch: Epoch,
    /// When it runs out, by the server's clock; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// A label for people.
    pub label: String,
    /// The grant from which it was made; `None`: an owner's.
    pub parent: Option<GrantId>,
    /// Who made it.
    pub origin: Origin,
    /// What proves it.
    pub secret_hash: SecretHash,
    /// When it was made.
    pub created_at: UnixMs,
}

/// A writer was claimed: always committed, also when repeated with the same nonce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The outbox whose lane it is.
    pub outbox: OutboxId,
    /// The incarnation that the claim gave.
    pub incarnation: Incarnation,
    /// The nonce under which the claim may be repeated.
    pub nonce: Nonce,
    /// The grant under which it was claimed.
    pub grant: GrantId,
    /// The writers that were retired to make room.
    pub retired: Vec<OutboxId>,
}

/// A batch passed as a whole, or was refused and moved the floor (then without entries).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The outbox whose lane it is.
    pub outbox: OutboxId,
    /// The writer's number; given at its first append.
    pub writer: WriterId,
    /// The grant under which it was appended.
    pub grant: GrantId,
    /// The batch.
    pub batch: BatchId,
    /// The floor after the commit.
    pub settled_through: Seq,
    /// The writers that were retired to make room.
    pub retired: Vec<OutboxId>,
    /// The share's cursor before the commit.
    pub cursor_before: Cursor,
    /// The entries whose outcome is new, in the order of the batch. What was recorded before and is
    /// only answered again is not here.
    pub entries: Vec<RecordedEntry>,
}

/// The new outcome of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEntry {
    /// The seq in this lane.
    pub seq: Seq,
    /// Where the op was first enqueued, if not here.
    pub was: Option<FirstLane>,
    /// The op's fingerprint.
    pub fingerprint: Fingerprint,
    /// What became of it.
    pub outcome: Recorded,
}

/// What became of an entry, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recorded {
    /// Applied; its cursor is one above that of the applied entry before it.
    Applied(Op),
    /// Applied before, at this cursor.
    Duplicate(Cursor),
    /// Not applied: a hole, which the same op may fill later.
    Rejected,
    /// Whether it was applied can't be told.
    InDoubt,
    /// Given up.
    Abandoned,
    /// Format 2. As [`Recorded::Applied`], for an op that is not its writer's own: whose it is.
    AppliedFor(Op, Origin),
}

impl Recorded {
    /// An op that was applied now, and whose it is if it is not its writer's own.
    pub fn new_applied(op: Op, origin: Option<Origin>) -> Self {
        match origin {
            None => Self::Applied(op),
            Some(origin) => Self::AppliedFor(op, origin),
        }
    }

    /// The op, if it was applied now, and whose it is if it is not its writer's own.
    pub fn applied(&self) -> Option<(&Op, Option<&Origin>)> {
        match self {
            Self::Applied(op) => Some((op, None)),
            Self::AppliedFor(op, origin) => Some((op, Some(origin))),
            Self::Duplicate(_) | Self::Rejected | Self::InDoubt | Self::Abandoned => None,
        }
    }

    /// The least format of a record that can say this.
    fn format(&self) -> u8 {
        match self {
            Self::Applied(_)
            | Self::Duplicate(_)
            | Self::Rejected
            | Self::InDoubt
            | Self::Abandoned => 1,
            Self::AppliedFor(..) => 2,
        }
    }
}

/// The epoch was bumped: grants and sessions of earlier epochs end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochBumped {
    /// The caller's request id: bumping is repeatable.
    pub request: RequestId,
    /// The grant under which it was bumped.
    pub by: GrantId,
    /// The new owner's grant; its epoch is the new one.
    pub owner: Grant,
}

mod authority;

pub use authority::{
    FreezeSet, GrantRevoked, MintKind, MintedGrant, Note, NoteEvent, ShareDeleted,
};

/// A record that can't be read or does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer version.
    #[error("record has format {found}, this version reads up to {FORMAT}: upgrade")]
    Newer {
        /// The format found.
        found: u8,
    },
    /// Not a record.
    #[error("record can't be read")]
    Malformed,
    /// The record does not follow the state that it is applied to.
    #[error("record has version {found}, expected {expected}")]
    OutOfSequence {
        /// The record's version.
        found: ShareVersion,
        /// The version that would follow.
        expected: ShareVersion,
    },
    /// The record contradicts the state that it is applied to.
    #[error("record of version {version} contradicts the state: {what}")]
    Contradiction {
        /// The record's version.
        version: ShareVersion,
        /// What contradicts.
        what: &'static str,
    },
}

impl Record {
    /// The record as bytes: a format number, then postcard.
    ///
    /// # Panics
    ///
    /// Never: every field can be written.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.change.bytes_about());
        bytes.push(self.change.format());
        postcard::to_extend(self, bytes).expect("every field of a record can be written")
    }

    /// Reads what [`Record::encode`] wrote.
    ///
    /// # Errors
    ///
    /// If the bytes are not a record of a known format.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((&found, _)) if found > FORMAT => Err(RecordError::Newer { found }),
            None | Some((0, _)) => Err(RecordError::Malformed),
            Some((&found, rest)) => {
                let record: Self =
                    postcard::from_bytes(rest).map_err(|_| RecordError::Malformed)?;
                // What a format can't say was not written in it.
                if record.change.format() > found {
                    return Err(RecordError::Malformed);
                }
                Ok(record)
            }
        }
    }

    /// Whether [`Record::logged`] gives any op.
    pub fn has_logged(&self) -> bool {
        match &self.change {
            Change::Appended(appended) => {
                let mut entries = appended.entries.iter();
                entries.any(|entry| entry.outcome.applied().is_some())
            }
            _ => false,
        }
    }

    /// The applied ops, in the order of the log.
    pub fn logged(&self) -> Vec<LoggedOp> {
        let Change::Appended(appended) = &self.change else {
            return Vec::new();
        };
        let mut cursor = appended.cursor_before;
        let mut logged = Vec::with_capacity(appended.entries.len());
        for entry in &appended.entries {
            let Some((op, origin)) = entry.outcome.applied() else {
                continue;
            };
            cursor = cursor.next();
            logged.push(LoggedOp {
                cursor,
                writer: appended.writer,
                seq: entry.seq,
                at: self.at,
                op: op.clone(),
                origin: origin.cloned(),
            });
        }
        logged
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Mutation, OpId, OriginKind, OwnerId};

    use super::*;

    fn appended() -> Record {
        let op = Op {
            id: OpId::from_bytes([5; 16]),
            depends_on: Vec::new(),
            mutation: Mutation::Put {
                key: "k".into(),
                json: "1".into(),
            },
        };
        let entry = |seq, was, outcome| RecordedEntry {
            seq: Seq::new(seq),
            was,
            fingerprint: Fingerprint::from_bytes([3; 16]),
            outcome,
        };
        let was = FirstLane {
            outbox: OutboxId::from_bytes([4; 16]),
            seq: Seq::new(9),
        };
        let entries = vec![
            entry(1, Some(was), Recorded::Applied(op)),
            entry(2, None, Recorded::Duplicate(Cursor::new(300))),
            entry(3, None, Recorded::Rejected),
            entry(4, None, Recorded::InDoubt),
            entry(5, None, Recorded::Abandoned),
        ];
        Record {
            version: ShareVersion::new(2),
            at: UnixMs::new(7),
            change: Change::Appended(Appended {
                outbox: OutboxId::from_bytes([1; 16]),
                writer: WriterId::new(6),
                grant: GrantId::from_bytes([2; 16]),
                batch: BatchId::from_bytes([8; 16]),
                settled_through: Seq::ZERO,
                retired: Vec::new(),
                cursor_before: Cursor::new(128),
                entries,
            }),
        }
    }

    /// Every byte by hand: a number below 128 is itself, an array its bytes, an id (a UUID) and a
    /// list their length first, an enum its variant's number.
    #[test]
    fn the_bytes_of_a_record_are_persisted_and_never_change() {
        let fingerprint = [3; 16];
        let head: &[&[u8]] = &[
            &[1, 2, 7, 2], // format, version, at, Appended
            &[1; 16],
            &[6, 16],
            &[2; 16],
            &[16],
            &[8; 16],
            &[0, 0, 0x80, 1, 5], // floor, retired, cursor 128, five entries
        ];
        let entries: &[&[u8]] = &[
            &[1, 1],
            &[4; 16],
            &[9],
            &fingerprint,
            &[0, 16], // Applied
            &[5; 16],
            &[0, 0, 1, b'k', 1, b'1'], // no dependencies, Put
            &[2, 0],
            &fingerprint,
            &[1, 0xac, 2], // Duplicate, cursor 300
            &[3, 0],
            &fingerprint,
            &[2],
            &[4, 0],
            &fingerprint,
            &[3],
            &[5, 0],
            &fingerprint,
            &[4],
        ];
        let expected = [head.concat(), entries.concat()].concat();
        assert_eq!(appended().encode(), expected);
        assert_eq!(Record::decode(&expected), Ok(appended()));
    }

    #[test]
    fn a_record_that_can_not_be_read_says_why() {
        let mut bytes = appended().encode();
        assert_eq!(Record::decode(&bytes[..9]), Err(RecordError::Malformed));
        assert_eq!(Record::decode(&[]), Err(RecordError::Malformed));
        bytes[0] = 0;
        assert_eq!(Record::decode(&bytes), Err(RecordError::Malformed));
        bytes[0] = 4;
        assert_eq!(Record::decode(&bytes), Err(RecordError::Newer { found: 4 }));
    }

    /// A record whose first op is that of an agent session called `s`.
    fn appended_for_a_session() -> Record {
        let mut record = appended();
        let Change::Appended(appended) = &mut record.change else {
            unreachable!("it is one");
        };
        let Recorded::Applied(op) = appended.entries.remove(0).outcome else {
            unreachable!("the first is applied");
        };
        appended.entries.truncate(1);
        let origin = Origin::new(OriginKind::Agent, "s".into(), 9).unwrap();
        let outcome = Recorded::new_applied(op, Some(origin));
        let fingerprint = Fingerprint::from_bytes([3; 16]);
        let entry = RecordedEntry {
            seq: Seq::new(1),
            was: None,
            fingerprint,
            outcome,
        };
        appended.entries.insert(0, entry);
        record
    }

    #[test]
    fn a_record_with_a_sessions_op_is_of_format_2_and_its_bytes_never_change() {
        let expected: &[&[u8]] = &[
            &[2, 2, 7, 2], // format, version, at, Appended
            &[1; 16],
            &[6, 16],
            &[2; 16],
            &[16],
            &[8; 16],
            &[0, 0, 0x80, 1, 2], // floor, retired, cursor 128, two entries
            &[1, 0],
            &[3; 16],
            &[5, 16], // AppliedFor
            &[5; 16],
            &[0, 0, 1, b'k', 1, b'1'],
            &[1, 1, b's'], // Agent, id
            &[2, 0],
            &[3; 16],
            &[1, 0xac, 2],
        ];
        let expected = expected.concat();
        let record = appended_for_a_session();
        assert_eq!(record.encode(), expected);
        assert_eq!(Record::decode(&expected), Ok(record.clone()));
        let logged = record.logged();
        assert_eq!((logged.len(), record.has_logged()), (1, true));
        let origin = logged[0].origin.as_ref().map(Origin::id);
        assert_eq!((logged[0].cursor, origin), (Cursor::new(129), Some("s")));
    }

    #[test]
    fn a_record_that_its_format_can_not_say_is_refused() {
        let mut bytes = appended_for_a_session().encode();
        bytes[0] = 1;
        assert_eq!(Record::decode(&bytes), Err(RecordError::Malformed));
        // What format 1 could say may stand in format 2 as well.
        let mut bytes = appended().encode();
        bytes[0] = 2;
        assert_eq!(Record::decode(&bytes), Ok(appended()));
    }

    fn authority_record(change: Change) -> Record {
        Record {
            version: ShareVersion::new(2),
            at: UnixMs::new(7),
            change,
        }
    }

    #[test]
    fn records_of_authority_are_of_format_3_and_their_bytes_never_change() {
        let origin = || Origin::new(OriginKind::User, "o".into(), 9).unwrap();
        let grant = |n| GrantId::from_bytes([n; 16]);
        let revoked = GrantRevoked {
            grant: grant(2),
            epoch: Epoch::new(5),
            by: Some(grant(1)),
            origin: origin(),
        };
        let frozen = FreezeSet {
            frozen: true,
            by: grant(1),
            origin: origin(),
        };
        let deleted = ShareDeleted {
            by: None,
            origin: origin(),
        };
        let note = Note {
            at: UnixMs::new(1),
            last_at: UnixMs::new(2),
            count: 3,
            event: NoteEvent::Refused(4),
            grant: Some(grant(2)),
            client: "c".into(),
            cursor: Cursor::new(5),
        };
        let (id_1, id_2): (&[u8], &[u8]) = (&[1; 16], &[2; 16]);
        let cases: [(Change, Vec<&[u8]>); 4] = [
            (
                Change::Revoked(revoked),
                vec![&[3, 2, 7, 6, 16], id_2, &[5, 1, 16], id_1, &[0, 1, b'o']],
            ),
            (
                Change::Frozen(frozen),
                vec![&[3, 2, 7, 7, 1, 16], id_1, &[0, 1, b'o']],
            ),
            (Change::Deleted(deleted), vec![&[3, 2, 7, 8, 0, 0, 1, b'o']]),
            (
                Change::Noted(vec![note]),
                vec![&[3, 2, 7, 9, 1, 1, 2, 3, 1, 4, 1, 16], id_2, &[1, b'c', 5]],
            ),
        ];
        for (change, bytes) in cases {
            let (record, bytes) = (authority_record(change), bytes.concat());
            assert_eq!(record.encode(), bytes, "{record:?}");
            assert_eq!(Record::decode(&bytes), Ok(record));
        }
    }

    #[test]
    fn a_minted_grant_is_of_format_3_and_its_bytes_never_change() {
        let minted = MintedGrant {
            grant: Grant {
                id: GrantId::from_bytes([2; 16]),
                rights: Rights::ALL,
                epoch: Epoch::new(5),
                expires_at: Some(UnixMs::new(9)),
                label: "l".into(),
                parent: Some(GrantId::from_bytes([1; 16])),
                origin: Origin::new(OriginKind::User, "o".into(), 9).unwrap(),
                secret_hash: SecretHash::from_bytes([8; 32]),
                created_at: UnixMs::new(7),
            },
            kind: MintKind::Published,
            sealed_for: Some(OwnerId::from_bytes([6; 32])),
            evicted: vec![GrantId::from_bytes([3; 16])],
        };
        let expected: &[&[u8]] = &[
            &[3, 2, 7, 5, 16], // format, version, at, Minted
            &[2; 16],
            &[7, 5, 1, 9, 1, b'l', 1, 16], // rights, epoch, expiry, label, parent
            &[1; 16],
            &[0, 1, b'o'],
            &[8; 32],
            &[7, 1, 1], // created, Published, sealed
            &[6; 32],
            &[1, 16],
            &[3; 16],
        ];
        let expected = expected.concat();
        let record = authority_record(Change::Minted(minted));
        assert_eq!(record.encode(), expected);
        assert_eq!(Record::decode(&expected), Ok(record));
        // What a format can't say was not written in it.
        let mut older = expected;
        older[0] = 2;
        assert_eq!(Record::decode(&older), Err(RecordError::Malformed));
    }
}
