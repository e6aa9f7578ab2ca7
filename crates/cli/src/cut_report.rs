//! What ended with authority, for a person and for a script.

use serde::Serialize;
use share_model::{Cut, Served};

/// What ended, for a script.
#[derive(Debug, Serialize)]
pub(crate) struct CutLine {
    grants: u32,
    sessions: u32,
    appenders: u32,
    viewers: u32,
    served: Vec<ServedLine>,
}

/// How far a viewer that was cut had been served.
#[derive(Debug, Serialize)]
struct ServedLine {
    grant: String,
    cursor: u64,
}

impl From<&Cut> for CutLine {
    fn from(cut: &Cut) -> Self {
        let line = |served: &Served| ServedLine {
            grant: served.grant.to_string(),
            cursor: served.cursor.get(),
        };
        Self {
            grants: cut.grants,
            sessions: cut.sessions,
            appenders: cut.appenders,
            viewers: cut.viewers,
            served: cut.served.iter().map(line).collect(),
        }
    }
}

/// What ended, for a person: a line, and one for each viewer that is told of.
pub(crate) fn lines(cut: &Cut) -> Vec<String> {
    let counted = [
        (cut.grants, "grant"),
        (cut.sessions, "session"),
        (cut.appenders, "appender"),
        (cut.viewers, "viewer"),
    ];
    let counted: Vec<_> = counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, thing)| format!("{count} {thing}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if counted.is_empty() {
        return vec!["nothing was left to cut".to_owned()];
    }
    let mut lines = vec![format!("cut: {}", counted.join(", "))];
    lines.extend(cut.served.iter().map(|served| {
        let (grant, cursor) = (served.grant, served.cursor);
        format!("a viewer under grant {grant} was served up to cursor {cursor}")
    }));
    let untold = u64::from(cut.viewers).saturating_sub(cut.served.len() as u64);
    if untold > 0 {
        lines.push(format!(
            "and {untold} more, of which the server does not tell"
        ));
    }
    lines
}

/// Adds what ended with another grant.
pub(crate) fn add(total: &mut Cut, cut: Cut) {
    total.grants = total.grants.saturating_add(cut.grants);
    total.sessions = total.sessions.saturating_add(cut.sessions);
    total.appenders = total.appenders.saturating_add(cut.appenders);
    total.viewers = total.viewers.saturating_add(cut.viewers);
    let room = Cut::SERVED_MAX.saturating_sub(total.served.len());
    total.served.extend(cut.served.into_iter().take(room));
}

#[cfg(test)]
mod tests {
    use share_model::{Cursor, GrantId};

    use super::*;

    fn cut() -> Cut {
        Cut {
            grants: 2,
            sessions: 1,
            appenders: 0,
            viewers: 3,
            served: vec![Served {
                grant: GrantId::from_bytes([1; 16]),
                cursor: Cursor::new(7),
            }],
        }
    }

    #[test]
    fn a_person_is_told_what_was_cut_and_how_far_each_viewer_was_served() {
        let expected = [
            "cut: 2 grants, 1 session, 3 viewers",
            "a viewer under grant 01010101010101010101010101010101 was served up to cursor 7",
            "and 2 more, of which the server does not tell",
        ];
        assert_eq!(lines(&cut()), expected);
        assert_eq!(lines(&Cut::default()), ["nothing was left to cut"]);
    }

    #[test]
    fn a_script_is_told_the_same() {
        let line = serde_json::to_string(&CutLine::from(&cut())).unwrap();
        let expected = concat!(
            r#"{"grants":2,"sessions":1,"appenders":0,"viewers":3,"#,
            r#""served":[{"grant":"01010101010101010101010101010101","cursor":7}]}"#
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn what_several_calls_cut_is_added_up_within_the_bound() {
        let mut total = Cut::default();
        for _ in 0..300 {
            add(&mut total, cut());
        }
        assert_eq!((total.grants, total.viewers), (600, 900));
        assert_eq!(total.served.len(), 256);
    }
}
