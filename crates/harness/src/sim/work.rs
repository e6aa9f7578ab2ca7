//! What an agent writes: ops that are not idempotent, so that one too many or one too few is seen.

use share_client::{DependsOn, Grouping, NewOp};
use share_model::seam::Clock;
use share_model::{Mutation, OpId, ShareId};

use super::plan::Plan;
use super::world::World;
use crate::chance::Chance;
use crate::history::{Group, MadeOp};

/// Ops of an atomic group, at most.
const GROUP_OPS_MAX: u64 = 4;

/// What one process of an agent knows of what it wrote to a share.
#[derive(Debug)]
pub(crate) struct Work {
    agent: String,
    boot: u32,
    made: u64,
    /// Texts, lists and objects of this process's own, in the outbox for sure.
    texts: Vec<String>,
    lists: Vec<String>,
    objects: Vec<String>,
    /// Ops of this process, in the outbox for sure.
    ops: Vec<OpId>,
}

/// One call to an outbox.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) ops: Vec<NewOp>,
    pub(crate) grouping: Grouping,
    pub(crate) made: Vec<MadeOp>,
    pub(crate) group: Group,
}

impl Work {
    pub(crate) fn new(agent: &str, boot: u32) -> Self {
        Self {
            agent: agent.to_owned(),
            boot,
            made: 0,
            texts: Vec::new(),
            lists: Vec::new(),
            objects: Vec::new(),
            ops: Vec::new(),
        }
    }

    fn token(&mut self) -> String {
        self.made += 1;
        format!("{}.{}.{};", self.agent, self.boot, self.made)
    }

    fn key(&mut self, kind: &str) -> String {
        let token = self.token();
        format!("{kind}/{}", token.trim_end_matches(';'))
    }

    /// The next call. What it changes is known to be there only once [`Work::kept`] was told.
    pub(crate) fn next(
        &mut self,
        (world, share): (&World, ShareId),
        (chance, clock): (&Chance, &dyn Clock),
    ) -> Planned {
        let plan = &world.plan;
        let is_atomic = plan.has("atomic") && chance.permille(150);
        let count = match is_atomic {
            true => chance.between(2, GROUP_OPS_MAX),
            false if chance.permille(200) => chance.between(2, 6),
            false => 1,
        };
        let mut planned = Planned {
            ops: Vec::new(),
            grouping: Grouping::Loose,
            made: Vec::new(),
            group: Group::Loose,
        };
        for _ in 0..count {
            let mutation = self.mutation(plan, chance);
            let id = chance.op_id(clock);
            let (depends_on, named) = self.dependencies((world, share), chance);
            planned.made.push(MadeOp {
                id,
                mutation: mutation.clone(),
                depends_on: named,
            });
            planned.ops.push(NewOp {
                id: Some(id),
                depends_on,
                mutation,
            });
        }
        if is_atomic {
            let wants_cursor = plan.has("expected-cursor") && chance.permille(400);
            let seen = wants_cursor.then(|| world.board().cursors.get(&share).copied());
            let expected_cursor = seen.flatten();
            planned.grouping = Grouping::Atomic { expected_cursor };
            planned.group = Group::Atomic {
                expected: expected_cursor,
            };
        }
        planned
    }

    fn dependencies(
        &self,
        (world, share): (&World, ShareId),
        chance: &Chance,
    ) -> (Vec<DependsOn>, Vec<OpId>) {
        let plan = &world.plan;
        if plan.has("depend")
            && chance.permille(120)
            && let Some(op) = chance.pick(&self.ops)
        {
            return (vec![DependsOn::Op(*op)], vec![*op]);
        }
        if plan.has("depend-on-others") && chance.permille(120) {
            let board = world.board();
            let of_share = board.ops.iter().filter(|(of, ..)| *of == share);
            let others: Vec<_> = of_share.collect();
            // Late ones, which may not have come yet.
            let newest = &others[others.len().saturating_sub(8)..];
            if let Some((_, op, identity)) = chance.pick(newest) {
                return (vec![DependsOn::Identity(*identity)], vec![*op]);
            }
        }
        (Vec::new(), Vec::new())
    }

