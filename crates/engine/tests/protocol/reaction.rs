//! What the client makes of an answer.

use super::network::{Position, Refused, Reply, Request, Told};
use super::outbox::{Client, OpKey, Row, Stand, Stored, Want};
use super::rules::{Feed, Signs, Was};
use super::world::{Checked, Violation, World};

impl World {
    /// The client gets the next answer of a connection.
    pub(crate) fn deliver(&mut self, c: usize, at: usize) -> Checked {
        let is_current = self.clients[c].is_connected && at + 1 == self.conns[c].len();
        let Some((request, reply)) = self.conns[c][at].replies.pop_front() else {
            return Ok(());
        };
        match request {
            Request::Claim { claim, .. } => {
                if !is_current || claim.outbox != self.clients[c].outbox {
                    return Ok(());
                }
                self.claim_answered(c, reply)
            }
            Request::Append { stored, outbox, .. } => {
                if outbox != self.clients[c].outbox {
                    return Ok(());
                }
                if self.rules.claim_answer_first && !self.clients[c].is_claimed && is_current {
                    // What came before the claim's answer says nothing; a refusal is the claim's.
                    if matches!(reply, Reply::Refused(_)) {
                        self.clients[c].leave();
                    }
                    return Ok(());
                }
                self.append_answered(c, stored, reply)
            }
        }
    }

    fn claim_answered(&mut self, c: usize, reply: Reply) -> Checked {
        match reply {
            Reply::Claimed {
                incarnation,
                position,
                cursor,
            } => {
                let (signs, client) = (self.rules.signs, &mut self.clients[c]);
                client.incarnation = incarnation;
                client.nonce = None;
                client.is_claimed = true;
                client.calms = 0;
                client.told = position.floor;
                let shows = match signs {
                    Signs::Answered => {
                        position.highest < client.answered() || cursor < client.cursor
                    }
                    Signs::Settled => position.highest < client.settled(),
                    Signs::Ignored => false,
                };
                let went_back = client
                    .history
                    .is_some_and(|known| known != position.history || shows);
                client.history = Some(position.history);
                if went_back {
                    client.cursor = cursor;
                    client.leave();
                    return self.compare(c, position);
                }
                client.cursor = client.cursor.max(cursor);
                if client.chain_at(position.highest) == Some(position.chain) {
                    return Ok(());
                }
                if !self.rules.compare_pruned && position.highest < client.pruned {
                    return Ok(());
                }
                self.requeue(c, false)
            }
            Reply::Refused(Refused::HistoryChanged(position)) => {
                let client = &mut self.clients[c];
                client.leave();
                client.history = Some(position.history);
                client.cursor = 0;
                self.compare(c, position)
            }
            Reply::Refused(Refused::Fenced) => {
                self.clients[c].leave();
                self.requeue(c, false)
            }
            Reply::Refused(refused) => self.refused(c, refused),
            Reply::Acked { .. } => unreachable!("a claim is not acked"),
        }
    }

    fn append_answered(&mut self, c: usize, stored: Option<Stored>, reply: Reply) -> Checked {
        match reply {
            Reply::Acked { told, cursor } => {
                let client = &mut self.clients[c];
                client.cursor = client.cursor.max(cursor);
                match stored {
                    Some(stored) => self.record(c, &stored, &told),
                    None => Ok(()),
                }
            }
            Reply::Refused(Refused::Settled | Refused::Forked) => self.requeue(c, false),
            Reply::Refused(Refused::Fenced) if !self.rules.fenced_append_claims => {
                self.requeue(c, false)
            }
            Reply::Refused(refused) => self.refused(c, refused),
            Reply::Claimed { .. } => unreachable!("an append claims nothing"),
        }
    }

    /// What another connection mends, if anything does.
    fn refused(&mut self, c: usize, refused: Refused) -> Checked {
        let newest = self.server.bumps();
        let client = &mut self.clients[c];
        client.leave();
        match refused {
            Refused::StaleEpoch => client.reference = newest,
            Refused::NoRoom => client.backs_off = true,
            Refused::HistoryChanged(_)
            | Refused::Fenced
            | Refused::OutOfOrder
            | Refused::Settled
            | Refused::Forked => {}
        }
        Ok(())
    }

    /// Records an ack, in one step.
    fn record(&mut self, c: usize, stored: &Stored, told: &[Told]) -> Checked {
        let client = &mut self.clients[c];
        if let Some(at) = client.batches.iter().position(|batch| batch == stored) {
            client.batches.remove(at);
            client.sent -= usize::from(at < client.sent);
        }
        let mut acked = Vec::new();
        for ((seq, key), told) in stored.seqs.iter().zip(&stored.ops).zip(told) {
            let Some(row) = client.row_mut(*seq).filter(|row| row.op.key == *key) else {
                continue;
            };
            row.is_answered = true;
            if *told == Told::Applied {
                acked.push(*key);
            }
            settle_row(row, *told)?;
        }
        for seq in &stored.seqs {
            give_up_together(client, *seq);
        }
        for key in acked {
            self.acked(key)?;
        }
        Ok(())
    }

