//! The session's title, and what stands below it: models, cost, tokens, times, changes.

use std::collections::BTreeSet;

use serde_json::Value;
use share_model::Document;

use super::fields::{push_span, text_at};
use super::figures::{Tokens, count, number, push_cost, push_time, time};
use super::info::{Gist, Model};
use super::limits::ViewLimits;
use super::text::{cut, push_plain, unescaped};

/// Models that are named; a session with more has an odd one too many.
const MODELS_MAX: usize = 16;

/// The title of a session that has none.
const UNTITLED: &str = "Shared session";

/// How many times as large as a title its markup is at most.
pub(super) const TITLE_GROWTH: usize = 5;

/// Bytes that the facts have at most: names, each character an entity or a mark, and figures.
pub(super) fn bytes_max(limits: &ViewLimits) -> usize {
    MODELS_MAX * (100 + 12 * limits.line_bytes_max) + 2048
}

/// The session's title: text, as it is shown.
pub(super) fn title(document: &Document, limits: &ViewLimits) -> String {
    let session = document.get("session").map(|stored| stored.value());
    let title = session.and_then(|session| text_at(session, "/title"));
    let title = title.filter(|title| !title.trim().is_empty());
    let (title, _) = cut(title.unwrap_or(UNTITLED), limits.line_bytes_max);
    let mut shown = String::new();
    push_plain(&mut shown, title);
    unescaped(&shown)
}

/// The facts, as markup.
pub(super) fn facts<'a>(
    document: &Document,
    messages: impl Iterator<Item = &'a Gist>,
    limits: &ViewLimits,
) -> String {
    let (mut models, mut cost, mut tokens) = (BTreeSet::new(), 0.0, Tokens::default());
    for gist in messages {
        cost += gist.cost;
        tokens.input += gist.tokens.input;
        tokens.output += gist.tokens.output;
        models.extend(&gist.model);
        // The first by name stay, whoever came when.
        if models.len() > MODELS_MAX {
            models.pop_last();
        }
    }
    let mut html = String::new();
    for model in models {
        html.push(' ');
        push_span(
            &mut html,
            "model",
            name(document, model),
            limits.line_bytes_max,
        );
    }
    let session = document
        .get("session")
        .map_or(&Value::Null, |stored| stored.value());
    // What the session itself says counts what was since taken back, too.
    push_cost(&mut html, number(session, "/cost").or(Some(cost)));
    let sum = (tokens != Tokens::default()).then_some(tokens);
    if let Some(tokens) = Tokens::at(session, "/tokens").or(sum) {
        tokens.push(&mut html);
    }
    changes(&mut html, session);
    for (class, pointer) in [("created", "/time/created"), ("updated", "/time/updated")] {
        if let Some(at) = time(session, pointer) {
            html.extend([" <span class=\"", class, "\">"]);
            push_time(&mut html, at);
            html.push_str("</span>");
        }
    }
    html
}

/// The name of a model, as the document has it.
fn name<'a>(document: &'a Document, model: &'a Model) -> &'a str {
    let described = document.get(&model.key);
    let name = described.and_then(|stored| text_at(stored.value(), "/name"));
    name.unwrap_or(&model.id)
}

fn changes(html: &mut String, session: &Value) {
    let Some(files) = number(session, "/summary/files").filter(|files| *files > 0.0) else {
        return;
    };
    let lines = |pointer| count(number(session, pointer).unwrap_or(0.0));
    html.extend([
        " <span class=\"changes\">",
        &count(files),
        if files > 1.0 { " files" } else { " file" },
        ", <span class=\"add\">+",
    ]);
    html.extend([
        &lines("/summary/additions"),
        "</span> <span class=\"del\">−",
    ]);
    html.extend([&lines("/summary/deletions"), "</span></span>"]);
}
