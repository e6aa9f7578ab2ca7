//! A share that lives a random life, in step with the oracle.

use share_engine::{
    AppendRequest, Authority, BumpEpoch, ClaimRequest, Context, CreateShare, LogAnswers, MintChild,
    MintKind, Record, ShareState,
};
use share_model::seam::{Entropy, SeededEntropy};
use share_model::{
    Batch, BatchId, Entry, EntryBody, Envelope, GrantId, HistoryId, Incarnation, Limits, Mutation,
    Nonce, Op, OpId, Origin, OriginKind, OutboxId, RequestId, Right, Rights, SecretHash, ShareId,
    UnixMs,
};

use super::oracle::{Known, Oracle};

const RIGHTS: [Right; 3] = [Right::Read, Right::Append, Right::Admin];

/// The share, the oracle, and every authority that was ever redeemed.
pub(crate) struct Life {
    state: ShareState,
    oracle: Oracle,
    held: Vec<Authority>,
    entropy: SeededEntropy,
    now: u64,
    minted: u8,
    refusals: u32,
}

fn origin() -> Origin {
    Origin::new(OriginKind::Agent, "life".into(), 1024).unwrap()
}

/// Grant, request and secret of this number.
fn bytes(n: u8) -> [u8; 16] {
    [n; 16]
}

fn secret(n: u8) -> SecretHash {
    SecretHash::from_bytes([n; 32])
}

impl Life {
    pub(crate) fn begin(seed: u64) -> Self {
        let create = CreateShare {
            share: ShareId::from_bytes([1; 16]),
            factory: GrantId::from_bytes([200; 16]),
            request: RequestId::from_bytes(bytes(0)),
            owner_grant: GrantId::from_bytes(bytes(0)),
            owner_secret_hash: secret(0),
            title: String::new(),
            origin: origin(),
        };
        let (state, _) = ShareState::create(create, Limits::DEFAULT, UnixMs::new(0)).unwrap();
        let mut life = Self {
            state,
            oracle: Oracle {
                epoch: 1,
                ..Oracle::default()
            },
            held: Vec::new(),
            entropy: SeededEntropy::new(seed),
            now: 0,
            minted: 0,
            refusals: 0,
        };
        life.know(0, None, Rights::ALL, None);
        life
    }

    pub(crate) fn refusals(&self) -> u32 {
        self.refusals
    }

    fn below(&self, bound: u64) -> u64 {
        self.entropy.below(bound)
    }

    fn context(&self) -> Context {
        Context {
            now: UnixMs::new(self.now),
            history: HistoryId::from_bytes([9; 16]),
        }
    }

    /// Both know the grant from now on, and somebody holds it.
    fn know(&mut self, n: u8, parent: Option<GrantId>, rights: Rights, expires_at: Option<UnixMs>) {
        let grant = GrantId::from_bytes(bytes(n));
        let known = Known {
            parent,
            rights,
            expires_at,
            epoch: self.oracle.epoch,
            revoked: false,
        };
        self.oracle.grants.insert(grant, known);
        let authority = self.state.prove(grant, &secret(n), None).unwrap();
        self.held.push(authority);
    }

    fn someone(&self) -> Authority {
        self.held[usize::try_from(self.below(self.held.len() as u64)).unwrap()].clone()
    }

    /// Something happens, then everyone is asked what they may do.
    pub(crate) fn step(&mut self) {
        let by = self.someone();
        match self.below(100) {
            0..40 => self.mint(&by),
            40..55 => self.revoke(&by),
            55..75 => self.append(&by),
            75..85 => self.now += self.below(40),
            85..93 => self.freeze(&by),
            93..97 => self.bump(&by),
            97 => self.replay_and_reload(),
            98 if self.below(20) == 0 => self.delete(&by),
            _ => {}
        }
        self.compare();
    }

    /// Each right of each authority that was ever held, against the oracle.
    fn compare(&self) {
        let now = UnixMs::new(self.now);
        for authority in &self.held {
            for right in RIGHTS {
                let allowed = self.state.authorize(authority, right, now).is_ok();
                let expected = self.oracle.allows(authority.grant(), right, now);
                assert_eq!(allowed, expected, "{:?} {right:?}", authority.grant());
            }
        }
    }

    fn tally<T, E>(&mut self, result: &Result<T, E>, expected: bool, what: &str) {
        self.refusals += u32::from(result.is_err());
        assert_eq!(result.is_ok(), expected, "{what}");
    }

    fn mint(&mut self, by: &Authority) {
        if self.minted == u8::MAX {
            return;
        }
        let (n, now) = (self.minted + 1, UnixMs::new(self.now));
        let rights = RIGHTS.map(|right| (right, self.below(2) == 0));
        let rights = rights
            .into_iter()
            .filter_map(|(right, has)| has.then_some(right));
        let rights = Rights::of(&rights.collect::<Vec<_>>());
        let expires_at = (self.below(3) == 0).then(|| UnixMs::new(self.now + 1 + self.below(200)));
        let kind = match self.below(2) {
            0 => MintKind::Attenuated,
            _ => MintKind::Saved,
        };
        let request = MintChild {
            kind,
            grant: GrantId::from_bytes(bytes(n)),
            secret_hash: secret(n),
            rights,
            expires_at,
            label: String::new(),
            sealed_for: None,
            origin: origin(),
        };
        let parent = by.grant();
        let known = self.oracle.grants[&parent].clone();
        let (mut may, right) = (self.oracle.stands(parent, now), Right::Admin);
        if kind == MintKind::Attenuated {
            may &= self.oracle.allows(parent, right, now) && rights != Rights::NONE;
        }
        may &= known.rights.contains(rights) && self.oracle.depth(parent) < 32;
        may &= match (expires_at, known.expires_at) {
            (Some(asked), Some(parent)) => asked <= parent,
            (_, None) | (None, _) => true,
        };
        let context = self.context();
        let minted = self.state.mint_child(&context, by, request);
        self.tally(&minted, may, "mint");
        if let Ok((minted, _)) = minted {
            self.minted = n;
            assert_eq!(minted.expires_at, expires_at.or(known.expires_at));
            self.know(n, Some(parent), rights, minted.expires_at);
        }
    }

