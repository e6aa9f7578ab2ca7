//! The server's log against what the sessions were told and what the events say. Reads both as they
//! are, and asks no rule of the outbox's again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use share_client::{Delegation, Ending, LeaseEvent, LeaseEventKind};

use crate::crowd::Told;

pub(crate) struct Verdict<'a> {
    pub(crate) delegations: Vec<Delegation>,
    pub(crate) events: Vec<LeaseEvent>,
    pub(crate) told: &'a Told,
}

/// An op of the log.
#[derive(Debug)]
struct Applied {
    key: String,
    by: String,
    value: Value,
}

/// How a scope stands at a place in the log.
#[derive(Debug, Default)]
struct Standing {
    /// The newest cycle that certainly was delegated by here.
    cycle: u64,
    /// A claim certainly lives here: since when, and nobody has begun to end it.
    claimed: Option<(String, u64)>,
}

impl Verdict<'_> {
    /// What happened, in a line.
    pub(crate) fn check(&self, log: &str, rows: usize) -> String {
        let ops: Vec<Applied> = log.lines().filter_map(applied).collect();
        assert_eq!(ops.len(), rows, "each stored op is applied once");
        self.check_told(&ops);
        check_order(&ops);
        self.check_accounts(&ops);
        self.check_events();
        self.check_that_much_happened(ops.len())
    }

    /// What was told as stored is there, what was told as refused is not, and nothing else is.
    fn check_told(&self, ops: &[Applied]) {
        let keys: BTreeSet<&str> = ops.iter().map(|op| op.key.as_str()).collect();
        assert_eq!(keys.len(), ops.len(), "no op is applied twice");
        let told = self.told;
        for key in &told.stored {
            assert!(keys.contains(key.as_str()), "stored and lost: {key}");
        }
        for key in told.refused.keys() {
            assert!(!keys.contains(key.as_str()), "refused and applied: {key}");
        }
        let of_test = |key: &str| key.ends_with("/before") || key.ends_with("/after");
        for key in keys {
            assert!(
                told.tried.contains(key) || of_test(key),
                "from nowhere: {key}"
            );
        }
    }

    /// Every op of a child is on the account of a claim of its own of that cycle, and every op of an
    /// account is in the log.
    fn check_accounts(&self, ops: &[Applied]) {
        let mut counts: BTreeMap<(String, String, u64), u64> = BTreeMap::new();
        for op in ops.iter().filter(|op| op.by.starts_with('c')) {
            let cycle = op.value["cycle"].as_u64().expect("a child says its cycle");
            let scope = scope_of(&op.key).expect("a child works in a scope");
            *counts.entry((op.by.clone(), scope, cycle)).or_default() += 1;
        }
        for it in &self.delegations {
            let child = it.claim.as_ref().map(|claim| claim.child.id().to_owned());
            let scope = it.of.scope.as_str().to_owned();
            let account = child.map(|child| (child, scope, it.of.cycle.get()));
            let count = account.and_then(|it| counts.remove(&it)).unwrap_or(0);
            assert_eq!((it.ops.enqueued, it.ops.settled), (count, count), "{it:?}");
        }
        assert_eq!(counts, BTreeMap::new(), "ops without a claim");
    }

    /// Else the test shows nothing.
    fn check_that_much_happened(&self, applied: usize) -> String {
        let refused = |why: &str| self.told.refused.values().filter(|it| it.1 == why).count();
        let (stale, held) = (refused("StaleClaim"), refused("ScopeHeld"));
        let superseded = self.events.iter().filter(|it| {
            it.kind == LeaseEventKind::Ended(Ending::Superseded) && it.child.is_some()
        });
        let superseded = superseded.count();
        assert!(
            applied > 50 && stale > 5 && held > 5 && superseded > 0,
            "too little happened"
        );
        format!(
            "{} kills, {applied} ops applied; refused: {stale} stale, {held} held; {superseded} \
             claims superseded",
            self.told.kills
        )
    }

    /// Each cycle's claim and each refusal that a session heard of has its event.
    fn check_events(&self) {
        let kinds = |kind: &str| {
            self.events
                .iter()
                .filter(|it| it.kind.name() == kind)
                .count()
        };
        assert_eq!(kinds("delegated"), self.delegations.len());
        let claimed = self.delegations.iter().filter(|it| it.claim.is_some());
        assert_eq!(kinds("claimed"), claimed.clone().count());
        for it in claimed {
            let claim = it.claim.as_ref().expect("it has one");
            let event = self.events.iter().find(|event| event.id == claim.id);
            let event = event.unwrap_or_else(|| panic!("no event of {it:?}"));
            assert_eq!(
                (&event.of, event.session.as_ref()),
                (&it.of, Some(&claim.child))
            );
        }
        let over = self.delegations.iter().filter(|it| it.ended.is_some());
        let names = ["released", "revoked", "superseded", "session-gone"];
        let ends: usize = names.into_iter().map(kinds).sum();
        assert_eq!(ends, over.count(), "each end is told once");
        let refused: BTreeMap<&str, &LeaseEvent> = self
            .events
            .iter()
            .filter_map(|it| Some((it.key.as_deref()?, it)))
            .collect();
        for (key, (by, why)) in &self.told.refused {
            let event = refused.get(key.as_str());
            let event = event.unwrap_or_else(|| panic!("no event of {key}, refused as {why}"));
            let session = event.session.as_ref().map(|it| it.id());
            assert_eq!(session, Some(by.as_str()));
            let kind = format!("{:?}", event.kind);
            assert_eq!(&kind, why);
        }
    }
}

