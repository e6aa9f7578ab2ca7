//! The ledger, slow and obvious: keeps everything for ever and looks through all of it each time.
//! Shares no code with the engine.

use std::collections::BTreeMap;

use share_model::{
    Batch, Chain, Cursor, Entry, EntryBody, Envelope, Fingerprint, GrantId, HistoryId, Identity,
    Incarnation, Limits, Nonce, Op, OpOutcome, OutboxId, RefusalCode, RejectReason, Right, Rights,
    Seq, UnixMs,
};

use super::algebra::NaiveDocument;

/// Who calls, as the oracle sees it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) epoch: u64,
    pub(crate) rights: Rights,
    pub(crate) expires_at: Option<UnixMs>,
    pub(crate) subtree: Option<GrantId>,
}

/// An appender, as the oracle sees it.
#[derive(Debug, Clone)]
pub(crate) struct NaiveAppender {
    pub(crate) outbox: OutboxId,
    pub(crate) incarnation: Incarnation,
    pub(crate) nonce: Nonce,
    pub(crate) history: HistoryId,
    pub(crate) ended: Option<RefusalCode>,
}

#[derive(Debug, Clone)]
pub(crate) struct NaiveLane {
    pub(crate) number: Option<u32>,
    pub(crate) incarnation: Incarnation,
    pub(crate) nonce: Nonce,
    pub(crate) subtree: Option<GrantId>,
    pub(crate) open: bool,
    pub(crate) floor: u64,
    /// When it was used last.
    tick: u64,
    /// Seq 1 and on, for ever.
    pub(crate) told: Vec<(Fingerprint, Word)>,
}

impl NaiveLane {
    pub(crate) fn highest(&self) -> u64 {
        self.told.len() as u64
    }

    pub(crate) fn chain(&self) -> Chain {
        let all = self.told.iter();
        all.fold(Chain::EMPTY, |chain, (fingerprint, _)| {
            chain.then(*fingerprint)
        })
    }

    fn at(&self, seq: u64) -> Option<&(Fingerprint, Word)> {
        self.told.get(usize::try_from(seq).ok()?.checked_sub(1)?)
    }
}

/// The last word on a seq.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Word {
    Applied(Cursor),
    Hole,
    Abandoned,
}

/// An applied op.
#[derive(Debug, Clone)]
pub(crate) struct LogLine {
    pub(crate) lane: OutboxId,
    pub(crate) seq: u64,
    pub(crate) identity: Identity,
    /// Whether its seq was new.
    pub(crate) first_try: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Naive {
    pub(crate) limits: Limits,
    pub(crate) history: HistoryId,
    pub(crate) epoch: u64,
    pub(crate) now: UnixMs,
    pub(crate) lanes: BTreeMap<OutboxId, NaiveLane>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) document: NaiveDocument,
    abandoned: Vec<Identity>,
    remembered: Vec<(Identity, Option<GrantId>)>,
    numbers: u32,
    tick: u64,
}

/// The oracle's answer to a claim.
pub(crate) type Claim = Result<(Incarnation, u64, u64, Chain, Option<u32>), RefusalCode>;

impl Naive {
    pub(crate) fn new(limits: Limits, history: HistoryId, now: UnixMs) -> Self {
        Self {
            limits,
            history,
            epoch: 1,
            now,
            lanes: BTreeMap::new(),
            log: Vec::new(),
            document: NaiveDocument::default(),
            abandoned: Vec::new(),
            remembered: Vec::new(),
            numbers: 0,
            tick: 0,
        }
    }

    fn authority(&self, caller: &Caller, right: Right) -> Result<(), RefusalCode> {
        if caller.epoch != self.epoch {
            return Err(RefusalCode::StaleEpoch);
        }
        if caller.expires_at.is_some_and(|at| at <= self.now) {
            return Err(RefusalCode::Expired);
        }
        if !caller.rights.has(right) {
            return Err(RefusalCode::RightMissing);
        }
        Ok(())
    }

