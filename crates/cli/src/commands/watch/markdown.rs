//! Markdown, lightly styled: headings, emphasis, code, lists, quotes, tables.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::paper::{Breaks, Margin, Paper, width_of};
use super::text;

/// Lays out a text as markdown.
pub(super) fn lay(paper: &mut Paper, markdown: &str) {
    let (markdown, left_out) = text::cut(markdown, paper.limits.text_bytes_max);
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer {
        paper,
        spans: Vec::new(),
        styles: Vec::new(),
        indents: Vec::new(),
        lists: Vec::new(),
        links: Vec::new(),
        code: None,
        is_begun: false,
    };
    for event in Parser::new_ext(markdown, options) {
        if writer.paper.is_full() {
            return;
        }
        writer.event(event);
    }
    writer.flush();
    paper.left_out(left_out);
}

/// What stands before the lines of a list item or a quote.
struct Indent {
    /// Before its first line, as long as that was not written.
    first: Option<Span<'static>>,
    rest: Span<'static>,
}

/// A link that was begun.
struct Link {
    url: String,
    /// The text that it shows.
    shown: String,
}

struct Writer<'p> {
    paper: &'p mut Paper,
    /// Of the block that was begun.
    spans: Vec<Span<'static>>,
    styles: Vec<Style>,
    indents: Vec<Indent>,
    /// Of each list that was begun, the number of the next item.
    lists: Vec<Option<u64>>,
    links: Vec<Link>,
    /// The code block that was begun.
    code: Option<String>,
    /// A block was written.
    is_begun: bool,
}

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(words) => match &mut self.code {
                Some(code) => code.push_str(&words),
                None => self.push(&words, self.style()),
            },
            Event::Code(words) => self.push(&words, self.style().patch(self.paper.theme.code())),
            Event::Html(words) | Event::InlineHtml(words) => {
                self.push(&words, self.style().patch(self.paper.theme.quiet()));
            }
            // People who talk to an agent break their lines on purpose.
            Event::SoftBreak | Event::HardBreak => self.flush(),
            Event::Rule => {
                self.between();
                let rule = "─".repeat(self.paper.width().min(40));
                self.spans
                    .push(Span::styled(rule, self.paper.theme.quiet()));
                self.flush();
            }
            Event::TaskListMarker(is_done) => {
                let mark = if is_done { "[x] " } else { "[ ] " };
                self.push(mark, self.style());
            }
            Event::InlineMath(words) | Event::DisplayMath(words) => {
                self.push(&words, self.style());
            }
            Event::FootnoteReference(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        let theme = self.paper.theme;
        match tag {
            Tag::Paragraph | Tag::HtmlBlock | Tag::Table(_) => self.between(),
            Tag::Heading { level, .. } => {
                self.between();
                let level = usize::from(level as u8);
                let mark = format!("{} ", "#".repeat(level));
                self.spans.push(Span::styled(mark, theme.quiet()));
                self.styles.push(theme.heading());
            }
            Tag::CodeBlock(_) => {
                self.between();
                self.code = Some(String::new());
            }
            Tag::List(number) => {
                self.flush();
                if self.lists.is_empty() {
                    self.between();
                }
                self.lists.push(number);
            }
            Tag::Item => self.item(),
            Tag::BlockQuote(_) => {
                self.between();
                let bar = Span::styled("▌ ", theme.quiet());
                self.indent(None, bar);
            }
            Tag::Emphasis => self.styles.push(modified(Modifier::ITALIC)),
            Tag::Strong => self.styles.push(modified(Modifier::BOLD)),
            Tag::Strikethrough => self.styles.push(modified(Modifier::CROSSED_OUT)),
            Tag::TableHead => self.styles.push(modified(Modifier::BOLD)),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.styles.push(theme.link());
                self.links.push(Link {
                    url: dest_url.into_string(),
                    shown: String::new(),
                });
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::TableRow => self.flush(),
            TagEnd::Heading(_) | TagEnd::TableHead => {
                self.flush();
                self.styles.pop();
            }
            TagEnd::TableCell => self.push(" │ ", self.paper.theme.quiet()),
            TagEnd::CodeBlock => self.code_block(),
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Item | TagEnd::BlockQuote(_) => {
                self.flush();
                self.indents.pop();
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.styles.pop();
            }
            TagEnd::Link | TagEnd::Image => self.link(),
            _ => {}
        }
    }

    /// Says where a link goes, if its text does not: a text may name another place.
    fn link(&mut self) {
        self.styles.pop();
        let Some(link) = self.links.pop() else { return };
        if !link.url.is_empty() && link.shown != link.url {
            self.push(&format!(" ({})", link.url), self.paper.theme.quiet());
        }
    }

    fn item(&mut self) {
        self.flush();
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ => "• ".to_owned(),
        };
        let rest = Span::raw(" ".repeat(mark.chars().count()));
        self.indent(Some(Span::styled(mark, self.paper.theme.quiet())), rest);
    }

    /// Goes further in, as far as there is room.
    fn indent(&mut self, first: Option<Span<'static>>, rest: Span<'static>) {
        let used: usize = self
            .indents
            .iter()
            .map(|it| width_of(std::slice::from_ref(&it.rest)))
            .sum();
        let has_room = used < self.paper.width() / 2;
        self.indents.push(match has_room {
            true => Indent { first, rest },
            false => Indent {
                first: None,
                rest: Span::raw(""),
            },
        });
    }

    /// An empty line before a block that is not the first of its item.
    fn between(&mut self) {
        self.flush();
        let is_first_of_item = self.indents.iter().any(|it| it.first.is_some());
        if self.is_begun && self.lists.is_empty() && !is_first_of_item {
            self.paper.gap();
        }
    }

    fn style(&self) -> Style {
        let none = Style::new();
        self.styles
            .iter()
            .fold(none, |all, style| all.patch(*style))
    }

    fn push(&mut self, words: &str, style: Style) {
        if let Some(link) = self.links.last_mut() {
            link.shown.push_str(words);
        }
        let mut lines = text::lines(words);
        if let Some(line) = lines.next() {
            self.spans.push(Span::styled(line.into_owned(), style));
        }
        for line in lines {
            self.flush();
            self.spans.push(Span::styled(line.into_owned(), style));
        }
    }

    /// Writes what was gathered of a block.
    fn flush(&mut self) {
        let spans = std::mem::take(&mut self.spans);
        if spans.iter().all(|span| span.content.is_empty()) {
            return;
        }
        let margin = self.margin(None);
        self.paper.wrapped(&spans, &margin, Breaks::Words);
        self.is_begun = true;
    }

    /// What stands before the next lines; with a bar, for code.
    fn margin(&mut self, bar: Option<Span<'static>>) -> Margin {
        let rest = self.indents.iter().map(|it| it.rest.clone());
        let rest: Vec<_> = rest.chain(bar.clone()).collect();
        let first = self.indents.iter_mut();
        let first = first.map(|it| it.first.take().unwrap_or_else(|| it.rest.clone()));
        let first: Vec<_> = first.chain(bar).collect();
        Margin { first, rest }
    }

    fn code_block(&mut self) {
        let Some(code) = self.code.take() else { return };
        let theme = self.paper.theme;
        for line in text::lines(code.strip_suffix('\n').unwrap_or(&code)) {
            if self.paper.is_full() {
                return;
            }
            let margin = self.margin(Some(Span::styled("│ ", theme.quiet())));
            let span = Span::styled(line.into_owned(), theme.code());
            self.paper.wrapped(&[span], &margin, Breaks::Anywhere);
        }
        self.is_begun = true;
    }
}

