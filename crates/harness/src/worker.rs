//! Runs in processes of their own: SQLite's randomness is one for a whole process, so that two runs at
//! once in one would not be what their seeds say; and a run that hangs, or ends its process, fails by
//! itself.
//!
//! A worker reads an [`Order`] a line from its standard input, and answers a [`Verdict`] a line.

use std::io::{self, BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sim::SCENARIOS;
use crate::verdict::{Broken, REAL, Verdict, play, play_real};

/// The hidden subcommand of `share-chaos` that works.
pub const SUBCOMMAND: &str = "worker";

/// How long a run may take, in the machine's time: a hundred times what a long one takes.
pub const RUN_TIME_MAX: Duration = Duration::from_secs(240);

/// Runs of one process: whatever a run leaves behind in memory, a night of them does not pile up.
const RUNS_MAX: u32 = 500;

/// One run that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The seed.
    pub seed: u64,
    /// The name of the scenario.
    pub scenario: String,
    /// The planted bug that is on; `None`: none is.
    pub bug: Option<String>,
}

/// Carries out orders until there are none.
///
/// # Errors
///
/// If the lines can't be read or written: whoever asks has gone.
pub fn serve(orders: impl BufRead, mut verdicts: impl Write) -> io::Result<()> {
    for line in orders.lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let verdict = carry_out(&order);
        serde_json::to_writer(&mut verdicts, &verdict)?;
        verdicts.write_all(b"\n")?;
        verdicts.flush()?;
    }
    Ok(())
}

/// Carries out one order, in this process.
pub fn carry_out(order: &Order) -> Verdict {
    if order.scenario == REAL {
        return real(order.seed);
    }
    let Some(scenario) = SCENARIOS.iter().find(|it| it.name == order.scenario) else {
        let broken = Broken::new("harness", format!("no scenario `{}`", order.scenario));
        return Verdict::of_nothing(order.seed, &order.scenario, broken);
    };
    #[cfg(feature = "planted")]
    let _planted = {
        let named = crate::bugs::PLANTED
            .iter()
            .find(|(name, _)| Some(*name) == order.bug.as_deref());
        share_model::planted::plant(named.map(|(name, _)| *name))
    };
    let judged = play(order.seed, scenario);
    #[cfg(feature = "planted")]
    let reached = share_model::planted::reached();
    #[cfg(not(feature = "planted"))]
    let reached = 0;
    Verdict {
        reached,
        ..judged.verdict
    }
}

/// A planted bug is named to real processes by their environment, which is this one's.
fn real(seed: u64) -> Verdict {
    match std::env::current_exe() {
        Ok(binary) => play_real(seed, &binary).1,
        Err(error) => {
            let broken = Broken::new("harness", format!("no binary: {error}"));
            Verdict::of_nothing(seed, REAL, broken)
        }
    }
}

/// A process that carries out orders, started at the first one, and again after one that it did not
/// survive.
#[derive(Debug)]
pub struct Worker {
    binary: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    orders: ChildStdin,
    verdicts: mpsc::Receiver<io::Result<String>>,
    runs: u32,
}

impl Worker {
    /// A worker of `binary`, which is `share-chaos`.
    pub fn new(binary: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            running: None,
        }
    }

    /// Has an order carried out. A worker that can't, dies, or takes longer than [`RUN_TIME_MAX`], is a
    /// broken promise of the run: `harness`, `abort` or `hang`.
    pub fn ask(&mut self, order: &Order) -> Verdict {
        self.try_ask(order).unwrap_or_else(|broken| {
            self.end();
            Verdict::of_nothing(order.seed, &order.scenario, broken)
        })
    }

    fn try_ask(&mut self, order: &Order) -> Result<Verdict, Broken> {
        let harness =
            |error: io::Error| Broken::new("harness", format!("a worker failed: {error}"));
        if self.running.as_ref().is_some_and(|it| it.runs >= RUNS_MAX) {
            self.end();
        }
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(Running::start(&self.binary).map_err(harness)?),
        };
        running.runs += 1;
        let line = serde_json::to_string(order).map_err(|error| harness(error.into()))?;
        writeln!(running.orders, "{line}").map_err(harness)?;
        match running.verdicts.recv_timeout(RUN_TIME_MAX) {
            Ok(Ok(line)) => serde_json::from_str(&line).map_err(|error| harness(error.into())),
            Ok(Err(error)) => Err(harness(error)),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let text = format!("the run did not end within {} s", RUN_TIME_MAX.as_secs());
                Err(Broken::new("hang", text))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = running.child.wait().map_err(harness)?;
                Err(Broken::new(
                    "abort",
                    format!("the run ended its process: {status}"),
                ))
            }
        }
    }

    fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            // It may be gone already; either way it is waited for.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

impl Running {
    fn start(binary: &Path) -> io::Result<Self> {
        let mut child = Command::new(binary)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let piped = || io::Error::other("a worker without pipes");
        let orders = child.stdin.take().ok_or_else(piped)?;
        let answers = child.stdout.take().ok_or_else(piped)?;
        // One verdict for each order, and nobody asks before it has come.
        let (sender, verdicts) = mpsc::sync_channel(1);
        // Ends with the worker's output.
        thread::spawn(move || {
            for line in BufReader::new(answers).lines() {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            orders,
            verdicts,
            runs: 0,
        })
    }
}

/// Has `ask` done for each item by one of `jobs` workers, and `done` on this thread with what came of it,
/// in the order in which it came. Once `done` breaks, no new item is begun; what had been begun still
/// comes.
pub fn each<I: Send, R: Send>(
    (binary, jobs): (&Path, usize),
    items: impl Iterator<Item = I> + Send,
    ask: impl Fn(&mut Worker, I) -> R + Sync,
    mut done: impl FnMut(R) -> ControlFlow<()>,
) {
    let (items, is_over) = (Mutex::new(items), AtomicBool::new(false));
    let work = |results: mpsc::SyncSender<R>| {
        let mut worker = Worker::new(binary);
        while !is_over.load(Ordering::Relaxed) {
            let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(item) = item else { break };
            if results.send(ask(&mut worker, item)).is_err() {
                break;
            }
        }
    };
    thread::scope(|scope| {
        let (sender, results) = mpsc::sync_channel(jobs.max(1));
        for _ in 0..jobs.max(1) {
            let (sender, work) = (sender.clone(), &work);
            scope.spawn(move || work(sender));
        }
        drop(sender);
        for result in results {
            if done(result).is_break() {
                is_over.store(true, Ordering::Relaxed);
            }
        }
    });
}
