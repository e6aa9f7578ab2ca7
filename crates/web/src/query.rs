//! The query of a request.

use percent_encoding::percent_decode_str;

/// The value of the first field with this name; `None`: there is none, or it is no text.
pub(crate) fn value(query: &str, name: &str) -> Option<String> {
    let field = query.split('&').find_map(|field| {
        let (named, value) = field.split_once('=')?;
        (named == name).then_some(value)
    })?;
    let text = percent_decode_str(field).decode_utf8().ok()?;
    Some(text.into_owned())
}
