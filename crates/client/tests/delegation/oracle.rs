//! The rules of delegation, written down in the most obvious way: every cycle that ever was, in a
//! list, and each question asked of all of it. Shares no code with what it checks.

/// A cycle that was delegated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) scope: &'static str,
    pub(crate) parent: &'static str,
    pub(crate) number: u64,
    pub(crate) child: Option<&'static str>,
    /// How it ended.
    pub(crate) over: Option<&'static str>,
    pub(crate) ops: u64,
    under: Option<usize>,
    idle_ms: Option<u64>,
    expires_at: Option<u64>,
}

impl Cycle {
    fn lives(&self) -> bool {
        self.over.is_none()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) cycles: Vec<Cycle>,
    pub(crate) now: u64,
}

/// "a" holds "a" and "a/b", not "ab".
fn covers(scope: &str, key: &str) -> bool {
    let mut segments = key.split('/');
    scope.is_empty() || scope.split('/').all(|it| segments.next() == Some(it))
}

impl Oracle {
    fn end(&mut self, at: usize, how: &'static str) {
        if !self.cycles[at].lives() {
            return;
        }
        self.cycles[at].over = Some(how);
        for below in 0..self.cycles.len() {
            if self.cycles[below].under == Some(at) {
                self.end(below, "with-its-parent");
            }
        }
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now += ms;
        for at in 0..self.cycles.len() {
            if self.cycles[at].expires_at.is_some_and(|it| it <= self.now) {
                self.end(at, "expired");
            }
        }
    }

    fn living(&self) -> impl Iterator<Item = usize> {
        (0..self.cycles.len()).filter(|at| self.cycles[*at].lives())
    }

    fn holds(&self, session: &str, key: &str) -> Option<usize> {
        let held = self
            .living()
            .filter(|at| self.cycles[*at].child == Some(session));
        held.filter(|at| covers(self.cycles[*at].scope, key))
            .max_by_key(|at| (self.cycles[*at].scope.len(), *at))
    }

    fn has_claimed(&self, session: &str) -> bool {
        self.cycles.iter().any(|it| it.child == Some(session))
    }

