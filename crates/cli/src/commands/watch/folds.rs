//! What a person has folded and unfolded.

use std::collections::HashMap;

use super::place::Place;

/// Which items are folded: as they are by themselves, until somebody says otherwise.
#[derive(Debug, Default)]
pub(super) struct Folds {
    /// Of all, since that was said last.
    all: Option<bool>,
    /// Of one, said after that; no more than were folded by hand.
    one: HashMap<Place, bool>,
}

impl Folds {
    /// Whether the item is folded, from whether it is by itself.
    pub(super) fn is_folded(&self, place: &Place, by_itself: bool) -> bool {
        let said = self.one.get(place).copied().or(self.all);
        said.unwrap_or(by_itself)
    }

    pub(super) fn fold(&mut self, place: &Place, is_folded: bool) {
        self.one.insert(place.clone(), is_folded);
    }

    pub(super) fn fold_all(&mut self, is_folded: bool) {
        self.all = Some(is_folded);
        self.one.clear();
    }
}