    pub(crate) fn claim(
        &mut self,
        caller: &Caller,
        outbox: OutboxId,
        incarnation: Incarnation,
        (nonce, history): (Nonce, Option<HistoryId>),
    ) -> Claim {
        self.authority(caller, Right::Append)?;
        if history.is_some_and(|history| history != self.history) {
            return Err(RefusalCode::HistoryChanged);
        }
        let given = match self.lanes.get(&outbox) {
            Some(lane) if lane.nonce == nonce => lane.incarnation,
            Some(lane) if incarnation < lane.incarnation => return Err(RefusalCode::WriterFenced),
            Some(_) | None => incarnation.next(),
        };
        self.make_room(outbox, caller.subtree)?;
        self.tick += 1;
        let fresh = NaiveLane {
            number: None,
            incarnation,
            nonce,
            subtree: None,
            open: true,
            floor: 0,
            tick: 0,
            told: Vec::new(),
        };
        let lane = self.lanes.entry(outbox).or_insert(fresh);
        lane.incarnation = given;
        lane.nonce = nonce;
        lane.subtree = caller.subtree;
        lane.open = true;
        lane.tick = self.tick;
        Ok((given, lane.floor, lane.highest(), lane.chain(), lane.number))
    }

    fn make_room(&mut self, outbox: OutboxId, subtree: Option<GrantId>) -> Result<(), RefusalCode> {
        let mut next = self.lanes.clone();
        let own = next.get(&outbox).filter(|lane| lane.open).cloned();
        let per_grant = self.limits.open_writers_per_grant_max as usize;
        let in_subtree = |lane: &NaiveLane| lane.subtree == subtree;
        if subtree.is_some() && !own.as_ref().is_some_and(in_subtree) {
            self.free(&mut next, outbox, (per_grant, &in_subtree))?;
        }
        let all = self.limits.open_writers_max as usize;
        if own.is_none() {
            self.free(&mut next, outbox, (all, &|_| true))?;
        }
        self.lanes = next;
        Ok(())
    }

    fn free(
        &self,
        lanes: &mut BTreeMap<OutboxId, NaiveLane>,
        besides: OutboxId,
        (max, counts): (usize, &dyn Fn(&NaiveLane) -> bool),
    ) -> Result<(), RefusalCode> {
        loop {
            let others = lanes.iter().filter(|(id, _)| **id != besides);
            let retired = others.clone().filter(|(_, lane)| !lane.open).count();
            let open = others.filter(|(_, lane)| lane.open && counts(lane));
            if open.clone().count() < max {
                return Ok(());
            }
            let room = retired < self.limits.retired_writers_max as usize;
            let may_go =
                |lane: &NaiveLane| lane.floor == lane.highest() && (room || lane.number.is_none());
            let idle = open
                .filter(|(_, lane)| may_go(lane))
                .min_by_key(|(_, lane)| lane.tick)
                .map(|(id, _)| *id);
            let Some(idle) = idle else {
                return Err(RefusalCode::WritersExhausted);
            };
            match lanes.get_mut(&idle) {
                Some(lane) if lane.number.is_some() => lane.open = false,
                _ => drop(lanes.remove(&idle)),
            }
        }
    }

    pub(crate) fn append(
        &mut self,
        caller: &Caller,
        appender: &mut NaiveAppender,
        envelope: &Envelope,
        batch: &Batch,
    ) -> Result<Vec<OpOutcome>, RefusalCode> {
        if let Some(code) = appender.ended {
            return Err(code);
        }
        let before = self.clone();
        let result = self.try_append(caller, appender, envelope, batch);
        appender.ended = result.as_ref().err().copied();
        let changed = |lane: Option<&NaiveLane>| lane.map(|it| (it.floor, it.told.clone()));
        let outbox = appender.outbox;
        if changed(self.lanes.get(&outbox)) != changed(before.lanes.get(&outbox)) {
            self.tick += 1;
            let tick = self.tick;
            if let Some(lane) = self.lanes.get_mut(&outbox) {
                lane.tick = tick;
            }
        }
        result
    }

