//! The processes of a run: a server behind the fault proxy, and agents, each with its folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use share_client::Session;
use share_faults::{Child, FaultProxy, KillCount, ProcessError, ProxyCounts, ProxyOptions};
use share_model::seam::{Clock, SystemClock};
use share_model::{FactoryRef, HistoryId, ShareRef};

use super::authority::Bumping;
use super::error::RealError;
use super::machine::MachineArgs;
use super::moment::Moment;
use super::node::Ready;
use super::plan::{Plan, Role};
use super::story::Story;
use super::{connector, refs};
use crate::history::What;

/// How long a process may take to begin or to end in order.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
/// How long an outbox that fed a restored server again waits for others' ops to come back.
const DOUBT_MS: u64 = 3000;
/// Longer than it would wait for them if nobody set its clock.
const DAYS_MS: u64 = 8 * 24 * 3600 * 1000;
/// Nothing listens there: where the proxy leads before there is a server.
const NOWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

/// A share of the run.
#[derive(Debug)]
pub(super) struct Shared {
    /// The owner's, by way of the proxy.
    pub(super) owner: ShareRef,
    pub(super) bumping: Option<Bumping>,
    pub(super) is_deleted: bool,
}

/// An agent of the run, alive or not.
#[derive(Debug)]
pub(super) struct AgentSlot {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    /// One for each share.
    pub(super) refs: Vec<ShareRef>,
    pub(super) child: Option<Child>,
    starts: u64,
    /// Its outbox is empty still.
    pub(super) is_new: bool,
}

/// A server that runs.
#[derive(Debug)]
pub(super) struct ServerProcess {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
}

/// Everything of a run.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) binary: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) plan: Plan,
    pub(super) story: Story,
    pub(super) proxy: FaultProxy,
    pub(super) server: Option<ServerProcess>,
    server_starts: u64,
    pub(super) agents: Vec<AgentSlot>,
    pub(super) shares: Vec<Shared>,
    pub(super) factory: Option<FactoryRef>,
    kills: KillCount,
    told: ProxyCounts,
    /// A backup's file, and when it was begun.
    pub(super) backup: Option<(PathBuf, Moment)>,
    /// Of the server, as seen last.
    history: Option<HistoryId>,
    /// The server's folder was put back to this moment, and no server was seen since.
    pub(super) put_back: Option<Moment>,
    /// The server was restored or put back.
    pub(super) has_gone_back: bool,
    /// A copy of the server's data folder, and when it was made.
    pub(super) kept: Option<(PathBuf, Moment)>,
}

