//! A batch that was refused for what it holds: it is no more, and its ops are cut again.

use rusqlite::Connection;
use share_model::{Refusal, RefusalCode, RefusalDetail, Seq, UnixMs};

use super::batches::{self, Kind, StoredBatch};
use super::error::OutboxError;
use super::lanes::Lane;
use super::members::{self, Member};
use super::outcome::{Failure, Outcome};
use super::own_way;
use super::progress::{self, RowState};

/// Dissolves the refused batch and those that were cut after it: they were pipelined behind it and
/// got the same refusal, and must not be sent before what the refused one held. An op that the
/// refusal can only mean is given up.
pub(crate) fn dissolve(
    db: &Connection,
    lane: &Lane,
    number: i64,
    refusal: &Refusal,
    now: UnixMs,
) -> Result<(), OutboxError> {
    let open = batches::open(db, lane.number)?;
    let Some(at) = open.iter().position(|batch| batch.number == number) else {
        return Ok(());
    };
    for batch in &open[at..] {
        own_way::write_out(db, lane.number, batch)?;
    }
    let members = members::of_batch(db, lane.number, number, open[at].ends)?;
    let blamed = blame(&open[at], &members, refusal);
    for member in members.iter().filter(|member| blamed.contains(&member.seq)) {
        let outcome = Outcome::DeadLetter(Failure::Refused {
            code: refusal.code,
            message: refusal.message.clone(),
        });
        progress::give_up(db, lane.number, member.seq, &outcome)?;
    }
    let isolate = blamed.is_empty() && refusal.code != RefusalCode::BatchTooLarge;
    for batch in &open[at..] {
        let alone = isolate && batch.number == number;
        for member in members::of_batch(db, lane.number, batch.number, batch.ends)? {
            let answered = member.seq <= lane.answered_through;
            let state = if answered {
                RowState::Rejected
            } else {
                RowState::Queued
            };
            progress::release(db, lane.number, member.seq, (state, alone), now)?;
        }
        batches::delete(db, batch.number)?;
    }
    Ok(())
}

/// Which ops the refusal means; none if that can't be told yet. A group is meant as a whole.
fn blame(batch: &StoredBatch, members: &[Member], refusal: &Refusal) -> Vec<Seq> {
    let all = || members.iter().map(|member| member.seq).collect::<Vec<_>>();
    if batch.kind == Kind::Abandon {
        return Vec::new();
    }
    let named = match refusal.detail {
        RefusalDetail::Limit { seq, .. } => members.iter().find(|member| member.seq == seq),
        _ => None,
    };
    match named {
        _ if batch.atomic || members.len() == 1 => all(),
        Some(member) => vec![member.seq],
        None => Vec::new(),
    }
}
