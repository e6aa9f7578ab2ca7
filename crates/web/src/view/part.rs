//! A part of a message as an element, and how the element changes.

use serde_json::Value;

use super::blocks::{self, Blocks};
use super::fields::{CUT, push_json, push_line, push_link_start, push_span, text_at};
use super::figures::{Tokens, number, push_cost};
use super::info::push_error;
use super::limits::ViewLimits;
use super::markdown::{Style, is_followed};
use super::patch::Patch;
use super::text::cut;
use super::{ids, tool};

/// What a part is to look like: markup around what grows.
pub(super) struct Sketch<'a> {
    pub(super) head: String,
    pub(super) body: Source<'a>,
    pub(super) tail: String,
}

/// What grows in a part.
pub(super) enum Source<'a> {
    Nothing,
    /// Markdown.
    Markdown(&'a str),
    /// Text, escaped, in the element with the id of outputs.
    Text(String),
}

/// A part as it is shown.
pub(super) struct Part {
    head: String,
    body: Body,
    tail: String,
}

enum Body {
    Nothing,
    Blocks(Blocks),
    Text(String),
}

/// A part's names.
pub(super) struct Names {
    /// In ids of what stands in it.
    pub(super) name: String,
    /// Its element's.
    pub(super) id: String,
}

impl Names {
    pub(super) fn new(message: &str, part: &str) -> Self {
        let name = ids::part(message, part);
        let id = format!("p-{name}");
        Self { name, id }
    }

    pub(super) fn style(&self, limits: &ViewLimits) -> Style<'_> {
        Style {
            name: &self.name,
            nesting_max: limits.nesting_max,
        }
    }
}

impl Part {
    pub(super) fn new(sketch: Sketch<'_>, style: Style<'_>) -> Self {
        let body = match sketch.body {
            Source::Nothing => Body::Nothing,
            Source::Markdown(source) => Body::Blocks(Blocks::new(source, style)),
            Source::Text(html) => Body::Text(html),
        };
        Self {
            head: sketch.head,
            body,
            tail: sketch.tail,
        }
    }

    /// The part becomes what `sketch` says. Returns what changes on the page, if that is nothing but
    /// what grows; `None`: the whole part.
    pub(super) fn change(&mut self, sketch: Sketch<'_>, style: Style<'_>) -> Option<Option<Patch>> {
        let is_around_same = self.head == sketch.head && self.tail == sketch.tail;
        match (&mut self.body, &sketch.body) {
            (Body::Nothing, Source::Nothing) if is_around_same => Some(None),
            (Body::Blocks(blocks), Source::Markdown(source)) if is_around_same => {
                Some(blocks.change(source, style))
            }
            (Body::Text(old), Source::Text(new)) if is_around_same => {
                let patch = (old != new).then(|| blocks::text(style.output_id(), old, new));
                old.clone_from(new);
                Some(patch)
            }
            _ => {
                *self = Self::new(sketch, style);
                None
            }
        }
    }

    /// Appends the element.
    pub(super) fn push_html(&self, html: &mut String) {
        html.push_str(&self.head);
        match &self.body {
            Body::Nothing => {}
            Body::Blocks(blocks) => blocks.push_html(html),
            Body::Text(text) => html.push_str(text),
        }
        html.push_str(&self.tail);
    }

    pub(super) fn html(&self) -> String {
        let mut html = String::new();
        self.push_html(&mut html);
        html
    }

    /// Bytes of the element.
    pub(super) fn bytes(&self) -> usize {
        let body = match &self.body {
            Body::Nothing => 0,
            Body::Blocks(blocks) => blocks.bytes(),
            Body::Text(text) => text.len(),
        };
        self.head.len() + body + self.tail.len()
    }

    /// Bytes of memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        let besides = match &self.body {
            Body::Nothing | Body::Text(_) => 0,
            Body::Blocks(blocks) => blocks.held_bytes() - blocks.bytes(),
        };
        size_of::<Self>() + self.bytes() + besides
    }
}

