//! Documents to be shown.

use serde_json::{Value, json};
use share_model::{Document, Limits, Mutation};

use super::super::{Frame, View, ViewLimits};

pub(super) fn put(key: &str, value: &Value) -> Mutation {
    Mutation::Put {
        key: key.into(),
        json: value.to_string().into(),
    }
}

pub(super) fn document(entries: &[(&str, Value)]) -> Document {
    let mut document = Document::default();
    for (key, value) in entries {
        document.apply(&put(key, value), &Limits::DEFAULT).unwrap();
    }
    document
}

/// A document with one message, `m`, that has these parts: `1`, `2`, …
pub(super) fn with_parts(parts: &[Value]) -> Document {
    let mut document = document(&[(
        "message/m",
        json!({"id": "m", "role": "assistant", "time": {"created": 1}}),
    )]);
    for (index, part) in parts.iter().enumerate() {
        let put = put(&format!("part/m/{}", index + 1), part);
        document.apply(&put, &Limits::DEFAULT).unwrap();
    }
    document
}

pub(super) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(super) fn page(document: &Document) -> String {
    View::new(document, ViewLimits::DEFAULT).page(&Frame::default())
}

/// What the page has between the tags of the element `section` of the part `id` of `m`.
#[track_caller]
pub(super) fn part<'p>(page: &'p str, id: &str) -> &'p str {
    let id = format!(" id=\"p-m.{id}\">");
    let (_, rest) = page.split_once(&id).expect("the page has the part");
    rest.split_once("</section>").expect("it has an end").0
}

/// The blocks that a text is shown as.
#[track_caller]
pub(super) fn blocks(source: &str) -> Vec<String> {
    let page = page(&with_parts(&[text(source)]));
    let body = part(&page, "1");
    let body = body.strip_prefix("<div class=\"body\">").unwrap();
    let body = body.strip_suffix("</div>").unwrap();
    let blocks = body.split("<div class=\"block\" dir=\"auto\">").skip(1);
    blocks
        .map(|block| block.strip_suffix("</div>").unwrap().to_owned())
        .collect()
}
