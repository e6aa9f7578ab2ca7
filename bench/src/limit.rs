//! The limit server: the least that a server can do that makes ops durable before it acks them.
//!
//! Bare frames over TCP, one thread that reads and serves subscribers, one that writes groups into a
//! preallocated file, syncs, and acks. What is acked are ops, as with any log of ops: each has its id, gets
//! a number in the order of all, and lies in a record with a checksum by which it could be found after a
//! crash. So a batch is walked, not taken as one piece of bytes. It has no RPC, no rights, no ledger that
//! knows a repeat, no index; its log goes round and is not read. It is the yardstick for what is a service,
//! which is compared with it in the same run.

mod feed;
pub(crate) mod frame;
mod group;
pub(crate) mod inbox;
mod log;
pub(crate) mod record;
mod serve;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use self::group::Group;
use self::log::{Log, RoundFile};
use self::serve::{Serving, Shared};

/// What the server says before its address when it is ready.
pub(crate) const READY: &str = "listening on ";

/// How the limit server is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log
    #[arg(long)]
    log: PathBuf,
    /// Mebibytes of the log, after which it begins again at its front
    #[arg(long, default_value_t = 256)]
    log_mib: usize,
}

/// Serves until the process is ended, or its log fails.
///
/// # Errors
///
/// As files and sockets fail.
pub(crate) fn run(args: &Args) -> io::Result<()> {
    let log = RoundFile::create(&args.log, args.log_mib << 20)?;
    let (serving, address) = start(log, |error| {
        // Nobody is left to be told if stderr is gone.
        let _ = writeln!(io::stderr(), "error: the log failed: {error}");
        // What was not synced must never be acked, by no other thread either.
        std::process::exit(1);
    })?;
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}{address}")?;
    out.flush()?;
    drop(out);
    serving.run()
}

/// Starts the thread that writes, which lives as long as the process, or until the log fails; gives what
/// the other one runs, and where it listens.
fn start(
    log: impl Log + Send + 'static,
    failed: impl FnOnce(io::Error) + Send + 'static,
) -> io::Result<(Serving, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let serving = Serving::new(listener)?;
    let shared = serving.shared();
    let write = move || {
        let Err(error) = write_groups(log, &shared);
        failed(error);
    };
    std::thread::Builder::new()
        .name("limit-log".into())
        .spawn(write)?;
    Ok((serving, address))
}

fn write_groups(mut log: impl Log, shared: &Shared) -> Result<std::convert::Infallible, io::Error> {
    let mut group = Group::default();
    loop {
        shared.filling.take(&mut group);
        group.commit(&mut log)?;
        shared.publish(&mut group)?;
    }
}

#[cfg(test)]
mod tests;
