//! Markdown as markup, one top-level block after the other.
//!
//! Raw HTML is text, images are links, and links lead to `http`, `https` and `mailto` only.

use std::mem;

use pulldown_cmark::{
    Alignment, CodeBlockKind, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag,
};

use super::sanitise::sanitised;
use super::text::{push_attribute, push_plain, push_text};

/// Bytes of a code block's language that are kept.
const LANGUAGE_BYTES_MAX: usize = 32;

const BLOCK: &str = "<div class=\"block\" dir=\"auto\">";
const BLOCK_END: &str = "</div>";

/// What stands after the text of a block of code.
const CODE_END: &str = "</code></pre></div>";

/// A top-level block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where its first line begins.
    pub(super) start: usize,
    /// The element.
    pub(super) html: String,
    /// Of a block of code: where in `html` its text begins. It is the only text there.
    text_at: Option<usize>,
}

/// What stands in a text.
pub(super) struct Parsed {
    pub(super) blocks: Vec<Block>,
    /// Whether there are link reference definitions, which hold for the whole text.
    pub(super) has_definitions: bool,
}

/// How blocks are rendered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'a> {
    /// The part's name in ids.
    pub(super) name: &'a str,
    /// Elements within each other.
    pub(super) nesting_max: usize,
}

impl Style<'_> {
    /// The id of the element with the part's output.
    pub(super) fn output_id(self) -> String {
        format!("o-{}", self.name)
    }
}

/// The blocks of `source`, which is what follows the first `index` ones of a part.
pub(super) fn parse(source: &str, style: Style<'_>, index: usize) -> Parsed {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let parser = Parser::new_ext(source, options);
    let has_definitions = parser.reference_definitions().iter().next().is_some();
    let mut blocks: Vec<Block> = Vec::new();
    let mut writer = Writer::new(style.nesting_max);
    let mut start = 0;
    let mut code_text_at = None;
    for (event, range) in parser.into_offset_iter() {
        if writer.is_between_blocks() {
            start = line_start(source, range.start);
            writer.html.push_str(BLOCK);
            code_text_at = None;
            if let Event::Start(Tag::CodeBlock(kind)) = &event {
                let id = code_id(style.name, index + blocks.len());
                writer.code(kind, Some(&id));
                code_text_at = Some(writer.html.len());
                continue;
            }
        }
        match event {
            Event::Text(text) if code_text_at.is_some() => push_plain(&mut writer.html, &text),
            event => writer.event(event),
        }
        if writer.is_between_blocks() {
            writer.html.push_str(BLOCK_END);
            let html = mem::take(&mut writer.html);
            blocks.push(Block {
                start,
                // A block of code was written here, but for the text, which was escaped.
                html: match code_text_at {
                    Some(_) => html,
                    None => sanitised(&html),
                },
                text_at: code_text_at,
            });
        }
    }
    Parsed {
        blocks,
        has_definitions,
    }
}

/// The id of the text of a part's block of code.
pub(super) fn code_id(name: &str, index: usize) -> String {
    format!("c-{name}.{index}")
}

impl Block {
    /// The text of a block of code, escaped.
    pub(super) fn code(&self) -> Option<&str> {
        self.html[self.text_at?..].strip_suffix(CODE_END)
    }

    /// Whether it differs from `other` in nothing but the text of the code.
    pub(super) fn is_same_but_text(&self, other: &Self) -> bool {
        match (self.text_at, other.text_at) {
            (Some(at), Some(other_at)) => self.html[..at] == other.html[..other_at],
            _ => false,
        }
    }
}

