//! `share health`: does a server answer?

use std::time::Duration;

use share_client::TcpConnector;

use crate::error::{CliError, Kind};
use crate::{run, ui};

/// How long the server may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Ask a server whether it answers; exit 0 if it does.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7420")]
    connect: String,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let address = args.connect;
    run::block_on(async {
        let connector = TcpConnector::default();
        match tokio::time::timeout(DEADLINE, share_client::probe(&connector, &address)).await {
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