    fn revoke(&mut self, by: &Authority) {
        let target = self.someone().grant();
        let (own, now) = (by.grant(), UnixMs::new(self.now));
        let is_root = self.oracle.grants[&own].parent.is_none();
        let may = if target == own {
            self.oracle.stands(own, now) && !is_root
        } else {
            // One of an epoch that has ended is not below anyone any more.
            let is_current = self.oracle.grants[&target].epoch == self.oracle.epoch;
            self.oracle.allows(own, Right::Admin, now)
                && is_current
                && self.oracle.is_below(target, own)
        };
        let context = self.context();
        let revoked = self.state.revoke(&context, by, target, origin());
        self.tally(&revoked, may, "revoke");
        if revoked.is_ok() {
            self.oracle.grants.get_mut(&target).unwrap().revoked = true;
        }
    }

    fn append(&mut self, by: &Authority) {
        let (grant, now, context) = (by.grant(), UnixMs::new(self.now), self.context());
        let may = self.oracle.allows(grant, Right::Append, now) && !self.oracle.frozen;
        let outbox = OutboxId::from_bytes(grant.to_bytes());
        let claim = ClaimRequest {
            outbox,
            incarnation: Incarnation::new(u64::from(u32::MAX) + self.now),
            nonce: Nonce::from_bytes([1; 16]),
            history: None,
        };
        let before = self.state.cursor();
        let mut appended = false;
        let claimed = self.state.claim(&context, by, claim);
        if let Ok((answer, _)) = claimed {
            let mut appender = answer.appender;
            let batch = Batch {
                id: BatchId::from_bytes([1; 16]),
                atomic: false,
                expected_cursor: None,
                entries: vec![Entry {
                    seq: answer.highest.next(),
                    was: None,
                    body: EntryBody::Op(Op {
                        id: OpId::from_bytes([1; 16]),
                        depends_on: Vec::new(),
                        mutation: Mutation::Put {
                            key: "k".into(),
                            json: "1".into(),
                        },
                    }),
                    origin: None,
                }],
            };
            let request = AppendRequest {
                envelope: &Envelope {
                    capability_epoch: by.epoch(),
                    settled_through: answer.highest,
                },
                batch: &batch.into(),
                log: &LogAnswers::new(),
            };
            let outcome = self.state.append(&context, by, &mut appender, request);
            appended = outcome.result.is_ok();
        }
        // Where there is no room for another writer, nobody is let in who may not.
        assert!(may || !appended, "appended under {grant:?}");
        assert!(may || self.state.cursor() == before);
        self.refusals += u32::from(!appended);
    }

    fn freeze(&mut self, by: &Authority) {
        let (context, frozen) = (self.context(), self.below(2) == 0);
        let may = self.oracle.allows(by.grant(), Right::Admin, context.now);
        let set = self.state.set_frozen(&context, by, frozen, origin());
        self.tally(&set, may, "freeze");
        if set.is_ok() {
            self.oracle.frozen = frozen;
        }
    }

    fn bump(&mut self, by: &Authority) {
        if self.minted == u8::MAX {
            return;
        }
        let (n, context) = (self.minted + 1, self.context());
        let may = self.oracle.allows(by.grant(), Right::Admin, context.now);
        let request = BumpEpoch {
            request: RequestId::from_bytes(bytes(n)),
            owner_grant: GrantId::from_bytes(bytes(n)),
            owner_secret_hash: secret(n),
            origin: origin(),
        };
        let bumped = self.state.bump_epoch(&context, by, request);
        self.tally(&bumped, may, "bump");
        if bumped.is_ok() {
            self.minted = n;
            self.oracle.epoch += 1;
            self.know(n, None, Rights::ALL, None);
        }
    }

    fn delete(&mut self, by: &Authority) {
        let context = self.context();
        let was_deleted = self.oracle.deleted;
        let may = self.oracle.allows(by.grant(), Right::Admin, context.now);
        let deleted = self.state.delete(&context, by, origin());
        if !was_deleted {
            self.tally(&deleted, may, "delete");
            self.oracle.deleted = deleted.is_ok();
        }
    }

    /// The state as a server loads it after a crash; and what a journal knows ends nothing more.
    fn replay_and_reload(&mut self) {
        let (head, document) = (self.state.checkpoint(), self.state.document().clone());
        let limits = *self.state.limits();
        let loaded = ShareState::from_checkpoint(&head, document, limits).unwrap();
        assert_eq!(loaded, self.state);
        self.state = loaded;
        let ends = self.state.ends();
        let records: Vec<Record> = self.state.catch_up(UnixMs::new(self.now), &ends);
        assert_eq!(records, Vec::new());
    }
}
