//! A message: who said it, with which model, and what it cost, around its parts.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use serde_json::Value;

use super::diff::FileDiff;
use super::fields::{push_line, push_span, text_at};
use super::figures::{Tokens, duration, number, push_cost, push_time, time};
use super::limits::ViewLimits;
use super::part::Part;

/// Where a message stands: by the time when it was made; one without a time comes first.
pub(super) type Created = u64;

/// What a message's own value says.
#[derive(Debug, PartialEq)]
pub(super) struct Info {
    pub(super) created: Created,
    /// The class, which only the role decides.
    class: &'static str,
    header: String,
    footer: String,
    /// The model that was used, as `PROVIDER/ID`.
    pub(super) model: Option<String>,
    pub(super) cost: Option<f64>,
    pub(super) tokens: Option<Tokens>,
}

/// A message as it is shown.
pub(super) struct Message {
    /// Its name in ids.
    pub(super) name: String,
    pub(super) info: Info,
    /// The parts that are shown, by id.
    pub(super) parts: BTreeMap<Box<str>, Part>,
}

impl Info {
    pub(super) fn new(value: &Value, name: &str, limits: &ViewLimits) -> Self {
        let role = text_at(value, "/role").unwrap_or("unknown");
        Self {
            created: time(value, "/time/created").map_or(0, share_model::UnixMs::get),
            class: match role {
                "user" => "message user",
                "assistant" => "message assistant",
                _ => "message",
            },
            header: header(value, role, name, limits),
            footer: footer(value, name, limits),
            model: model(value),
            cost: number(value, "/cost"),
            tokens: Tokens::at(value, "/tokens"),
        }
    }
}

impl Message {
    /// The element's id.
    pub(super) fn id(&self) -> String {
        format!("m-{}", self.name)
    }

    /// Appends the element's start, up to its parts.
    pub(super) fn push_start(&self, html: &mut String) {
        let Info { class, header, .. } = &self.info;
        html.extend(["<article class=\"", class, "\" id=\"m-", &self.name, "\">"]);
        html.extend([header, "<div class=\"parts\">"]);
    }

    /// Appends what follows its parts.
    pub(super) fn push_end(&self, html: &mut String) {
        html.extend(["</div>", &self.info.footer, "</article>"]);
    }

    /// The id of the part after which a part of that id stands.
    pub(super) fn part_before(&self, id: &str) -> Option<&str> {
        let before = self.parts.range::<str, _>((Unbounded, Excluded(id)));
        before.map(|(id, _)| &**id).next_back()
    }

    /// What changes on the page if its own value says `info` from now on; `None`: all of it.
    pub(super) fn swaps(&self, info: &Info) -> Option<Vec<super::Patch>> {
        let old = &self.info;
        if (old.class, old.created) != (info.class, info.created) {
            return None;
        }
        let both = [
            ("h-", &old.header, &info.header),
            ("f-", &old.footer, &info.footer),
        ];
        let changed = both.into_iter().filter(|(_, old, new)| old != new);
        let swap = |(front, _, html): (&str, _, &String)| super::Patch::Swap {
            swap: format!("{front}{}", self.name),
            html: html.clone(),
        };
        Some(changed.map(swap).collect())
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> usize {
        let parts = self.parts.iter();
        let parts: usize = parts.map(|(id, part)| id.len() + part.bytes()).sum();
        let Info { header, footer, .. } = &self.info;
        size_of::<Self>() + self.name.len() + header.len() + footer.len() + parts
    }
}

fn model(value: &Value) -> Option<String> {
    let model = |provider, id| {
        let (provider, id) = (text_at(value, provider)?, text_at(value, id)?);
        Some(format!("{provider}/{id}"))
    };
    model("/providerID", "/modelID").or_else(|| model("/model/providerID", "/model/modelID"))
}

fn header(value: &Value, role: &str, name: &str, limits: &ViewLimits) -> String {
    let mut html = format!("<header id=\"h-{name}\"><h2>");
    push_line(&mut html, role, limits.line_bytes_max);
    html.push_str("</h2>");
    if let Some(at) = time(value, "/time/created") {
        push_time(&mut html, at);
    }
    let model = text_at(value, "/modelID").or_else(|| text_at(value, "/model/modelID"));
    for (class, text) in [("model", model), ("agent", text_at(value, "/agent"))] {
        if let Some(text) = text {
            push_span(&mut html, class, text, limits.line_bytes_max);
        }
    }
    html.extend([
        "<a class=\"anchor\" href=\"#m-",
        name,
        "\" aria-label=\"link to this message\">#</a></header>",
    ]);
    html
}

fn footer(value: &Value, name: &str, limits: &ViewLimits) -> String {
    let mut html = format!("<footer class=\"cost\" id=\"f-{name}\">");
    let all = FileDiff::all(value.pointer("/summary/diffs"));
    for diff in all.take(limits.files_max) {
        diff.push(&mut html, None, limits);
    }
    if let Some(error) = value.pointer("/error").filter(|error| !error.is_null()) {
        html.push_str("<p class=\"error\">");
        let kind = text_at(error, "/name").unwrap_or("Error");
        push_span(&mut html, "name", kind, limits.line_bytes_max);
        let words = text_at(error, "/data/message").or_else(|| text_at(error, "/message"));
        if let Some(words) = words {
            html.push_str(": ");
            push_line(&mut html, words, limits.line_bytes_max);
        }
        html.push_str("</p>");
    }
    push_cost(&mut html, number(value, "/cost"));
    if let Some(tokens) = Tokens::at(value, "/tokens") {
        tokens.push(&mut html);
    }
    if let Some(duration) = duration(value, "/time/created", "/time/completed") {
        html.extend(["<span class=\"duration\">", &duration, "</span>"]);
    }
    html.push_str("</footer>");
    html
}
