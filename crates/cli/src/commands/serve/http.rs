//! Where `share serve` serves HTTP, and for whom.

use share_server::{HttpCreate, HttpOptions, Listeners, ServerError};

use crate::error::CliError;
use crate::ui;

/// Where HTTP is served if nothing is said.
const DEFAULT: &str = "127.0.0.1:7421";

// clap names the group of a struct's arguments after the struct, and the command's own is `Args` too.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Where to serve HTTP, for unmodified opencode: as `--listen`, with TLS alike; may be repeated
    /// [default: 127.0.0.1:7421, if it is free]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_http")]
    http: Vec<String>,
    /// Serve no HTTP
    #[arg(long)]
    no_http: bool,
    /// Under which URL people reach HTTP, `https://HOST[:PORT]` without a path: what pages of shares
    /// begin with [default: that of the first `--http`]
    #[arg(long, value_name = "URL", conflicts_with = "no_http")]
    public_url: Option<String>,
    /// Who may create shares over HTTP [default: `open` if only programs of this machine reach it, else
    /// `token`]
    #[arg(long, value_name = "WHO", conflicts_with = "no_http")]
    http_create: Option<Create>,
}

/// Who may create shares.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Create {
    /// Whoever reaches it
    Open,
    /// Who brings a factory's ref as `Authorization: Bearer`
    Token,
}

impl Args {
    /// Listens for HTTP; `None`: it is not served.
    pub(super) async fn bind(&self) -> Result<Option<Listeners>, CliError> {
        if self.no_http {
            return Ok(None);
        }
        let (addresses, is_asked_for) = match self.http.as_slice() {
            [] => (&[DEFAULT.to_owned()][..], false),
            addresses => (addresses, true),
        };
        match Listeners::bind(addresses).await {
            Ok(listeners) => Ok(Some(listeners)),
            Err(ServerError::PortInUse { address }) if !is_asked_for => {
                ui::warning(format!(
                    "no HTTP is served: {address} is in use; choose another port with `--http`"
                ));
                Ok(None)
            }
            Err(ServerError::PortInUse { address }) => {
                let failed = CliError::refused(format!("serve HTTP on {address}: it is in use"));
                Err(failed.hint("end what listens there, or choose another port with `--http`"))
            }
            Err(error) => Err(CliError::refused("serve HTTP").caused_by(error)),
        }
    }

    pub(super) fn options(&self) -> HttpOptions {
        HttpOptions {
            create: self.http_create.map(|create| match create {
                Create::Open => HttpCreate::Open,
                Create::Token => HttpCreate::Token,
            }),
            public_url: self.public_url.clone(),
        }
    }
}