    fn try_append(
        &mut self,
        caller: &Caller,
        appender: &NaiveAppender,
        envelope: &Envelope,
        batch: &Batch,
    ) -> Result<Vec<OpOutcome>, RefusalCode> {
        self.authority(caller, Right::Append)?;
        if envelope.capability_epoch.get() != self.epoch {
            return Err(RefusalCode::StaleEpoch);
        }
        if appender.history != self.history {
            return Err(RefusalCode::HistoryChanged);
        }
        let holds = |lane: &&mut NaiveLane| {
            let same = lane.incarnation == appender.incarnation && lane.nonce == appender.nonce;
            same && lane.open
        };
        let lane = self.lanes.get_mut(&appender.outbox).filter(holds);
        let lane = lane.ok_or(RefusalCode::WriterFenced)?;
        let settled = envelope.settled_through.get();
        if settled > lane.highest() {
            return Err(RefusalCode::HistoryChanged);
        }
        lane.floor = lane.floor.max(settled);
        self.check_shape(batch)?;
        self.check_lane(appender.outbox, batch)?;
        self.check_memory(caller, appender.outbox, batch)?;
        Ok(if batch.atomic {
            self.group(caller, appender.outbox, batch)
        } else {
            let each = batch.entries.iter();
            each.map(|entry| self.step(caller, appender.outbox, entry))
                .collect()
        })
    }

    fn check_shape(&self, batch: &Batch) -> Result<(), RefusalCode> {
        let entries = &batch.entries;
        if entries.len() > self.limits.batch_ops_max as usize {
            return Err(RefusalCode::BatchTooLarge);
        }
        let many = |op: &Op| op.depends_on.len() > self.limits.dependencies_max as usize;
        let bad = (batch.expected_cursor.is_some() && !batch.atomic)
            || entries.windows(2).any(|two| two[0].seq >= two[1].seq)
            || entries.iter().any(|entry| entry.seq == Seq::ZERO)
            || entries.iter().any(|entry| match &entry.body {
                EntryBody::Abandon(_) => batch.atomic,
                EntryBody::Op(op) => many(op),
            });
        if bad {
            return Err(RefusalCode::InvalidRequest);
        }
        let bytes = |entry: &Entry| match &entry.body {
            EntryBody::Abandon(_) => 0,
            EntryBody::Op(op) => {
                let origin = entry.origin.as_ref().map_or(0, |origin| origin.id().len());
                (op.mutation.bytes() + origin) as u64
            }
        };
        if entries.iter().map(bytes).sum::<u64>() > self.limits.batch_bytes_max {
            return Err(RefusalCode::BatchTooLarge);
        }
        Ok(())
    }

    fn check_lane(&self, outbox: OutboxId, batch: &Batch) -> Result<(), RefusalCode> {
        let lane = &self.lanes[&outbox];
        let seqs: Vec<u64> = batch.entries.iter().map(|entry| entry.seq.get()).collect();
        let window = lane.floor + u64::from(self.limits.window);
        if seqs.iter().any(|seq| *seq > window) {
            return Err(RefusalCode::WindowExceeded);
        }
        if !is_run(&seqs, lane.highest()) {
            return Err(RefusalCode::OutOfOrder);
        }
        if seqs.iter().any(|seq| *seq <= lane.floor) {
            return Err(RefusalCode::AlreadySettled);
        }
        let forks = |entry: &Entry| {
            let known = lane.at(entry.seq.get());
            known.is_some_and(|(fingerprint, _)| *fingerprint != entry.fingerprint(outbox))
        };
        if batch.entries.iter().any(forks) {
            return Err(RefusalCode::WriterForked);
        }
        Ok(())
    }

