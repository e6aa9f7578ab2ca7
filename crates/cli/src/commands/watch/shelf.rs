//! Items that are laid out, kept while they are as they were.

use std::collections::HashMap;
use std::rc::Rc;

use super::lay::Laid;
use super::place::Place;

/// What was laid out for one width.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    laid: HashMap<Place, Rc<Laid>>,
    lines: usize,
}

impl Shelf {
    pub(super) fn get(&self, place: &Place) -> Option<Rc<Laid>> {
        self.laid.get(place).cloned()
    }

    /// Keeps an item; where the lines would be more than `lines_max`, nothing else.
    pub(super) fn put(&mut self, place: &Place, laid: Laid, lines_max: usize) -> Rc<Laid> {
        let lines = laid.lines.len();
        if self.lines + lines > lines_max {
            self.clear();
        }
        let laid = Rc::new(laid);
        self.remove(place);
        self.lines += lines;
        self.laid.insert(place.clone(), Rc::clone(&laid));
        laid
    }

    pub(super) fn remove(&mut self, place: &Place) {
        if let Some(old) = self.laid.remove(place) {
            self.lines -= old.lines.len();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.laid.len()
    }

    pub(super) fn clear(&mut self) {
        self.laid.clear();
        self.lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use ratatui::text::Line;

    use super::*;

    fn laid(lines: usize) -> Laid {
        Laid {
            lines: vec![Line::default(); lines],
            head: None,
        }
    }

    #[test]
    fn lines_up_to_the_limit_are_kept_and_with_one_more_only_the_newest() {
        let place = |id| Place::message(1, id);
        let mut shelf = Shelf::default();
        shelf.put(&place("a"), laid(3), 5);
        shelf.put(&place("b"), laid(2), 5);
        assert!(shelf.get(&place("a")).is_some());
        // What is laid out anew counts once.
        shelf.remove(&place("b"));
        shelf.put(&place("b"), laid(2), 5);
        assert!(shelf.get(&place("a")).is_some());
        shelf.put(&place("c"), laid(1), 5);
        assert!(shelf.get(&place("a")).is_none());
        assert_eq!(shelf.lines, 1);
    }
}
