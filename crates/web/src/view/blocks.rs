//! Markdown that grows: what stands before the last blocks is not rendered again.
//!
//! Markdown is read line by line. Once a line is complete that begins a top-level block, all blocks
//! before it are closed, and nothing that follows changes them, with two exceptions. A link reference
//! definition holds for the whole text, so a text with one is rendered wholly. And the line after may
//! still split the block (the head of a table is the last line of a paragraph, until it is known), so
//! one more block is rendered again.

use std::borrow::Cow;

use super::markdown::{Block, Style, code_id, parse};
use super::patch::Patch;
use super::text::{common, unescaped, utf16_units};

/// A text and its blocks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    source: String,
    blocks: Vec<Block>,
    /// Bytes of their elements.
    bytes: usize,
    has_definitions: bool,
}

impl Blocks {
    pub(super) fn new(source: &str, style: Style<'_>) -> Self {
        let source = with_plain_lines(source).into_owned();
        let parsed = parse(&source, style, 0);
        Self {
            source,
            bytes: bytes(&parsed.blocks),
            blocks: parsed.blocks,
            has_definitions: parsed.has_definitions,
        }
    }

    /// The elements, one after the other.
    pub(super) fn push_html(&self, html: &mut String) {
        html.extend(self.blocks.iter().map(|block| block.html.as_str()));
    }

    /// Bytes of the elements.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that they take.
    pub(super) fn held_bytes(&self) -> usize {
        self.source.capacity() + self.bytes + self.blocks.capacity() * size_of::<Block>()
    }

    /// The text becomes `source`; returns what changes on the page.
    pub(super) fn change(&mut self, source: &str, style: Style<'_>) -> Option<Patch> {
        let source = with_plain_lines(source);
        let mut kept = self.kept(&source);
        // What stands before the first block may be a definition.
        let mut start = match kept {
            0 => 0,
            kept => self.blocks.get(kept).map_or(0, |block| block.start),
        };
        let mut parsed = parse(&source[start..], style, kept);
        if parsed.has_definitions != self.has_definitions && kept > 0 {
            (kept, start) = (0, 0);
            parsed = parse(&source, style, 0);
        }
        for block in &mut parsed.blocks {
            block.start += start;
        }
        let old = self.blocks.split_off(kept);
        let patch = patch(&old, &parsed.blocks, style.name, kept);
        self.bytes = self.bytes - bytes(&old) + bytes(&parsed.blocks);
        self.blocks.append(&mut parsed.blocks);
        self.has_definitions = parsed.has_definitions;
        self.source.truncate(start);
        self.source.push_str(&source[start..]);
        patch
    }

    /// How many blocks stay as they are, whatever follows what `source` has in common with the text
    /// so far.
    fn kept(&self, source: &str) -> usize {
        if self.has_definitions {
            return 0;
        }
        let same = match source.starts_with(&self.source) {
            true => self.source.len(),
            false => {
                let both = source.bytes().zip(self.source.bytes());
                both.take_while(|(new, old)| new == old).count()
            }
        };
        // The newest one whose first line is complete.
        let is_begun = |block: &Block| {
            let line = &self.source.as_bytes()[block.start.min(same)..same];
            line.contains(&b'\n')
        };
        let newest = self.blocks.iter().rposition(is_begun);
        newest.map_or(0, |index| index.saturating_sub(1))
    }
}

/// What changes if of a part's children those from `kept` on become others.
fn patch(old: &[Block], new: &[Block], name: &str, kept: usize) -> Option<Patch> {
    let both = old.iter().zip(new);
    let same = both.take_while(|(old, new)| old.html == new.html).count();
    let from = kept + same;
    match (&old[same..], &new[same..]) {
        ([], []) => None,
        ([old], [new]) if old.is_same_but_text(new) => {
            let (old, new) = (old.code()?, new.code()?);
            Some(text(code_id(name, from), old, new))
        }
        (_, new) => Some(Patch::Blocks {
            blocks: format!("p-{name}"),
            from,
            html: new.iter().map(|block| block.html.clone()).collect(),
        }),
    }
}

/// That an element's text becomes another; both are escaped.
pub(super) fn text(id: String, old: &str, new: &str) -> Patch {
    let same = common(old, new);
    Patch::Text {
        text: id,
        from: utf16_units(&new[..same]),
        add: unescaped(&new[same..]),
    }
}

/// Bytes of the elements.
fn bytes(blocks: &[Block]) -> usize {
    blocks.iter().map(|block| block.html.len()).sum()
}

/// Lines that end in line feeds.
fn with_plain_lines(source: &str) -> Cow<'_, str> {
    match source.contains('\r') {
        true => Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(source),
    }
}
