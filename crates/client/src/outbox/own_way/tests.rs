//! That it makes no difference whether an op has a row of its own: one outbox goes the ordinary way,
//! beside one in which every op is written out at once, as version 2 of the tables had it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use share_model::seam::{Clock, Entropy, SeededEntropy, Sleep};
use share_model::{
    Cursor, Epoch, GrantId, HistoryId, Limits, Mutation, OpId, OpOutcome, OutboxKey, RefusalCode,
    RefusalDetail, RejectReason, Secret, ShareId, ShareRef, UnixMs,
};
use share_model::{MutationError, Refusal};

use super::*;
use crate::outbox::cut::{Cutter, Size};
use crate::outbox::enqueue::{self, Call};
use crate::outbox::lanes::Lane;
use crate::outbox::options::{Retention, RetryPolicy};
use crate::outbox::record::{self, Answer};
use crate::outbox::replan::{self, Planner, Standing};
use crate::outbox::send::{self, Outgoing};
use crate::outbox::{
    Grouping, NewOp, RowFilter, RowState, members, progress, prune, refused, repeats, schema,
    status,
};

mod rows;

const SHARE: ShareId = ShareId::from_bytes([9; 16]);

/// Shows what it is told.
#[derive(Debug)]
struct Shown(AtomicU64);