    fn check_memory(
        &self,
        caller: &Caller,
        outbox: OutboxId,
        batch: &Batch,
    ) -> Result<(), RefusalCode> {
        let lane = &self.lanes[&outbox];
        let (mut identities, mut abandoned) = (0, 0);
        for entry in &batch.entries {
            let told = lane.at(entry.seq.get()).map(|(_, word)| *word);
            if !matches!(told, None | Some(Word::Hole)) {
                continue;
            }
            let gives_up = usize::from(matches!(entry.body, EntryBody::Abandon(_)));
            match self.status(&entry.identity(outbox)) {
                None => {
                    identities += usize::from(entry.was.is_some());
                    abandoned += gives_up;
                }
                Some(Word::Abandoned) => abandoned += gives_up,
                Some(_) => {}
            }
        }
        let brought = |(_, subtree): &&(Identity, Option<GrantId>)| *subtree == caller.subtree;
        let of_subtree = self.remembered.iter().filter(brought).count();
        let over = |sum: usize, max: u32| sum > max as usize;
        if identities > 0
            && (over(
                self.remembered.len() + identities,
                self.limits.remembered_max,
            ) || caller.subtree.is_some()
                && over(
                    of_subtree + identities,
                    self.limits.remembered_per_grant_max,
                ))
        {
            return Err(RefusalCode::RequeueLimit);
        }
        let is_abandoned = |(_, word): &&(Fingerprint, Word)| *word == Word::Abandoned;
        let kept = lane.told.iter().filter(is_abandoned).count();
        if abandoned > 0 && over(kept + abandoned, self.limits.abandoned_max) {
            return Err(RefusalCode::AbandonLimit);
        }
        Ok(())
    }

    /// What ever became of an identity.
    fn status(&self, identity: &Identity) -> Option<Word> {
        let applied = self.log.iter().position(|line| line.identity == *identity);
        if let Some(at) = applied {
            return Some(Word::Applied(Cursor::new(at as u64 + 1)));
        }
        self.abandoned.contains(identity).then_some(Word::Abandoned)
    }

    /// The answer to an entry of which the last word is known already.
    fn known(&self, outbox: OutboxId, entry: &Entry) -> Option<(OpOutcome, Word)> {
        let told = self.lanes[&outbox]
            .at(entry.seq.get())
            .map(|(_, word)| *word);
        match told {
            Some(Word::Applied(at)) => return Some((OpOutcome::Duplicate(at), Word::Applied(at))),
            Some(Word::Abandoned) => return Some((OpOutcome::Abandoned, Word::Abandoned)),
            Some(Word::Hole) | None => {}
        }
        match (self.status(&entry.identity(outbox)), &entry.body) {
            (Some(Word::Applied(at)), _) => Some((OpOutcome::Duplicate(at), Word::Applied(at))),
            (Some(_), EntryBody::Op(_)) => {
                Some((OpOutcome::Rejected(RejectReason::Abandoned), Word::Hole))
            }
            (_, EntryBody::Abandon(_)) => Some((OpOutcome::Abandoned, Word::Abandoned)),
            (None, EntryBody::Op(_)) => None,
        }
    }

    fn step(&mut self, caller: &Caller, outbox: OutboxId, entry: &Entry) -> OpOutcome {
        let (outcome, word) = self.known(outbox, entry).unwrap_or_else(|| {
            let EntryBody::Op(op) = &entry.body else {
                unreachable!("an abandonment is always known");
            };
            match self.try_op(entry, outbox, op) {
                Ok(()) => {
                    let cursor = self.log_op(entry, outbox);
                    (OpOutcome::Applied(cursor), Word::Applied(cursor))
                }
                Err(reason) => (OpOutcome::Rejected(reason), Word::Hole),
            }
        });
        self.tell(caller, outbox, entry, word);
        outcome
    }

    fn try_op(&mut self, entry: &Entry, outbox: OutboxId, op: &Op) -> Result<(), RejectReason> {
        let first = entry.identity(outbox).outbox;
        let identities: Vec<_> = op.depends_on.iter().map(|on| on.resolve(first)).collect();
        for on in &identities {
            if self.status(on) == Some(Word::Abandoned) {
                return Err(RejectReason::DependencyAbandoned(*on));
            }
        }
        if let Some(on) = identities.iter().find(|on| self.status(on).is_none()) {
            return Err(RejectReason::DependencyMissing(*on));
        }
        let next = self.document.with(&op.mutation, &self.limits);
        self.document = next.map_err(RejectReason::InvalidMutation)?;
        Ok(())
    }