    /// An op that is told as applied is in the log, whatever comes but a restore.
    fn acked(&mut self, key: OpKey) -> Checked {
        self.ghost.acked.insert(key);
        if self.server.has(self.ops[&key].fingerprint) {
            Ok(())
        } else {
            Err(Violation::new("ACKED-NOT-IN-LOG", key))
        }
    }

    /// After a history change: feeds the lane again if it is still the client's own, else moves
    /// everything into a new one.
    fn compare(&mut self, c: usize, position: Position) -> Checked {
        let rules = self.rules;
        let client = &mut self.clients[c];
        let is_held = position.highest >= client.pruned || !rules.compare_pruned;
        let is_own = client.chain_at(position.highest) == Some(position.chain)
            || (position.highest < client.pruned && !rules.compare_pruned);
        let has_earlier = rules.earlier_lanes_too && !client.earlier.is_empty();
        if !is_held || !is_own || has_earlier {
            return self.requeue(c, true);
        }
        let from = match rules.feed {
            Feed::AboveFloor => position.floor,
            Feed::AboveHighest => position.highest,
        };
        client.batches.clear();
        let pruned = client.pruned;
        for (seq, row) in (pruned + 1..).zip(&mut client.rows) {
            if row.stand.is_final() && seq <= position.floor {
                self.ghost.unasked.insert((client.id, row.op.key));
            }
            let stays_dead = !rules.abandon_again && seq <= position.highest;
            if row.stand.is_final() && (seq <= from || (row.stand == Stand::Dead && stays_dead)) {
                continue;
            }
            ask_again(row);
        }
        Ok(())
    }

    /// Makes a new key and moves rows there: those without an outcome, or after a restore all that
    /// are held.
    fn requeue(&mut self, c: usize, all: bool) -> Checked {
        let rules = self.rules;
        let client = &mut self.clients[c];
        // Where nothing was copied or pruned, a restored lane is always a beginning of the client's.
        let may_be_foreign = self.used.restores > 0
            && (self.used.prunes > 0 || !self.ghost.copied.is_empty() || self.ghost.kept_history);
        if !self.ghost.copied.contains(&client.outbox) && !may_be_foreign {
            return Err(Violation::new("REQUEUED-WITHOUT-CAUSE", client.outbox));
        }
        let lane = client.lane.clone();
        self.ghost.left.insert((client.outbox, lane));
        let (outbox, pruned) = (client.outbox, client.pruned);
        let rows = std::mem::take(&mut client.rows);
        let earlier = std::mem::take(&mut client.earlier);
        client.new_lane();
        let takes = |row: &Row| {
            !row.stand.is_final() || (all && (rules.abandon_again || row.stand != Stand::Dead))
        };
        for mut row in earlier {
            if all && rules.earlier_lanes_too && takes(&row) {
                ask_again(&mut row);
                client.push(row);
            } else {
                client.earlier.push(row);
            }
        }
        for (seq, mut row) in (pruned + 1..).zip(rows) {
            let here = (outbox, seq);
            row.was = match rules.was {
                Was::First => row.was.or(Some(here)),
                Was::Latest => Some(here),
                Was::Nothing => None,
            };
            if takes(&row) {
                ask_again(&mut row);
                client.push(row);
            } else {
                client.earlier.push(row);
            }
        }
        Ok(())
    }
}

fn settle_row(row: &mut Row, told: Told) -> Checked {
    match told {
        Told::Applied if row.stand == Stand::Dead => {
            return Err(Violation::new("DEAD-BUT-APPLIED", row.op.key));
        }
        Told::Applied => row.stand = Stand::Applied,
        Told::Abandoned => row.stand = Stand::Dead,
        Told::Doubt => row.stand = Stand::Doubt,
        Told::Rejected { .. } if row.stand.is_final() => {}
        Told::Rejected { may_change } => {
            row.stand = Stand::Rejected;
            row.tries = row.tries.saturating_add(1);
            if !may_change {
                row.want = Want::Abandon;
            }
        }
    }
    Ok(())
}

/// Rejected rows that are given up go out as such; of a group none is kept then.
fn give_up_together(client: &mut Client, seq: u64) {
    let group = client.group_of(seq);
    let gives_up = |seq: &u64| {
        client
            .row(*seq)
            .is_some_and(|row| row.want == Want::Abandon)
    };
    if !group.iter().any(gives_up) {
        return;
    }
    for seq in group {
        if let Some(row) = client
            .row_mut(seq)
            .filter(|row| row.stand == Stand::Rejected)
        {
            row.want = Want::Abandon;
            row.stand = Stand::Unsent;
        }
    }
}

/// The row's outcome is to be asked for again. What was given up or is in doubt must not be applied
/// by that.
fn ask_again(row: &mut Row) {
    row.want = match row.stand {
        Stand::Applied => {
            row.was_applied = true;
            Want::Apply
        }
        Stand::Dead | Stand::Doubt => Want::Abandon,
        Stand::Unsent | Stand::Stored | Stand::Rejected => row.want,
    };
    row.stand = Stand::Unsent;
    row.tries = 0;
    row.is_answered = false;
}
