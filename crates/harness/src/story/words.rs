//! Events in words.

use std::fmt::Write as _;

use share_client::{Outcome, RowState};
use share_model::{LogPosition, LoggedOp, Mutation, OpOutcome, Seq};

use super::{Calls, short, short_op};
use crate::history::{Authority, Call, Group, MadeOp, SentEntry, Trouble, What};

/// Items of a list that are named; of the others, only how many they are.
const NAMED: usize = 6;

/// What an event says, without when and who.
pub(super) fn sentence(what: &What, calls: &Calls<'_>) -> String {
    let told = keeping(what, calls)
        .or_else(|| sending(what, calls))
        .or_else(|| authority(what, calls))
        .or_else(|| readers(what))
        .or_else(|| world(what));
    // One line, whatever the texts in it hold.
    told.unwrap_or_default().replace(['\n', '\r'], " ")
}

fn keeping(what: &What, calls: &Calls<'_>) -> Option<String> {
    Some(match what {
        What::Began { folder } => format!("begins, on the outbox in {folder}"),
        What::Enqueue {
            share, ops, group, ..
        } => {
            let group = match group {
                Group::Loose => String::new(),
                Group::Atomic { expected: None } => " as an atomic group".into(),
                Group::Atomic {
                    expected: Some(cursor),
                } => format!(" as an atomic group at cursor {cursor}"),
            };
            format!(
                "asks to keep for share {}{group}: {}",
                short(share),
                made(ops)
            )
        }
        What::Enqueued { call, identities } => {
            let seqs = range(identities.iter().map(|identity| identity.seq));
            let outbox = identities.first().map_or_else(String::new, |identity| {
                format!(" of outbox {}", short(identity.outbox))
            });
            format!(
                "{} is kept, as seqs {seqs}{outbox}",
                call_name(*call, calls)
            )
        }
        What::NotEnqueued { call, why } => {
            format!("{} is not kept: {why}", call_name(*call, calls))
        }
        What::Ended {
            share,
            seq,
            op,
            outcome,
        } => format!(
            "op {} (seq {seq}) of share {} ended: {}",
            short_op(op),
            short(share),
            ending(outcome)
        ),
        What::Rows { .. } => rows(what),
        _ => return None,
    })
}

fn sending(what: &What, calls: &Calls<'_>) -> Option<String> {
    Some(match what {
        What::Claim {
            share,
            grant,
            epoch,
            outbox,
            incarnation,
            ..
        } => format!(
            "claims the lane of outbox {} on share {} under grant {} (epoch {epoch}, incarnation \
             {incarnation})",
            short(outbox),
            short(share),
            short(grant)
        ),
        What::Claimed {
            call,
            incarnation,
            history,
            floor,
            highest,
            ..
        } => format!(
            "{} holds: incarnation {incarnation}, history {}, floor {floor}, highest {highest}",
            call_name(*call, calls),
            short(history)
        ),
        What::NotClaimed { call, why } | What::NotAcked { call, why } => {
            format!("{} {}", call_name(*call, calls), trouble(why))
        }
        What::Append {
            claim,
            atomic,
            entries,
            settled_through,
            ..
        } => {
            let atomic = if *atomic { "atomic " } else { "" };
            format!(
                "sends {atomic}batch {}, settled through {settled_through}: {}",
                lane(*claim, calls, entries),
                sent(entries)
            )
        }
        What::Acked {
            call,
            cursor,
            outcomes,
        } => format!(
            "{} is acked, share at cursor {cursor}: {}",
            call_name(*call, calls),
            answers(*call, calls, outcomes)
        ),
        _ => return None,
    })
}

fn authority(what: &What, calls: &Calls<'_>) -> Option<String> {
    Some(match what {
        What::Created {
            share,
            grant,
            epoch,
        } => format!(
            "share {} is created, with the owner's grant {} (epoch {epoch})",
            short(share),
            short(grant)
        ),
        What::Granted {
            share,
            grant,
            parent,
            epoch,
            expires_at,
            ..
        } => {
            let until = expires_at.map(|at| format!(", until {at} ms"));
            format!(
                "share {} has a new grant {} below {} (epoch {epoch}{})",
                short(share),
                short(grant),
                short(parent),
                until.unwrap_or_default()
            )
        }
        What::End {
            share, authority, ..
        } => format!("asks share {} to end {}", short(share), ended(authority)),
        What::AuthorityEnded { call, new_owner } => {
            let new = new_owner
                .map(|(grant, epoch)| format!("; the owner's is {} (epoch {epoch})", short(grant)));
            let new = new.unwrap_or_default();
            match calls.get(call).map(|event| &event.what) {
                Some(What::End { authority, .. }) => format!("{} is ended{new}", ended(authority)),
                _ => format!("call {call} ended authority{new}"),
            }
        }
        What::Freeze { share, frozen, .. } => match frozen {
            true => format!("asks share {} to freeze", short(share)),
            false => format!("asks share {} to thaw", short(share)),
        },
        What::Frozen { call } => format!("{} is done", call_name(*call, calls)),
        What::Delete { share, .. } => format!("asks share {} to be deleted", short(share)),
        What::Deleted { call } => format!("{} is done", call_name(*call, calls)),
        What::NotDone { call, why } => format!("{} {}", call_name(*call, calls), trouble(why)),
        What::CursorRead {
            share,
            cursor,
            since,
            ..
        } => format!(
            "share {} was at cursor {cursor}, at some moment since event {since}",
            short(share)
        ),
        _ => return None,
    })
}

