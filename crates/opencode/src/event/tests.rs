use serde_json::json;

use super::*;

fn item(kind: &str, data: Value) -> Event {
    Event::Items(vec![Item {
        kind: kind.into(),
        data,
    }])
}

#[test]
fn each_event_says_what_its_table_says() {
    let (session, message) = (json!({"id": "s"}), json!({"id": "m"}));
    let part = json!({"id": "p", "messageID": "m"});
    let delta = json!({"messageID": "m", "partID": "p", "field": "text", "at": 3, "delta": "x"});
    let expected = Delta {
        message: "m".into(),
        part: "p".into(),
        field: "text".into(),
        at: 3,
        text: "x".into(),
    };
    let gone = json!({"messageID": "m", "partID": "p"});
    let models = json!({"items": [{"type": "model", "data": []}]});
    for (kind, properties, said) in [
        (
            "session.created",
            json!({"info": session}),
            item("session", session.clone()),
        ),
        (
            "session.updated",
            json!({"info": session}),
            item("session", session),
        ),
        (
            "message.updated",
            json!({"info": message}),
            item("message", message),
        ),
        (
            "message.part.updated",
            json!({"part": part}),
            item("part", part),
        ),
        (
            "session.diff",
            json!({"diff": []}),
            item("session_diff", json!([])),
        ),
        ("message.part.delta", delta, Event::Delta(expected)),
        (
            "message.removed",
            gone.clone(),
            Event::MessageRemoved {
                message: "m".into(),
            },
        ),
        (
            "message.part.removed",
            gone,
            Event::PartRemoved {
                message: "m".into(),
                part: "p".into(),
            },
        ),
        ("items", models, item("model", json!([]))),
        ("session.idle", json!({"sessionID": "s"}), Event::Other),
    ] {
        assert_eq!(Event::read(kind, properties).unwrap(), said, "{kind}");
    }
}

#[test]
fn an_event_without_its_members_is_refused_by_name() {
    for (kind, properties, member) in [
        ("message.updated", json!([]), "properties"),
        ("message.updated", json!({}), "info"),
        ("message.removed", json!({"messageID": 1}), "messageID"),
        (
            "message.part.delta",
            json!({"messageID": "m", "partID": "p", "field": "text", "at": -1, "delta": ""}),
            "at",
        ),
        ("items", json!({"items": {}}), "items"),
        ("items", json!({"items": [{"type": "a"}]}), "items"),
        ("items", json!({"items": ["a"]}), "items"),
    ] {
        let error = Event::read(kind, properties).unwrap_err();
        assert_eq!(error.member, member, "{kind}");
    }
}