/// No op of a child after the next cycle was delegated, and none of the parent while a claim lives.
fn check_order(ops: &[Applied]) {
    let mut scopes: BTreeMap<String, Standing> = BTreeMap::new();
    // At the end the parents said that all are gone, without a mark.
    for op in ops.iter().filter(|op| !op.key.ends_with("/after")) {
        let mark = op.value["mark"].as_str();
        let cycle = op.value["cycle"].as_u64().unwrap_or(0);
        if op.key.starts_with("mark/") {
            let scope = op.value["scope"].as_str().expect("a mark names its scope");
            let scope = scopes.entry(scope.to_owned()).or_default();
            // Before the parent ends a claim, and after; whatever came in between is not certain.
            scope.claimed = None;
            if mark == Some("began") {
                scope.cycle = scope.cycle.max(cycle);
            }
            continue;
        }
        let Some(standing) = scope_of(&op.key).map(|scope| scopes.entry(scope).or_default()) else {
            continue;
        };
        if op.by.starts_with('c') {
            assert!(cycle > 0, "{op:?} was let in without a claim");
            assert!(
                cycle >= standing.cycle,
                "{op:?} is of a stale claim: {standing:?}"
            );
            // A claim of a later cycle says that the earlier one is over.
            standing.claimed = standing.claimed.take().filter(|claim| claim.1 >= cycle);
            if let Some(mark) = mark {
                standing.claimed = (mark == "claimed").then(|| (op.by.clone(), cycle));
            }
        }
        if let Some(claim) = &standing.claimed {
            let by = (&op.by, op.by.starts_with('c').then_some(cycle));
            assert_eq!(by, (&claim.0, Some(claim.1)), "{op:?}: another holds it");
        }
    }
}

/// The delegated scope in which a key lies.
fn scope_of(key: &str) -> Option<String> {
    let mut segments = key.split('/');
    let (parent, name) = (segments.next()?, segments.next()?);
    parent.starts_with('p').then(|| format!("{parent}/{name}"))
}

fn applied(line: &str) -> Option<Applied> {
    let line: Value = serde_json::from_str(line).expect("one JSON value a line");
    if line["event"] != "op" {
        return None;
    }
    Some(Applied {
        key: line["key"].as_str().expect("a key").to_owned(),
        by: line["origin"]["id"].as_str().expect("a session").to_owned(),
        value: line["value"].clone(),
    })
}
