//! What is measured: a server process, and how its writers and subscribers reach it.

mod limit;
mod peers;

use std::any::Any;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use clap::ValueEnum;
use tokio::task::JoinHandle;

use self::limit::LimitServer;
use self::peers::{Postgres, Redis};
use crate::arrivals::Arrivals;
use crate::error::BenchError;
use crate::lane::{Lane, LimitLane, PostgresLane, RedisLane, ShareLane};
use crate::load::Load;
use crate::server::Server;

/// How long subscribers may take until all are live.
const PATIENCE: Duration = Duration::from_secs(60);

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Subject {
    /// `share serve`
    Share,
    /// The limit server
    Limit,
    /// Redis that syncs before each answer
    Redis,
    /// PostgreSQL
    Postgres,
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Limit => "limit",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }

    /// How to install it, if it is not there.
    pub(crate) fn is_missing(self) -> Option<&'static str> {
        match self {
            Self::Share | Self::Limit => None,
            Self::Redis => peers::redis()
                .is_none()
                .then_some("apt-get install redis-server"),
            Self::Postgres => peers::postgres()
                .is_none()
                .then_some("apt-get install postgresql"),
        }
    }
}

/// A running server; dropping it kills it.
pub(crate) enum Running {
    Share(Server),
    Limit(LimitServer),
    Redis(Redis),
    Postgres(Postgres),
}

/// Subscribers; dropping them ends them.
#[derive(Default)]
pub(crate) struct Watching {
    tasks: Vec<JoinHandle<Result<(), BenchError>>>,
    held: Vec<Box<dyn Any>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Running {
    /// Starts it, with its files in `folder`.
    pub(crate) async fn start(
        subject: Subject,
        share: Option<&Path>,
        folder: &Path,
    ) -> Result<Self, BenchError> {
        Ok(match subject {
            Subject::Share => Self::Share(Server::start(share, folder).await?),
            Subject::Limit => Self::Limit(LimitServer::start(folder).await?),
            Subject::Redis => Self::Redis(Redis::start(folder).await?),
            Subject::Postgres => Self::Postgres(Postgres::start(folder).await?),
        })
    }

    /// The process, if it is one alone.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Share(server) => Some(server.pid()),
            Self::Limit(server) => Some(server.pid()),
            Self::Redis(_) | Self::Postgres(_) => None,
        }
    }

    /// Writers, each with a connection and a share of its own. With `subscribers`, the first one's ops
    /// are handed on.
    pub(crate) async fn lanes(
        &self,
        load: Load,
        subscribers: bool,
    ) -> Result<Vec<Lane>, BenchError> {
        let mut lanes = Vec::new();
        for number in 0..load.writers {
            lanes.push(match self {
                Self::Share(server) => {
                    let (address, factory) = (server.address(), server.factory());
                    Lane::Share(ShareLane::create(address, factory, load).await?)
                }
                Self::Limit(server) => {
                    Lane::Limit(LimitLane::connect(server.address(), load).await?)
                }
                Self::Redis(redis) => {
                    Lane::Redis(RedisLane::open(redis.address(), number, load).await?)
                }
                Self::Postgres(postgres) => {
                    let address = postgres.address();
                    Lane::Postgres(PostgresLane::open(address, number, load, subscribers).await?)
                }
            });
        }
        Ok(lanes)
    }

    /// Has `count` subscribers, each with a connection of its own, follow `lane`; returns when all
    /// are live.
    pub(crate) async fn watch(
        &self,
        lane: &Lane,
        count: usize,
        arrivals: &Rc<Arrivals>,
    ) -> Result<Watching, BenchError> {
        let mut watching = Watching::default();
        for number in 1..=count {
            let arrivals_of_one = Rc::clone(arrivals);
            match (self, lane) {
                (Self::Share(server), Lane::Share(lane)) => {
                    let held = lane.watch(server.address(), arrivals_of_one).await?;
                    watching.held.push(Box::new(held));
                }
                (Self::Limit(server), _) => {
                    let address = server.address().to_owned();
                    watching.tasks.push(tokio::task::spawn_local(async move {
                        LimitLane::watch(&address, arrivals_of_one).await
                    }));
                }
                (Self::Redis(redis), _) => {
                    let address = redis.address().to_owned();
                    watching.tasks.push(tokio::task::spawn_local(async move {
                        RedisLane::watch(&address, arrivals_of_one).await
                    }));
                }
                (Self::Postgres(postgres), _) => {
                    let address = postgres.address().to_owned();
                    watching.tasks.push(tokio::task::spawn_local(async move {
                        PostgresLane::watch(&address, arrivals_of_one).await
                    }));
                }
                (Self::Share(_), _) => {
                    return Err(BenchError::Unexpected("a lane of another subject".into()));
                }
            }
            if !arrivals.wait_live(number, PATIENCE).await {
                let message = format!("subscriber {number} is not live in time");
                return Err(BenchError::Unexpected(message));
            }
        }
        Ok(watching)
    }

    pub(crate) async fn stop(self) -> Result<(), BenchError> {
        match self {
            Self::Share(server) => server.stop().await,
            Self::Limit(server) => server.stop().await,
            Self::Redis(redis) => redis.stop().await,
            Self::Postgres(postgres) => postgres.stop().await,
        }
    }
}
