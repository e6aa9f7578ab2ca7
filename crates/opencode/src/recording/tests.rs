//! What is read, and how each kind of broken recording is refused.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::*;

const CREATE: &str =
    r#"{"t_ms":1,"method":"POST","path":"/api/share","body":{"sessionID":"ses_1"}}"#;
const SYNC: &str = r#"{"t_ms":2,"method":"POST","path":"/api/share/abc/sync","body":{"secret":"hush","data":[{"type":"session","data":{"id":"ses_1"}}]}}"#;
const DELETE: &str =
    r#"{"t_ms":3,"method":"DELETE","path":"/api/share/abc","body":{"secret":"hush"}}"#;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<Vec<Request>, RecordingError> {
    Recording::new(bytes)?.collect()
}

#[track_caller]
fn refusal(lines: &[&str]) -> String {
    let error = read(lines.join("\n").as_bytes()).expect_err("the recording is refused");
    let text = error.to_string();
    assert!(!text.contains("hush"), "a secret is shown: {text}");
    text
}

#[test]
fn plain_and_gzip_read_alike_and_count() {
    let other = r#"{"t_ms":4,"method":"GET","path":"/api/share/abc/data","body":null}"#;
    let text = [CREATE, "", SYNC, "\r", DELETE, other].join("\n");
    let expected: Vec<Request> = [
        (
            1,
            1,
            RequestKind::Create {
                session: "ses_1".into(),
            },
        ),
        (
            3,
            2,
            RequestKind::Sync {
                items: vec![Item {
                    kind: "session".into(),
                    data: json!({"id": "ses_1"}),
                }],
            },
        ),
        (5, 3, RequestKind::Delete),
        (6, 4, RequestKind::Other),
    ]
    .map(|(line, t_ms, kind)| Request { line, t_ms, kind })
    .into();
    for bytes in [text.clone().into_bytes(), gzip(&text)] {
        let mut recording = Recording::new(&bytes[..]).unwrap();
        let requests: Vec<_> = recording.by_ref().map(Result::unwrap).collect();
        assert_eq!(requests, expected);
        let counts = Counts {
            requests: 4,
            creates: 1,
            syncs: 1,
            deletes: 1,
            other: 1,
            items: 1,
        };
        assert_eq!(recording.counts(), counts);
        assert!(!format!("{recording:?}{requests:?}").contains("hush"));
    }
}

#[test]
fn a_malformed_line_is_named_with_what_is_wrong() {
    let sync = |data: &str| SYNC.replace(r#"[{"type":"session","data":{"id":"ses_1"}}]"#, data);
    let lone = sync(r#"[{"type":"a","data":"\ud800"}]"#);
    for (line, what) in [
        (
            "{\"t_ms\":1,",
            "not JSON that can be read, at byte 10: EOF while parsing a value",
        ),
        (
            &lone,
            "not JSON that can be read, at byte 114: unexpected end of hex escape",
        ),
        ("[1]", "not a JSON object"),
        (
            r#"{"t_ms":"hush"}"#,
            "`t_ms` is not a whole number of milliseconds",
        ),
        (r#"{"t_ms":1,"method":1}"#, "`method` is not a string"),
        (r#"{"t_ms":1,"method":"GET"}"#, "`path` is not a string"),
        (
            r#"{"t_ms":1,"method":"POST","path":"/api/share","body":{}}"#,
            "`body.sessionID` is not a string",
        ),
        (&sync("7"), "`body.data` is not an array of items"),
        (
            &sync(r#"[{"type":"a","data":1},{"type":"a"}]"#),
            "item 1 of `body.data` is not an object with a string `type` and with `data`",
        ),
        (
            &sync(r#"[{"type":7,"data":1}]"#),
            "item 0 of `body.data` is not an object with a string `type` and with `data`",
        ),
    ] {
        let expected = format!("line 3 of the recording: {what}; {FORM}");
        assert_eq!(refusal(&[CREATE, SYNC, line]), expected);
    }
}

#[test]
fn something_else_than_a_recording_is_refused_with_what_one_looks_like() {
    let empty = format!("the recording is empty; {FORM}");
    assert_eq!(refusal(&[]), empty);
    assert_eq!(refusal(&["", "", ""]), empty);
    let text = "line 1 of the recording: not JSON that can be read, at byte 1: expected value";
    assert_eq!(refusal(&["# Notes"]), format!("{text}; {FORM}"));
    let missing = Recording::open(Path::new("/nowhere/at.all")).unwrap_err();
    assert_eq!(missing.to_string(), "open recording /nowhere/at.all");
}

#[test]
fn a_gzip_recording_that_is_cut_off_is_an_error_and_not_an_end() {
    let whole = gzip(&[CREATE, SYNC, DELETE].join("\n"));
    assert_eq!(read(&whole).unwrap().len(), 3);
    let error = read(&whole[..whole.len() - 9]).unwrap_err();
    assert!(matches!(error, RecordingError::Read { .. }), "{error:?}");
}

#[test]
fn a_line_at_the_limit_is_read_and_one_past_it_refused() {
    let max = SYNC.len() as u64;
    let read = |text: String| {
        let mut recording = Recording::new(io::Cursor::new(text)).unwrap();
        recording.line_bytes_max = max;
        recording.collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(
        read(format!("{CREATE}\n{SYNC}\n{DELETE}")).unwrap().len(),
        3
    );
    assert_eq!(read(format!("{CREATE}\n{SYNC}")).unwrap().len(), 2);
    for text in [format!("{CREATE}\n {SYNC}\n"), format!("{CREATE}\n {SYNC}")] {
        let error = read(text).unwrap_err().to_string();
        let expected = format!("line 2 of the recording is longer than {max} bytes; {FORM}");
        assert_eq!(error, expected);
    }
}

#[test]
fn an_error_ends_the_recording() {
    let text = [CREATE, "oops", DELETE].join("\n");
    let mut recording = Recording::new(text.as_bytes()).unwrap();
    assert!(recording.next().unwrap().is_ok());
    assert!(recording.next().unwrap().is_err());
    assert!(recording.next().is_none());
}

#[test]
fn sharing_again_goes_on_and_a_second_session_is_refused() {
    let again = SYNC.replace("abc", "xyz");
    let all = [CREATE, SYNC, CREATE, &again, SYNC, DELETE].join("\n");
    assert_eq!(read(all.as_bytes()).unwrap().len(), 6);
    let one_share = "a recording is one agent session, played into one share";
    assert_eq!(
        refusal(&[CREATE, SYNC, &CREATE.replace("ses_1", "ses_2")]),
        format!("line 3 of the recording shares a second agent session; {one_share}")
    );
    assert_eq!(
        refusal(&[CREATE, SYNC, &again]),
        format!(
            "line 3 of the recording syncs a share that no create before it accounts for; {one_share}"
        )
    );
}
