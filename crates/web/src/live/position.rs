//! Where a viewer stands, as it is written: `HISTORY:CURSOR`.

use http::HeaderMap;
use share_model::{Cursor, HistoryId, LogPosition};

use crate::query;

/// What a browser sends when it connects again.
const LAST_EVENT_ID: &str = "last-event-id";

/// Where a request's viewer stands: by its last event, else by the query's `after`. `None`: nowhere.
/// What is not the id of an event is nowhere, whatever the query says: the viewer has seen something
/// else since it was asked for.
pub(crate) fn seen_by(headers: &HeaderMap, query: Option<&str>) -> Option<LogPosition> {
    match headers.get(LAST_EVENT_ID) {
        Some(id) => read(id.to_str().ok()?),
        None => read(&query::value(query?, "after")?),
    }
}

/// The id of the event that leads to `cursor`.
pub(crate) fn written(history: HistoryId, cursor: Cursor) -> String {
    format!("{history}:{cursor}")
}

fn read(text: &str) -> Option<LogPosition> {
    let (history, cursor) = text.split_once(':')?;
    let is_plain = history.len() == 32 && cursor.bytes().all(|byte| byte.is_ascii_digit());
    let cursor = cursor.parse().ok().filter(|_| is_plain)?;
    Some(LogPosition {
        history: Some(history.parse().ok()?),
        cursor: Cursor::new(cursor),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const HISTORY: &str = "afef6c89cb748db6af8ac9cf6143a966";

    fn seen(last: Option<&str>, query: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(last) = last {
            headers.insert(LAST_EVENT_ID, HeaderValue::from_str(last).unwrap());
        }
        let seen = seen_by(&headers, query)?;
        Some(written(seen.history.unwrap(), seen.cursor))
    }

    #[test]
    fn the_last_event_counts_before_the_query_and_what_is_neither_is_nowhere() {
        let at = |cursor: &str| format!("{HISTORY}:{cursor}");
        let query = |cursor: &str| format!("a=b&after={HISTORY}:{cursor}");
        assert_eq!(seen(None, Some(&query("7"))), Some(at("7")));
        assert_eq!(
            seen(None, Some(&format!("after={HISTORY}%3A7"))),
            Some(at("7"))
        );
        assert_eq!(seen(Some(&at("8")), Some(&query("7"))), Some(at("8")));
        assert_eq!(seen(Some("8"), Some(&query("7"))), None);
        assert_eq!(seen(None, None), None);
        for cursor in ["", "-1", "+1", "1x", "99999999999999999999999"] {
            assert_eq!(seen(None, Some(&query(cursor))), None, "{cursor}");
        }
        assert_eq!(seen(None, Some("after=x:1")), None);
    }
}
