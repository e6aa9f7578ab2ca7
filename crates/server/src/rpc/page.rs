//! Part of a document, as snapshots and resets carry it.

use share_model::Document;
use share_proto::share_capnp::document_entry;
use share_proto::wire::{self, DocumentEntry};

/// Entries of a document, and whether none follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) entries: Vec<DocumentEntry>,
    pub(super) done: bool,
}

impl Page {
    /// The entries after `after`: at least one if there is one, and then as many as `bytes_max`
    /// bytes have room for.
    pub(super) fn of(document: &Document, after: &str, bytes_max: u64) -> Self {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (key, value) in document.iter_after(after) {
            let json = value.json().into_owned();
            bytes += (key.len() + json.len()) as u64;
            if bytes > bytes_max && !entries.is_empty() {
                return Self {
                    entries,
                    done: false,
                };
            }
            let key = key.to_owned();
            entries.push(DocumentEntry { key, json });
        }
        Self {
            entries,
            done: true,
        }
    }

    /// How many entries a message's list needs.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("a page has far fewer entries than bytes")
    }

    /// Fills a list of [`Page::len`] entries.
    pub(super) fn write(&self, mut list: capnp::struct_list::Builder<'_, document_entry::Owned>) {
        for (at, entry) in (0..).zip(&self.entries) {
            wire::write_document_entry(&entry.key, &entry.json, list.reborrow().get(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Limits, Mutation};

    use super::*;

    fn document() -> Document {
        let mut document = Document::default();
        for (key, json) in [("a", "[1, 2]"), ("b", "\"bb\""), ("c", "3")] {
            let put = Mutation::Put {
                key: key.into(),
                json: json.into(),
            };
            document.apply(&put, &Limits::DEFAULT).unwrap();
        }
        document
    }

    fn keys(page: &Page) -> Vec<&str> {
        page.entries.iter().map(|entry| &*entry.key).collect()
    }

    #[test]
    fn pages_have_at_least_one_entry_and_cover_the_document() {
        let document = document();
        let first = Page::of(&document, "", 0);
        assert_eq!((keys(&first), first.done), (vec!["a"], false));
        assert_eq!(first.entries[0].json, "[1, 2]", "as it was sent");
        // `a` with [1, 2] has 7 bytes, `b` with "bb" has 5.
        let two = Page::of(&document, "", 12);
        assert_eq!((keys(&two), two.done), (vec!["a", "b"], false));
        let rest = Page::of(&document, "a", 7);
        assert_eq!((keys(&rest), rest.done), (vec!["b", "c"], true));
        let none = Page::of(&document, "c", 7);
        assert_eq!((keys(&none), none.done), (vec![], true));
    }
}
