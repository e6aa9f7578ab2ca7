//! Figures, to be looked at: `SHARE_FIGURES=1 cargo test --release -p share-web speed -- --nocapture`.

use std::time::Instant;

use share_model::{Document, Limits, Mutation};

use super::super::{Frame, Stretch, View, ViewLimits};
use super::document::{text, with_parts};

#[expect(clippy::disallowed_methods, reason = "figures are about real time")]
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{what}: {:?}", start.elapsed());
    result
}

#[test]
fn speed_of_views() {
    // They say something only of a release build on a machine at rest.
    if std::env::var_os("SHARE_FIGURES").is_none() {
        return;
    }
    let mut long = Document::default();
    for op in super::recordings::ops("long") {
        long.apply(&op, &Limits::DEFAULT).unwrap();
    }
    drop(View::new(
        &with_parts(&[text("*warm*")]),
        ViewLimits::DEFAULT,
    ));
    let view = timed("long: view", || View::new(&long, ViewLimits::DEFAULT));
    let page = timed("long: page", || view.page(&Frame::default()));
    println!(
        "long: page {} bytes, view {} bytes, document {} bytes",
        page.len(),
        view.bytes(),
        long.bytes()
    );
    let whole = timed("long: whole", || view.whole());
    println!("long: {} patches", whole.len());

    let words = "Some *words* of an answer, with `code` and a [link](https://a.b).\n\n- a\n- b\n\nAnd so on.\n\n";
    let many = with_parts(&vec![text(words); 20_000]);
    let view = timed("20,000 parts: view", || {
        View::new(&many, ViewLimits::DEFAULT)
    });
    println!("20,000 parts: view {} bytes", view.bytes());
    timed("20,000 parts: page", || {
        View::of_page(&many, ViewLimits::DEFAULT, &Stretch::Newest)
    });

    for (what, start, token) in [
        ("prose", words.repeat(200), "word "),
        (
            "a fence of 50 kB",
            format!("```rust\n{}", "let a = \"<b>\";\n".repeat(3500)),
            "let ",
        ),
        ("a paragraph of 8 kB", "word *word* ".repeat(700), "word "),
    ] {
        let mut document = with_parts(&[text(&start)]);
        let mut view = View::new(&document, ViewLimits::DEFAULT);
        let append = Mutation::AppendText {
            key: "part/m/1".into(),
            pointer: "/text".into(),
            text: token.into(),
        };
        timed(&format!("1000 tokens of {what}"), || {
            for _ in 0..1000 {
                document.apply(&append, &Limits::DEFAULT).unwrap();
                assert_eq!(view.change(&document, "part/m/1").len(), 1);
            }
        });
    }
}
