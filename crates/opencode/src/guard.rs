//! Which of two values of one key is the older one, so that one which arrives late never takes the
//! newer one's place.
//!
//! opencode's items carry no version, and its requests overlap. What can be told is told by what only
//! goes one way in a session: a tool call's state, an end that was reached, text that grows, the time
//! of the session's last change. All else is not older: a value may go from A to B and back to A.

use std::cmp::Ordering;

use serde_json::Value;

/// Whether `new`, which arrives while `current` stands at `key`, is an older state of the same thing.
///
/// | key | older is |
/// | --- | --- |
/// | `session` | the smaller `time.updated` |
/// | `message/…` | without `time.completed`, where the other has it |
/// | `part/…` of a tool | the lower `state.status`: pending, running, then completed or error; while both run, the output (`state.metadata.output`) that the other one begins with |
/// | other `part/…` | without `time.end`, where the other has it; while neither has, the `text` that the other one begins with |
///
/// Equal values are not older, nor are parts of different types. A text that ended is final: one that
/// is shorter was edited, and is newer.
pub fn is_older(key: &str, current: &Value, new: &Value) -> bool {
    let kind = key.split('/').next().unwrap_or(key);
    match kind {
        "session" => is_updated_before(new, current),
        "message" => has_ended(current, "/time/completed") && !has_ended(new, "/time/completed"),
        "part" => is_older_part(current, new),
        _ => false,
    }
}

fn is_updated_before(new: &Value, current: &Value) -> bool {
    let updated = |session: &Value| session.pointer("/time/updated")?.as_f64();
    match (updated(new), updated(current)) {
        (Some(new), Some(current)) => new < current,
        _ => false,
    }
}

fn is_older_part(current: &Value, new: &Value) -> bool {
    let kind = text(new, "/type");
    if kind != text(current, "/type") {
        return false;
    }
    if kind == Some("tool") {
        return is_older_call(current, new);
    }
    match (has_ended(current, "/time/end"), has_ended(new, "/time/end")) {
        (true, false) => true,
        (false, false) => is_begun(text(current, "/text"), text(new, "/text")),
        (_, true) => false,
    }
}

fn is_older_call(current: &Value, new: &Value) -> bool {
    let (Some(stands), Some(comes)) = (rank(current), rank(new)) else {
        return false;
    };
    match comes.cmp(&stands) {
        Ordering::Less => true,
        Ordering::Equal if stands == Rank::Running => {
            let output = "/state/metadata/output";
            is_begun(text(current, output), text(new, output))
        }
        Ordering::Equal | Ordering::Greater => false,
    }
}

/// How far a tool call has come; it never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Pending,
    Running,
    Over,
}

fn rank(part: &Value) -> Option<Rank> {
    match text(part, "/state/status")? {
        "pending" => Some(Rank::Pending),
        "running" => Some(Rank::Running),
        "completed" | "error" => Some(Rank::Over),
        _ => None,
    }
}

/// Whether `new` is the beginning of `current`, and not all of it. Text that is not there yet is the
/// beginning of any.
fn is_begun(current: Option<&str>, new: Option<&str>) -> bool {
    let Some(current) = current else {
        return false;
    };
    let new = new.unwrap_or_default();
    new.len() < current.len() && current.starts_with(new)
}

fn has_ended(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).is_some_and(|end| !end.is_null())
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

#[cfg(test)]
mod tests;
