//! Ops as arguments: an id, or the beginning of one that no other op has.

use std::str::FromStr;

use share_client::{Outbox, Row};
use share_model::{OpId, ShareId};

use crate::error::CliError;

/// Hexadecimal digits of an id.
const DIGITS: usize = 32;
/// Digits that must be given at least.
const DIGITS_MIN: usize = 6;
/// Ops that are named where it is not clear which is meant.
const CANDIDATES_MAX: usize = 10;

/// The beginning of an op's id, or all of it.
#[derive(Debug, Clone)]
pub(crate) struct OpArg {
    typed: String,
    /// The least and the greatest id that begin so.
    ends: (OpId, OpId),
}

impl FromStr for OpArg {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let digits = typed.replace('-', "");
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(DIGITS_MIN..=DIGITS).contains(&digits.len()) {
            return Err(format!(
                "an op's id has {DIGITS} hexadecimal digits; give the first {DIGITS_MIN} or more"
            ));
        }
        let end = |fill: &str| {
            let id = format!("{digits}{}", fill.repeat(DIGITS - digits.len()));
            id.parse().map_err(|_| "not an id".to_owned())
        };
        Ok(Self {
            typed: digits.to_lowercase(),
            ends: (end("0")?, end("f")?),
        })
    }
}

/// The one op that is meant, of the share if one is given.
pub(crate) async fn find(
    outbox: &Outbox,
    share: Option<ShareId>,
    arg: &OpArg,
) -> Result<Row, CliError> {
    let mut found = outbox
        .rows_between(share, arg.ends, CANDIDATES_MAX + 1)
        .await
        .map_err(|error| CliError::refused("read the outbox").caused_by(error))?;
    let typed = &arg.typed;
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (None, _) => Err(CliError::refused(format!(
            "the outbox holds no op whose id begins with `{typed}`"
        ))
        .hint("`share outbox list` shows the ops that it holds")),
        (Some(last), false) => {
            found.push(last);
            Err(ambiguous(typed, &found))
        }
    }
}

fn ambiguous(typed: &str, found: &[Row]) -> CliError {
    let mut names: Vec<String> = found
        .iter()
        .take(CANDIDATES_MAX)
        .map(|row| format!("{} of share {}", row.op_id, row.share))
        .collect();
    if found.len() > CANDIDATES_MAX {
        names.push("more".into());
    }
    let names = names.join(", ");
    CliError::refused(format!("`{typed}` may be any of {names}"))
        .hint("give more of the id, or the share with `--share ID`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_means_all_ids_that_begin_so() {
        let arg: OpArg = "01890A5d-0".parse().unwrap();
        assert_eq!(arg.ends.0.to_string(), "01890a5d000000000000000000000000");
        assert_eq!(arg.ends.1.to_string(), "01890a5d0fffffffffffffffffffffff");
    }

    #[test]
    fn too_few_or_too_many_digits_are_no_id() {
        for typed in ["01890", "01890a5d00007000800000000000000122", "01890g"] {
            assert!(typed.parse::<OpArg>().is_err(), "{typed}");
        }
        assert!("01890a".parse::<OpArg>().is_ok());
    }
}
