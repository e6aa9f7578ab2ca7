//! What a journal's entries say together: per share the newest epoch and the grants of that epoch that
//! were revoked, or that it was deleted; and which grants of the factory were revoked. Nothing else
//! is kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use share_engine::{Ends, GrantRevoked, ShareDeleted};
use share_model::{Epoch, GrantId, HistoryId, Origin, ShareId, UnixMs};

use super::entry::{Bump, Entry, JournalId, Mark};
use super::error::JournalError;

/// Histories whose marks are kept: a folder of an older one shows as unknown.
const HISTORIES_MAX: usize = 64;
/// Shares that a mark may name as open; if there are more, no mark is made.
pub(super) const OPEN_MAX: usize = 4096;

/// What a journal knows of one share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The newest bump.
    pub(crate) bump: Option<Bump>,
    /// Revoked grants of the newest epoch that the journal knows of.
    pub(crate) revoked: BTreeMap<GrantId, (Epoch, Origin, UnixMs)>,
    /// Whether the share was deleted, by whom and when. Nothing else is known of it then.
    pub(crate) deleted: Option<(Origin, UnixMs)>,
}

impl Ended {
    /// What a state may lack.
    pub(crate) fn ends(&self) -> Ends {
        let revoked = self
            .revoked
            .iter()
            .map(|(grant, (epoch, origin, _))| GrantRevoked {
                grant: *grant,
                epoch: *epoch,
                by: None,
                origin: origin.clone(),
            });
        Ends {
            bump: self.bump.clone().map(Bump::into_bumped),
            revoked: revoked.collect(),
            deleted: self.deleted.as_ref().map(|(origin, _)| ShareDeleted {
                by: None,
                origin: origin.clone(),
            }),
        }
    }

    /// The epoch of which revocations count.
    fn newest_epoch(&self) -> Epoch {
        self.bump.as_ref().map_or(Epoch::ZERO, |bump| bump.epoch)
    }
}

/// What a journal knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    id: JournalId,
    replaces: Option<JournalId>,
    begun_at: UnixMs,
    shares: BTreeMap<ShareId, Ended>,
    /// Grants of the factory that were revoked, and when.
    factory_revoked: BTreeMap<GrantId, UnixMs>,
    /// Shares whose last entry may not be in the store, or whose content is not erased.
    open: BTreeSet<ShareId>,
    /// The last mark of each history that the store has had, the newest last.
    marks: VecDeque<Mark>,
}

impl Contents {
    /// Of a journal that begins.
    pub(super) fn begun(id: JournalId, replaces: Option<JournalId>, begun_at: UnixMs) -> Self {
        Self {
            id,
            replaces,
            begun_at,
            shares: BTreeMap::new(),
            factory_revoked: BTreeMap::new(),
            open: BTreeSet::new(),
            marks: VecDeque::new(),
        }
    }

    /// What the entries of a file say.
    pub(super) fn of(path: &Path, entries: Vec<Entry>) -> Result<Self, JournalError> {
        let mut entries = entries.into_iter();
        let Some(Entry::Begun {
            journal,
            replaces,
            at,
        }) = entries.next()
        else {
            return Err(JournalError::Damaged {
                path: path.to_owned(),
                at: 0,
            });
        };
        let mut contents = Self::begun(journal, replaces, at);
        entries.for_each(|entry| contents.take(entry));
        Ok(contents)
    }

    /// Adds an entry.
    pub(crate) fn take(&mut self, entry: Entry) {
        match entry {
            // A journal is begun once.
            Entry::Begun { .. } => {}
            Entry::Bumped(bump) => self.take_bump(bump),
            Entry::Revoked {
                share,
                epoch,
                grant,
                origin,
                at,
            } => {
                let ended = self.shares.entry(share).or_default();
                if epoch >= ended.newest_epoch() && ended.deleted.is_none() {
                    ended.revoked.insert(grant, (epoch, origin, at));
                    self.open.insert(share);
                }
            }
            Entry::Deleted { share, origin, at } => {
                // A deleted share lets nobody in, whatever else has ended.
                let deleted = Ended {
                    deleted: Some((origin, at)),
                    ..Ended::default()
                };
                self.shares.insert(share, deleted);
                self.open.insert(share);
            }
            Entry::FactoryRevoked { grant, at } => {
                self.factory_revoked.entry(grant).or_insert(at);
            }
            Entry::Marked(mut mark) => {
                self.open = mark.open.drain(..).collect();
                self.marks.retain(|old| old.history != mark.history);
                self.marks.push_back(mark);
                if self.marks.len() > HISTORIES_MAX {
                    self.marks.pop_front();
                }
            }
        }
    }

