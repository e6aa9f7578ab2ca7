//! The sessions' processes: started, listened to, killed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use crate::actors;

/// A session that says nothing for so long has come to a stop.
const SILENCE_MAX: Duration = Duration::from_secs(120);
const SIGKILL: i32 = 9;

/// What the sessions were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Keys of ops that they tried to enqueue.
    pub(crate) tried: BTreeSet<String>,
    /// Of those that were stored.
    pub(crate) stored: BTreeSet<String>,
    /// Of those that were refused: by whom they came, and why.
    pub(crate) refused: BTreeMap<String, (String, String)>,
    /// Processes that were killed.
    pub(crate) kills: u64,
    /// Per session, the newest cycle that it has begun.
    cycles: BTreeMap<String, u64>,
}

struct Running {
    process: Child,
    cycle: u64,
}

pub(crate) struct Crowd {
    file: PathBuf,
    seed: u64,
    starts: u64,
    running: BTreeMap<&'static str, Running>,
    /// The name of who said it, and a line; none where its output ended.
    said: (Sender<Said>, Receiver<Said>),
    told: Told,
}

type Said = (&'static str, Option<String>);

impl Crowd {
    pub(crate) fn new(file: PathBuf, seed: u64) -> Self {
        Self {
            file,
            seed,
            starts: 0,
            running: BTreeMap::new(),
            said: mpsc::channel(),
            told: Told::default(),
        }
    }

    pub(crate) fn start(&mut self, name: &'static str, cycle: u64) {
        self.starts += 1;
        let mut process = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", "actor", "--nocapture"])
            .env(actors::NAME, name)
            .env(actors::FILE, &self.file)
            .env(actors::CYCLE, cycle.to_string())
            .env(actors::SEED, (self.seed * 1000 + self.starts).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a session starts");
        let out = process.stdout.take().expect("stdout is a pipe");
        let said = self.said.0.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The crowd is gone only when the test is.
                let _ = said.send((name, Some(line)));
            }
            let _ = said.send((name, None));
        });
        self.running.insert(name, Running { process, cycle });
    }

    /// Listens until this session has said so many lines more.
    pub(crate) fn wait_for(&mut self, name: &'static str, lines: u64) {
        let mut heard = 0;
        while heard < lines {
            if self.listen() == name {
                heard += 1;
            }
        }
    }

    pub(crate) fn wait_for_cycle(&mut self, name: &'static str, cycle: u64) {
        while self.told.cycles.get(name) != Some(&cycle) {
            self.listen();
        }
    }

    /// Hears one line of anyone, and says whose it was.
    fn listen(&mut self) -> &'static str {
        let said = self.said.1.recv_timeout(SILENCE_MAX);
        let (name, line) = said.expect("somebody says something");
        let line = line.unwrap_or_else(|| panic!("{name} ended by itself"));
        self.hear(name, &line);
        name
    }

    /// What is torn or is the test program's own says nothing.
    fn hear(&mut self, name: &str, line: &str) {
        let Some((_, line)) = line.split_once('@') else {
            return;
        };
        let told = &mut self.told;
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["try", key] => {
                told.tried.insert((*key).to_owned());
            }
            ["stored", key] => {
                told.stored.insert((*key).to_owned());
            }
            ["refused", key, why] => {
                let why = (name.to_owned(), (*why).to_owned());
                told.refused.insert((*key).to_owned(), why);
            }
            ["cycle", cycle] => {
                let cycle = cycle.parse().expect("a number");
                told.cycles.insert(name.to_owned(), cycle);
            }
            _ => {}
        }
    }

    /// Kills the process at whatever it is doing, and hears what it had said by then.
    pub(crate) fn kill(&mut self, name: &'static str) -> u64 {
        let mut running = self.running.remove(name).expect("it is running");
        running.process.kill().expect("it can be killed");
        let status = running.process.wait().expect("it is reaped");
        assert_eq!(status.signal(), Some(SIGKILL), "{name} ended by itself");
        self.told.kills += 1;
        loop {
            let said = self.said.1.recv_timeout(SILENCE_MAX);
            match said.expect("its output ends") {
                (of, None) if of == name => return running.cycle,
                (of, None) => panic!("{of} ended by itself"),
                (of, Some(line)) => self.hear(of, &line),
            }
        }
    }

    pub(crate) fn kill_and_restart(&mut self, name: &'static str) {
        let cycle = self.kill(name);
        self.start(name, cycle);
    }

    /// Kills all that are left.
    pub(crate) fn end(mut self) -> Told {
        let names: Vec<_> = self.running.keys().copied().collect();
        for name in names {
            self.kill(name);
        }
        std::mem::take(&mut self.told)
    }
}

/// A test that fails leaves no process behind.
impl Drop for Crowd {
    fn drop(&mut self) {
        for running in self.running.values_mut() {
            // It may be gone already; then there is nothing to do.
            let _ = running.process.kill();
            let _ = running.process.wait();
        }
    }
}
