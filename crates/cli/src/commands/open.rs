//! `share open`: the share of a session, the same one each time.

mod standing;

use std::path::Path;

use serde::Serialize;
use share_client::{
    OpenError, OpenSession, OpenedSession, OutboxOptions, RefUse, Registry, SessionName,
    TcpConnector,
};

use crate::error::CliError;
use crate::ref_arg::{self, RefArg};
use crate::registry_arg::{self, NameArgs, RegistryArg};
use crate::state_file::StateArg;
use crate::{connect, origin, printable, run, ui};

/// Open the share of a session; the same one each time, from every worktree.
///
/// Prints the owner's ref, and gives it to the outbox, so that `share append` works right away. The
/// first to open a session creates its share and is told `created`; whoever comes later is told
/// `reused`, also while the server is away. The request is stored before the server is asked: the
/// same command, given again after a lost answer, asks for the same share.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    name: NameArgs,
    /// The factory's ref: `@FILE`, or `-` for standard input; only a session without a share needs it
    #[arg(long, value_name = "REF")]
    factory: Option<RefArg>,
    /// A title for people, if a share is created
    #[arg(long, value_name = "T", default_value = "")]
    title: String,
    /// One JSON object: answer, share, ref, epoch
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArg,
    #[command(flatten)]
    registry: RegistryArg,
}

#[derive(Serialize)]
struct OpenedLine {
    answer: &'static str,
    share: String,
    r#ref: String,
    epoch: u64,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let name = args.name.name()?;
    let title = args.title;
    run::block_on(async {
        let registry = args.registry.open()?;
        // Before a share is created: there is no use for it without an outbox.
        let outbox = args.state.open(OutboxOptions::default())?;
        let state_file = std::path::absolute(args.state.path()?)
            .map_err(|error| CliError::refused("find the current folder").caused_by(error))?;
        let known = registry
            .reopen(&name, &state_file)
            .await
            .map_err(|error| registry_arg::failed("open", &name, error))?;
        let opened = match known {
            Some(opened) => {
                standing::look(&name, &opened.reference).await?;
                opened
            }
            None => {
                let open = OpenSession {
                    name: name.clone(),
                    title,
                    origin: origin::caller()?,
                    state_file,
                };
                create(&registry, args.factory.as_ref(), open).await?
            }
        };
        if let Some(place) = &opened.moved_from {
            say_where_it_was(place);
        }
        let used = outbox
            .use_ref(opened.reference.clone())
            .await
            .map_err(|error| CliError::refused("keep the share's ref").caused_by(error))?;
        if used == RefUse::Older {
            ui::warning(
                "the outbox goes on with a ref of a later epoch, which the registry does not have",
            );
        }
        tell(&opened, &name, args.json)
    })
}

async fn create(
    registry: &Registry,
    factory: Option<&RefArg>,
    open: OpenSession,
) -> Result<OpenedSession, CliError> {
    let name = open.name.clone();
    let Some(factory) = factory else {
        return Err(
            CliError::refused(format!("session {name} has no share yet"))
                .hint("name a factory that creates it with `--factory @FILE`"),
        );
    };
    let factory = ref_arg::factory_ref(factory)?;
    let connector = TcpConnector::default();
    let opening = registry.open_session(&connector, &factory, open);
    opening.await.map_err(|error| match error {
        OpenError::NotCreated { error, .. } => {
            let what = "has no share yet; its name is reserved and the request stored";
            let hint = if error.is_transport() {
                "give the same command again once the server is back: it asks for the same share"
            } else {
                "give the same command again once that is mended; `share release` gives the name up"
            };
            connect::failed_at(&format!("session {name} {what}"), error).hint(hint)
        }
        OpenError::Registry(error) => registry_arg::failed("open", &name, error),
        error => CliError::refused(format!("open session {name}")).caused_by(error),
    })
}

/// What was enqueued there and not sent stays there.
fn say_where_it_was(place: &Path) {
    if place.exists() {
        let place = place.display().to_string();
        let place = printable::printable(&place);
        ui::note(format!(
            "it was opened with the outbox `{place}` before: `share replay` there sends what it holds"
        ));
    }
}

fn tell(opened: &OpenedSession, name: &SessionName, json: bool) -> Result<(), CliError> {
    let reference = &opened.reference;
    let answer = opened.answer.name();
    if json {
        return ui::json(&OpenedLine {
            answer,
            share: reference.share.to_string(),
            r#ref: reference.expose(),
            epoch: reference.epoch.get(),
        });
    }
    ui::note(format!("{answer}: session {name}"));
    ui::data(reference.expose())
}
