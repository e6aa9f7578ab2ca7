//! The page of a share, as its route answers it.

use share_model::{Document, Slug};

use crate::answer::Refusal;
use crate::view::{self, Frame, Stretch, View, ViewLimits};

pub(crate) use crate::view::TYPE;

/// The page's style. Its hash stands in the answer's security policy.
pub(crate) const STYLE: &str = include_str!("page.css");

/// The transcript of `document`, which is the share at `slug`.
pub(crate) fn transcript(document: &Document, slug: &Slug, stretch: &Stretch) -> String {
    let data = format!("/api/share/{}/data", slug.to_text());
    let frame = Frame {
        kind: "session",
        head: &head(),
        data: Some(&data),
        ..Frame::default()
    };
    View::of_page(document, ViewLimits::DEFAULT, stretch).page(&frame)
}

/// The page of a share that can't be shown.
pub(crate) fn of_refusal(refusal: &Refusal) -> String {
    view::notice(&head(), "No such page", [refusal.error(), refusal.hint()])
}

fn head() -> String {
    format!("<style>{STYLE}</style>\n")
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
