//! What the sessions do: for ever, until they are killed. Each line that they print begins with `@`.
//!
//! Marks in the log say where a scope's cycles begin and end, since all ops of one outbox enter the
//! log in the order in which they were stored.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use share_client::{
    AgentOutbox, AgentSession, DelegateOptions, Gone, NewOp, Outbox, OutboxError, OutboxOptions,
    Scope,
};
use share_model::seam::{Entropy, SeededEntropy, SystemClock, SystemEntropy};
use share_model::{Cycle, Mutation, OpId, ShareId};

pub(crate) const NAME: &str = "SHARE_LEASE_ACTOR";
pub(crate) const FILE: &str = "SHARE_LEASE_FILE";
pub(crate) const CYCLE: &str = "SHARE_LEASE_CYCLE";
pub(crate) const SEED: &str = "SHARE_LEASE_SEED";

/// What is delegated: the first two by the first parent, the others by the second.
const SCOPES: [&str; 4] = ["p0/a", "p0/b", "p1/a", "p1/b"];

pub(crate) fn put(key: &str, json: &str) -> NewOp {
    NewOp {
        id: Some(OpId::new(&SystemClock, &SystemEntropy::default())),
        ..NewOp::of(Mutation::Put {
            key: key.into(),
            json: json.into(),
        })
    }
}

/// Acts, if this process is one of the sessions.
pub(crate) fn run_if_asked() {
    let Ok(name) = std::env::var(NAME) else {
        return;
    };
    let var = |name| std::env::var(name).expect("it was set with the name");
    let outbox = Outbox::open(var(FILE).as_ref(), OutboxOptions::default()).expect("it opens");
    let seed = var(SEED).parse().expect("a number");
    let cycle = var(CYCLE).parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let share = outbox.shares().await.expect("read")[0].share;
        let actor = Actor {
            agent: outbox.agent(AgentSession::new(name.as_str()).expect("an id")),
            outbox,
            name,
            share,
            chance: SeededEntropy::new(seed),
        };
        if actor.name.starts_with('p') {
            actor.be_parent(cycle).await;
        } else {
            actor.be_child().await;
        }
    });
}

struct Actor {
    outbox: Outbox,
    agent: AgentOutbox,
    name: String,
    share: ShareId,
    chance: SeededEntropy,
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "@{line}").expect("somebody listens");
    out.flush().expect("somebody listens");
}

fn scope(prefix: &str) -> Scope {
    Scope::new(prefix).expect("a scope")
}

impl Actor {
    fn chooses(&self, per_mille: u64) -> bool {
        self.chance.below(1000) < per_mille
    }

