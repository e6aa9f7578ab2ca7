//! What opencode really sends, op by op.

use std::path::Path;

use share_model::{Document, Limits, Mutation};
use share_opencode::{Converter, Recording, RequestKind};

use super::super::{Frame, Stretch, View, ViewLimits};
use super::dom::Dom;

/// The ops of a recording.
pub(super) fn ops(name: &str) -> Vec<Mutation> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/recordings")
        .join(name)
        .with_extension("jsonl.gz");
    let mut converter = Converter::new(Limits::DEFAULT);
    let mut ops = Vec::new();
    for request in Recording::open(&path).unwrap() {
        if let RequestKind::Sync { items } = request.unwrap().kind {
            for item in items {
                ops.extend(converter.convert(item).unwrap());
            }
        }
    }
    ops
}

/// Replays a recording; every so many ops the page is compared with that of the document.
#[track_caller]
fn check(name: &str, every: usize) {
    let limits = ViewLimits::DEFAULT;
    let mut document = Document::default();
    let mut view = View::new(&document, limits);
    let mut dom = Dom::of(&view);
    let ops = ops(name);
    let last = ops.len();
    let mut sent_bytes = 0;
    for (index, op) in ops.into_iter().enumerate() {
        document.apply(&op, &Limits::DEFAULT).unwrap();
        let patches = view.change(&document, op.key());
        sent_bytes += patches.iter().map(|it| it.bytes()).sum::<usize>();
        dom.apply(&patches);
        if index % every == 0 || index + 1 == last {
            let fresh = View::of_page(&document, limits, &Stretch::Newest);
            let page = fresh.page(&Frame::default());
            assert_eq!(view.page(&Frame::default()), page, "{name}: op {index}");
            assert_eq!(dom, Dom::of_page(&page), "{name}: op {index}");
        }
    }
    let page = view.page(&Frame::default()).len();
    println!(
        "{name}: {last} ops, page {page} bytes, patches {sent_bytes} bytes, held {}",
        view.bytes()
    );
    let mut anew = Dom::empty(&dom);
    anew.apply(&view.whole());
    assert_eq!(anew, dom, "{name}: the whole of it");
}

#[test]
fn each_op_of_a_recording_brings_the_page_to_what_the_document_says() {
    for name in ["auto", "small", "restart", "revert"] {
        check(name, 1);
    }
    check("long", 400);
}
