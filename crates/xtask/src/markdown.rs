//! What the checks ask of a Markdown document: its fenced blocks, links and code spans.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};

/// A fenced block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The first word after the fence.
    pub(crate) language: String,
    /// The line of its first line of text, counted from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The parts of a document that checks look at; each beside the line on which it begins.
#[derive(Debug, Default)]
pub(crate) struct Markdown {
    pub(crate) blocks: Vec<Block>,
    /// Targets of links and images.
    pub(crate) links: Vec<(usize, String)>,
    /// Texts in backticks.
    pub(crate) codes: Vec<(usize, String)>,
}

impl Markdown {
    /// Reads a document.
    pub(crate) fn parse(text: &str) -> Markdown {
        let line_at = |offset: usize| text[..offset].matches('\n').count() + 1;
        let mut markdown = Markdown::default();
        let mut open: Option<Block> = None;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            let line = line_at(range.start);
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let language = info
                        .split_whitespace()
                        .next()
                        .unwrap_or_default()
                        .to_owned();
                    open = Some(Block {
                        language,
                        line: line + 1,
                        text: String::new(),
                    });
                }
                Event::Text(part) => {
                    if let Some(block) = &mut open {
                        block.text.push_str(&part);
                    }
                }
                Event::End(pulldown_cmark::TagEnd::CodeBlock) => {
                    markdown.blocks.extend(open.take());
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    markdown.links.push((line, dest_url.into_string()));
                }
                Event::Code(code) => markdown.codes.push((line, code.into_string())),
                _ => {}
            }
        }
        markdown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_links_and_codes_are_found_with_their_lines() {
        let text = "# T\n\nSee [a](docs/a.md) and `crates/x`.\n\n```console\n$ cargo test\nok\n```\n\n\
                    | t |\n| - |\n| `docs/b.md` |\n";
        let markdown = Markdown::parse(text);
        assert_eq!(markdown.links, [(3, "docs/a.md".to_owned())]);
        let codes = [(3, "crates/x".to_owned()), (12, "docs/b.md".to_owned())];
        assert_eq!(markdown.codes, codes);
        let block = Block {
            language: "console".to_owned(),
            line: 6,
            text: "$ cargo test\nok\n".to_owned(),
        };
        assert_eq!(markdown.blocks, [block]);
    }
}
