//! Reads a history, event by event.

use std::collections::HashMap;

use share_model::{GrantId, OpId, Rights, ShareId};

use super::{
    Act, ActKind, Answer, Claim, CursorRead, Ending, Enqueue, Final, Grant, Index, Listing,
    Restore, Sent, Told,
};
use crate::history::{Call, Event, Trouble, What};

/// Where a call stands in the index.
#[derive(Clone, Copy)]
enum Place {
    Enqueue(usize),
    Sent(usize),
    Act(usize),
}

struct Scan<'a> {
    index: Index<'a>,
    calls: HashMap<Call, Place>,
    /// On which folder's outbox an actor works.
    folders: HashMap<&'a str, &'a str>,
}

impl<'a> Index<'a> {
    /// Reads a history.
    pub(in crate::check) fn new(events: &'a [Event]) -> Self {
        let mut scan = Scan {
            index: Self {
                events,
                ..Self::default()
            },
            calls: HashMap::new(),
            folders: HashMap::new(),
        };
        for event in events {
            scan.enqueueing(event);
            scan.sending(event);
            scan.acts(event);
            scan.telling(event);
            scan.world(event);
        }
        scan.index
    }
}

impl<'a> Scan<'a> {
    fn folder(&self, actor: &'a str) -> &'a str {
        self.folders.get(actor).copied().unwrap_or(actor)
    }

    fn about(&mut self, op: OpId, number: usize) {
        self.index.stories.entry(op).or_default().push(number);
    }

    fn enqueueing(&mut self, event: &'a Event) {
        let number = event.number;
        match &event.what {
            What::Began { folder } => {
                self.folders.insert(&event.actor, folder);
                self.index.outboxes.insert(folder);
                let lives = self.index.lives.entry(&event.actor).or_default();
                lives.push(number);
            }
            What::Enqueue {
                call,
                share,
                ops,
                group,
            } => {
                let at = self.index.enqueues.len();
                self.calls.insert(*call, Place::Enqueue(at));
                for op in ops {
                    self.index.made.entry(op.id).or_insert((at, op));
                    self.about(op.id, number);
                }
                self.index.enqueues.push(Enqueue {
                    number,
                    share: *share,
                    ops,
                    group: *group,
                    folder: self.folder(&event.actor),
                    identities: None,
                    refused: None,
                });
            }
            What::Enqueued { call, identities } => {
                let Some(Place::Enqueue(at)) = self.calls.get(call) else {
                    return;
                };
                let enqueue = &mut self.index.enqueues[*at];
                enqueue.identities = Some(identities);
                for (op, identity) in enqueue.ops.iter().zip(identities) {
                    let index = &mut self.index;
                    index.by_fingerprint.insert(identity.fingerprint, op.id);
                    let places = index.places.entry(op.id).or_default();
                    places.insert((identity.outbox, identity.seq));
                    index.stories.entry(op.id).or_default().push(number);
                }
            }
            What::NotEnqueued { call, .. } => {
                if let Some(Place::Enqueue(at)) = self.calls.get(call) {
                    self.index.enqueues[*at].refused = Some(number);
                }
            }
            _ => {}
        }
    }

    fn sending(&mut self, event: &'a Event) {
        let number = event.number;
        match &event.what {
            What::Claim {
                call,
                share,
                grant,
                epoch,
                outbox,
                ..
            } => {
                let claim = Claim {
                    number,
                    actor: &event.actor,
                    folder: self.folder(&event.actor),
                    share: *share,
                    grant: *grant,
                    epoch: *epoch,
                    outbox: *outbox,
                    given: None,
                    held: None,
                    failed: None,
                };
                self.index.claims.insert(*call, claim);
            }
            What::Claimed {
                call,
                incarnation,
                floor,
                highest,
                ..
            } => {
                if let Some(claim) = self.index.claims.get_mut(call) {
                    claim.given = Some(*incarnation);
                    claim.held = Some((number, *floor, *highest));
                }
            }
            What::NotClaimed { call, why } => {
                if let Some(claim) = self.index.claims.get_mut(call) {
                    claim.failed = Some((number, why));
                }
            }
            What::Append { .. } => self.append(event),
            What::Acked {
                call,
                cursor,
                outcomes,
            } => {
                let cursor = *cursor;
                self.answer(*call, number, Answer::Acked { cursor, outcomes });
            }
            What::NotAcked { call, why } => self.answer(*call, number, Answer::Failed(why)),
            _ => {}
        }
    }

    fn append(&mut self, event: &'a Event) {
        let What::Append {
            call,
            claim,
            atomic,
            expected,
            entries,
            settled_through,
        } = &event.what
        else {
            return;
        };
        let Some(of) = self.index.claims.get(claim) else {
            return;
        };
        let sent = Sent {
            number: event.number,
            claim: *claim,
            share: of.share,
            grant: of.grant,
            epoch: of.epoch,
            outbox: of.outbox,
            folder: self.folder(&event.actor),
            atomic: *atomic,
            expected: *expected,
            entries,
            settled_through: *settled_through,
            answer: None,
        };
        let at = self.index.sends.len();
        self.calls.insert(*call, Place::Sent(at));
        for entry in entries {
            let index = &mut self.index;
            if let Some(op) = entry.op {
                index.by_fingerprint.insert(entry.fingerprint, op);
                index.carriers.entry(op).or_default().push(at);
                let places = index.places.entry(op).or_default();
                places.insert((sent.outbox, entry.seq));
            }
            if let Some(op) = index.op_of(entry.op, entry.fingerprint) {
                index.stories.entry(op).or_default().push(event.number);
            }
        }
        self.index.sends.push(sent);
    }

    fn answer(&mut self, call: Call, number: usize, answer: Answer<'a>) {
        let Some(Place::Sent(at)) = self.calls.get(&call) else {
            return;
        };
        let index = &mut self.index;
        let sent = &mut index.sends[*at];
        sent.answer = Some((number, answer));
        for entry in sent.entries {
            let op = entry
                .op
                .or_else(|| index.by_fingerprint.get(&entry.fingerprint).copied());
            if let Some(op) = op {
                index.stories.entry(op).or_default().push(number);
            }
        }
    }

    fn acts(&mut self, event: &'a Event) {
        match &event.what {
            What::Created {
                share: _,
                grant,
                epoch,
            } => self.owner(event.number, *grant, *epoch),
            What::Granted {
                grant,
                parent,
                epoch,
                rights,
                expires_at,
                ..
            } => {
                let grant_made = Grant {
                    number: event.number,
                    parent: Some(*parent),
                    epoch: *epoch,
                    rights: *rights,
                    expires_at: *expires_at,
                };
                self.index.grants.entry(*grant).or_insert(grant_made);
            }
            What::End {
                call,
                share,
                authority,
                ..
            } => self.act(event.number, *call, *share, ActKind::End(*authority)),
            What::Freeze {
                call,
                share,
                frozen,
            } => self.act(event.number, *call, *share, ActKind::Freeze(*frozen)),
            What::Delete { call, share } => {
                self.act(event.number, *call, *share, ActKind::Delete);
            }
            What::AuthorityEnded { call, new_owner } => {
                self.done(*call, event.number);
                if let Some((grant, epoch)) = new_owner {
                    self.owner(event.number, *grant, *epoch);
                }
            }
            What::Frozen { call } | What::Deleted { call } => self.done(*call, event.number),
            What::NotDone { call, why } => {
                if let (Some(Place::Act(at)), false) =
                    (self.calls.get(call), matches!(why, Trouble::Lost(_)))
                {
                    self.index.acts[*at].refused = Some(event.number);
                }
            }
            _ => {}
        }
    }

    fn owner(&mut self, number: usize, grant: GrantId, epoch: share_model::Epoch) {
        let made = Grant {
            number,
            parent: None,
            epoch,
            rights: Rights::ALL,
            expires_at: None,
        };
        self.index.grants.entry(grant).or_insert(made);
    }

    fn act(&mut self, number: usize, call: Call, share: ShareId, kind: ActKind) {
        let at = self.index.acts.len();
        self.calls.insert(call, Place::Act(at));
        self.index.acts.push(Act {
            number,
            share,
            kind,
            acked: None,
            refused: None,
        });
    }

    fn done(&mut self, call: Call, number: usize) {
        if let Some(Place::Act(at)) = self.calls.get(&call) {
            self.index.acts[*at].acked = Some(number);
        }
    }

    fn telling(&mut self, event: &'a Event) {
        let number = event.number;
        match &event.what {
            What::Saw { share, grant, ops } => {
                for op in ops {
                    self.about(op.op.id, number);
                    self.index.told.push(Told {
                        number,
                        actor: &event.actor,
                        share: *share,
                        grant: *grant,
                        op,
                    });
                }
            }
            What::Ended {
                share, op, outcome, ..
            } => {
                self.about(*op, number);
                self.index.endings.push(Ending {
                    number,
                    share: *share,
                    op: *op,
                    folder: self.folder(&event.actor),
                    outcome,
                });
            }
            What::CursorRead {
                share,
                cursor,
                since,
                ..
            } => self.index.reads.push(CursorRead {
                number,
                share: *share,
                cursor: *cursor,
                since: *since,
            }),
            _ => {}
        }
    }

    fn world(&mut self, event: &'a Event) {
        let number = event.number;
        match &event.what {
            What::Restored {
                known,
                journal_lost,
                ..
            } => self.index.restores.push(Restore {
                number,
                at_ms: event.at_ms,
                known: *known,
                journal_lost: *journal_lost,
            }),
            What::Copied { from, to } => {
                self.index.copies.push((number, to));
                self.index.copied.extend([from.as_str(), to]);
            }
            What::Rows {
                folder,
                share,
                rows,
                recoveries,
                stopped,
            } => self.index.listings.push(Listing {
                number,
                folder,
                share: *share,
                rows,
                recoveries,
                stopped: *stopped,
            }),
            What::Final {
                share,
                history,
                log,
                document,
                cursor,
            } => {
                let mut places: HashMap<_, Vec<_>> = HashMap::new();
                for op in log {
                    places.entry(op.op.id).or_default().push(op.cursor);
                }
                let last = Final {
                    number,
                    history: *history,
                    log,
                    document,
                    cursor: *cursor,
                    places,
                };
                self.index.finals.insert(*share, last);
            }
            What::FinalGone { share } => {
                self.index.gone.insert(*share, number);
            }
            _ => {}
        }
    }
}