    fn log_op(&mut self, entry: &Entry, outbox: OutboxId) -> Cursor {
        self.log.push(LogLine {
            lane: outbox,
            seq: entry.seq.get(),
            identity: entry.identity(outbox),
            first_try: entry.seq.get() > self.lanes[&outbox].highest(),
        });
        Cursor::new(self.log.len() as u64)
    }

    /// All of a group, or nothing of it.
    fn group(&mut self, caller: &Caller, outbox: OutboxId, batch: &Batch) -> Vec<OpOutcome> {
        let known: Vec<_> = batch
            .entries
            .iter()
            .map(|entry| self.known(outbox, entry))
            .collect();
        let is_applied = |(_, word): &(OpOutcome, Word)| matches!(word, Word::Applied(_));
        let actual = Cursor::new(self.log.len() as u64);
        let failed = if !known.iter().flatten().all(is_applied) {
            Some((usize::MAX, RejectReason::AtomicGroupFailed))
        } else if let Some(expected) = batch.expected_cursor.filter(|it| *it != actual) {
            Some((
                usize::MAX,
                RejectReason::CursorMismatch { expected, actual },
            ))
        } else {
            let before = self.clone();
            let mut outcomes = Vec::new();
            for entry in &batch.entries {
                outcomes.push(self.step(caller, outbox, entry));
            }
            let bad = outcomes.iter().position(|it| it.cursor().is_none());
            let Some(at) = bad else {
                return outcomes;
            };
            *self = before;
            match outcomes.swap_remove(at) {
                OpOutcome::Rejected(reason) => Some((at, reason)),
                other => unreachable!("a fresh op can't become {other:?}"),
            }
        };
        let (bad, reason) = failed.unwrap_or((usize::MAX, RejectReason::AtomicGroupFailed));
        let all_alike = matches!(reason, RejectReason::CursorMismatch { .. });
        let mut outcomes = Vec::new();
        for (at, (entry, known)) in batch.entries.iter().zip(known).enumerate() {
            let (outcome, word) = known.unwrap_or_else(|| {
                let alone = RejectReason::AtomicGroupFailed;
                let reason = if at == bad || all_alike {
                    reason.clone()
                } else {
                    alone
                };
                (OpOutcome::Rejected(reason), Word::Hole)
            });
            self.tell(caller, outbox, entry, word);
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Writes down the last word on an entry.
    fn tell(&mut self, caller: &Caller, outbox: OutboxId, entry: &Entry, word: Word) {
        let identity = entry.identity(outbox);
        let is_own = self.log.last().is_some_and(|line| {
            (line.lane, line.seq) == (outbox, entry.seq.get()) && line.identity == identity
        });
        let is_new_loss = word == Word::Abandoned && !self.abandoned.contains(&identity);
        if is_new_loss {
            self.abandoned.push(identity);
        }
        let is_noted = self.remembered.iter().any(|(noted, _)| *noted == identity);
        if entry.was.is_some() && !is_noted && (is_new_loss || is_own) {
            self.remembered.push((identity, caller.subtree));
        }
        if self.lanes[&outbox].number.is_none() {
            self.numbers += 1;
        }
        let number = self.numbers;
        let lane = self.lanes.get_mut(&outbox);
        let lane = lane.expect("the lane was checked");
        lane.number.get_or_insert(number);
        let told = (identity.fingerprint, word);
        match lane
            .told
            .get_mut(usize::try_from(entry.seq.get()).unwrap() - 1)
        {
            Some(old) => *old = told,
            None => lane.told.push(told),
        }
    }
}

/// Whether the seqs above `highest` are the next ones, without a gap.
fn is_run(seqs: &[u64], highest: u64) -> bool {
    let new = seqs.iter().filter(|seq| **seq > highest);
    new.zip(highest + 1..)
        .all(|(seq, expected)| *seq == expected)
}
