//! `share-chaos worker`: carries out what another `share-chaos` asks it.

use std::io;

use share_harness::worker;

use super::Done;

pub(crate) fn run() -> io::Result<Done> {
    worker::serve(io::stdin().lock(), io::stdout().lock())?;
    Ok(Done::Holds)
}
