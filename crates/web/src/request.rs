//! What the bodies of requests say.

use std::fmt;
use std::marker::PhantomData;

use axum::extract::Request;
use http::StatusCode;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use share_model::{GrantId, Limits, RefError, Secret, ShareRef, json_text_has_reserved_name};
use share_opencode::Item;

use crate::answer::Refusal;
use crate::body::{self, Held};
use crate::budget::Room;
use crate::face::{Inner, Peer};
use crate::limits::WebLimits;
use crate::local::LocalEvent;
use crate::reader::Proof;
use crate::unambiguous::Unambiguous;

/// What one value takes in memory, beyond its text.
const VALUE_BYTES: usize = 128;

const JSON_TYPE: &str = "application/json";

/// A body of more bytes is read where it holds up no other connection.
const ASIDE_BYTES: usize = 128 << 10;

/// `POST /api/share`.
#[derive(Debug, Deserialize)]
pub(crate) struct Create {
    #[serde(rename = "sessionID")]
    session: String,
}

/// `POST /api/share/{id}/sync`.
#[derive(Deserialize)]
pub(crate) struct Sync {
    secret: String,
    data: Vec<Object<SyncItem>>,
}

#[derive(Deserialize)]
struct SyncItem {
    #[serde(rename = "type")]
    kind: String,
    data: Unambiguous,
}

/// `DELETE /api/share/{id}`.
#[derive(Deserialize)]
pub(crate) struct Delete {
    secret: String,
}

/// `POST /local/sessions/{session}/events`.
pub(crate) struct Events(Vec<Object<SentEvent>>);

#[derive(Deserialize)]
struct SentEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    properties: Unambiguous,
}

/// A body that says nothing: `{}`.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

/// What names a share and proves a grant of it: `POST /private/open`, `POST /owner/share`.
#[derive(Deserialize)]
pub(crate) struct ByRef {
    #[serde(rename = "ref")]
    reference: String,
}

/// `POST /owner/revoke`.
#[derive(Deserialize)]
pub(crate) struct Revoke {
    #[serde(rename = "ref")]
    reference: String,
    grant: String,
}

/// A body with a shape.
pub(crate) trait Shape: Sized + Send + 'static {
    /// The shape, for who sent another one.
    const WORDS: &str;

    /// Reads it.
    fn read(json: &str) -> serde_json::Result<Self>;
}

fn object<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    serde_json::from_str(json).map(|Object(shape)| shape)
}

impl Shape for Create {
    const WORDS: &str = "expected `{\"sessionID\": STRING}`, each member once";

    fn read(json: &str) -> serde_json::Result<Self> {
        object(json)
    }
}

impl Shape for Sync {
    const WORDS: &str = "expected `{\"secret\": STRING, \"data\": [{\"type\": STRING, \"data\": \
                         ANY}]}`, each member once";

    fn read(json: &str) -> serde_json::Result<Self> {
        object(json)
    }
}

impl Shape for Delete {
    const WORDS: &str = "expected `{\"secret\": STRING}`, each member once";

    fn read(json: &str) -> serde_json::Result<Self> {
        object(json)
    }
}

impl Shape for Events {
    const WORDS: &str = "expected `[{\"id\": STRING, \"type\": STRING, \"properties\": ANY}]`, each \
                         member once";

    fn read(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json).map(Self)
    }
}

impl Shape for Nothing {
    const WORDS: &str = "expected `{}`";

    fn read(json: &str) -> serde_json::Result<Self> {
        object(json)
    }
}

impl Events {
    pub(crate) fn events(self) -> Vec<LocalEvent> {
        let event = |Object(sent): Object<SentEvent>| LocalEvent {
            id: sent.id,
            kind: sent.kind,
            properties: sent.properties.0,
        };
        self.0.into_iter().map(event).collect()
    }
}

impl Shape for ByRef {
    const WORDS: &str = "expected `{\"ref\": STRING}`, each member once";

    fn read(json: &str) -> serde_json::Result<Self> {
        object(json)
    }
}

impl Shape for Revoke {
    const WORDS: &str = "expected `{\"ref\": STRING, \"grant\": STRING}`, each member once";

    fn read(json: &str) -> serde_json::Result<Self> {
        object(json)
    }
}

impl ByRef {
    /// What the ref proves.
    pub(crate) fn proof(self) -> Result<Proof, Refusal> {
        proof(&self.reference)
    }
}

impl Revoke {
    /// What the ref proves, and which grant is to end.
    pub(crate) fn parts(self) -> Result<(Proof, GrantId), Refusal> {
        let grant = self.grant.parse().map_err(|_| {
            let hint = "send the id of a grant as `/owner/share` lists it";
            Refusal::invalid("`grant` is not the id of a grant", hint)
        })?;
        Ok((proof(&self.reference)?, grant))
    }
}

