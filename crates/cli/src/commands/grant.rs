//! `share grant`: a weaker ref of a share, or a factory's within quotas.

mod factory;
mod share;

use std::time::Duration;

use share_model::OwnerId;

use crate::error::CliError;
use crate::ref_arg::{self, AnyRef, RefArg};
use crate::registry_arg::RegistryArg;
use crate::rights_arg::RightsArg;
use crate::run;

/// Make a weaker ref from a ref, and print it.
///
/// Of a share: the rights form a ladder. `append` is reading and appending, `admin` is all three; a
/// ref gives at most what it has itself. Of a factory (`share-factory://`): a ref that creates
/// shares within quotas, and does nothing else.
///
/// What ends the ref ends all that were made from it: `share revoke`. The request is stored beside
/// the registry before the server is asked: the same command, given again after a lost answer,
/// prints the same ref.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The ref to make it from: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    from: Option<RefArg>,
    /// What it allows; each holds those before it (shares only)
    #[arg(long, value_name = "RIGHTS", value_enum)]
    rights: Option<RightsArg>,
    /// How long it holds, as in `30s`, `15m`, `1h`, `7d` (shares only) [default: as long as REF]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    /// The one who alone may use it, as `share identity` prints there (shares only)
    #[arg(long, value_name = "OWNER")]
    seal_for: Option<OwnerId>,
    /// How many shares it may create that are not deleted (factories only) [default: no bound]
    #[arg(long, value_name = "N")]
    shares: Option<u64>,
    /// How many bytes of ops they may hold together (factories only) [default: no bound]
    #[arg(long, value_name = "N")]
    bytes: Option<u64>,
    /// How many ops a second they may take together, on average (factories only) [default: no bound]
    #[arg(long, value_name = "N")]
    appends_per_second: Option<u32>,
    /// A label for people
    #[arg(long, value_name = "L", default_value = "")]
    label: String,
    /// One JSON object: ref, grant, and of a share: share, epoch, rights, expiresAtUnixMs, sealedFor
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArg,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let from = ref_arg::any_ref(args.from.as_ref())?;
    args.check(&from)?;
    run::block_on(async {
        match from {
            AnyRef::Share(from) => share::run(&args, from).await,
            AnyRef::Factory(from) => factory::run(&args, from).await,
        }
    })
}

impl Args {
    /// Refuses what means nothing with such a ref.
    fn check(&self, from: &AnyRef) -> Result<(), CliError> {
        let (kind, foreign) = match from {
            AnyRef::Share(_) => ("a share", self.of_factories()),
            AnyRef::Factory(_) => ("a factory", self.of_shares()),
        };
        if let Some(flag) = foreign {
            let message = format!("`{flag}` means nothing for the ref of {kind}");
            return Err(CliError::usage(message));
        }
        if matches!(from, AnyRef::Share(_)) && self.rights.is_none() {
            return Err(CliError::usage("no rights are given")
                .hint("say `--rights read`, `--rights append` or `--rights admin`"));
        }
        Ok(())
    }

    fn of_shares(&self) -> Option<&'static str> {
        let flags = [
            (self.rights.is_some(), "--rights"),
            (self.expires.is_some(), "--expires"),
            (self.seal_for.is_some(), "--seal-for"),
        ];
        flags
            .into_iter()
            .find_map(|(is_given, flag)| is_given.then_some(flag))
    }

    fn of_factories(&self) -> Option<&'static str> {
        let flags = [
            (self.shares.is_some(), "--shares"),
            (self.bytes.is_some(), "--bytes"),
            (self.appends_per_second.is_some(), "--appends-per-second"),
        ];
        flags
            .into_iter()
            .find_map(|(is_given, flag)| is_given.then_some(flag))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    const SHARE: &str = "share://h:1/01890a5d000070008000000000000001/01890a5d000070008000000000000002?epoch=1#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const FACTORY: &str = "share-factory://h:1/01890a5d000070008000000000000002#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn parsed(flags: &[&str]) -> Result<Args, clap::Error> {
        let words = ["grant", "@ref"].iter().chain(flags);
        Cli::try_parse_from(words).map(|cli| cli.args)
    }

    /// What is wrong with these flags for the ref, if anything.
    fn wrong(from: &str, flags: &[&str]) -> Option<String> {
        let checked = parsed(flags).unwrap().check(&from.parse().unwrap());
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn a_flag_that_means_nothing_for_the_ref_is_wrong_usage() {
        assert_eq!(wrong(SHARE, &["--rights", "read", "--expires", "1h"]), None);
        assert_eq!(wrong(FACTORY, &["--shares", "3", "--label", "l"]), None);
        // No bound at all is a choice.
        assert_eq!(wrong(FACTORY, &[]), None);
        let of =
            |flag: &str, kind: &str| Some(format!("`{flag}` means nothing for the ref of {kind}"));
        for flag in ["--shares", "--bytes", "--appends-per-second"] {
            let found = wrong(SHARE, &["--rights", "read", flag, "1"]);
            assert_eq!(found, of(flag, "a share"));
        }
        assert_eq!(
            wrong(FACTORY, &["--rights", "read"]),
            of("--rights", "a factory")
        );
        assert_eq!(
            wrong(FACTORY, &["--expires", "1h"]),
            of("--expires", "a factory")
        );
        let owner = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
        assert_eq!(
            wrong(FACTORY, &["--seal-for", owner]),
            of("--seal-for", "a factory")
        );
        assert_eq!(wrong(SHARE, &[]), Some("no rights are given".to_owned()));
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        let seconds = |text: &str| {
            let args = parsed(&["--expires", text]).ok()?;
            args.expires.map(|expires| expires.as_secs())
        };
        let read = ["30s", "15m", "1h", "7d", "1h 30m"].map(seconds);
        assert_eq!(read, [30, 900, 3600, 604_800, 5400].map(Some));
        for text in ["", "1", "h", "-1h", "1y2x"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn an_owner_or_rights_that_can_not_be_are_wrong_usage() {
        for flags in [
            ["--seal-for", "x"],
            ["--rights", "write"],
            ["--shares", "-1"],
        ] {
            let error = parsed(&flags).unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::ValueValidation
                        | ErrorKind::InvalidValue
                        | ErrorKind::UnknownArgument
                ),
                "{error}"
            );
        }
    }
}
