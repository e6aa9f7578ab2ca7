//! `share health`: does a server answer?

use std::time::Duration;

use share_model::CertificatePin;

use crate::error::{CliError, Kind};
use crate::{run, ui};

/// How long the server may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Ask a server whether it answers; exit 0 if it does.
///
/// With TLS, or without where there is none. Unless its certificate is pinned, whoever answers is
/// taken for the server: nothing is told to it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7420")]
    connect: String,
    /// The SHA-256 of the certificate that it must have, in hexadecimal digits, as in a ref's `pin=`
    #[arg(long, value_name = "HEX")]
    pin: Option<CertificatePin>,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let address = args.connect;
    run::block_on(async {
        match tokio::time::timeout(DEADLINE, share_client::probe(&address, args.pin)).await {
            Ok(Ok(())) => {
                ui::note(format!("{address} answers"));
                Ok(())
            }
            Ok(Err(error)) => Err(
                CliError::new(Kind::NotNow, format!("no answer from {address}")).caused_by(error),
            ),
            Err(_) => Err(CliError::new(
                Kind::NotNow,
                format!("no answer from {address} within {} s", DEADLINE.as_secs()),
            )),
        }
    })
}
