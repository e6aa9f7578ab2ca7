//! What a message's own value says: who said it, when, with which model, and what it cost.

use serde_json::Value;
use share_model::UnixMs;

use super::diff::FileDiff;
use super::fields::{push_line, push_span, text_at};
use super::figures::{Tokens, number, push_cost, push_duration, push_time, time};
use super::limits::ViewLimits;

/// When a message was made, which decides where it stands; one without a time comes first.
pub(super) type Created = u64;

/// A model, as messages name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Model {
    /// Where the document describes it.
    pub(super) key: String,
    pub(super) id: String,
}

/// What the session as a whole wants to know of a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Gist {
    /// The model that was used.
    pub(super) model: Option<Model>,
    pub(super) cost: f64,
    pub(super) tokens: Tokens,
}

/// What is shown of a message around its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Info {
    /// The element's class, which only the role decides.
    pub(super) class: &'static str,
    /// The element before the parts.
    pub(super) header: String,
    /// What stands in the element behind them.
    pub(super) footer: String,
}

pub(super) fn created(value: &Value) -> Created {
    time(value, "/time/created").map_or(0, UnixMs::get)
}

impl Gist {
    pub(super) fn of(value: &Value, limits: &ViewLimits) -> Self {
        Self {
            model: model(value).filter(|model| model.key.len() <= limits.line_bytes_max),
            cost: number(value, "/cost").unwrap_or(0.0),
            tokens: Tokens::at(value, "/tokens").unwrap_or_default(),
        }
    }
}

impl Info {
    pub(super) fn of(value: &Value, name: &str, limits: &ViewLimits) -> Self {
        let role = text_at(value, "/role").unwrap_or("unknown");
        Self {
            class: match role {
                "user" => "message user",
                "assistant" => "message assistant",
                _ => "message",
            },
            header: header(value, role, name, limits),
            footer: footer(value, limits),
        }
    }
}

fn model(value: &Value) -> Option<Model> {
    let model = |provider, id| {
        let (provider, id) = (text_at(value, provider)?, text_at(value, id)?);
        // An id may have slashes, which stand for themselves in no key.
        let [provider, segment] =
            [provider, id].map(|it| it.replace('%', "%25").replace('/', "%2F"));
        Some(Model {
            key: format!("model/{provider}/{segment}"),
            id: id.to_owned(),
        })
    };
    model("/providerID", "/modelID").or_else(|| model("/model/providerID", "/model/modelID"))
}

fn header(value: &Value, role: &str, name: &str, limits: &ViewLimits) -> String {
    let mut html = format!("<header id=\"h-{name}\"><h2>");
    push_line(&mut html, role, limits.line_bytes_max);
    html.push_str("</h2> ");
    if let Some(at) = time(value, "/time/created") {
        push_time(&mut html, at);
    }
    let model = text_at(value, "/modelID").or_else(|| text_at(value, "/model/modelID"));
    for (class, text) in [("model", model), ("agent", text_at(value, "/agent"))] {
        if let Some(text) = text {
            html.push(' ');
            push_span(&mut html, class, text, limits.line_bytes_max);
        }
    }
    html.extend([
        " <a class=\"anchor\" href=\"#m-",
        name,
        "\" aria-label=\"link to this message\">#</a></header>",
    ]);
    html
}

fn footer(value: &Value, limits: &ViewLimits) -> String {
    let mut html = String::new();
    let all = FileDiff::all(value.pointer("/summary/diffs"));
    for diff in all.take(limits.files_max) {
        let is_shown = html.len() < limits.diffs_bytes_max;
        diff.push(&mut html, None, is_shown, limits);
    }
    if let Some(error) = value.pointer("/error").filter(|error| !error.is_null()) {
        push_error(&mut html, error, limits);
    }
    push_cost(&mut html, number(value, "/cost"));
    if let Some(tokens) = Tokens::at(value, "/tokens") {
        tokens.push(&mut html);
    }
    push_duration(&mut html, value, "/time/created", "/time/completed");
    html
}

/// Appends what went wrong.
pub(super) fn push_error(html: &mut String, error: &Value, limits: &ViewLimits) {
    html.push_str("<p class=\"error\">");
    let kind = text_at(error, "/name").unwrap_or("Error");
    push_span(html, "name", kind, limits.line_bytes_max);
    let words = text_at(error, "/data/message").or_else(|| text_at(error, "/message"));
    if let Some(words) = words {
        html.push_str(": ");
        push_line(html, words, limits.line_bytes_max);
    }
    html.push_str("</p>");
}
