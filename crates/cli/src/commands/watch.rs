//! `share watch`: an agent session in the terminal, as it grows.

mod draw;
mod feed;
mod figures;
mod folds;
mod items;
mod keys;
mod lay;
mod limits;
mod markdown;
mod model;
mod paper;
mod place;
#[cfg(test)]
#[expect(dead_code, reason = "what it can do is not all for one test")]
#[path = "../../tests/running/pty.rs"]
mod pty;
mod replay;
mod running;
mod shelf;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod transcript;
mod view;

use std::io::{self, IsTerminal};

use share_model::{LogPosition, ShareRef};

use crate::error::CliError;
use crate::ref_arg::{self, RefArg};
use crate::{connect, identity, run};
use limits::WatchLimits;
use model::Model;
use replay::SPEED_MAX;
use running::Source;
use theme::Theme;
use transcript::Transcript;

/// Watch an agent session in the terminal, as it grows.
///
/// Shows what was said, reasoned, called and changed, and follows it live; `?` shows the keys. Lost
/// connections are made again. When the ref ends, what it showed is gone from the screen at once.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The share's ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// Begin with a replay of the session from its first op, so many times as fast as it was
    #[arg(
        long,
        value_name = "SPEED",
        num_args = 0..=1,
        default_missing_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(SPEED_MAX))
    )]
    replay: Option<u32>,
    /// No colours; so does NO_COLOR
    #[arg(long)]
    no_color: bool,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    if !io::stdout().is_terminal() {
        return Err(CliError::usage("standard output is not a terminal")
            .hint("`share tail` follows a share where there is none"));
    }
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let theme = Theme::new(!(args.no_color || is_plain));
    run::block_on(async {
        let owner = identity::held()?;
        let (mut model, position) = begin(&share_ref, theme).await?;
        if let Some(speed) = args.replay {
            model.begin_replay(speed);
        }
        let source = Source { share_ref, owner };
        running::run(model, source, position).await
    })
}

/// The document as it stands, and from where to follow it. A server that is away is said at once.
async fn begin(share_ref: &ShareRef, theme: Theme) -> Result<(Model, LogPosition), CliError> {
    let share = share_ref.share;
    let session = connect::redeem(share_ref).await?;
    let limits = WatchLimits::DEFAULT;
    let mut live = Transcript::new(&limits);
    let mut loaded = Ok(());
    let at = session
        .document(|key, json| {
            if loaded.is_ok() {
                loaded = live.load_entry(key, json);
            }
        })
        .await
        .map_err(|error| connect::failed("read", share, error))?;
    loaded.map_err(|error| CliError::refused(format!("watch share {share}")).caused_by(error))?;
    live.loaded(at.position.cursor);
    let model = Model::new(share, live, at.position, theme, limits);
    Ok((model, at.position))
}