impl Clock for Shown {
    fn now(&self) -> UnixMs {
        UnixMs::new(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

fn limits() -> Limits {
    Limits {
        batch_ops_max: 5,
        batch_bytes_max: 400,
        window: 24,
        ..Limits::DEFAULT
    }
}

/// An outbox in memory.
struct World {
    db: Connection,
    clock: Shown,
    entropy: SeededEntropy,
    /// Whether every op gets a row of its own.
    writes_out: bool,
}

impl World {
    fn new(seed: u64, writes_out: bool) -> Self {
        let db = Connection::open_in_memory().unwrap();
        schema::create(&db).unwrap();
        let reference = ShareRef {
            addresses: vec!["server:1".into()],
            share: SHARE,
            grant: GrantId::from_bytes([2; 16]),
            epoch: Epoch::new(1),
            security: share_model::Security::ByAddress,
            secret: Secret::from_bytes([7; 32]),
        };
        lanes::insert(&db, &reference, &OutboxKey::from_bytes([1; 32])).unwrap();
        Self {
            db,
            clock: Shown(AtomicU64::new(1_000_000)),
            entropy: SeededEntropy::new(seed),
            writes_out,
        }
    }

    fn lane(&self) -> Lane {
        lanes::get(&self.db, SHARE).unwrap()
    }

    fn enqueue(&self, sizes: &[usize], grouping: Grouping) {
        let ops = sizes.iter().map(|size| {
            let put = Mutation::Put {
                key: "k".into(),
                json: format!("\"{}\"", "x".repeat(*size)).into(),
            };
            (NewOp::of(put), OpId::new(&self.clock, &self.entropy))
        });
        let call = Call {
            share: SHARE,
            ops: ops.collect(),
            grouping,
            now: self.clock.now(),
            limits: limits(),
        };
        enqueue::enqueue(&self.db, call).unwrap();
    }

    fn cutter(&self, sends: bool) -> Cutter<'_> {
        Cutter {
            size: Size::of(&limits(), None, None),
            limits: limits(),
            sends,
            clock: &self.clock,
            entropy: &self.entropy,
        }
    }

    fn take(&self, in_flight: &[i64], room: usize) -> send::Taken {
        send::take(
            &self.db,
            &self.lane(),
            &self.cutter(true),
            (in_flight, room),
        )
        .unwrap()
    }

    fn choose(&self) -> String {
        let chosen = send::choose(&self.db, &self.lane(), &self.cutter(false), (&[], 1));
        format!("{}", chosen.unwrap().sending.len())
    }

    fn record(&self, answer: &Answer) -> String {
        let retry = RetryPolicy {
            attempts_max: 3,
            ..RetryPolicy::default()
        };
        let times = (self.clock.now(), &retry);
        let recorded = record::record(&self.db, self.lane(), answer, times).unwrap();
        format!("{recorded:?}")
    }

    fn prune(&self, ops_max: u64) -> bool {
        let retention = Retention {
            ops_max,
            ..Retention::default()
        };
        prune::step(&self.db, &self.lane(), &retention, self.clock.now()).unwrap()
    }

    fn compare(&self, standing: &Standing, key: u8) -> String {
        let planner = Planner {
            key: OutboxKey::from_bytes([key; 32]),
            now: self.clock.now(),
        };
        let recovery = replan::carry_out(&self.db, self.lane(), standing, &planner).unwrap();
        format!("{recovery:?}")
    }

    /// As version 2 would have it.
    fn write_all_out(&self) {
        for lane in lanes::of_share(&self.db, SHARE).unwrap() {
            write_out_unsettled(&self.db, lane.number).unwrap();
            write_out_from(&self.db, lane.number, Seq::ZERO).unwrap();
        }
    }

    fn own_rows(&self) -> u32 {
        let sql = "SELECT count(*) FROM progress";
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// All that anybody can see.
    fn seen(&self) -> Vec<String> {
        let (db, own) = (&self.db, self.lane());
        let mut seen = vec![format!("{:?}", status::shares(db).unwrap())];
        let filters = RowState::ALL.map(|state| vec![state]);
        let several = [
            vec![],
            vec![RowState::Queued, RowState::Sent],
            vec![RowState::Reserved, RowState::Rejected, RowState::DeadLetter],
        ];
        for states in filters.into_iter().chain(several) {
            let filter = RowFilter {
                share: None,
                states,
            };
            let mut after = None;
            loop {
                let page = status::rows(db, &filter, after, 7).unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.position());
                seen.push(format!("{:?} {page:?}", filter.states));
            }
        }
        for lane in lanes::of_share(db, SHARE).unwrap() {
            let without_cut = Lane {
                cut_through: Seq::ZERO,
                ..lane.clone()
            };
            let all = (Seq::new(1), lane.last_seq());
            let settled = |limit| members::settled(db, lane.number, lane.settled_through, limit);
            seen.extend([
                format!("{without_cut:?}"),
                format!("{:?}", members::between(db, lane.number, all).unwrap()),
                format!("{:?}", settled(1).unwrap()),
                format!("{:?}", settled(9).unwrap()),
                format!("{:?}", settled(1000).unwrap()),
            ]);
        }
        let times = "SELECT lane, seq, settled_at, resolved_at FROM standing ORDER BY lane, seq";
        let mut times = db.prepare(times).unwrap();
        let time = |row: &rusqlite::Row<'_>, at| row.get::<_, Option<i64>>(at);
        let times = times.query_map([], |row| {
            Ok([time(row, 0)?, time(row, 1)?, time(row, 2)?, time(row, 3)?])
        });
        seen.push(format!("{:?}", times.unwrap().collect::<Vec<_>>()));
        seen.push(format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            progress::first_unsettled(db, own.number).unwrap(),
            progress::next_due(db, &own).unwrap(),
            progress::waits_for_others(db, own.number).unwrap(),
            lanes::replayable(db).unwrap(),
            lanes::retained(db).unwrap(),
            repeats::told_before_claim(db, &own, &limits()).unwrap(),
        ));
        seen
    }

    /// That an op has a row of its own or lies in one whole batch, or in neither above the cut.
    fn check(&self) {
        let places = "SELECT op.seq > cut_through, (SELECT count(*) FROM progress \
             WHERE progress.lane = op.lane AND progress.seq = op.seq), \
             (SELECT count(*) FROM batch WHERE batch.lane = op.lane AND whole = 1 \
             AND op.seq BETWEEN first_seq AND last_seq) \
             FROM op JOIN lane ON lane.number = op.lane";
        let mut places = self.db.prepare(places).unwrap();
        let places = places.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        for place in places.unwrap() {
            let place: (bool, u32, u32) = place.unwrap();
            let is_one = matches!(place, (true, 0, 0) | (false, 1, 0) | (false, 0, 1));
            assert!(is_one, "{place:?}");
        }
        let stray =
            "SELECT count(*) FROM progress LEFT JOIN op USING (lane, seq) WHERE op.id IS NULL";
        let stray: u32 = self.db.query_row(stray, [], |row| row.get(0)).unwrap();
        assert_eq!(stray, 0, "rows without an op");
        let queued =
            "SELECT count(*) FROM lane WHERE left_at IS NOT NULL AND cut_through + 1 < next_seq";
        let queued: u32 = self.db.query_row(queued, [], |row| row.get(0)).unwrap();
        assert_eq!(queued, 0, "lanes that were left with ops in the queue");
    }
}

/// Both outboxes, what is on its way, and a server that is one cursor.
struct Twins {
    worlds: [World; 2],
    /// What happens.
    random: SeededEntropy,
    in_flight: Vec<Outgoing>,
    cursor: u64,
    /// The highest seq that was answered.
    keys: u8,
    history: u8,
}

impl Twins {
    fn new(seed: u64) -> Self {
        let worlds = [false, true].map(|writes_out| World::new(seed, writes_out));
        Self {
            worlds,
            random: SeededEntropy::new(seed),
            in_flight: Vec::new(),
            cursor: 0,
            keys: 1,
            history: 1,
        }
    }