fn readers(what: &What) -> Option<String> {
    Some(match what {
        What::Follow { share, grant, from } => format!(
            "follows share {} under grant {} from {}",
            short(share),
            short(grant),
            position(from)
        ),
        What::Reset { share, at } => format!(
            "is told to forget share {}, whose document at {} follows",
            short(share),
            position(at)
        ),
        What::Document {
            share,
            at,
            document,
        } => format!(
            "was told the document of share {} at {}: {} keys",
            short(share),
            position(at),
            document.len()
        ),
        What::Saw { share, ops, .. } => {
            format!("was told ops of share {}: {}", short(share), logged(ops))
        }
        What::Live { share, at } => {
            format!("has all of share {} up to {}", short(share), position(at))
        }
        What::FollowEnded { share, why } => {
            format!(
                "follows share {} no more: it {}",
                short(share),
                trouble(why)
            )
        }
        _ => return None,
    })
}

fn world(what: &What) -> Option<String> {
    Some(match what {
        What::ServerStarted { history } => format!("serves, with history {}", short(history)),
        What::ServerEnded { how } => format!("ends: {how}"),
        What::Restored {
            known,
            taken_at,
            journal_lost,
        } => {
            let how = match known {
                true => "is restored from a backup",
                false => "is put back, and knows nothing of it,",
            };
            let journal = if *journal_lost {
                ", without its journal"
            } else {
                ""
            };
            format!("the server {how} to where it was at event {taken_at}{journal}")
        }
        What::Copied { from, to } => format!("copies the outbox in {from} to {to}"),
        What::Fault { kind, detail } => format!("fault: {kind} {detail}"),
        What::Calm { bound_ms } => {
            format!("nothing is broken any more: all must end within {bound_ms} ms")
        }
        What::AtRest {
            folder,
            rested,
            detail,
        } => match rested {
            true => format!("the outbox in {folder} has come to its end"),
            false => format!("the outbox in {folder} has not come to its end: {detail}"),
        },
        What::Final {
            share, log, cursor, ..
        } => format!(
            "in the end share {} is at cursor {cursor}, with {} ops in its log",
            short(share),
            log.len()
        ),
        What::FinalGone { share } => format!("in the end share {} is gone", short(share)),
        _ => return None,
    })
}

fn rows(what: &What) -> String {
    let What::Rows {
        folder,
        share,
        rows,
        recoveries,
        stopped,
    } = what
    else {
        return String::new();
    };
    let mut told = format!("the outbox in {folder} holds for share {}:", short(share));
    for state in RowState::ALL {
        let count = rows.iter().filter(|row| row.state == state).count();
        if count > 0 {
            push(&mut told, &format!(" {count} {}", state.name()));
        }
    }
    if !recoveries.is_empty() {
        push(&mut told, &format!("; {} recoveries", recoveries.len()));
    }
    if let Some(code) = stopped {
        push(&mut told, &format!("; stopped: {}", code.name()));
    }
    told
}

fn push(told: &mut String, text: &str) {
    write!(told, "{text}").expect("a string takes whatever is written to it");
}

/// What a call was, as the subject of a sentence.
fn call_name(call: Call, calls: &Calls<'_>) -> String {
    match calls.get(&call).map(|event| &event.what) {
        Some(What::Enqueue { ops, .. }) => {
            let ids: Vec<_> = ops.iter().map(|op| short_op(op.id)).collect();
            format!("op {}", list(&ids))
        }
        Some(What::Claim { outbox, share, .. }) => format!(
            "the claim of outbox {} on share {}",
            short(outbox),
            short(share)
        ),
        Some(What::Append { claim, entries, .. }) => {
            let seqs = range(entries.iter().map(|entry| entry.seq));
            match calls.get(claim).map(|event| &event.what) {
                Some(What::Claim { outbox, .. }) => {
                    format!("batch {seqs} of outbox {}", short(outbox))
                }
                _ => format!("batch {seqs}"),
            }
        }
        Some(What::End { authority, .. }) => format!("the end of {}", ended(authority)),
        Some(What::Freeze { share, frozen, .. }) => {
            let what = if *frozen { "freeze" } else { "thaw" };
            format!("the {what} of share {}", short(share))
        }
        Some(What::Delete { share, .. }) => format!("the deletion of share {}", short(share)),
        _ => format!("call {call}"),
    }
}

