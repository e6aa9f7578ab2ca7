//! `share serve`: the share server. With `restore`, the only file of this crate that names
//! `share_server`.

mod files;
mod http;

use std::path::PathBuf;

use share_server::{
    CertificateSource, Doors, Listeners, Reloaded, RunningServer, Server, ServerError,
    ServerLimits, ServerOptions, TlsMode, TlsOptions,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;
use crate::{run, ui};

/// Serve shares until SIGTERM or Ctrl-C.
///
/// Prints `listening on ADDRESS` for each address when ready, then `http on URL` for each where HTTP is
/// served, and writes the factory's ref, with
/// which shares are created, to `factory.ref` in the data folder.
///
/// Connections have TLS, but on loopback and Unix sockets. The certificate is made at the first start
/// and kept in the data folder (`tls.cert.pem`, `tls.key.pem`): each ref pins it, so it needs nobody
/// to vouch for it. SIGHUP reads one from files (`--tls-cert`) anew.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder with everything that is stored
    #[arg(long, value_name = "DIR", default_value = "share-data")]
    data: PathBuf,
    /// The authority journal: keep it apart from backups of the data folder, which must not take it
    /// back [default: beside the data folder, named as it with `.journal`]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Begin a new journal in place of one that is lost; only if the data folder was not put back
    /// from a copy since
    #[arg(long)]
    new_journal: bool,
    /// Where to listen: HOST:PORT, where port 0 takes a free one, or unix:/PATH for a socket that only
    /// this user can connect to; may be repeated
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7420")]
    listen: Vec<String>,
    /// The addresses to write into refs, in the order in which to try them [default: those
    /// listened on]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    advertise: Vec<String>,
    /// TLS at every address, also on loopback and Unix sockets
    #[arg(long, conflicts_with = "insecure_plain")]
    tls: bool,
    /// The certificate, PEM, with those that lead to its authority; refs do not pin it
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_key",
        conflicts_with = "insecure_plain"
    )]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_cert",
        conflicts_with = "insecure_plain"
    )]
    tls_key: Option<PathBuf>,
    /// No TLS at any address: whoever is on the way reads every secret
    #[arg(long)]
    insecure_plain: bool,
    #[command(flatten)]
    http: http::HttpArgs,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    run::block_on(async {
        let listen = args.listen.join(", ");
        let attempted = format!("serve `{}` on {listen}", args.data.display());
        let mut terminated = listen_for(SignalKind::terminate())?;
        let mut interrupted = listen_for(SignalKind::interrupt())?;
        let mut hung_up = listen_for(SignalKind::hangup())?;
        let failed = |error| CliError::refused(attempted.clone()).caused_by(error);
        let listeners = Listeners::bind(&args.listen).await.map_err(failed)?;
        let mut doors = Doors::from(listeners);
        let http = args.http.bind().await?;
        let serves_http = http.is_some();
        if let Some(http) = http {
            doors = doors.with_http(http);
        }
        let server = Server::start(options(args, serves_http), doors)
            .await
            .map_err(failed)?;
        tell(&server)?;
        let failure = loop {
            tokio::select! {
                _ = terminated.recv() => break None,
                _ = interrupted.recv() => break None,
                _ = hung_up.recv() => tell_reloaded(server.reload_certificate()),
                failure = server.failed() => break Some(failure),
            }
        };
        let drained = server.drain().await;
        match failure {
            Some(failure) => Err(CliError::refused("the server can't go on").caused_by(failure)),
            None => drained.map_err(|error| CliError::refused("end the server").caused_by(error)),
        }
    })
}

fn options(args: Args, serves_http: bool) -> ServerOptions {
    let defaults = ServerOptions::new(args.data);
    let mode = match (args.tls, args.insecure_plain) {
        (true, _) => TlsMode::Always,
        (false, true) => TlsMode::Never,
        (false, false) => TlsMode::ByAddress,
    };
    let certificate = match (args.tls_cert, args.tls_key) {
        (Some(certificate), Some(key)) => CertificateSource::Files { certificate, key },
        _ => CertificateSource::SelfMade,
    };
    ServerOptions {
        advertise: args.advertise,
        tls: TlsOptions { mode, certificate },
        limits: limits(defaults.limits, serves_http),
        http: args.http.options(),
        journal: args.journal.unwrap_or_else(|| defaults.journal.clone()),
        new_journal: args.new_journal,
        ..defaults
    }
}

/// As many connections as there can be files.
fn limits(defaults: ServerLimits, serves_http: bool) -> ServerLimits {
    let files = files::raise();
    let wanted = defaults.connections_max;
    let limits = defaults.within_files(files, serves_http);
    let max = limits.connections_max;
    if max < wanted {
        ui::warning(format!(
            "at most {max} connections at a time instead of {wanted}: this process may have no more \
             than {files} files open"
        ));
    }
    limits
}

fn listen_for(kind: SignalKind) -> Result<tokio::signal::unix::Signal, CliError> {
    signal(kind).map_err(|error| CliError::refused("listen for signals").caused_by(error))
}

fn tell(server: &RunningServer) -> Result<(), CliError> {
    if let Some(pin) = server.security().pin() {
        ui::note(format!("refs pin the certificate {pin}"));
    }
    for address in server.addresses() {
        ui::data(format!("listening on {address}"))?;
    }
    for url in server.http_urls() {
        ui::data(format!("http on {url}"))?;
    }
    Ok(())
}

/// Nobody waits for the answer to a signal.
fn tell_reloaded(reloaded: Result<Reloaded, ServerError>) {
    match reloaded {
        Ok(Reloaded::Certificate(pin)) => {
            ui::note(format!("new connections get certificate {pin}"));
        }
        Ok(Reloaded::Nothing) => ui::note("no certificate from files: nothing to read anew"),
        Err(error) => {
            let failed = CliError::refused("read the certificate anew").caused_by(error);
            ui::warning(format!("{failed}; the one from before serves on"));
        }
    }
}