    /// Of one epoch the last bump counts: one before it was never committed, or its epoch would have
    /// been passed.
    fn take_bump(&mut self, bump: Bump) {
        let share = bump.share;
        let ended = self.shares.entry(share).or_default();
        if bump.epoch < ended.newest_epoch() || ended.deleted.is_some() {
            return;
        }
        ended.revoked.retain(|_, (epoch, ..)| *epoch >= bump.epoch);
        ended.bump = Some(bump);
        self.open.insert(share);
    }

    /// The entries of a file that says this and nothing more.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::Begun {
            journal: self.id,
            replaces: self.replaces,
            at: self.begun_at,
        }];
        for (share, ended) in &self.shares {
            entries.extend(ended.bump.clone().map(Entry::Bumped));
            entries.extend(ended.revoked.iter().map(|(grant, revoked)| {
                let (epoch, origin, at) = revoked.clone();
                Entry::Revoked {
                    share: *share,
                    epoch,
                    grant: *grant,
                    origin,
                    at,
                }
            }));
            entries.extend(ended.deleted.clone().map(|(origin, at)| Entry::Deleted {
                share: *share,
                origin,
                at,
            }));
        }
        let factory = self.factory_revoked.iter();
        entries.extend(factory.map(|(grant, at)| Entry::FactoryRevoked {
            grant: *grant,
            at: *at,
        }));
        let mut marks = self.marks.clone();
        if let Some(newest) = marks.back_mut() {
            newest.open = self.open.iter().copied().collect();
        }
        entries.extend(marks.into_iter().map(Entry::Marked));
        entries
    }

    /// The journal's name.
    pub(crate) fn id(&self) -> JournalId {
        self.id
    }

    /// The journal whose place it takes.
    pub(crate) fn replaces(&self) -> Option<JournalId> {
        self.replaces
    }

    /// What is known of each share.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (ShareId, &Ended)> {
        self.shares.iter().map(|(share, ended)| (*share, ended))
    }

    /// What is known of a share.
    pub(crate) fn share(&self, share: ShareId) -> Option<&Ended> {
        self.shares.get(&share)
    }

    /// The grants of the factory that were revoked, and when.
    pub(crate) fn factory_revoked(&self) -> &BTreeMap<GrantId, UnixMs> {
        &self.factory_revoked
    }

    /// The shares whose last entry may not be in the store, or whose content is not erased.
    pub(crate) fn open(&self) -> &BTreeSet<ShareId> {
        &self.open
    }

    /// The share's last entry is in the store, durably.
    pub(crate) fn close(&mut self, share: ShareId) {
        self.open.remove(&share);
    }

    /// Everything of the journal is in the store, durably.
    pub(crate) fn close_all(&mut self) {
        self.open.clear();
    }

    /// The last mark of a history; whether the store has had another one since.
    pub(crate) fn mark(&self, history: HistoryId) -> Option<(&Mark, bool)> {
        let mark = self.marks.iter().find(|mark| mark.history == history)?;
        let newest = self.marks.back()?;
        let is_past = newest.history != history;
        Some((mark, is_past))
    }

    /// Whether the journal has what this entry says, or more.
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        let known = |share| self.share(share);
        match entry {
            Entry::Bumped(bump) => self.has_bump(bump),
            Entry::Revoked {
                share,
                epoch,
                grant,
                ..
            } => known(*share).is_some_and(|ended| {
                let revoked = ended.revoked.get(grant);
                ended.deleted.is_some() || revoked.is_some_and(|(known, ..)| known >= epoch)
            }),
            Entry::Deleted { share, .. } => {
                known(*share).is_some_and(|ended| ended.deleted.is_some())
            }
            Entry::FactoryRevoked { grant, .. } => self.factory_revoked.contains_key(grant),
            Entry::Begun { .. } | Entry::Marked(_) => false,
        }
    }

    /// Whether the journal has this bump as the share's newest.
    fn has_bump(&self, bump: &Bump) -> bool {
        let newest = self.share(bump.share).and_then(|ended| ended.bump.as_ref());
        newest.is_some_and(|newest| {
            (newest.epoch, newest.request, newest.owner) == (bump.epoch, bump.request, bump.owner)
                && newest.owner_secret_hash == bump.owner_secret_hash
        })
    }
}
