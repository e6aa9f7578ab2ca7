//! Durable servers that others made, where they are installed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use share_faults::{Child, KillCount};

use crate::error::BenchError;
use crate::lane::{POSTGRES_SCHEMA, PostgresConnection, RedisConnection};

/// How long one may take to be made, to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the binary of Redis is.
pub(super) fn redis() -> Option<PathBuf> {
    in_path("redis-server", &[])
}

/// Where the binary of PostgreSQL is; `initdb` lies beside it.
pub(super) fn postgres() -> Option<PathBuf> {
    let versions = (13..=18).rev();
    let folders: Vec<_> = versions
        .map(|at| format!("/usr/lib/postgresql/{at}/bin"))
        .collect();
    in_path("postgres", &folders)
}

fn in_path(name: &str, first: &[String]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = first
        .iter()
        .map(PathBuf::from)
        .chain(std::env::split_paths(&path));
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A running Redis; dropping it kills it.
pub(crate) struct Redis {
    child: Child,
    address: String,
}

impl Redis {
    pub(super) async fn start(folder: &Path) -> Result<Self, BenchError> {
        let data = folder.canonicalize()?.join("redis");
        std::fs::create_dir(&data)?;
        let port = free_port()?;
        let mut command = Command::new(redis().ok_or_else(|| missing("redis-server"))?);
        command.args(["--bind", "127.0.0.1", "--port", &port]);
        command.arg("--dir").arg(&data);
        command.args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
        ]);
        command.args(["--auto-aof-rewrite-percentage", "0"]);
        let mut child = Child::start(command, &KillCount::default())?;
        let is_ready = |line: &str| line.contains("eady to accept connections");
        child.wait_for_line(is_ready, PATIENCE).await?;
        let address = format!("127.0.0.1:{port}");
        RedisConnection::connect(&address).await?.ping().await?;
        Ok(Self { child, address })
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) async fn stop(mut self) -> Result<(), BenchError> {
        self.child.sigkill().await?;
        Ok(())
    }
}

/// A running PostgreSQL; dropping it kills its first process, which ends the others.
pub(crate) struct Postgres {
    child: Child,
    address: String,
}

impl Postgres {
    pub(super) async fn start(folder: &Path) -> Result<Self, BenchError> {
        let binary = postgres().ok_or_else(|| missing("postgres"))?;
        let folder = folder.canonicalize()?;
        let data = folder.join("postgres");
        std::fs::create_dir(&data)?;
        let mut initdb = as_its_user(&binary.with_file_name("initdb"), &data)?;
        initdb.args([
            "--username=bench",
            "--auth=trust",
            "--no-sync",
            "--no-locale",
        ]);
        initdb.args(["--encoding=UTF8", "--pgdata"]).arg(&data);
        let mut making = Child::start(initdb, &KillCount::default())?;
        if !making.wait(PATIENCE).await?.success() {
            return Err(BenchError::Unexpected("initdb failed".to_owned()));
        }
        let program = as_its_user(&binary, &data)?;
        // It says on stderr that it is ready.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 2>&1", "sh"]);
        command.arg(program.get_program()).args(program.get_args());
        command.arg("-D").arg(&data).arg("-k").arg(&data);
        let port = free_port()?;
        command.args(["-p", &port]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "max_connections=300",
            "shared_buffers=512MB",
            "max_wal_size=4GB",
            "synchronous_commit=on",
            "wal_sync_method=fdatasync",
            "logging_collector=off",
            "log_checkpoints=off",
        ] {
            command.args(["-c", setting]);
        }
        let mut child = Child::start(command, &KillCount::default())?;
        let is_ready = |line: &str| line.contains("ready to accept connections");
        child.wait_for_line(is_ready, PATIENCE).await?;
        let address = format!("127.0.0.1:{port}");
        let mut connection = PostgresConnection::connect(&address).await?;
        connection.execute(POSTGRES_SCHEMA).await?;
        Ok(Self { child, address })
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) async fn stop(mut self) -> Result<(), BenchError> {
        self.child.sigterm_and_wait(PATIENCE).await?;
        Ok(())
    }
}

/// A command of PostgreSQL, which does not run as root: then it runs as the user `postgres`, whom
/// `data` and the folders above it are given to.
fn as_its_user(binary: &Path, data: &Path) -> Result<Command, BenchError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Command::new(binary));
    }
    let above = data.parent().unwrap_or(data);
    let done = Command::new("chown")
        .arg("postgres")
        .arg(data)
        .status()?
        .success()
        && Command::new("chmod")
            .arg("711")
            .arg(above)
            .status()?
            .success();
    if !done {
        let message = "no user `postgres`, as whom PostgreSQL could run".to_owned();
        return Err(BenchError::Unexpected(message));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    command.arg(binary);
    Ok(command)
}

/// A port that was free a moment ago: these servers take none that the system chooses.
fn free_port() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port().to_string())
}

fn missing(name: &str) -> BenchError {
    BenchError::Unexpected(format!("no `{name}` in the path"))
}
