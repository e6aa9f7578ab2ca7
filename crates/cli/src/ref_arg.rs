//! Refs as arguments: `@FILE`, `-` for standard input, or the environment.

use std::io::{self, BufRead};
use std::path::Path;
use std::str::FromStr;

use share_model::seam::{Files, SystemFiles};
use share_model::{FactoryRef, RefError, ShareRef, Slug};

use crate::error::CliError;
use crate::ui;

/// Bytes of a file that holds a ref.
const REF_FILE_BYTES_MAX: u64 = 16 * 1024;

/// `@FILE`, `-`, or a ref written out. Never printed: it may hold a secret.
#[derive(Clone)]
pub(crate) struct RefArg(String);

impl FromStr for RefArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// Hides the ref.
impl std::fmt::Debug for RefArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefArg(hidden)")
    }
}

/// Where a ref came from, for messages that must not show it.
fn source(arg: &str) -> String {
    match arg.strip_prefix('@') {
        Some(file) => format!("`{file}`"),
        None if arg == "-" => "standard input".to_owned(),
        None => "the command line".to_owned(),
    }
}

fn text(arg: &str, is_from_environment: bool) -> Result<String, CliError> {
    if let Some(file) = arg.strip_prefix('@') {
        let bytes = SystemFiles
            .read(Path::new(file), REF_FILE_BYTES_MAX)
            .map_err(|error| {
                CliError::refused(format!("read a ref from `{file}`")).caused_by(error)
            })?;
        return String::from_utf8(bytes)
            .map_err(|_| CliError::refused(format!("`{file}` does not hold a ref: not text")));
    }
    if arg == "-" {
        // Only the first line: what follows is the command's own input.
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(|error| {
            CliError::refused("read a ref from standard input").caused_by(error)
        })?;
        return Ok(line);
    }
    if !is_from_environment {
        ui::warning(
            "a ref on the command line is seen by every user of this machine: \
             use `@FILE`, `-` or the environment's SHARE_REF",
        );
    }
    Ok(arg.to_owned())
}

fn parse<T: FromStr<Err = RefError>>(arg: &str, is_from_environment: bool) -> Result<T, CliError> {
    let text = text(arg, is_from_environment)?;
    text.trim().parse().map_err(|error| {
        CliError::usage(format!("the ref from {} can't be used", source(arg)))
            .caused_by(error)
            .hint(
                "a ref is one line, `share://HOST:PORT/SHARE/GRANT?epoch=N#SECRET`; copy it whole",
            )
    })
}

/// The share's ref that the command is about: the argument, else the environment's `SHARE_REF`.
pub(crate) fn share_ref(arg: Option<&RefArg>) -> Result<ShareRef, CliError> {
    read(arg)
}

fn read<T: FromStr<Err = RefError>>(arg: Option<&RefArg>) -> Result<T, CliError> {
    match (arg, std::env::var("SHARE_REF")) {
        (Some(RefArg(arg)), _) => parse(arg, false),
        (None, Ok(arg)) => parse(&arg, true),
        (None, Err(_)) => Err(CliError::usage("no ref is given")
            .hint("give `@FILE`, `-` to read it from standard input, or set SHARE_REF")),
    }
}

/// A ref of either kind.
#[derive(Debug)]
pub(crate) enum AnyRef {
    Share(ShareRef),
    Factory(FactoryRef),
}

impl FromStr for AnyRef {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        match text.starts_with("share-factory://") {
            true => text.parse().map(Self::Factory),
            false => text.parse().map(Self::Share),
        }
    }
}

/// The ref that the command is about, of a share or of a factory.
pub(crate) fn any_ref(arg: Option<&RefArg>) -> Result<AnyRef, CliError> {
    read(arg)
}

/// The public address of `arg`, which is a secret too.
pub(crate) fn slug(RefArg(arg): &RefArg) -> Result<Slug, CliError> {
    let text = text(arg, false)?;
    Slug::from_text(text.trim()).ok_or_else(|| {
        CliError::usage(format!("the slug from {} can't be used", source(arg)))
            .hint("a slug has 22 characters, as `share publish` prints them; copy it whole")
    })
}

/// The factory's ref of `--factory`.
pub(crate) fn factory_ref(arg: &RefArg) -> Result<FactoryRef, CliError> {
    parse(&arg.0, false)
}
