//! Rights as arguments, and as they are shown.

use share_model::{Right, Rights};

/// What a grant allows; each holds those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RightsArg {
    /// Show, tail, page
    Read,
    /// Read, and append ops
    Append,
    /// Append, and make and end grants, rotate, freeze, delete, read the audit
    Admin,
}

impl RightsArg {
    /// The rights of this step of the ladder.
    pub(crate) fn rights(self) -> Rights {
        match self {
            Self::Read => Rights::of(&[Right::Read]),
            Self::Append => Rights::of(&[Right::Read, Right::Append]),
            Self::Admin => Rights::ALL,
        }
    }
}

/// The names of the rights, as a script reads them.
pub(crate) fn names(rights: Rights) -> Vec<&'static str> {
    let all = [
        (Right::Read, "read"),
        (Right::Append, "append"),
        (Right::Admin, "admin"),
    ];
    all.into_iter()
        .filter_map(|(right, name)| rights.has(right).then_some(name))
        .collect()
}

/// The rights for a person.
pub(crate) fn shown(rights: Rights) -> String {
    match names(rights).as_slice() {
        [] => "none".to_owned(),
        names => names.join("+"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_holds_those_before_it() {
        let steps = [RightsArg::Read, RightsArg::Append, RightsArg::Admin];
        let shown = steps.map(|step| shown(step.rights()));
        assert_eq!(shown, ["read", "read+append", "read+append+admin"]);
        assert_eq!(super::shown(Rights::NONE), "none");
        assert_eq!(super::shown(Rights::of(&[Right::Admin])), "admin");
    }
}