fn modified(modifier: Modifier) -> Style {
    Style::new().add_modifier(modifier)
}

#[cfg(test)]
mod tests {
    use ratatui::text::Line;

    use super::*;
    use crate::commands::watch::limits::WatchLimits;
    use crate::commands::watch::theme::Theme;

    fn laid(markdown: &str, width: u16) -> Vec<String> {
        let mut paper = Paper::new(Theme::new(false), WatchLimits::DEFAULT, width);
        lay(&mut paper, markdown);
        paper.into_lines().iter().map(Line::to_string).collect()
    }

    #[test]
    fn blocks_stand_apart_and_lists_together() {
        let lines = laid(
            "# Top\nwords\nmore\n\n- one\n- two\n  1. in\n\n> said\n\n```rust\nfn a() {}\n\n```\nend",
            40,
        );
        let all = [
            "# Top",
            "",
            "words",
            "more",
            "",
            "• one",
            "• two",
            "  1. in",
            "",
            "▌ said",
            "",
            "│ fn a() {}",
            "│ ",
            "",
            "end",
        ];
        assert_eq!(lines, all);
    }

    #[test]
    fn a_link_says_where_it_goes_if_its_text_does_not() {
        let lines = laid("[here](https://a.example) <https://b.example>", 80);
        assert_eq!(lines, ["here (https://a.example) https://b.example"]);
    }

    #[test]
    fn tables_and_tasks_and_html_are_text() {
        let lines = laid("|a|b|\n|-|-|\n|1|2|\n\n- [x] done\n\n<b>x</b>", 40);
        assert_eq!(
            lines,
            ["a │ b │ ", "1 │ 2 │ ", "", "• [x] done", "", "<b>x</b>"]
        );
    }

    #[test]
    fn what_is_nested_deeper_than_there_is_room_is_still_shown() {
        let deep = format!("{}x", "> ".repeat(500));
        let lines = laid(&deep, 20);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].ends_with('x') && lines[0].chars().count() < 20,
            "{lines:?}"
        );
    }

    #[test]
    fn nothing_in_markdown_steers_the_terminal() {
        let hostile = "# a\u{1b}[2J\n`\u{9b}1m`\n\n```\n\u{7}\u{202e}\n```\n[\u{1b}](http://\u{1b}x)\n&#27;[31m";
        let lines = laid(hostile, 80).join("\n");
        assert!(!lines.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'));
    }
}
