//! Lines that `share append` reads.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use share_client::{DependsOn, NewOp};
use share_model::Mutation;

/// Reads each line as an op. An op that was read is written as a line, and read again as the same; its
/// JSON is JSON, and stands as it stood.
///
/// # Panics
///
/// If that does not hold.
pub fn json_lines(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    for line in text.lines() {
        match NewOp::from_json_line(line) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(op) => {
                let written = written(&op);
                let again = NewOp::from_json_line(&written).expect("a written op is read");
                assert_eq!(again, op, "{written}");
            }
        }
    }
}

fn written(op: &NewOp) -> String {
    let (name, key) = (name(&op.mutation), json!(op.mutation.key()));
    let mut line = format!(r#"{{"op":"{name}","key":{key}"#);
    let mut member = |name: &str, value: &Value| line.push_str(&format!(r#","{name}":{value}"#));
    if let Some(id) = op.id {
        member("id", &json!(id.to_string()));
    }
    let depends_on: Vec<String> = op.depends_on.iter().map(named).collect();
    member("dependsOn", &json!(depends_on));
    match &op.mutation {
        Mutation::AppendText { pointer, text, .. } => {
            member("pointer", &json!(pointer));
            member("text", &json!(text));
        }
        Mutation::AppendItem { pointer, .. } => member("pointer", &json!(pointer)),
        Mutation::Put { .. } | Mutation::Merge { .. } | Mutation::Remove { .. } => {}
    }
    if let Mutation::Put { json, .. }
    | Mutation::Merge { json, .. }
    | Mutation::AppendItem { json, .. } = &op.mutation
    {
        let is_json = serde_json::from_str::<&RawValue>(json).is_ok();
        assert!(is_json, "the value is no JSON: {json}");
        line.push_str(&format!(r#","value":{json}"#));
    }
    line + "}"
}

fn named(dependency: &DependsOn) -> String {
    match dependency {
        DependsOn::Op(id) => id.to_string(),
        DependsOn::Identity(_) => panic!("a line names ops by their ids"),
    }
}

fn name(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::Put { .. } => "put",
        Mutation::Merge { .. } => "merge",
        Mutation::AppendText { .. } => "appendText",
        Mutation::AppendItem { .. } => "appendItem",
        Mutation::Remove { .. } => "remove",
    }
}