/// What the part says; `None` for what only the agent itself needs.
pub(super) fn sketch<'v>(
    value: &'v Value,
    names: &Names,
    limits: &ViewLimits,
) -> Option<Sketch<'v>> {
    Some(match text_at(value, "/type") {
        Some("text") => text(value, names, limits),
        Some("reasoning") => folded(value, names, limits, "reasoning", "Reasoning"),
        Some("tool") => tool::sketch(value, names, limits),
        Some("file") => whole("file", names, |html| file(html, value, limits)),
        Some("patch") => whole("patch", names, |html| patch(html, value, limits)),
        Some("step-finish") => step(value, names)?,
        Some("step-start" | "snapshot") => return None,
        Some("retry") => whole("error", names, |html| {
            html.push_str("<p>Tried again</p>");
            push_error(
                html,
                value.pointer("/error").unwrap_or(&Value::Null),
                limits,
            );
        }),
        Some("compaction") => whole("note", names, |html| {
            html.push_str("<p>What was said before was summed up here.</p>");
        }),
        other => whole("other", names, |html| {
            html.push_str("<details><summary>");
            push_line(html, other.unwrap_or("part"), limits.line_bytes_max);
            html.push_str("</summary>");
            push_json(html, "json", value, limits.text_bytes_max);
            html.push_str("</details>");
        }),
    })
}

/// The start of a part's element.
pub(super) fn section(class: &str, names: &Names) -> String {
    format!("<section class=\"part {class}\" id=\"{}\">", names.id)
}

/// A part in which nothing grows.
fn whole<'v>(class: &str, names: &Names, push: impl FnOnce(&mut String)) -> Sketch<'v> {
    let mut head = section(class, names);
    push(&mut head);
    head.push_str("</section>");
    Sketch {
        head,
        body: Source::Nothing,
        tail: String::new(),
    }
}

fn text<'v>(value: &'v Value, names: &Names, limits: &ViewLimits) -> Sketch<'v> {
    let is_set = |pointer| value.pointer(pointer).and_then(Value::as_bool) == Some(true);
    if is_set("/synthetic") || is_set("/ignored") {
        return folded(value, names, limits, "text synthetic", "Added by the agent");
    }
    let mut head = section("text", names);
    head.push_str("<div class=\"body\">");
    markdown(value, head, "</section>", limits)
}

fn folded<'v>(
    value: &'v Value,
    names: &Names,
    limits: &ViewLimits,
    class: &str,
    summary: &str,
) -> Sketch<'v> {
    let mut head = section(class, names);
    head.extend([
        "<details><summary>",
        summary,
        "</summary><div class=\"body\">",
    ]);
    markdown(value, head, "</details></section>", limits)
}

fn markdown<'v>(value: &'v Value, head: String, end: &str, limits: &ViewLimits) -> Sketch<'v> {
    let text = text_at(value, "/text").unwrap_or_default();
    let (text, is_cut) = cut(text, limits.text_bytes_max);
    let mut tail = String::from("</div>");
    tail.push_str(if is_cut { CUT } else { "" });
    tail.push_str(end);
    Sketch {
        head,
        body: Source::Markdown(text),
        tail,
    }
}

/// The name of a file, and a link to it if it is somewhere else.
pub(super) fn file(html: &mut String, value: &Value, limits: &ViewLimits) {
    let name = text_at(value, "/filename")
        .or_else(|| text_at(value, "/source/path"))
        .unwrap_or("a file");
    let url =
        text_at(value, "/url").filter(|url| is_followed(url) && url.len() <= limits.line_bytes_max);
    if let Some(url) = url {
        push_link_start(html, url);
    }
    push_span(html, "name", name, limits.line_bytes_max);
    html.push_str(if url.is_some() { "</a>" } else { "" });
    if let Some(kind) = text_at(value, "/mime") {
        html.push(' ');
        push_span(html, "kind", kind, limits.line_bytes_max);
    }
}

/// Which files a step changed.
fn patch(html: &mut String, value: &Value, limits: &ViewLimits) {
    html.push_str("<details><summary>Changed files");
    if let Some(hash) = text_at(value, "/hash") {
        html.push(' ');
        push_span(html, "hash", cut(hash, 12).0, limits.line_bytes_max);
    }
    html.push_str("</summary><ul>");
    let files = value.pointer("/files").and_then(Value::as_array);
    let files = files.map_or(&[][..], Vec::as_slice);
    let names = files.iter().filter_map(Value::as_str);
    for name in names.take(limits.files_max) {
        html.push_str("<li>");
        push_line(html, name, limits.line_bytes_max);
        html.push_str("</li>");
    }
    if files.len() > limits.files_max {
        html.push_str("<li>…</li>");
    }
    html.push_str("</ul></details>");
}

/// What a step cost; `None` if it does not say.
fn step<'v>(value: &'v Value, names: &Names) -> Option<Sketch<'v>> {
    let tokens = Tokens::at(value, "/tokens");
    let cost = number(value, "/cost").filter(|cost| *cost > 0.0);
    if tokens.is_none() && cost.is_none() {
        return None;
    }
    Some(whole("step", names, |html| {
        push_cost(html, cost);
        if let Some(tokens) = tokens {
            tokens.push(html);
        }
    }))
}
