//! Everything about one op, for a person who is to decide about it.

use rusqlite::{Connection, params};
use share_model::{EntryBody, Identity, Mutation, OpId, Origin, ShareId, UnixMs};

use super::Outbox;
use super::error::OutboxError;
use super::lanes::Lane;
use super::lookup;
use super::members;
use super::ops::{self, Group};
use super::sql::time;
use super::status::{self, Row};

/// An op with all that the outbox knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpDetails {
    /// Where it stands.
    pub row: Row,
    /// What others depend on it by.
    pub identity: Identity,
    /// What it changes: up to the share's limit for a value, as it was enqueued.
    pub mutation: Mutation,
    /// Whose op it is; `None`: the outbox's own.
    pub origin: Option<Origin>,
    /// What must be applied before it.
    pub depends_on: Vec<DependencyDetails>,
    /// The atomic group that it belongs to.
    pub group: Option<GroupDetails>,
    /// Whether the server is being asked to remember that it is given up; how that ends is not known
    /// before it answers.
    pub is_given_up: bool,
    /// How often the share rejected it.
    pub rejections: u32,
    /// When the share rejected it first.
    pub first_rejected_at: Option<UnixMs>,
    /// When it ended.
    pub settled_at: Option<UnixMs>,
    /// When a person decided about it.
    pub resolved_at: Option<UnixMs>,
    /// When its lane was left for another one; `None`: it is in the share's own lane.
    pub lane_left_at: Option<UnixMs>,
}

/// A dependency of an op.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependencyDetails {
    /// The op that must be applied before.
    pub identity: Identity,
    /// How it stands; `None`: the outbox does not hold it (any more).
    pub held: Option<Row>,
}

/// An atomic group of ops: all of them are applied, or none is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDetails {
    /// Its ops, in the order of their seqs.
    pub ops: Vec<OpId>,
    /// Applied only if the share's cursor is this one.
    pub expected_cursor: Option<share_model::Cursor>,
}

impl Outbox {
    /// Everything about an op of a share; `None` if the outbox does not hold it (any more).
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn op_details(
        &self,
        share: ShareId,
        op: OpId,
    ) -> Result<Option<OpDetails>, OutboxError> {
        self.run(move |db| match lookup::by_id(db, share, op)? {
            None => Ok(None),
            Some((lane, seq)) => match status::row_at(db, &lane, seq)? {
                None => Ok(None),
                Some(row) => read(db, &lane, row).map(Some),
            },
        })
        .await
    }

    /// Up to `limit` ops of a share, or of any, whose ids are from `first` to `last`: by share in the
    /// outbox's order, then by id. Finds an op by the beginning of its id.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn rows_between(
        &self,
        share: Option<ShareId>,
        (first, last): (OpId, OpId),
        limit: usize,
    ) -> Result<Vec<Row>, OutboxError> {
        self.run(move |db| lookup::between(db, share, (first, last), limit))
            .await
    }
}

fn read(db: &Connection, lane: &Lane, row: Row) -> Result<OpDetails, OutboxError> {
    let at = row.seq;
    let (entry, _) = ops::entry_at(db, lane.number, at)?;
    let identity = entry.identity(lane.outbox());
    let EntryBody::Op(op) = entry.body else {
        return Err(OutboxError::Unreadable { what: "an op" });
    };
    let members = members::between(db, lane.number, (at, at))?;
    let member = members
        .into_iter()
        .next()
        .ok_or(OutboxError::Unreadable { what: "an op" })?;
    let mut depends_on = Vec::with_capacity(op.depends_on.len());
    for dependency in &op.depends_on {
        let identity = dependency.resolve(identity.outbox);
        let held = match lookup::by_identity(db, lane.share, identity)? {
            None => None,
            Some((lane, seq)) => status::row_at(db, &lane, seq)?,
        };
        depends_on.push(DependencyDetails { identity, held });
    }
    let times = db
        .prepare_cached(
            "SELECT settled_at, resolved_at FROM standing WHERE lane = ?1 AND seq = ?2",
        )?
        .query_row(params![lane.number, super::sql::int(at.get())], |row| {
            Ok((time(row, 0), time(row, 1)))
        })?;
    Ok(OpDetails {
        identity,
        mutation: op.mutation,
        origin: entry.origin,
        depends_on,
        group: member
            .group
            .map(|group| group_of(db, lane, group))
            .transpose()?,
        is_given_up: member.give_up && !row.state.is_final(),
        rejections: member.rejections,
        first_rejected_at: member.first_rejected_at,
        settled_at: times.0?,
        resolved_at: times.1?,
        lane_left_at: lane.left_at,
        row,
    })
}

fn group_of(db: &Connection, lane: &Lane, group: Group) -> Result<GroupDetails, OutboxError> {
    let members = members::between(db, lane.number, (group.first, group.last))?;
    Ok(GroupDetails {
        ops: members.into_iter().map(|member| member.op_id).collect(),
        expected_cursor: group.expected_cursor,
    })
}