    fn below(&self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    fn both<T: PartialEq + std::fmt::Debug>(&self, step: impl Fn(&World) -> T) -> T {
        let [one, other] = self.worlds.each_ref().map(|world| {
            let done = step(world);
            if world.writes_out {
                world.write_all_out();
            }
            done
        });
        assert_eq!(one, other);
        one
    }

    fn step(&mut self) {
        match self.below(40) {
            0..8 => self.enqueue(),
            8..18 => self.take(),
            18..30 => self.answer(),
            30 => {
                self.both(World::choose);
            }
            31 | 32 => self.refuse(),
            33 | 34 => self.in_flight.clear(),
            35 => self.claim(),
            36 => self.prune(),
            37 => {
                let ms = self.below(100_000);
                self.both(|world| world.clock.0.fetch_add(ms, Ordering::Relaxed));
            }
            38 if self.below(4) == 0 => self.recover(),
            39 if self.below(30) == 0 => self.end(),
            _ => {}
        }
    }

    fn enqueue(&self) {
        let sizes: Vec<_> = (0..=self.below(6)).map(|_| self.below(60)).collect();
        let sizes: Vec<_> = sizes
            .into_iter()
            .map(|size| usize::try_from(size).unwrap())
            .collect();
        let grouping = match self.below(4) {
            0 if sizes.len() <= 5 => Grouping::Atomic {
                expected_cursor: None,
            },
            _ => Grouping::Loose,
        };
        self.both(|world| world.enqueue(&sizes, grouping));
    }

    fn take(&mut self) {
        let in_flight: Vec<_> = self.in_flight.iter().map(|sent| sent.number).collect();
        let room = usize::try_from(self.below(3) + 1).unwrap();
        let told = |world: &World| {
            let taken = world.take(&in_flight, room);
            let rest = (taken.settled_through, taken.wake_at, taken.waits_for_others);
            (taken.outgoing, rest, taken.is_part)
        };
        let (outgoing, _, _) = self.both(told);
        self.in_flight.extend(outgoing);
    }

    fn outcome(&mut self, at: u64, luck: u64) -> OpOutcome {
        let rejected = |reason| OpOutcome::Rejected(reason);
        match luck {
            0 => rejected(RejectReason::AtomicGroupFailed),
            1 => rejected(RejectReason::Abandoned),
            2 => rejected(RejectReason::InvalidMutation(MutationError::KeyEmpty)),
            3 => OpOutcome::InDoubt,
            4..8 => OpOutcome::Duplicate(Cursor::new(at)),
            _ => {
                self.cursor += 1 + u64::from(luck == 8);
                OpOutcome::Applied(Cursor::new(self.cursor))
            }
        }
    }

    fn answer(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let at = usize::try_from(self.below(self.in_flight.len() as u64)).unwrap();
        let sent = self.in_flight.remove(at);
        let is_lucky = self.below(3) > 0;
        let outcomes: Vec<_> = (0..sent.batch.entries.len() as u64)
            .map(|at| {
                let luck = if is_lucky { 9 } else { self.below(40) };
                self.outcome(at, luck)
            })
            .collect();
        let knows = self.below(4) > 0;
        self.both(|world| {
            world.record(&Answer {
                batch: sent.number,
                outcomes: outcomes.clone(),
                fresh: sent.fresh.clone().filter(|_| knows),
            })
        });
    }

    /// A batch is refused, and all that are under way with it.
    fn refuse(&mut self) {
        let Some(sent) = self.in_flight.first() else {
            return;
        };
        let number = sent.number;
        let seq = sent
            .batch
            .entries
            .first()
            .map_or(Seq::ZERO, |entry| entry.seq);
        let code = match self.below(2) {
            0 => RefusalCode::BatchTooLarge,
            _ => RefusalCode::InvalidRequest,
        };
        let mut refusal = Refusal::new(code, "no");
        if self.below(2) == 0 {
            refusal.detail = RefusalDetail::Limit {
                seq,
                actual: 2,
                max: 1,
            };
        }
        self.in_flight.clear();
        self.both(|world| {
            let now = world.clock.now();
            refused::dissolve(&world.db, &world.lane(), number, &refusal, now).unwrap();
        });
    }

    /// The connection is another one: nothing is under way, and the server stands somewhere.
    fn claim(&mut self) {
        self.in_flight.clear();
        let lane = self.worlds[0].lane();
        let highest = lane.answered_through.max(lane.settled_through);
        let chain = match highest.get() {
            0 => share_model::Chain::EMPTY,
            _ if highest == lane.pruned_through => lane.pruned_chain,
            _ => super::super::ops::chain_at(&self.worlds[0].db, lane.number, highest)
                .unwrap()
                .unwrap_or(lane.pruned_chain),
        };
        let floor = lane.settled_through.get().saturating_sub(self.below(12));
        let standing = Standing {
            history: HistoryId::from_bytes([self.history; 16]),
            floor: Seq::new(floor),
            highest,
            chain,
            cursor: lane.cursor,
        };
        let key = self.keys;
        self.both(|world| {
            let mut known = world.lane();
            known.history = Some(standing.history);
            lanes::set_history(&world.db, &known, standing.history).unwrap();
            world.compare(&standing, key)
        });
    }

    /// The server went back in time, or another outbox has the lane.
    fn recover(&mut self) {
        self.in_flight.clear();
        self.keys += 1;
        let (key, lane) = (self.keys, self.worlds[0].lane());
        if self.below(3) == 0 {
            self.both(|world| {
                let planner = Planner {
                    key: OutboxKey::from_bytes([key; 32]),
                    now: world.clock.now(),
                };
                let why = ("fenced".to_owned(), lane.cursor);
                let lost = replan::lane_is_lost(&world.db, &world.lane(), why, &planner);
                format!("{:?}", lost.unwrap())
            });
            return;
        }
        let known = HistoryId::from_bytes([self.history; 16]);
        self.history += 1;
        let back = lane.settled_through.get().saturating_sub(self.below(30));
        let highest = Seq::new(back);
        let own = super::super::ops::chain_at(&self.worlds[0].db, lane.number, highest).unwrap();
        let standing = Standing {
            history: HistoryId::from_bytes([self.history; 16]),
            floor: Seq::new(back.saturating_sub(self.below(3))),
            highest,
            chain: own.unwrap_or(lane.pruned_chain),
            cursor: lane.cursor,
        };
        self.both(|world| {
            lanes::set_history(&world.db, &world.lane(), known).unwrap();
            world.compare(&standing, key)
        });
    }

    fn prune(&self) {
        let ops_max = self.below(60);
        self.both(|world| world.prune(ops_max));
    }

    /// The share is gone.
    fn end(&mut self) {
        self.in_flight.clear();
        self.both(|world| {
            let ended = record::all_in_doubt(&world.db, world.lane(), world.clock.now());
            format!("{:?}", ended.unwrap())
        });
    }
}

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SHARE_SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) if is_deep() => 0..100,
        Err(_) => 0..5,
    }
}