fn lane(claim: Call, calls: &Calls<'_>, entries: &[SentEntry]) -> String {
    let seqs = range(entries.iter().map(|entry| entry.seq));
    match calls.get(&claim).map(|event| &event.what) {
        Some(What::Claim {
            share,
            grant,
            epoch,
            outbox,
            ..
        }) => format!(
            "{seqs} of outbox {} to share {} under grant {} (epoch {epoch})",
            short(outbox),
            short(share),
            short(grant)
        ),
        _ => format!("{seqs} of claim {claim}"),
    }
}

fn range(seqs: impl Iterator<Item = Seq>) -> String {
    let seqs: Vec<_> = seqs.collect();
    match (seqs.first(), seqs.last()) {
        (Some(first), Some(last)) => format!("{first}..{last}"),
        _ => "of nothing".into(),
    }
}

fn ended(authority: &Authority) -> String {
    match authority {
        Authority::Grant(grant) => format!("grant {}", short(grant)),
        Authority::Before(epoch) => format!("every grant before epoch {epoch}"),
    }
}

fn trouble(why: &Trouble) -> String {
    match why {
        Trouble::Refused(code) => format!("is refused: {}", code.name()),
        Trouble::Lost(why) => format!("is lost: {why}"),
        Trouble::NotSent(why) => format!("did not get through: {why}"),
    }
}

fn position(at: &LogPosition) -> String {
    match at.history {
        Some(history) => format!("cursor {} of history {}", at.cursor, short(history)),
        None => "the beginning".into(),
    }
}

fn list(items: &[String]) -> String {
    let named = items.len().min(NAMED);
    let mut told = items[..named].join(", ");
    if items.len() > named {
        push(&mut told, &format!(" and {} more", items.len() - named));
    }
    told
}

fn made(ops: &[MadeOp]) -> String {
    let items: Vec<_> = ops
        .iter()
        .map(|op| {
            let needs: Vec<_> = op.depends_on.iter().map(short).collect();
            let needs = match needs.as_slice() {
                [] => String::new(),
                needs => format!(" after {}", list(needs)),
            };
            format!("{} {}{needs}", short_op(op.id), mutation(&op.mutation))
        })
        .collect();
    list(&items)
}

fn mutation(mutation: &Mutation) -> String {
    let verb = match mutation {
        Mutation::Put { .. } => "puts",
        Mutation::Merge { .. } => "merges into",
        Mutation::AppendText { .. } => "appends text to",
        Mutation::AppendItem { .. } => "appends an item to",
        Mutation::Remove { .. } => "removes",
    };
    format!("{verb} `{}`", mutation.key())
}

fn sent(entries: &[SentEntry]) -> String {
    let items: Vec<_> = entries
        .iter()
        .map(|entry| {
            let again = if entry.requeued { " re-queued" } else { "" };
            match entry.op {
                Some(op) => format!("{}={}{again}", entry.seq, short_op(op)),
                None => format!("{} given up{again}", entry.seq),
            }
        })
        .collect();
    list(&items)
}

fn answers(call: Call, calls: &Calls<'_>, outcomes: &[OpOutcome]) -> String {
    let entries = match calls.get(&call).map(|event| &event.what) {
        Some(What::Append { entries, .. }) => entries.as_slice(),
        _ => &[],
    };
    let items: Vec<_> = outcomes
        .iter()
        .enumerate()
        .map(|(at, outcome)| {
            let seq = entries.get(at).map(|entry| format!("{} ", entry.seq));
            let seq = seq.unwrap_or_default();
            match outcome {
                OpOutcome::Applied(cursor) => format!("{seq}applied at {cursor}"),
                OpOutcome::Duplicate(cursor) => format!("{seq}duplicate of {cursor}"),
                OpOutcome::Rejected(why) => format!("{seq}rejected ({why})"),
                OpOutcome::InDoubt => format!("{seq}in doubt"),
                OpOutcome::Abandoned => format!("{seq}abandoned"),
            }
        })
        .collect();
    list(&items)
}

fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Applied(cursor) => format!("applied at cursor {cursor}"),
        Outcome::Duplicate(cursor) => format!("applied before, at cursor {cursor}"),
        Outcome::DeadLetter(why) => format!("given up: {why}"),
        Outcome::InDoubt => "in doubt".into(),
    }
}

fn logged(ops: &[LoggedOp]) -> String {
    let items: Vec<_> = ops
        .iter()
        .map(|op| format!("{} at {}", short_op(op.op.id), op.cursor))
        .collect();
    list(&items)
}