impl Stage {
    pub(super) async fn open(
        (binary, folder): (&Path, &Path),
        plan: Plan,
        seed: u64,
    ) -> Result<Self, RealError> {
        let options = ProxyOptions { seed, port: 0 };
        let proxy = FaultProxy::start(NOWHERE.into(), options).await?;
        let told = proxy.counts();
        Ok(Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            plan,
            story: Story::begin(),
            proxy,
            server: None,
            server_starts: 0,
            agents: Vec::new(),
            shares: Vec::new(),
            factory: None,
            kills: KillCount::default(),
            told,
            backup: None,
            history: None,
            put_back: None,
            has_gone_back: false,
            kept: None,
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("server/data")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.folder.join("server/data.journal")
    }

    /// A ref that leads to the server past the proxy.
    pub(super) fn direct(&self, reference: &ShareRef) -> ShareRef {
        let mut direct = reference.clone();
        if let Some(server) = &self.server {
            direct.addresses = vec![server.address.to_string()];
        }
        direct
    }

    /// Starts a server and waits until it is ready; `false` if it ended before, as one does whose
    /// machine breaks at its start.
    pub(super) async fn start_server(&mut self, machine: &MachineArgs) -> Result<bool, RealError> {
        self.server_starts += 1;
        let notes = self
            .folder
            .join(format!("server.{}.notes", self.server_starts));
        self.story.expect_notes("server", notes.clone());
        let mut command = Command::new(&self.binary);
        command.arg("node").arg("--data").arg(self.data());
        command.arg("--journal").arg(self.journal());
        command
            .arg("--advertise")
            .arg(self.proxy.local_addr().to_string());
        command.arg("--notes").arg(notes);
        command.args(machine.arguments());
        command.stdin(Stdio::null());
        let mut child = Child::start(command, &self.kills)?;
        let ready = child.wait_for_line(|line| ready(line).is_some(), DEADLINE);
        let line = match ready.await {
            Ok(line) => line,
            Err(error @ ProcessError::OutputEnded { .. }) => {
                let status = child.wait(DEADLINE).await?;
                let how = format!("at its start, {status}: {error}");
                self.story.tell("server", What::ServerEnded { how });
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let address = ready_address(&line)?;
        self.server = Some(ServerProcess { child, address });
        self.read_cursors().await;
        // Nobody but the script talks to a server of which it is not known whether it noticed.
        if self.put_back.is_none() {
            self.lead_to_server();
        }
        Ok(true)
    }

    /// Carries connections to the server that runs.
    pub(super) fn lead_to_server(&self) {
        if let Some(server) = &self.server {
            self.proxy.set_upstream(server.address);
        }
    }

    /// Reads every share's cursor, past the proxy; tells the server's history once.
    pub(super) async fn read_cursors(&mut self) {
        let mut has_told = false;
        for at in 0..self.shares.len() {
            if self.shares[at].is_deleted {
                continue;
            }
            let since = Moment::now();
            let reference = self.direct(&self.shares[at].owner);
            // A server that dies meanwhile tells nothing.
            let Ok(session) = Session::redeem(&connector(), &reference).await else {
                continue;
            };
            let (history, cursor) = (session.redeemed().history, session.redeemed().cursor);
            if !has_told {
                self.tell_put_back(history);
                self.story.tell("server", What::ServerStarted { history });
                has_told = true;
            }
            let read = What::CursorRead {
                share: reference.share,
                history,
                cursor,
                since: 0,
            };
            self.story.tell_since("owner", read, since);
        }
    }

    /// The journal may have known that the folder was put back: then the server has a new history, as
    /// after a restore.
    fn tell_put_back(&mut self, history: HistoryId) {
        let before = self.history.replace(history);
        if let Some(taken) = self.put_back.take() {
            let restored = What::Restored {
                known: before != Some(history),
                taken_at: 0,
                journal_lost: false,
            };
            self.story.tell_since("chaos", restored, taken);
        }
    }

    /// Kills the server and verifies that it is gone.
    pub(super) async fn kill_server(&mut self) -> Result<(), RealError> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        match server.child.sigkill().await {
            Ok(_) => {
                let how = "killed".to_owned();
                self.story.tell("server", What::ServerEnded { how });
                self.story.fault("kill server", "");
            }
            Err(ProcessError::EndedBeforeKill { status, .. }) => self.tell_end(&server, status),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Asks the server to end.
    pub(super) async fn end_server(&mut self) -> Result<(), RealError> {
        if let Some(mut server) = self.server.take() {
            let status = server.child.sigterm_and_wait(DEADLINE).await?;
            self.tell_end(&server, status);
        }
        Ok(())
    }

    fn tell_end(&self, server: &ServerProcess, status: ExitStatus) {
        let how = format!("{status}: {}", server.child.transcript());
        self.story.tell("server", What::ServerEnded { how });
    }

    /// There is a server after this, whatever has become of the last one.
    pub(super) async fn ensure_server(&mut self) -> Result<(), RealError> {
        if let Some(server) = &mut self.server {
            match server.child.wait(Duration::ZERO).await {
                Err(ProcessError::NotEnded { .. }) => return Ok(()),
                Ok(status) => {
                    let server = self.server.take();
                    server
                        .iter()
                        .for_each(|server| self.tell_end(server, status));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let draw = self.plan.draw(Role::Server, "server", self.server_starts);
        if self.start_server(&draw).await? {
            return Ok(());
        }
        self.must_start_server().await
    }

    /// Starts a server on a machine on which nothing breaks.
    pub(super) async fn must_start_server(&mut self) -> Result<(), RealError> {
        if self.start_server(&MachineArgs::default()).await? {
            return Ok(());
        }
        Err(RealError::TooLate {
            what: "the server did not start although nothing was broken",
            seconds: DEADLINE.as_secs(),
            seen: self.story.last(),
        })
    }

    pub(super) fn add_agent(&mut self, name: String, refs: Vec<ShareRef>) {
        let folder = self.folder.join(&name);
        self.agents.push(AgentSlot {
            name,
            folder,
            refs,
            child: None,
            starts: 0,
            is_new: true,
        });
    }

    /// Adds an agent on a copy of another's folder.
    pub(super) fn add_copy(&mut self, of: usize) -> Result<(), RealError> {
        let copies = self.agents.len();
        let name = format!("{}-copy-{copies}", self.agents[of].name);
        let from = self.agents[of].folder.clone();
        self.add_agent(name, self.agents[of].refs.clone());
        let Some(copy) = self.agents.last_mut() else {
            return Ok(());
        };
        copy.is_new = false;
        super::folders::copy(&from, &copy.folder)?;
        let (from, to) = (folder_name(&from), folder_name(&copy.folder));
        self.story.tell("chaos", What::Copied { from, to });
        self.story.fault("outbox copied", "");
        Ok(())
    }

    /// Starts an agent, to drain its outbox or to work.
    pub(super) fn start_agent(&mut self, at: usize, drain: bool) -> Result<(), RealError> {
        let agent = &mut self.agents[at];
        agent.starts += 1;
        let AgentSlot { name, starts, .. } = &*agent;
        let notes = self.folder.join(format!("{name}.{starts}.notes"));
        let refs_file = self.folder.join(format!("{name}.refs"));
        refs::write(&refs_file, &agent.refs)?;
        self.story.expect_notes(name, notes.clone());
        let seed = self.plan.seed_of(name, *starts);
        let mut command = Command::new(&self.binary);
        command.arg("agent").arg("--name").arg(name);
        command.arg("--folder").arg(&agent.folder);
        command.arg("--refs").arg(refs_file);
        command.arg("--notes").arg(notes);
        if drain {
            command.arg("--drain");
            if self.has_gone_back {
                // What was applied before and is rejected now is tried for days.
                let jump = format!("--clock-jump={DOUBT_MS}:{DAYS_MS}");
                command.arg(jump);
            }
        } else {
            command.arg("--seed").arg(seed.to_string());
            command.arg("--calls").arg((20 + seed % 80).to_string());
            command.arg("--pace-ms").arg((seed % 23).to_string());
            command.arg("--in-flight").arg((1 + seed % 6).to_string());
            command.arg("--batch-ops").arg((1 + seed % 9).to_string());
            command.args(self.plan.draw(Role::Agent, name, *starts).arguments());
            if agent.is_new {
                command.arg("--first");
            }
            agent.is_new = false;
        }
        command.stdin(Stdio::null());
        agent.child = Some(Child::start(command, &self.kills)?);
        Ok(())
    }

    /// Kills an agent and verifies that it is gone.
    pub(super) async fn kill_agent(&mut self, at: usize) -> Result<(), RealError> {
        let Some(mut child) = self.agents[at].child.take() else {
            return Ok(());
        };
        match child.sigkill().await {
            Ok(_) => self.story.fault("kill agent", self.agents[at].name.clone()),
            // Its disk or its notes have failed it before.
            Err(ProcessError::EndedBeforeKill { status, .. }) => {
                let detail = format!("{} {status}: {}", self.agents[at].name, child.transcript());
                self.story.fault("agent gave up", detail);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Asks an agent to end.
    pub(super) async fn end_agent(&mut self, at: usize) -> Result<(), RealError> {
        if let Some(mut child) = self.agents[at].child.take() {
            child.sigterm_and_wait(DEADLINE).await?;
        }
        Ok(())
    }

    /// Kills whatever lives, so that nothing is noted any more.
    pub(super) async fn clear(&mut self) {
        for at in 0..self.agents.len() {
            // What it failed by is told already.
            drop(self.kill_agent(at).await);
        }
        drop(self.kill_server().await);
    }

    /// Tells the faults of the network that have fired since the last time.
    pub(super) fn tell_network(&mut self) {
        let (before, now) = (self.told, self.proxy.counts());
        self.told = now;
        let each = [
            ("cut", before.cuts, now.cuts),
            ("lost reply", before.lost_replies, now.lost_replies),
            ("refused connection", before.refused, now.refused),
            ("stall", before.stalls, now.stalls),
            ("partition", before.partitions, now.partitions),
        ];
        for (kind, before, now) in each {
            (before..now).for_each(|_| self.story.fault(kind, ""));
        }
        // Of every piece: how many would say nothing.
        for (kind, before, now) in [
            ("delay", before.delays, now.delays),
            ("split", before.splits, now.splits),
        ] {
            if now > before {
                self.story.fault(kind, format!("{} pieces", now - before));
            }
        }
    }
}

pub(super) fn folder_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Lets real time pass: what is broken at a random time, or for a while, is broken by it.
pub(super) async fn pass(ms: u64) {
    SystemClock.sleep(Duration::from_millis(ms)).await;
}

fn ready(line: &str) -> Option<Ready> {
    serde_json::from_str(line).ok()
}

fn ready_address(line: &str) -> Result<SocketAddr, RealError> {
    let address = ready(line).and_then(|ready| ready.address.parse().ok());
    address.ok_or_else(|| RealError::TooLate {
        what: "the server did not tell its address",
        seconds: DEADLINE.as_secs(),
        seen: line.to_owned(),
    })
}
