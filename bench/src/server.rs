//! A real server process, and what its owner needs of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use share_client::{Session, TcpConnector, create_share};
use share_faults::{Child, KillCount};
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{
    Attenuate, CreateShare, FactoryRef, Origin, OriginKind, OwnerId, RequestId, Right, Rights,
    Secret, ShareRef,
};

use tokio::time::Instant;

use crate::error::BenchError;
use crate::usage;

/// How long the server may take to start, to answer or to end before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; dropping it kills it.
pub(crate) struct Server {
    share: PathBuf,
    data: PathBuf,
    child: Child,
    served: Served,
    factory: FactoryRef,
}

/// Where it serves, each `HOST:PORT`.
struct Served {
    address: String,
    http: String,
}

impl Server {
    /// Runs the `share` binary, by default the one beside this program, with its data in `folder`.
    pub(crate) async fn start(share: Option<&Path>, folder: &Path) -> Result<Self, BenchError> {
        let share = match share {
            Some(share) => share.to_owned(),
            None => std::env::current_exe()?.with_file_name("share"),
        };
        if !share.is_file() {
            let message = format!(
                "no `share` at {}: build it with `cargo build --release`",
                share.display()
            );
            return Err(BenchError::Unexpected(message));
        }
        let data = folder.join("data");
        let (child, served) = serve(&share, &data, ("127.0.0.1:0", "127.0.0.1:0")).await?;
        let text = std::fs::read_to_string(data.join("factory.ref"))?;
        let factory = text.trim().parse::<FactoryRef>();
        let factory = factory.map_err(|error| BenchError::Unexpected(error.to_string()))?;
        Ok(Self {
            share,
            data,
            child,
            served,
            factory,
        })
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.served.address
    }

    /// `HOST:PORT` of the HTTP face.
    pub(crate) fn http(&self) -> &str {
        &self.served.http
    }

    pub(crate) fn factory(&self) -> &FactoryRef {
        &self.factory
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The most memory that it has held so far, in mebibytes; 0 where the system does not say.
    pub(crate) fn peak_mib(&self) -> u64 {
        usage::memory_kib(self.pid(), "VmHWM").unwrap_or(0) >> 10
    }

    /// Kills the server and starts it again at its address: no share is loaded then. How long it took
    /// from the start until it served.
    pub(crate) async fn restart(&mut self) -> Result<Duration, BenchError> {
        self.child.sigkill().await?;
        let at = (self.served.address.as_str(), self.served.http.as_str());
        let begin = Instant::now();
        (self.child, self.served) = serve(&self.share, &self.data, at).await?;
        Ok(begin.elapsed())
    }

    pub(crate) async fn stop(mut self) -> Result<(), BenchError> {
        self.child.sigterm_and_wait(PATIENCE).await?;
        Ok(())
    }

    /// A new share's owner ref.
    pub(crate) async fn create_share(&self) -> Result<ShareRef, BenchError> {
        let entropy = SystemEntropy::default();
        let secret = Secret::random(&entropy);
        let request = CreateShare {
            request: RequestId::new(&SystemClock, &entropy),
            owner_secret_hash: secret.hash(),
            title: "bench".into(),
            origin: origin()?,
        };
        let (created, _) = create_share(&TcpConnector::default(), &self.factory, &request).await?;
        Ok(ShareRef {
            addresses: self.factory.addresses.clone(),
            share: created.share,
            grant: created.grant,
            epoch: created.epoch,
            security: share_model::Security::ByAddress,
            secret,
        })
    }
}

/// Makes a ref that may read, below the one of `session`, which is `owner`.
pub(crate) async fn attenuate(
    session: &Session,
    owner: &ShareRef,
    sealed_for: Option<OwnerId>,
) -> Result<ShareRef, BenchError> {
    let entropy = SystemEntropy::default();
    let secret = Secret::random(&entropy);
    let request = Attenuate {
        request: RequestId::new(&SystemClock, &entropy),
        secret_hash: secret.hash(),
        rights: Rights::of(&[Right::Read]),
        expires_at: None,
        label: String::new(),
        sealed_for,
        origin: origin()?,
    };
    let minted = session.attenuate(&request).await?;
    Ok(ShareRef {
        grant: minted.grant,
        epoch: minted.epoch,
        secret,
        ..owner.clone()
    })
}

/// Who all of it is done for.
pub(crate) fn origin() -> Result<Origin, BenchError> {
    Origin::new(OriginKind::System, "bench".into(), 64)
        .map_err(|error| BenchError::Unexpected(error.to_string()))
}

async fn serve(
    share: &Path,
    data: &Path,
    (listen, http): (&str, &str),
) -> Result<(Child, Served), BenchError> {
    let mut command = Command::new(share);
    command.arg("serve").arg("--data").arg(data);
    command.args(["--listen", listen, "--http", http]);
    let mut child = Child::start(command, &KillCount::default())?;
    let address = told(&mut child, "listening on ").await?;
    let http = told(&mut child, "http on http://").await?;
    Ok((child, Served { address, http }))
}

/// A running bridge; dropping it kills it.
pub(crate) struct Bridge {
    child: Child,
    http: String,
}

impl Bridge {
    /// Runs a bridge to `server`, with its state in `folder`.
    pub(crate) async fn start(server: &Server, folder: &Path) -> Result<Self, BenchError> {
        let mut command = Command::new(&server.share);
        let factory = format!("@{}", server.data.join("factory.ref").display());
        command.args(["bridge", "--to", &factory, "--listen", "127.0.0.1:0"]);
        command
            .arg("--state")
            .arg(folder.join("bridge/share.sqlite"));
        command.env("SHARE_REGISTRY", folder.join("registry/registry.sqlite"));
        let mut child = Child::start(command, &KillCount::default())?;
        let http = told(&mut child, "bridge on http://").await?;
        Ok(Self { child, http })
    }

    /// `HOST:PORT`.
    pub(crate) fn http(&self) -> &str {
        &self.http
    }

    pub(crate) async fn stop(mut self) -> Result<(), BenchError> {
        self.child.sigterm_and_wait(PATIENCE).await?;
        Ok(())
    }
}

/// What a process prints behind these words.
async fn told(child: &mut Child, words: &str) -> Result<String, BenchError> {
    let line = child
        .wait_for_line(|line| line.starts_with(words), PATIENCE)
        .await?;
    Ok(line[words.len()..].to_owned())
}