    fn mutation(&mut self, plan: &Plan, chance: &Chance) -> Mutation {
        let token = self.token();
        if plan.has("invalid") && chance.permille(60) {
            return late(chance, token);
        }
        if plan.has("shared-text") && chance.permille(200) {
            return shared(chance, token);
        }
        if plan.has("append-item") && chance.permille(250) {
            return match chance.pick(&self.lists) {
                Some(key) => Mutation::AppendItem {
                    key: key.clone().into(),
                    pointer: String::new().into(),
                    json: format!("\"{token}\"").into(),
                },
                None => self.put("list", "[]"),
            };
        }
        if plan.has("merge") && chance.permille(250) {
            return match chance.pick(&self.objects) {
                Some(key) => merge(key, chance, &token),
                None => self.put("object", r#"{"text":"","items":[]}"#),
            };
        }
        if plan.has("remove") && chance.permille(60) && !self.texts.is_empty() {
            let last = self.texts.len() as u64;
            let at = usize::try_from(chance.below(last)).unwrap_or(0);
            return Mutation::Remove {
                key: self.texts.swap_remove(at).into(),
            };
        }
        match chance.pick(&self.texts) {
            Some(key) if chance.permille(930) => Mutation::AppendText {
                key: key.clone().into(),
                pointer: String::new().into(),
                text: token.into(),
            },
            _ => self.put("text", "\"\""),
        }
    }

    fn put(&mut self, kind: &str, json: &str) -> Mutation {
        Mutation::Put {
            key: self.key(kind).into(),
            json: json.into(),
        }
    }

    /// The outbox has these ops for sure.
    pub(crate) fn kept(&mut self, made: &[MadeOp], group: Group) {
        self.ops.extend(made.iter().map(|op| op.id));
        if group != Group::Loose {
            // A group may fail as a whole, and its keys with it.
            return;
        }
        for op in made.iter().filter(|op| op.depends_on.is_empty()) {
            if let Mutation::Put { key, .. } = &op.mutation {
                match key.split('/').next() {
                    Some("text") => self.texts.push(key.to_string()),
                    Some("list") => self.lists.push(key.to_string()),
                    Some("object") => self.objects.push(key.to_string()),
                    _ => {}
                }
            }
        }
    }
}

/// On a text that all agents write to, and that somebody has to begin.
fn shared(chance: &Chance, token: String) -> Mutation {
    of_all("shared".to_owned(), chance.permille(100), token)
}

/// On a text that nobody has begun yet, or that somebody begins too late.
fn late(chance: &Chance, token: String) -> Mutation {
    let key = format!("late/{}", chance.below(12));
    of_all(key, chance.permille(150), token)
}

/// Begins a text, or goes on with it.
fn of_all(key: String, begins: bool, token: String) -> Mutation {
    match begins {
        true => Mutation::Put {
            key: key.into(),
            json: format!("\"{token}\"").into(),
        },
        false => Mutation::AppendText {
            key: key.into(),
            pointer: String::new().into(),
            text: token.into(),
        },
    }
}

fn merge(key: &str, chance: &Chance, token: &str) -> Mutation {
    let key = key.to_owned();
    match chance.below(3) {
        0 => Mutation::Merge {
            key: key.into(),
            json: format!(r#"{{"last":"{token}","gone":null,"n":{{"{token}":1}}}}"#).into(),
        },
        1 => Mutation::AppendText {
            key: key.into(),
            pointer: "/text".into(),
            text: token.into(),
        },
        _ => Mutation::AppendItem {
            key: key.into(),
            pointer: "/items".into(),
            json: format!("\"{token}\"").into(),
        },
    }
}
