//! The vectors beside the schema, whose expected values `tests/interop/vectors.py` computed.

use serde_json::Value;
use share_model::{
    Chain, Dependency, Fingerprint, Mutation, Op, OpId, OutboxId, OutboxKey, Secret, Seq,
};

const VECTORS: &str = include_str!("../../../../schema/test-vectors.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

#[track_caller]
fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

#[track_caller]
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[track_caller]
fn bytes<const LEN: usize>(hex: &str) -> [u8; LEN] {
    assert_eq!(hex.len(), 2 * LEN);
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text of the file: itself, or a piece that is repeated.
#[track_caller]
fn long_text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let times = value["times"].as_u64().unwrap();
            text(value, "repeat").repeat(usize::try_from(times).unwrap())
        }
    }
}

fn dependency(value: &Value) -> Dependency {
    let outbox = text(value, "outboxId");
    Dependency {
        outbox: (!outbox.is_empty()).then(|| OutboxId::from_bytes(bytes(outbox))),
        seq: Seq::new(text(value, "seq").parse().unwrap()),
        fingerprint: Fingerprint::from_bytes(bytes(text(value, "fingerprint"))),
    }
}

fn op(value: &Value) -> Op {
    let (name, fields) = value["mutation"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let field = |name: &str| long_text(&fields[name]);
    let key = field("key");
    Op {
        id: OpId::from_bytes(bytes(text(value, "id"))),
        depends_on: items(value, "dependsOn").iter().map(dependency).collect(),
        mutation: match name.as_str() {
            "put" => Mutation::Put {
                key: key.into(),
                json: field("json").into(),
            },
            "merge" => Mutation::Merge {
                key: key.into(),
                json: field("json").into(),
            },
            "appendText" => Mutation::AppendText {
                key: key.into(),
                pointer: field("pointer").into(),
                text: field("text").into(),
            },
            "appendItem" => Mutation::AppendItem {
                key: key.into(),
                pointer: field("pointer").into(),
                json: field("json").into(),
            },
            "remove" => Mutation::Remove { key: key.into() },
            other => panic!("`{other}` is no mutation"),
        },
    }
}

#[test]
fn outbox_ids_are_those_of_the_vectors() {
    let vectors = vectors();
    let outboxes = items(&vectors, "outboxes");
    assert_eq!(outboxes.len(), 2);
    for outbox in outboxes {
        let key = OutboxKey::from_bytes(bytes(text(outbox, "outboxKey")));
        assert_eq!(key.outbox_id().to_string(), text(outbox, "outboxId"));
    }
}

#[test]
fn texts_and_hashes_of_secrets_are_those_of_the_vectors() {
    let vectors = vectors();
    let secrets = items(&vectors, "secrets");
    assert_eq!(secrets.len(), 2);
    for vector in secrets {
        let secret = Secret::from_bytes(bytes(text(vector, "secret")));
        assert_eq!(secret.to_text(), text(vector, "text"));
        assert_eq!(hex(&secret.hash().to_bytes()), text(vector, "secretHash"));
    }
}

#[test]
fn fingerprints_and_chains_are_those_of_the_vectors() {
    let vectors = vectors();
    let lane = OutboxId::from_bytes(bytes(text(&vectors, "lane")));
    let ops = items(&vectors, "ops");
    assert_eq!(ops.len(), 20);
    let mut chain = Chain::EMPTY;
    for vector in ops {
        let name = text(vector, "name");
        let fingerprint = Fingerprint::of(&op(&vector["op"]), lane);
        assert_eq!(
            fingerprint.to_string(),
            text(vector, "fingerprint"),
            "{name}"
        );
        chain = chain.then(fingerprint);
        assert_eq!(chain.to_string(), text(vector, "chain"), "{name}");
    }
}
