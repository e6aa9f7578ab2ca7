//! When authority ended, and where the share stood then.

use share_model::{Cursor, Epoch, GrantId, ShareId};

use crate::check::index::{ActKind, Index};
use crate::history::Authority;

/// Every end of authority that is known.
#[derive(Debug)]
pub(super) struct Ends {
    ends: Vec<End>,
}

#[derive(Debug)]
struct End {
    /// The event after which it holds.
    number: usize,
    what: Ended,
}

#[derive(Debug)]
enum Ended {
    /// By an act that was acked.
    Acted(ShareId, Authority),
    /// Every grant that was made before, on every share.
    All,
}

impl Ends {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let acts = index.acts.iter().filter_map(|act| match act.kind {
            ActKind::End(authority) => Some(End {
                number: act.acked?,
                what: Ended::Acted(act.share, authority),
            }),
            ActKind::Freeze(_) | ActKind::Delete => None,
        });
        let lost = index.restores.iter().filter(|it| it.journal_lost);
        let lost = lost.map(|restore| End {
            number: restore.number,
            what: Ended::All,
        });
        let mut ends: Vec<_> = acts.chain(lost).collect();
        ends.sort_by_key(|end| end.number);
        Self { ends }
    }

    /// The events after which a grant's authority had ended, the first one first.
    pub(super) fn of_grant<'e>(
        &'e self,
        index: &'e Index<'_>,
        share: ShareId,
        grant: (GrantId, Epoch),
    ) -> impl Iterator<Item = usize> + 'e {
        let ends = self.ends.iter();
        ends.filter(move |end| end.covers(index, share, grant))
            .map(|end| end.number)
    }

    /// Up to which cursor of a timeline something can have been applied under a grant, if it ended:
    /// with the event that ended it, and the one that told the cursor.
    pub(super) fn cap(
        &self,
        index: &Index<'_>,
        (share, timeline): (ShareId, usize),
        grant: (GrantId, Epoch),
    ) -> Option<(Cursor, usize, usize)> {
        let caps = self.of_grant(index, share, grant).filter_map(|end| {
            let read = index.first_read(share, end, timeline)?;
            Some((read.cursor, end, read.number))
        });
        caps.min()
    }
}

impl End {
    fn covers(&self, index: &Index<'_>, share: ShareId, (grant, epoch): (GrantId, Epoch)) -> bool {
        let known = index.grants.get(&grant);
        match self.what {
            Ended::All => known.is_some_and(|grant| grant.number < self.number),
            Ended::Acted(on, _) if on != share => false,
            Ended::Acted(_, Authority::Before(first)) => {
                known.map_or(epoch, |grant| grant.epoch) < first
            }
            Ended::Acted(_, Authority::Grant(ended)) => is_below(index, grant, ended),
        }
    }
}

/// Whether a grant is another one, or was made below it.
fn is_below(index: &Index<'_>, grant: GrantId, other: GrantId) -> bool {
    let mut above = Some(grant);
    // A history that has a grant below itself must not hold the checker up.
    for _ in 0..=index.grants.len() {
        match above {
            Some(grant) if grant == other => return true,
            Some(grant) => above = index.grants.get(&grant).and_then(|grant| grant.parent),
            None => return false,
        }
    }
    false
}
