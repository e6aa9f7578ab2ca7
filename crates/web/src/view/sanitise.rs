//! The second wall: whatever is rendered from markdown passes here, and keeps only what the renderer
//! means to write.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

/// What a link says of the page that it leads to: nothing that is trusted here.
const LINK_REL: &str = "noopener noreferrer nofollow ugc";

const TAGS: [&str; 25] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "div",
    "em",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "span",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(TAGS))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href"])),
            ("div", HashSet::from(["dir"])),
            ("ol", HashSet::from(["start"])),
            ("pre", HashSet::from(["data-language"])),
        ]))
        .allowed_classes(HashMap::from([
            ("a", HashSet::from(["image"])),
            ("div", HashSet::from(["block"])),
            ("pre", HashSet::from(["html"])),
            ("span", HashSet::from(["mark"])),
            ("td", HashSet::from(ALIGNMENTS)),
            ("th", HashSet::from(ALIGNMENTS)),
        ]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some(LINK_REL));
    builder
});

const ALIGNMENTS: [&str; 3] = ["center", "left", "right"];

/// The markup without what may not be there.
pub(super) fn sanitised(html: &str) -> String {
    SANITISER.clean(html).to_string()
}
