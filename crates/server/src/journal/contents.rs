//! What a journal's entries say together: per share the newest epoch, the grants of that epoch that
//! were revoked, and whether it was deleted. Nothing else is kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

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
    /// Whether the share was deleted, by whom and when.
    pub(crate) deleted: Option<(Origin, UnixMs)>,
}

/// What a journal knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    id: JournalId,
    replaces: Option<JournalId>,
    begun_at: UnixMs,
    shares: BTreeMap<ShareId, Ended>,
    /// Shares whose last entry may not be in the store.
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
                let newest = ended.bump.as_ref().map_or(Epoch::ZERO, |bump| bump.epoch);
                if epoch >= newest {
                    ended.revoked.insert(grant, (epoch, origin, at));
                    self.open.insert(share);
                }
            }
            Entry::Deleted { share, origin, at } => {
                self.shares.entry(share).or_default().deleted = Some((origin, at));
                self.open.insert(share);
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
        let newest = ended.bump.as_ref().map_or(Epoch::ZERO, |bump| bump.epoch);
        if bump.epoch < newest {
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

    /// The shares whose last entry may not be in the store.
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

    /// Whether the journal has this bump as the share's newest.
    pub(crate) fn has(&self, bump: &Bump) -> bool {
        let newest = self.share(bump.share).and_then(|ended| ended.bump.as_ref());
        newest.is_some_and(|newest| {
            (newest.epoch, newest.request, newest.owner) == (bump.epoch, bump.request, bump.owner)
                && newest.owner_secret_hash == bump.owner_secret_hash
        })
    }
}