/// Where the line begins in which `at` is.
fn line_start(source: &str, at: usize) -> usize {
    source[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Markup as it grows.
struct Writer {
    html: String,
    /// What ends each element that is open; empty for one that is shown without its shape.
    ends: Vec<&'static str>,
    /// How many of them have an end.
    shapes: usize,
    nesting_max: usize,
    /// Links within links are none.
    is_in_link: bool,
    alignments: Vec<Alignment>,
    /// The next cell's column.
    column: usize,
    is_in_head: bool,
}

const LINK_END: &str = "</a>";

impl Writer {
    fn new(nesting_max: usize) -> Self {
        Self {
            html: String::new(),
            ends: Vec::new(),
            shapes: 0,
            nesting_max,
            is_in_link: false,
            alignments: Vec::new(),
            column: 0,
            is_in_head: false,
        }
    }

    fn is_between_blocks(&self) -> bool {
        self.ends.is_empty()
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(_) => self.end(),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => push_text(&mut self.html, &text),
            Event::Code(text) => {
                self.html.push_str("<code>");
                push_text(&mut self.html, &text);
                self.html.push_str("</code>");
            }
            Event::SoftBreak => self.html.push('\n'),
            Event::HardBreak => self.html.push_str("<br>"),
            Event::Rule => self.html.push_str("<hr>"),
            Event::TaskListMarker(is_done) => {
                self.html.push_str(if is_done { "☑ " } else { "☐ " });
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => self.open("<p>", "</p>"),
            Tag::Heading { level, .. } => self.heading(level),
            Tag::BlockQuote(_) => self.open("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(kind) => self.code(&kind, None),
            Tag::HtmlBlock => self.open("<pre class=\"html\"><code>", "</code></pre>"),
            Tag::List(Some(first)) if first != 1 => {
                self.open(&format!("<ol start=\"{first}\">"), "</ol>");
            }
            Tag::List(Some(_)) => self.open("<ol>", "</ol>"),
            Tag::List(None) => self.open("<ul>", "</ul>"),
            Tag::Item => self.open_within("<li>", "</li>"),
            Tag::Table(alignments) => {
                self.alignments = alignments;
                self.open("<table>", "</tbody></table>");
            }
            Tag::TableHead => {
                (self.column, self.is_in_head) = (0, true);
                self.open_within("<thead><tr>", "</tr></thead><tbody>");
            }
            Tag::TableRow => {
                (self.column, self.is_in_head) = (0, false);
                self.open_within("<tr>", "</tr>");
            }
            Tag::TableCell => self.cell(),
            Tag::Emphasis => self.open("<em>", "</em>"),
            Tag::Strong => self.open("<strong>", "</strong>"),
            Tag::Strikethrough => self.open("<del>", "</del>"),
            Tag::Link {
                link_type,
                dest_url,
                ..
            } => self.link("", link_type, &dest_url),
            Tag::Image {
                link_type,
                dest_url,
                ..
            } => {
                self.link(" class=\"image\"", link_type, &dest_url);
                self.html.push_str("image: ");
            }
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => self.ends.push(""),
        }
    }

    /// An element, unless too many are open.
    fn open(&mut self, start: &str, end: &'static str) {
        match self.shapes < self.nesting_max {
            true => self.push(start, end),
            false => self.ends.push(""),
        }
    }

    /// An element that has a shape if what it stands in has one.
    fn open_within(&mut self, start: &str, end: &'static str) {
        match self.ends.last() {
            Some(&"") => self.ends.push(""),
            _ => self.push(start, end),
        }
    }

    fn push(&mut self, start: &str, end: &'static str) {
        self.html.push_str(start);
        self.ends.push(end);
        self.shapes += 1;
    }

    fn end(&mut self) {
        let end = self.ends.pop().unwrap_or_default();
        self.html.push_str(end);
        self.shapes -= usize::from(!end.is_empty());
        self.is_in_link &= end != LINK_END;
    }

    /// The page itself has the first two levels.
    fn heading(&mut self, level: HeadingLevel) {
        match level {
            HeadingLevel::H1 => self.open("<h3>", "</h3>"),
            HeadingLevel::H2 => self.open("<h4>", "</h4>"),
            HeadingLevel::H3 => self.open("<h5>", "</h5>"),
            HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => self.open("<h6>", "</h6>"),
        }
    }

    fn code(&mut self, kind: &CodeBlockKind<'_>, id: Option<&str>) {
        let language = match kind {
            CodeBlockKind::Fenced(info) => language(info),
            CodeBlockKind::Indented => "",
        };
        let mut start = String::from("<pre");
        if !language.is_empty() {
            start.extend([" data-language=\"", language, "\""]);
        }
        start.push_str("><code");
        if let Some(id) = id {
            start.extend([" id=\"", id, "\""]);
        }
        start.push('>');
        self.open(&start, "</code></pre>");
    }

    fn cell(&mut self) {
        let alignment = self.alignments.get(self.column).copied();
        self.column += 1;
        let class = match alignment.unwrap_or(Alignment::None) {
            Alignment::None => "",
            Alignment::Left => " class=\"left\"",
            Alignment::Center => " class=\"center\"",
            Alignment::Right => " class=\"right\"",
        };
        match self.is_in_head {
            true => self.open_within(&format!("<th{class}>"), "</th>"),
            false => self.open_within(&format!("<td{class}>"), "</td>"),
        }
    }

    fn link(&mut self, class: &str, link_type: LinkType, url: &CowStr<'_>) {
        let scheme = match link_type {
            LinkType::Email => "mailto:",
            _ => "",
        };
        if self.is_in_link || !(scheme == "mailto:" || is_followed(url)) {
            self.ends.push("");
            return;
        }
        let mut start = format!("<a{class} href=\"{scheme}");
        push_attribute(&mut start, url);
        start.push_str("\">");
        self.open(&start, LINK_END);
        self.is_in_link = self.ends.last() == Some(&LINK_END);
    }
}

/// Whether links may lead there.
pub(super) fn is_followed(url: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| {
        url.get(..scheme.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(scheme))
    })
}

/// The language that a fence names; empty for what is no name.
fn language(info: &str) -> &str {
    let name = info.split([' ', ',', '{', '\t']).next().unwrap_or_default();
    let is_name = name.len() <= LANGUAGE_BYTES_MAX
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+#.-".contains(&byte));
    match is_name {
        true => name,
        false => "",
    }
}
