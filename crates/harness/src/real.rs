//! Runs with real processes: a server behind a fault proxy and agents with their outboxes, all killed,
//! cut off, copied and put back while they work, and a history of what they and the script saw.
//!
//! One seed is one plan: which kinds of faults are on, what is played in which order, what each
//! agent enqueues, and what befalls each start of each process. Time is real, so that two runs of a
//! seed do not see the same bytes; a seed that fails is run again some times to see it again.
//!
//! A process is killed by SIGKILL, verified gone, and started again on the same data. What it knows
//! dies with it, but not what it noted (`note`). In the end everything is started without faults,
//! every outbox must come to rest within a bound, and a new reader reads what there is.

pub mod agent;
pub mod node;

mod authority;
mod calm;
mod clock;
mod error;
mod folders;
mod machine;
mod moment;
mod note;
mod plan;
mod play;
mod reader;
mod refs;
mod stage;
mod story;
mod workload;

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use share_client::TcpConnector;
use share_model::Limits;
use share_model::seam::{Files, SystemFiles};
use tokio::task::LocalSet;

pub use agent::AgentArgs;
pub use clock::Jump;
pub use error::RealError;
pub use machine::{KillAt, MachineArgs, Span};
pub use node::NodeArgs;

use crate::history::{Bounds, Event};
use plan::{Plan, Planned};
use stage::{Stage, pass};

/// A file system in memory, where there is one: runs wait for processes, not for disks.
const MEMORY: &str = "/dev/shm";
/// Bytes of a factory's ref.
const REF_BYTES_MAX: u64 = 1 << 16;

/// A run that is over.
#[derive(Debug)]
pub struct RealRun {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What must hold for each share.
    pub bounds: Bounds,
    /// Why it was not played to its end: a failure of the seed too, for a server that does not start
    /// again, say. The events lead up to it.
    pub failure: Option<RealError>,
}

/// Plays the plan of `seed` with processes of `binary`, which is `share-chaos` itself: it must have
/// the subcommands `node` ([`node::main`]) and `agent` ([`agent::main`]). Takes some seconds. Needs a
/// current-thread runtime with I/O and time enabled.
///
/// # Errors
///
/// If the run could not begin, or what its processes noted can't be read.
pub async fn run(seed: u64, binary: &Path) -> Result<RealRun, RealError> {
    LocalSet::new().run_until(played(seed, binary)).await
}

async fn played(seed: u64, binary: &Path) -> Result<RealRun, RealError> {
    let memory = Path::new(MEMORY);
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.map_err(|source| RealError::System {
        doing: "make a folder for the run",
        source,
    })?;
    let plan = Plan::of(seed);
    let mut stage = Stage::open((binary, folder.path()), plan.clone(), seed).await?;
    set_up(&mut stage).await?;
    let mut readers = Vec::new();
    for (at, shared) in stage.shares.iter().enumerate() {
        let actor = format!("reader-{at}");
        let following = reader::follow(shared.owner.clone(), stage.story.clone(), actor);
        readers.push(tokio::task::spawn_local(following));
    }
    let failure = script(&mut stage, &plan.steps).await.err();
    if failure.is_some() {
        stage.clear().await;
    }
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(RealRun {
        events: stage.story.events()?,
        bounds: Bounds {
            window: Limits::DEFAULT.window,
        },
        failure,
    })
}

async fn script(stage: &mut Stage, steps: &[Planned]) -> Result<(), RealError> {
    for planned in steps {
        pass(planned.pause_ms).await;
        stage.play(planned.step).await?;
    }
    stage.come_to_rest().await
}

/// The server, its shares and the agents, before anything is broken.
async fn set_up(stage: &mut Stage) -> Result<(), RealError> {
    let data = stage.data();
    let server = data.parent().unwrap_or(&data);
    std::fs::create_dir(server).map_err(RealError::file("make the folder", server))?;
    if !stage.start_server(&MachineArgs::default()).await? {
        return stage.must_start_server().await;
    }
    let path = data.join("factory.ref");
    let bytes = SystemFiles.read(&path, REF_BYTES_MAX);
    let bytes = bytes.map_err(RealError::file("read the factory's ref", &path))?;
    let factory = String::from_utf8_lossy(&bytes).trim().parse();
    stage.factory = Some(factory.map_err(|source| RealError::Ref { path, source })?);
    for _ in 0..stage.plan.shares {
        stage.create().await?;
    }
    for at in 0..stage.plan.agents {
        let name = format!("agent-{at}");
        let mut refs = Vec::new();
        for share in 0..stage.shares.len() {
            refs.push(match at == 0 && stage.plan.has_grants {
                true => stage.grant(share, &name).await?,
                false => stage.shares[share].owner.clone(),
            });
        }
        stage.add_agent(name, refs);
    }
    stage.ensure_agents().await
}

fn connector() -> TcpConnector {
    TcpConnector::default()
}

/// Prints a line for the script that has started this process.
fn print_line(value: &impl Serialize) -> Result<(), RealError> {
    let printing = |source| RealError::System {
        doing: "print a line",
        source,
    };
    let mut bytes = serde_json::to_vec(value).map_err(|error| printing(error.into()))?;
    bytes.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&bytes)
        .and_then(|()| out.flush())
        .map_err(printing)
}
