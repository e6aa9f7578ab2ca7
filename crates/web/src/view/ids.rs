//! The ids of elements. They are made here, and no content can name one: what is no plain id in the
//! document stands by its hash, after a dot that no plain one has.

use ring::digest::{SHA256, digest};

/// Bytes of an id that may stand as it is.
const PLAIN_BYTES_MAX: usize = 128;

/// Bytes of a hash that are kept: enough that nobody finds two ids with one.
const HASH_BYTES: usize = 16;

/// A message's name in ids.
pub(super) fn message(id: &str) -> String {
    let is_plain = (1..=PLAIN_BYTES_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match is_plain {
        true => id.to_owned(),
        false => hashed(id),
    }
}

/// A part's name in ids: part ids need not be unique among messages.
pub(super) fn part(message_id: &str, id: &str) -> String {
    format!("{}.{}", message(message_id), message(id))
}

/// The name of a file in ids.
pub(super) fn file(path: &str) -> String {
    hashed(path)
}

fn hashed(id: &str) -> String {
    let hash = digest(&SHA256, id.as_bytes());
    let mut name = String::from(".");
    for byte in hash.as_ref().iter().take(HASH_BYTES) {
        for digit in [byte >> 4, byte & 15] {
            name.extend(char::from_digit(u32::from(digit), 16));
        }
    }
    name
}
