//! The server's side of a connection, and what must hold whenever something was committed.

use share_model::{Batch, OutboxId};

use super::network::{Conn, End, Position, Refused, Reply, Request, Told};
use super::outbox::{Enqueued, OpKey, Stand};
use super::server::News;
use super::world::{Checked, Violation, World};

impl World {
    /// The server takes the next request of a connection, commits and answers.
    pub(crate) fn serve(&mut self, c: usize, at: usize) -> Checked {
        let conn = &mut self.conns[c][at];
        let request = conn.requests.pop_front().unwrap();
        let end = std::mem::replace(&mut conn.end, End::Idle);
        let (end, reply) = match &request {
            Request::Claim { .. } => self.serve_claim(&request),
            Request::Append { settled, batch, .. } => self.serve_append(end, (*settled, batch))?,
        };
        let conn: &mut Conn = &mut self.conns[c][at];
        conn.end = end;
        conn.replies.push_back((request, reply));
        Ok(())
    }

    fn serve_claim(&mut self, request: &Request) -> (End, Reply) {
        let Request::Claim { reference, claim } = request else {
            unreachable!("only claims come here");
        };
        let by = match self.server.redeem(*reference) {
            Ok(by) => by,
            Err(refusal) => return refused(Refused::of(&refusal)),
        };
        match self.server.claim(&by, claim.clone()) {
            Ok(answer) => {
                let reply = Reply::Claimed {
                    incarnation: answer.incarnation.get(),
                    position: Position {
                        history: self.server.history,
                        floor: answer.floor.get(),
                        highest: answer.highest.get(),
                        chain: answer.chain,
                    },
                    cursor: self.server.state.cursor().get(),
                };
                let end = End::Open {
                    by,
                    appender: answer.appender,
                    nonce: claim.nonce,
                };
                (end, reply)
            }
            Err(refusal) => refused(Refused::of(&refusal)),
        }
    }

    fn serve_append(
        &mut self,
        end: End,
        (settled, batch): (u64, &Batch),
    ) -> Result<(End, Reply), Violation> {
        let (by, appender, nonce) = match end {
            End::Open {
                by,
                appender,
                nonce,
            } => (by, appender, nonce),
            End::Refused(why) => return Ok(refused(why)),
            End::Idle => unreachable!("a claim is a connection's first request"),
        };
        let mut used = appender.clone();
        let (result, news) = self.server.append(&by, &mut used, (settled, batch));
        if self.rules.refusal_ends_appender && result.is_err() && used.ended().is_none() {
            return Err(Violation::new("APPENDER", "a refused appender lives on"));
        }
        let appender = if self.rules.refusal_ends_appender {
            used
        } else {
            appender
        };
        for news in &news {
            self.committed(news)?;
        }
        if !news.is_empty() {
            self.check_lane_of_one(appender.outbox())?;
        }
        let reply = match result {
            Ok(ack) => Reply::Acked {
                told: ack.outcomes.iter().map(Told::of).collect(),
                cursor: ack.cursor.get(),
            },
            Err(refusal) => Reply::Refused(Refused::of(&refusal)),
        };
        let end = End::Open {
            by,
            appender,
            nonce,
        };
        Ok((end, reply))
    }

    /// What must hold of an entry at the moment of its commit.
    fn committed(&mut self, news: &News) -> Checked {
        let Some(op) = self.by_fingerprint(news) else {
            return Err(Violation::new("UNKNOWN", news.lane));
        };
        let (key, depends_on) = (op.key, op.depends_on.clone());
        if news.is_abandoned {
            self.ghost.abandoned.insert(key);
            if self.server.has(news.fingerprint) {
                return Err(Violation::new("ABANDONED-THOUGH-APPLIED", key));
            }
        }
        if !news.is_applied {
            return Ok(());
        }
        let lines = self.server.log.iter();
        let same = lines.filter(|line| line.fingerprint == news.fingerprint);
        if same.count() > 1 {
            return Err(Violation::new("TWICE", key));
        }
        if self.ghost.abandoned.contains(&key) {
            return Err(Violation::new("APPLIED-THOUGH-ABANDONED", key));
        }
        for on in depends_on {
            let on_at = self.server.position(self.ops[&on].fingerprint);
            if on_at.is_none() || on_at > self.server.position(news.fingerprint) {
                return Err(Violation::new("DEPENDENCY", (key, on)));
            }
        }
        self.check_no_dead_letter(key)?;
        self.check_order(key)
    }

    fn by_fingerprint(&self, news: &News) -> Option<&Enqueued> {
        let mut ops = self.ops.values();
        let op = ops.find(|op| op.fingerprint == news.fingerprint)?;
        Some(op)
    }

    /// Nobody who knows this history holds as a dead letter what is applied in it.
    fn check_no_dead_letter(&self, key: OpKey) -> Checked {
        if self.ghost.kept_history {
            return Ok(());
        }
        for client in &self.clients {
            let knows = client.history == Some(self.server.history);
            let is_dead = |row: &super::outbox::Row| row.op.key == key && row.stand == Stand::Dead;
            if knows && client.held().any(is_dead) {
                return Err(Violation::new("DEAD-BUT-APPLIED", key));
            }
        }
        Ok(())
    }

    /// What one client enqueued enters the log in that order, where nothing is rejected.
    fn check_order(&self, key: OpKey) -> Checked {
        if !self.scope.is_plain() {
            return Ok(());
        }
        let at = self.server.position(self.ops[&key].fingerprint);
        let later = |op: &&Enqueued| {
            let other = self.server.position(op.fingerprint);
            op.key.0 == key.0 && op.key.1 > key.1 && other.is_some() && other < at
        };
        let mut ops = self.ops.values().map(|op| &**op);
        match ops.find(later) {
            Some(op) => Err(Violation::new("ORDER", (key, op.key))),
            None => Ok(()),
        }
    }

    /// A lane holds what one of its holders put in, and is no mixture of two.
    fn check_lane_of_one(&self, lane: OutboxId) -> Checked {
        let held = &self.server.lanes[&lane];
        let agrees = |keys: &[OpKey]| {
            keys.len() >= held.len()
                && keys
                    .iter()
                    .zip(held)
                    .all(|(key, fingerprint)| self.ops[key].fingerprint == *fingerprint)
        };
        let now = self.clients.iter().filter(|client| client.outbox == lane);
        let before = self.ghost.left.iter().filter(|(left, _)| *left == lane);
        if now.map(|client| &client.lane).any(|keys| agrees(keys))
            || before.map(|(_, keys)| keys).any(|keys| agrees(keys))
        {
            return Ok(());
        }
        Err(Violation::new("MIXED-LANE", lane))
    }
}

fn refused(why: Refused) -> (End, Reply) {
    (End::Refused(why), Reply::Refused(why))
}
