//! What is measured: a server process, and how its writers and subscribers reach it.

mod limit;
mod peers;

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use clap::ValueEnum;
use tokio::task::JoinHandle;

use self::limit::LimitServer;
use self::peers::{Postgres, Redis};
use crate::arrivals::Arrivals;
use crate::error::BenchError;
use crate::lane::{Lane, LimitLane, PostgresLane, RedisLane, WireLane, watch};
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
}

impl Watching {
    /// Ends them.
    ///
    /// # Errors
    ///
    /// If one of them had ended before, as it did.
    pub(crate) async fn end(mut self) -> Result<(), BenchError> {
        for task in &mut self.tasks {
            if task.is_finished() {
                task.await
                    .map_err(|error| BenchError::Unexpected(error.to_string()))??;
            }
        }
        Ok(())
    }

    /// Waits until so many are live, of whom the last one just began.
    async fn wait_live(&mut self, arrivals: &Arrivals) -> Result<(), BenchError> {
        let count = self.tasks.len();
        let late = || BenchError::Unexpected(format!("subscriber {count} is not live in time"));
        let Some(last) = self.tasks.last_mut() else {
            return Ok(());
        };
        tokio::select! {
            biased;
            is_live = arrivals.wait_live(count, PATIENCE) => is_live.then_some(()).ok_or_else(late),
            ended = last => {
                ended.map_err(|error| BenchError::Unexpected(error.to_string()))??;
                Err(late())
            }
        }
    }
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
                    Lane::Share(Box::new(WireLane::create(address, factory, load).await?))
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
        for _ in 0..count {
            let arrivals_of_one = Rc::clone(arrivals);
            watching.tasks.push(match (self, lane) {
                (Self::Share(server), Lane::Share(lane)) => {
                    let address = server.address().to_owned();
                    let reference = lane.reference().clone();
                    tokio::task::spawn_local(async move {
                        watch(&address, &reference, arrivals_of_one).await
                    })
                }
                (Self::Limit(server), _) => {
                    let address = server.address().to_owned();
                    tokio::task::spawn_local(async move {
                        LimitLane::watch(&address, arrivals_of_one).await
                    })
                }
                (Self::Redis(redis), _) => {
                    let address = redis.address().to_owned();
                    tokio::task::spawn_local(async move {
                        RedisLane::watch(&address, arrivals_of_one).await
                    })
                }
                (Self::Postgres(postgres), _) => {
                    let address = postgres.address().to_owned();
                    tokio::task::spawn_local(async move {
                        PostgresLane::watch(&address, arrivals_of_one).await
                    })
                }
                (Self::Share(_), _) => {
                    return Err(BenchError::Unexpected("a lane of another subject".into()));
                }
            });
            watching.wait_live(arrivals).await?;
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