fn is_deep() -> bool {
    std::env::var("SHARE_DEEP").is_ok()
}

#[test]
fn whether_ops_have_rows_of_their_own_or_not_the_same_is_sent_and_seen() {
    let mut without = 0;
    for seed in seeds() {
        println!("replay: SHARE_SEED={seed} cargo test -p share-client whether_ops_have_rows");
        let mut twins = Twins::new(seed);
        for at in 0..250 {
            twins.step();
            let [one, other] = &twins.worlds;
            one.check();
            other.check();
            if at % 5 > 0 && !is_deep() {
                continue;
            }
            let (one_sees, other_sees) = (one.seen(), other.seen());
            for (one, other) in one_sees.iter().zip(&other_sees) {
                assert_eq!(one, other);
            }
            assert_eq!(one_sees.len(), other_sees.len());
            without += other.own_rows() - one.own_rows();
        }
    }
    assert!(without > 1000, "only {without} ops had no row of their own");
}

/// What is kept may be written out at any time: it stands as it stood.
#[test]
fn what_is_written_out_stands_as_it_stood() {
    for seed in seeds() {
        println!("replay: SHARE_SEED={seed} cargo test -p share-client what_is_written_out");
        let mut twins = Twins::new(seed);
        for _ in 0..150 {
            twins.step();
        }
        let world = &twins.worlds[0];
        let before = world.seen();
        world.write_all_out();
        assert_eq!(world.seen(), before);
    }
}