/// Of which server the ref speaks is not looked at: another one's opens nothing here.
fn proof(text: &str) -> Result<Proof, Refusal> {
    let reference: ShareRef = text.trim().parse().map_err(|error: RefError| {
        let hint = "paste the whole ref, from `share://` to its end";
        Refusal::invalid(error.to_string(), hint)
    })?;
    Ok(Proof {
        share: reference.share,
        grant: reference.grant,
        secret: reference.secret.hash(),
    })
}

/// Reads the body of a request as JSON of a shape.
pub(crate) async fn read<T: Shape>(
    face: &Inner,
    peer: Peer,
    request: Request,
) -> Result<(T, Room), Refusal> {
    let held = body::read(face, peer.source(), JSON_TYPE, request).await?;
    parse(&face.options.limits, held).await
}

impl Create {
    /// The agent session that is to be shared.
    pub(crate) fn session(self) -> Result<String, Refusal> {
        let max = Limits::DEFAULT.label_bytes_max as usize;
        match (1..=max).contains(&self.session.len()) {
            true => Ok(self.session),
            false => Err(Refusal::invalid(
                format!("`sessionID` has not between 1 and {max} bytes"),
                "send the id of the session",
            )),
        }
    }
}

impl Sync {
    /// The secret, and what the share is to say. What is no secret opens no share.
    pub(crate) fn parts(self) -> Result<(Secret, Vec<Item>), Refusal> {
        let secret = secret(&self.secret)?;
        let items = self
            .data
            .into_iter()
            .map(|Object(SyncItem { kind, data })| Item { kind, data: data.0 });
        Ok((secret, items.collect()))
    }
}

impl Delete {
    pub(crate) fn secret(self) -> Result<Secret, Refusal> {
        secret(&self.secret)
    }
}

fn secret(text: &str) -> Result<Secret, Refusal> {
    Secret::from_text(text).ok_or_else(Refusal::not_found)
}

/// Reads a body, and keeps room for what it becomes.
///
/// # Cancel safety
///
/// A large body is read to its end all the same, and its room given back only then.
async fn parse<T: Shape>(limits: &WebLimits, held: Held) -> Result<(T, Room), Refusal> {
    let values_max = limits.body_values_max;
    if held.bytes.len() <= ASIDE_BYTES {
        return parse_here(values_max, held);
    }
    match tokio::task::spawn_blocking(move || parse_here(values_max, held)).await {
        Ok(parsed) => parsed,
        // The runtime is going away.
        Err(_) => Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is ending",
            "nothing was changed; send the same again later",
        )),
    }
}

fn parse_here<T: Shape>(values_max: usize, held: Held) -> Result<(T, Room), Refusal> {
    let Held { bytes, mut room } = held;
    let Ok(text) = str::from_utf8(&bytes) else {
        return Err(Refusal::invalid("the body is not UTF-8", T::WORDS));
    };
    let values = values(text);
    if values > values_max {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has {values} values, limit is {values_max}"),
            "nothing was stored; send the items in several requests",
        ));
    }
    room.grow(values * VALUE_BYTES)?;
    // Before it is read: with such a member first, the reader would take an object for something else,
    // and count its levels anew.
    if json_text_has_reserved_name(text) {
        let what = "a member has a name that JSON readers keep for themselves";
        return Err(Refusal::invalid(what, "name the member otherwise"));
    }
    match T::read(text) {
        Ok(shape) => Ok((shape, room)),
        Err(error) => Err(unreadable::<T>(&error)),
    }
}

/// How many values the text has at most, if it is JSON.
fn values(json: &str) -> usize {
    let (mut values, mut is_string, mut is_escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b',' | b'[' | b'{' if !is_string => values += 1,
            _ => {}
        }
    }
    values
}

/// Says where, but in words of our own: the reader's have what it read in them.
fn unreadable<T: Shape>(error: &serde_json::Error) -> Refusal {
    let what = match error.is_data() {
        true => "the body has another shape than expected",
        false => "the body is no JSON that can be read",
    };
    let (line, column) = (error.line(), error.column());
    Refusal::invalid(format!("{what}, at line {line} column {column}"), T::WORDS)
}

/// What an object says; `T` by itself would take an array for it too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(ObjectVisitor(PhantomData))
            .map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (json, count) in [
            ("1", 1),
            ("[]", 2),
            ("[1,2,3]", 4),
            (r#"{"a":1,"b":[2,"[,{"]}"#, 5),
            (r#"["\"[,",1]"#, 3),
            (r#"["\\",[]]"#, 4),
        ] {
            assert_eq!(values(json), count, "{json}");
        }
    }
}