    /// On whose account, or why not.
    pub(crate) fn may(&self, session: &str, key: &str) -> Result<Option<usize>, &'static str> {
        let covering = || {
            self.living()
                .filter(|at| covers(self.cycles[*at].scope, key))
        };
        let claimed = |at: &usize| self.cycles[*at].child.is_some();
        if covering().any(|at| self.cycles[at].parent == session && claimed(&at)) {
            return Err("held");
        }
        if let Some(at) = self.holds(session, key) {
            return Ok(Some(at));
        }
        if self.has_claimed(session) {
            let mine = || self.cycles.iter().filter(|it| it.child == Some(session));
            let had = mine().any(|it| !it.lives() && covers(it.scope, key));
            let has = mine().any(Cycle::lives);
            return Err(if !had && has { "outside" } else { "stale" });
        }
        if self.cycles.iter().any(|it| it.parent == session) || covering().next().is_none() {
            return Ok(None);
        }
        Err(if covering().any(|at| claimed(&at)) {
            "held"
        } else {
            "not claimed"
        })
    }

    pub(crate) fn enqueue(&mut self, session: &str, keys: &[&str]) -> Result<(), &'static str> {
        let accounts: Vec<_> = keys
            .iter()
            .map(|key| self.may(session, key))
            .collect::<Result<_, _>>()?;
        let now = self.now;
        for at in accounts.into_iter().flatten() {
            let cycle = &mut self.cycles[at];
            cycle.ops += 1;
            cycle.expires_at = cycle.idle_ms.map(|ms| now + ms);
        }
        Ok(())
    }

    pub(crate) fn delegate(
        &mut self,
        parent: &'static str,
        scope: &'static str,
        (number, idle_ms): (Option<u64>, Option<u64>),
    ) -> Result<(), &'static str> {
        let same = |it: &Cycle| it.parent == parent && it.scope == scope;
        let newest = (0..self.cycles.len()).rfind(|at| same(&self.cycles[*at]));
        let current = newest.map_or(0, |at| self.cycles[at].number);
        let number = number.unwrap_or(current + 1);
        if let Some(at) = newest.filter(|_| number == current) {
            return if self.cycles[at].lives() {
                Ok(())
            } else {
                Err("over")
            };
        }
        if number <= current {
            return Err("behind");
        }
        let under = self.holds(parent, scope);
        if under.is_none() && self.has_claimed(parent) {
            return Err("not held");
        }
        let overlaps = |it: &Cycle| covers(it.scope, scope) || covers(scope, it.scope);
        let clash = self.living().any(|at| {
            let it = &self.cycles[at];
            it.parent == parent && it.scope != scope && overlaps(it)
        });
        if clash {
            return Err("overlaps");
        }
        if let Some(at) = newest {
            self.end(at, "superseded");
        }
        self.cycles.push(Cycle {
            scope,
            parent,
            number,
            child: None,
            over: None,
            ops: 0,
            under,
            idle_ms,
            expires_at: None,
        });
        Ok(())
    }

    fn comes_from(&self, at: usize, session: &str) -> bool {
        let it = &self.cycles[at];
        it.parent == session || it.under.is_some_and(|at| self.comes_from(at, session))
    }

    pub(crate) fn claim(
        &mut self,
        child: &'static str,
        scope: &str,
        parent: Option<&str>,
    ) -> Result<(), &'static str> {
        let is_meant =
            |it: &Cycle| it.scope == scope && parent.is_none_or(|parent| it.parent == parent);
        let meant: Vec<usize> = self
            .living()
            .filter(|at| is_meant(&self.cycles[*at]))
            .collect();
        let expires_at = |it: &Cycle, now: u64| it.idle_ms.map(|ms| now + ms);
        let now = self.now;
        if let Some(at) = meant
            .iter()
            .find(|at| self.cycles[**at].child == Some(child))
        {
            self.cycles[*at].expires_at = expires_at(&self.cycles[*at], now);
            return Ok(());
        }
        let others: Vec<usize> = meant
            .iter()
            .copied()
            .filter(|at| !self.comes_from(*at, child))
            .collect();
        let free: Vec<usize> = others
            .iter()
            .copied()
            .filter(|at| self.cycles[*at].child.is_none())
            .collect();
        match (free.as_slice(), others.len(), meant.len()) {
            ([at], ..) => {
                self.cycles[*at].child = Some(child);
                self.cycles[*at].expires_at = expires_at(&self.cycles[*at], now);
                Ok(())
            }
            ([_, ..], ..) => Err("several"),
            ([], 0, 1..) => Err("own"),
            ([], 1.., _) => Err("taken"),
            ([], 0, 0) if self.cycles.iter().any(is_meant) => Err("over"),
            ([], 0, 0) => Err("not delegated"),
        }
    }

    pub(crate) fn release(&mut self, child: &str, scope: &str) -> Result<(), &'static str> {
        let is_it = |it: &Cycle| it.child == Some(child) && it.scope == scope;
        self.end_all(is_it, "released").ok_or("never claimed")
    }

    pub(crate) fn revoke(&mut self, parent: &str, scope: &str) -> Result<(), &'static str> {
        let is_it = |it: &Cycle| it.parent == parent && it.scope == scope;
        self.end_all(is_it, "revoked").ok_or("never delegated")
    }

    pub(crate) fn gone(&mut self, parent: &str, gone: &[&str]) {
        let is_it =
            |it: &Cycle| it.parent == parent && it.child.is_some_and(|child| gone.contains(&child));
        self.end_all(is_it, "session-gone");
    }

    fn end_all(&mut self, is_it: impl Fn(&Cycle) -> bool, how: &'static str) -> Option<()> {
        let them: Vec<usize> = (0..self.cycles.len())
            .filter(|at| is_it(&self.cycles[*at]))
            .collect();
        for at in &them {
            self.end(*at, how);
        }
        (!them.is_empty()).then_some(())
    }
}
