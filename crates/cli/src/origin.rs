//! Whose something is, for a person and for a script.

use serde::Serialize;
use share_model::{Limits, Origin, OriginKind};

use crate::error::CliError;
use crate::printable::printable;

/// Characters of an origin's id that a person is shown.
const ID_CHARS_MAX: usize = 40;

/// Whoever runs the command.
pub(crate) fn caller() -> Result<Origin, CliError> {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_default();
    let id = if user.is_empty() {
        "share".to_owned()
    } else {
        user
    };
    Origin::new(OriginKind::User, id, Limits::DEFAULT.label_bytes_max)
        .map_err(|error| CliError::refused("say who runs the command").caused_by(error))
}

/// An origin for a person: kind and id on one short line.
pub(crate) fn whose(origin: &Origin) -> String {
    format!("{} {}", origin.kind().name(), short(origin.id()))
}

/// An id for a person: fit for a terminal, and cut where it is long.
pub(crate) fn short(id: &str) -> String {
    match id.char_indices().nth(ID_CHARS_MAX) {
        None => printable(id).into_owned(),
        Some((at, _)) => format!("{}…", printable(&id[..at])),
    }
}

/// An origin for a script.
#[derive(Debug, Serialize)]
pub(crate) struct OriginLine<'a> {
    /// user, agent, system or import.
    kind: &'static str,
    id: &'a str,
}

impl<'a> From<&'a Origin> for OriginLine<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self {
            kind: origin.kind().name(),
            id: origin.id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_takes_one_short_line_that_steers_no_terminal() {
        let made = |id: String| whose(&Origin::new(OriginKind::Agent, id, 1024).unwrap());
        assert_eq!(made("ses_1\u{1b}[2J".into()), r"agent ses_1\u{1b}[2J");
        assert_eq!(made("ü".repeat(40)), format!("agent {}", "ü".repeat(40)));
        assert_eq!(made("ü".repeat(41)), format!("agent {}…", "ü".repeat(40)));
    }
}
