//! The static page around a view.

use share_model::UnixMs;

use super::View;
use super::text::{push_attribute, push_text};

/// The type of a page.
pub(crate) const TYPE: &str = "text/html; charset=utf-8";

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
    /// The whole page.
    pub(crate) fn page(&self, frame: &Frame<'_>) -> String {
        let mut html = begun(&self.title, frame.head);
        frame.push_body(&mut html);
        html.push_str("<header id=\"top\"><h1 id=\"title\" dir=\"auto\">");
        push_text(&mut html, &self.title);
        html.extend(["</h1><p id=\"facts\">", &self.facts, "</p>"]);
        html.push_str("<div id=\"controls\" hidden></div>");
        if let Some(data) = frame.data {
            html.push_str("<p id=\"data\"><a href=\"");
            push_attribute(&mut html, data);
            html.push_str("\">Data of this share</a></p>");
        }
        html.push_str("</header>\n<main id=\"session\">");
        for message in self.messages() {
            html.push('\n');
            self.push_message(&mut html, message);
        }
        html.push_str("</main>\n<aside id=\"changes\">");
        for change in &self.changes {
            html.push_str(change.html());
        }
        html.push_str("</aside>\n</body>\n</html>\n");
        html
    }
}

impl Frame<'_> {
    fn push_body(&self, html: &mut String) {
        let first_at = self.first_at.map(|at| at.get().to_string());
        let last_at = self.last_at.map(|at| at.get().to_string());
        let cursor = self.cursor.to_string();
        html.push_str("<body");
        for (name, value) in [
            ("kind", Some(self.kind)),
            ("history", Some(self.history)),
            ("cursor", Some(cursor.as_str())),
            ("live", self.live),
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
    super::text::push_plain(&mut html, title);
    html.extend(["</title>\n", head, "</head>\n"]);
    html
}