    fn one_of<'a>(&self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.chance.below(of.len() as u64)).expect("it is small")]
    }

    /// Enqueues one op below `folder` and says what came of it; whether it was stored.
    async fn put(&self, folder: &str, value: Value) -> Result<(), String> {
        let mut op = put("", &value.to_string());
        let id = op.id.expect("it has one");
        let key = format!("{folder}/{}/{id}", self.name);
        op.mutation = Mutation::Put {
            key: key.clone().into(),
            json: value.to_string().into(),
        };
        say(&format!("try {key}"));
        match self.agent.enqueue(self.share, op).await {
            Ok(_) => {
                say(&format!("stored {key}"));
                Ok(())
            }
            Err(OutboxError::Delegation(error)) => {
                let kind = format!("{error:?}");
                let kind = kind.split_whitespace().next().unwrap_or_default();
                say(&format!("refused {key} {kind}"));
                Err(kind.to_owned())
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    /// A mark about `scope`, in the log where it was made.
    async fn mark(&self, what: &str, scope: &str, cycle: u64) {
        let mark = json!({"mark": what, "scope": scope, "cycle": cycle});
        self.put("mark", mark).await.expect("marks are free");
    }

    async fn be_parent(&self, cycle: u64) {
        let own: Vec<_> = SCOPES
            .into_iter()
            .filter(|scope| scope.starts_with(&self.name))
            .collect();
        for prefix in &own {
            self.begin(prefix, cycle).await;
        }
        say(&format!("cycle {cycle}"));
        loop {
            if self.chooses(3) {
                let children = ["c0", "c1", "c2", "c3"];
                let gone = AgentSession::new(self.one_of(&children)).expect("an id");
                for prefix in &own {
                    self.mark("ends", prefix, cycle).await;
                }
                let gone = Gone::Sessions(vec![gone]);
                self.agent.reconcile(self.share, gone).await.expect("told");
                for prefix in &own {
                    self.mark("ended", prefix, cycle).await;
                }
            }
            let folder = self.one_of(&[own[0], own[1], "free"]);
            // Refused while a child is there.
            let _ = self.put(folder, json!({"by": "parent"})).await;
        }
    }

    /// Delegates the cycle, once however often this process is killed.
    async fn begin(&self, prefix: &str, cycle: u64) {
        let seen = self.agent.reconcile(self.share, Gone::Nobody).await;
        let seen = seen.expect("told");
        let newest = seen.iter().find(|it| it.of.scope == scope(prefix));
        let is_new = newest.is_none_or(|it| it.of.cycle < Cycle::new(cycle));
        if is_new {
            self.mark("ends", prefix, cycle).await;
            let options = DelegateOptions {
                cycle: Some(Cycle::new(cycle)),
                ..DelegateOptions::default()
            };
            let scope = scope(prefix);
            let done = self.agent.delegate(self.share, &scope, options);
            done.await.expect("delegated");
        }
        self.mark("began", prefix, cycle).await;
    }

    async fn be_child(&self) {
        // What it holds, and of which cycle, is in the file.
        let all = self.outbox.delegations(0, 100_000).await.expect("read");
        let is_own = |child: &AgentSession| child.id() == self.name;
        let own = all
            .iter()
            .filter(|it| it.claim.as_ref().is_some_and(|claim| is_own(&claim.child)));
        let mut has_claimed = own.clone().count() > 0;
        let mut held: BTreeMap<String, u64> = own
            .filter(|it| it.ended.is_none())
            .map(|it| (it.of.scope.as_str().to_owned(), it.of.cycle.get()))
            .collect();
        loop {
            let prefix = self.one_of(&SCOPES);
            if !has_claimed || self.chooses(200) {
                has_claimed |= self.claim(prefix, &mut held).await;
            } else if self.chooses(5) {
                self.release(prefix, &mut held).await;
            } else {
                self.work(prefix, &mut held).await;
            }
        }
    }

    async fn claim(&self, prefix: &str, held: &mut BTreeMap<String, u64>) -> bool {
        let claimed = self.agent.claim(self.share, &scope(prefix), None).await;
        match claimed {
            Ok(delegation) => {
                let cycle = delegation.of.cycle.get();
                held.insert(prefix.to_owned(), cycle);
                let mark = json!({"mark": "claimed", "scope": prefix, "cycle": cycle});
                // It may be over by now.
                let _ = self.put(prefix, mark).await;
                true
            }
            Err(OutboxError::Delegation(_)) => {
                say("no claim");
                false
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn release(&self, prefix: &str, held: &mut BTreeMap<String, u64>) {
        let Some(cycle) = held.remove(prefix) else {
            return;
        };
        let mark = json!({"mark": "releases", "scope": prefix, "cycle": cycle});
        let _ = self.put(prefix, mark).await;
        let released = self.agent.release(self.share, &scope(prefix)).await;
        released.expect("it had the claim");
    }

    /// Appends where it holds a claim, or held one, or never did.
    async fn work(&self, prefix: &str, held: &mut BTreeMap<String, u64>) {
        let cycle = held.get(prefix).copied().unwrap_or(0);
        let done = self.put(prefix, json!({"by": "child", "cycle": cycle}));
        // A session that does not hear of its end goes on for a while.
        if done.await.is_err() && self.chooses(300) {
            held.remove(prefix);
        }
    }
}
