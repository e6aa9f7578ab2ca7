//! The page of a share: its transcript, as it is now, in plain HTML.
//!
//! Whatever the document says stands there as text: each piece of it passes [`Page::text`].

use std::collections::BTreeMap;

use serde_json::Value;
use share_model::Document;

use crate::answer::Refusal;

pub(crate) const TYPE: &str = "text/html; charset=utf-8";

/// The page's style. Its hash stands in the answer's security policy.
pub(crate) const STYLE: &str = include_str!("page.css");

/// HTML that grows up to a bound.
struct Page {
    html: String,
    bytes_max: usize,
    is_cut: bool,
}

struct Message<'a> {
    created: f64,
    id: &'a str,
    info: &'a Value,
    parts: Vec<&'a Value>,
}

/// The transcript of `document`, in about `bytes_max` bytes at most.
pub(crate) fn transcript(document: &Document, bytes_max: usize) -> String {
    let session = document.get("session").map(|stored| stored.value());
    let title = session.and_then(|it| text_at(it, "/title"));
    let mut page = Page::begin(title.unwrap_or("Shared session"), bytes_max);
    let messages = messages(document);
    if messages.is_empty() {
        page.html.push_str("<p>Nothing was said yet.</p>\n");
    }
    for message in messages {
        page.message(&message);
    }
    page.end()
}

/// The page of a share that can't be shown.
pub(crate) fn of_refusal(refusal: &Refusal) -> String {
    let mut page = Page::begin("No such page", usize::MAX);
    page.element("p", "error", refusal.error());
    page.element("p", "hint", refusal.hint());
    page.end()
}

/// Where the page is of the share whose data is at `url`.
pub(crate) fn url_of_data(url: &str) -> String {
    let of_data = url.strip_suffix("/data").and_then(|rest| {
        let (front, id) = rest.rsplit_once('/')?;
        let origin = front
            .strip_suffix("/api/share")
            .or_else(|| front.strip_suffix("/api/shares"))?;
        Some(format!("{origin}/share/{id}"))
    });
    of_data.unwrap_or_else(|| url.to_owned())
}

/// The messages in the order in which they were made, each with its parts.
fn messages(document: &Document) -> Vec<Message<'_>> {
    let mut parts: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (_, stored) in below(document, "part/") {
        if let Some(message) = text_at(stored, "/messageID") {
            parts.entry(message).or_default().push(stored);
        }
    }
    let of_message = |(_, info): (&str, _)| {
        let id = text_at(info, "/id")?;
        Some(Message {
            created: info
                .pointer("/time/created")
                .and_then(Value::as_f64)
                .unwrap_or(0.0),
            id,
            info,
            parts: parts.remove(id).unwrap_or_default(),
        })
    };
    let mut messages: Vec<_> = below(document, "message/").filter_map(of_message).collect();
    messages.sort_by(|a, b| a.created.total_cmp(&b.created).then_with(|| a.id.cmp(b.id)));
    messages
}

/// The document's entries whose keys begin with `prefix`.
fn below<'a>(
    document: &'a Document,
    prefix: &'static str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    document
        .iter_after(prefix)
        .take_while(move |(key, _)| key.starts_with(prefix))
        .map(|(key, stored)| (key, stored.value()))
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

impl Page {
    fn begin(title: &str, bytes_max: usize) -> Self {
        let mut page = Self {
            html: String::new(),
            bytes_max,
            is_cut: false,
        };
        page.html.push_str(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex, nofollow\">\n",
        );
        page.element("title", "", title);
        page.html.push_str("<style>");
        page.html.push_str(STYLE);
        page.html.push_str("</style>\n</head>\n<body>\n");
        page.element("h1", "", title);
        page
    }

    fn end(mut self) -> String {
        if self.is_cut {
            let words = "The page ends here; the session goes on. Its data has all of it.";
            self.html.push_str("<p class=\"cut\">");
            self.html.push_str(words);
            self.html.push_str("</p>\n");
        }
        self.html.push_str("</body>\n</html>\n");
        self.html
    }

    fn message(&mut self, message: &Message<'_>) {
        if self.is_cut {
            return;
        }
        let role = text_at(message.info, "/role").unwrap_or("unknown");
        self.html.push_str("<section>\n");
        self.element("h2", "", role);
        for part in &message.parts {
            self.part(part);
        }
        self.html.push_str("</section>\n");
    }

    fn part(&mut self, part: &Value) {
        // Parts without text grow the page too.
        self.is_cut |= self.html.len() >= self.bytes_max;
        if self.is_cut {
            return;
        }
        match text_at(part, "/type") {
            Some("text") => self.element("pre", "text", text_at(part, "/text").unwrap_or("")),
            Some("reasoning") => {
                self.element("pre", "reasoning", text_at(part, "/text").unwrap_or(""));
            }
            Some("tool") => self.tool(part),
            Some("file") => {
                let name = text_at(part, "/filename").unwrap_or("a file");
                self.element("p", "file", name);
            }
            // The rest is about the agent's own bookkeeping.
            _ => {}
        }
    }

    fn tool(&mut self, part: &Value) {
        self.html.push_str("<details>\n<summary>");
        self.text(text_at(part, "/tool").unwrap_or("tool"));
        if let Some(title) = text_at(part, "/state/title") {
            self.html.push_str(": ");
            self.text(title);
        }
        self.html.push_str(" (");
        self.text(text_at(part, "/state/status").unwrap_or("unknown"));
        self.html.push_str(")</summary>\n");
        if let Some(input) = part.pointer("/state/input") {
            self.element("pre", "input", &input.to_string());
        }
        for pointer in ["/state/output", "/state/error"] {
            if let Some(output) = text_at(part, pointer) {
                self.element("pre", "output", output);
            }
        }
        self.html.push_str("</details>\n");
    }

    /// An element with nothing but text in it.
    fn element(&mut self, name: &'static str, class: &'static str, text: &str) {
        self.html.push('<');
        self.html.push_str(name);
        if !class.is_empty() {
            self.html.push_str(" class=\"");
            self.html.push_str(class);
            self.html.push('"');
        }
        self.html.push('>');
        self.text(text);
        self.html.push_str("</");
        self.html.push_str(name);
        self.html.push_str(">\n");
    }

    /// Text as text, whatever it says, up to the page's bound.
    fn text(&mut self, text: &str) {
        for character in text.chars() {
            if self.html.len() >= self.bytes_max {
                self.is_cut = true;
                return;
            }
            match character {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                '\0' => self.html.push('\u{fffd}'),
                other => self.html.push(other),
            }
        }
    }
}
