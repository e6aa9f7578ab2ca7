//! The static page around a view.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use share_model::{Document, UnixMs};

use super::View;
use super::changes::{self, Change};
use super::facts;
use super::limits::ViewLimits;
use super::message::Message;
use super::messages::{Messages, Place, Stretch};
use super::text::{push_attribute, push_plain, push_text};

/// The type of a page.
pub(crate) const TYPE: &str = "text/html; charset=utf-8";

/// Bytes of a page that are neither title nor facts nor content, but for what a [`Frame`] brings.
const AROUND_BYTES: usize = 4 << 10;

/// What a page says besides what the document says. None of it comes from content, but for what its
/// fields say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame<'a> {
    /// What the page is: `session`.
    pub(crate) kind: &'a str,
    /// Markup for the head: links to style and script.
    pub(crate) head: &'a str,
    /// The history that the cursor is of.
    pub(crate) history: &'a str,
    /// The cursor of the document that is shown.
    pub(crate) cursor: u64,
    /// Where changes come from, as they happen; `None`: nowhere.
    pub(crate) live: Option<&'a str>,
    /// Where the session can be played from its beginning; `None`: nowhere.
    pub(crate) replay: Option<&'a str>,
    /// Where all of the document is; `None`: nowhere.
    pub(crate) data: Option<&'a str>,
    /// When its first op was applied.
    pub(crate) first_at: Option<UnixMs>,
    /// When its last op was applied.
    pub(crate) last_at: Option<UnixMs>,
}

impl View {
    /// The view of what a page of the document shows. It does not grow.
    pub(crate) fn of_page(document: &Document, limits: ViewLimits, stretch: &Stretch) -> Self {
        let mut view = Self {
            limits,
            title: facts::title(document, &limits),
            facts: String::new(),
            messages: Messages::none(limits),
            changes: changes::of(document, &limits),
        };
        let on_page = ViewLimits {
            view_bytes_max: view.room(),
            ..limits
        };
        view.messages = Messages::of(document, on_page, stretch);
        view.facts = facts::facts(document, view.messages.gists(), &limits);
        view
    }

    /// The whole page. Of a view with more messages than there is room for, it shows the newest.
    pub(crate) fn page(&self, frame: &Frame<'_>) -> String {
        let shown = self.on_page();
        let first = shown.last().map(|(place, _)| *place);
        let last = shown.first().map(|(place, _)| *place);
        let earlier = first.filter(|first| self.messages.before(first).is_some());
        let earlier = earlier.map(|(_, id)| &**id);
        let later = last.and_then(|last| self.messages.after(last));
        let mut html = begun(&self.title, frame.head);
        frame.push_body(&mut html, earlier.is_none(), later.is_none());
        html.push_str("<header id=\"top\"><h1 id=\"title\" dir=\"auto\">");
        push_plain(&mut html, &self.title);
        html.extend(["</h1><p id=\"facts\">", &self.facts, "</p>"]);
        html.push_str("<div id=\"controls\" hidden></div>");
        frame.push_data(&mut html);
        html.push_str("</header>\n");
        push_way(&mut html, "prev", earlier);
        html.push_str("<main id=\"session\">");
        for (_, message) in shown.iter().rev() {
            message.push_html(&mut html);
        }
        html.push_str("</main>\n");
        push_way(&mut html, "next", later);
        html.push_str("<aside id=\"changes\">");
        html.extend(self.changes.iter().map(Change::html));
        html.push_str("</aside>\n</body>\n</html>\n");
        html
    }

    /// The newest messages for which a page has room, the newest first.
    fn on_page(&self) -> Vec<(&Place, &Message)> {
        let room = self.room();
        let mut bytes = 0;
        let newest = self.messages.shown().rev().enumerate();
        let fitting = newest.take_while(|(index, (_, message))| {
            bytes += message.bytes();
            bytes <= room || *index == 0
        });
        fitting.map(|(_, shown)| shown).collect()
    }

    /// Bytes that a page has for messages.
    fn room(&self) -> usize {
        let changes: usize = self.changes.iter().map(|change| change.html().len()).sum();
        // The title stands in two places.
        let title = 2 * facts::TITLE_GROWTH * self.title.len();
        let besides = AROUND_BYTES + changes + title + facts::bytes_max(&self.limits);
        self.limits.page_bytes_max.saturating_sub(besides)
    }
}

/// Appends where the page before or after this one is, if there is one.
fn push_way(html: &mut String, rel: &str, id: Option<&str>) {
    let (query, words) = match rel {
        "prev" => ("before", "Earlier messages"),
        _ => ("from", "Later messages"),
    };
    if let Some(id) = id {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
        html.extend(["<nav class=\"pages\"><a rel=\"", rel, "\" href=\"?"]);
        html.extend([query, "=", &id, "\">", words, "</a></nav>\n"]);
    }
}

impl Stretch {
    /// The stretch that a query asks for: `from=ID` or `before=ID`.
    pub(crate) fn of_query(query: Option<&str>) -> Self {
        let fields = query.unwrap_or_default().split('&');
        let mut stretches = fields.filter_map(|field| {
            let (name, value) = field.split_once('=')?;
            let id = percent_decode_str(value).decode_utf8().ok()?.into_owned();
            match name {
                "from" => Some(Self::From(id)),
                "before" => Some(Self::Before(id)),
                _ => None,
            }
        });
        stretches.next().unwrap_or_default()
    }
}

impl Frame<'_> {
    fn push_data(&self, html: &mut String) {
        if let Some(data) = self.data {
            html.push_str("<p id=\"data\"><a href=\"");
            push_attribute(html, data);
            html.push_str("\">Data of this share</a></p>");
        }
    }

    /// Appends the body's start; not all messages are on each page.
    /// What comes live goes behind the newest message: a page that ends before it only learns there that
    /// it may be shown no longer.
    fn push_body(&self, html: &mut String, is_first: bool, is_last: bool) {
        let first_at = self.first_at.map(|at| at.get().to_string());
        let last_at = self.last_at.map(|at| at.get().to_string());
        let cursor = self.cursor.to_string();
        html.push_str("<body");
        for (name, value) in [
            ("kind", Some(self.kind)),
            ("history", Some(self.history)),
            ("cursor", Some(cursor.as_str())),
            (
                "whole",
                Some(if is_first && is_last { "yes" } else { "no" }),
            ),
            ("live", self.live.filter(|_| is_last)),
            ("still", self.live.filter(|_| !is_last)),
            ("replay", self.replay),
            ("first-at", first_at.as_deref()),
            ("last-at", last_at.as_deref()),
        ] {
            if let Some(value) = value {
                html.extend([" data-", name, "=\""]);
                push_attribute(html, value);
                html.push('"');
            }
        }
        html.push_str(">\n");
    }
}

/// A page of a few words instead of a session.
pub(crate) fn notice(head: &str, title: &str, [error, hint]: [&str; 2]) -> String {
    let mut html = begun(title, head);
    html.push_str("<body data-kind=\"notice\">\n<h1>");
    push_text(&mut html, title);
    html.push_str("</h1>\n<p class=\"error\">");
    push_text(&mut html, error);
    html.push_str("</p>\n<p class=\"hint\">");
    push_text(&mut html, hint);
    html.push_str("</p>\n</body>\n</html>\n");
    html
}

fn begun(title: &str, head: &str) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex, nofollow\">\n<title>",
    );
    push_plain(&mut html, title);
    html.extend(["</title>\n", head, "</head>\n"]);
    html
}
