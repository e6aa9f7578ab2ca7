//! `share bridge install`: opencode's configuration, and a service that keeps the bridge there.

mod opencode_config;
mod service;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use share_model::seam::{Files, SystemFiles};

use self::opencode_config::Edit;
use self::service::Service;
use crate::error::CliError;
use crate::http_arg::HttpArg;
use crate::ref_arg::{self, AnyRef, RefArg};
use crate::registry_arg::RegistryArg;
use crate::ui;

/// Have opencode talk to a bridge that always runs.
///
/// Writes `enterprise.url` into opencode's configuration (`OPENCODE_CONFIG`, else
/// `opencode/opencode.json` in the user's configuration folder), with a copy of what was there beside
/// it, and a service of this user (systemd, or launchd on macOS) that runs this very binary. The ref
/// is copied to a file that only this user can read. Safe to repeat: it writes what is not so yet.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where everything goes, as for `share bridge`: `@FILE`, or `-` for standard input [default:
    /// the one of the last install, else SHARE_REF]
    #[arg(long, value_name = "REF")]
    to: Option<RefArg>,
    /// Where the bridge listens: a loopback address with a port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7422")]
    listen: SocketAddr,
    /// Under which URL people reach the server's pages [default: what the server tells]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    http: HttpArg,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    registry: RegistryArg,
}

/// What is to be written.
struct Plan {
    /// The ref, for its file; `None`: it stays as it is.
    reference: Option<String>,
    reference_file: PathBuf,
    config: Edit,
    service: Service,
}

pub(super) fn run(args: Args) -> Result<(), CliError> {
    super::check_listen(args.listen)?;
    super::check_url(args.public_url.as_deref())?;
    if args.listen.port() == 0 {
        return Err(CliError::usage("opencode must know the port: 0 is none"));
    }
    let plan = Plan::of(&args)?;
    match args.dry_run {
        true => plan.show(),
        false => plan.carry_out(),
    }
}

impl Plan {
    fn of(args: &Args) -> Result<Self, CliError> {
        let here = |error| CliError::refused("find the current folder").caused_by(error);
        let folder = std::path::absolute(args.registry.folder()?).map_err(here)?;
        let folder = folder.join("bridge");
        let reference_file = folder.join("to.ref");
        let config_folder = config_folder()?;
        let url = format!("http://{}", args.listen);
        Ok(Self {
            reference: reference(args.to.as_ref(), &reference_file)?,
            config: Edit::of(&opencode_config::path(&config_folder), &url)?,
            service: Service {
                program: std::env::current_exe()
                    .map_err(|error| CliError::refused("find this program").caused_by(error))?,
                arguments: arguments(args, &folder, &reference_file),
                folder,
                unit: service::place(&config_folder)?,
            },
            reference_file,
        })
    }

    fn show(&self) -> Result<(), CliError> {
        if self.reference.is_some() {
            ui::note(format!(
                "the ref would be copied to `{}`",
                shown(&self.reference_file)
            ));
        }
        match &self.config {
            Edit::Nothing { path } => ui::note(format!("`{}` says so already", shown(path))),
            Edit::Write { path, text, .. } => {
                ui::note(format!("`{}` would be:", shown(path)));
                ui::data(text.trim_end())?;
            }
            Edit::ByHand { .. } => self.config.say_what_to_add(),
        }
        ui::note(format!("`{}` would be:", shown(&self.service.unit)));
        ui::data(self.service.text().trim_end())
    }

    fn carry_out(&self) -> Result<(), CliError> {
        let folder = &self.service.folder;
        SystemFiles
            .create_private_dir(folder)
            .map_err(|error| not_written(folder, error))?;
        if let Some(reference) = &self.reference {
            let file = &self.reference_file;
            SystemFiles
                .write_private(file, format!("{reference}\n").as_bytes())
                .map_err(|error| not_written(file, error))?;
        }
        self.service.write()?;
        self.config.carry_out()?;
        ui::note(format!("start it with `{}`", self.service.start_command()));
        ui::note("then restart opencode: what it shares from now on goes through the bridge");
        Ok(())
    }
}

/// The ref that is to be copied; `None` if that of an earlier install holds.
fn reference(arg: Option<&RefArg>, copy: &Path) -> Result<Option<String>, CliError> {
    if arg.is_none() && copy.exists() {
        return Ok(None);
    }
    Ok(Some(match ref_arg::any_ref(arg)? {
        AnyRef::Factory(factory) => factory.expose(),
        AnyRef::Share(share) => share.expose(),
    }))
}

fn arguments(args: &Args, folder: &Path, reference_file: &Path) -> Vec<String> {
    let mut arguments = vec![
        "bridge".to_owned(),
        "--to".to_owned(),
        format!("@{}", shown(reference_file)),
        "--listen".to_owned(),
        args.listen.to_string(),
        "--state".to_owned(),
        shown(&folder.join("state/share.sqlite")),
    ];
    if let Some(url) = &args.public_url {
        arguments.extend(["--public-url".to_owned(), url.clone()]);
    }
    arguments.extend(args.http.argument());
    arguments
}

/// The user's configuration folder, by the environment.
fn config_folder() -> Result<PathBuf, CliError> {
    let given = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let given = given.filter(|path| path.is_absolute());
    given
        .or_else(|| Some(home()?.join(".config")))
        .ok_or_else(|| {
            CliError::usage("there is no home folder to configure opencode in").hint("set HOME")
        })
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

fn not_written(path: &Path, error: std::io::Error) -> CliError {
    CliError::refused(format!("write `{}`", path.display())).caused_by(error)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
