//! What the parts of a session look like.

use serde_json::json;

use super::super::{Frame, View, ViewLimits};
use super::document::{document, page, with_parts};

/// Each element on a line of its own.
fn lines(html: &str) -> String {
    html.replace("><", ">\n<")
}

#[test]
fn a_session_looks_like_this() {
    let document = document(&[
        (
            "session",
            json!({
                "title": "Mend the <roof>", "cost": 1.5,
                "tokens": {"input": 12345, "output": 67, "reasoning": 8, "cache": {"read": 5, "write": 0}},
                "summary": {"files": 2, "additions": 30, "deletions": 4},
                "time": {"created": 1_795_196_063_366_u64, "updated": 1_795_196_066_974_u64},
            }),
        ),
        ("model/fake/fa%2Fke-1", json!({"name": "Fake One"})),
        (
            "message/msg_1",
            json!({
                "role": "user", "time": {"created": 1_795_196_063_449_u64}, "agent": "build",
                "model": {"providerID": "fake", "modelID": "fa/ke-1"},
                "summary": {"diffs": [{"file": "a.md", "additions": 2, "deletions": 1, "status": "modified",
                    "patch": "Index: a.md\n=====\n--- a.md\n+++ a.md\n@@ -1,2 +1,3 @@\n same\n--- gone\n+new\n+new\n"}]},
            }),
        ),
        (
            "part/msg_1/prt_1",
            json!({"type": "text", "text": "Please **mend** it"}),
        ),
        (
            "part/msg_1/prt_2",
            json!({"type": "text", "text": "from the agent", "synthetic": true}),
        ),
        (
            "message/msg_2",
            json!({
                "role": "assistant", "time": {"created": 1_795_196_064_000_u64, "completed": 1_795_196_190_500_u64},
                "modelID": "fa/ke-1", "providerID": "fake", "cost": 0.0021,
                "tokens": {"input": 8649, "output": 50},
                "error": {"name": "APIError", "data": {"message": "overloaded"}},
            }),
        ),
        (
            "part/msg_2/prt_1",
            json!({"type": "step-start", "snapshot": "x"}),
        ),
        (
            "part/msg_2/prt_2",
            json!({"type": "reasoning", "text": "Thinking."}),
        ),
        (
            "session_diff",
            json!([{"file": "src/b.rs", "additions": 1, "patch": "@@\n+x\n"}]),
        ),
    ]);
    let page = View::new(&document, ViewLimits::DEFAULT).page(&Frame::default());
    insta::assert_snapshot!(lines(&page));
}

#[test]
fn tools_look_like_this() {
    let page = page(&with_parts(&[
        json!({"type": "tool", "tool": "bash", "state": {"status": "completed", "title": "List",
            "input": {"command": "ls -la", "description": "List files"}, "output": "total 20\n",
            "time": {"start": 1000, "end": 2250}}}),
        json!({"type": "tool", "tool": "edit", "state": {"status": "completed",
            "input": {"filePath": "/a.md", "oldString": "x", "newString": "<y>"},
            "metadata": {"diff": "Index: /a.md\n@@ -1 +1 @@\n-x\n+<y>\n"},
            "output": "Edit applied successfully."}}),
        json!({"type": "tool", "tool": "write", "state": {"status": "running",
            "input": {"filePath": "/b.md", "content": "# B\n"}}}),
        json!({"type": "tool", "tool": "read", "state": {"status": "error",
            "input": {"filePath": "/c.md"}, "error": "File not found"}}),
        json!({"type": "tool", "tool": "webfetch", "state": {"status": "pending", "input": {}, "raw": ""}}),
        json!({"type": "tool", "tool": "shot", "state": {"status": "completed", "output": "",
            "attachments": [{"type": "file", "mime": "image/png", "filename": "a.png",
                "url": "data:image/png;base64,AAAA"}]}}),
    ]));
    let (_, parts) = page.split_once("<div class=\"parts\">").unwrap();
    insta::assert_snapshot!(lines(parts.split_once("<footer").unwrap().0));
}

#[test]
fn other_parts_look_like_this() {
    let page = page(&with_parts(&[
        json!({"type": "file", "mime": "text/plain", "filename": "notes.txt", "url": "https://a.b/notes.txt"}),
        json!({"type": "file", "mime": "image/png", "url": "data:image/png;base64,AAAA"}),
        json!({"type": "patch", "hash": "755b10253e780924332d63050ceb8daeb09fe566",
            "files": ["/home/user/a.md", "/home/user/b.md"]}),
        json!({"type": "step-finish", "reason": "stop", "cost": 0.25, "tokens": {"input": 1000, "output": 2}}),
        json!({"type": "retry", "attempt": 1, "error": {"name": "APIError", "data": {"message": "busy"}}}),
        json!({"type": "compaction", "auto": true}),
        json!({"type": "hologram", "beams": [1, {"a": "<b>"}]}),
    ]));
    let (_, parts) = page.split_once("<div class=\"parts\">").unwrap();
    insta::assert_snapshot!(lines(parts.split_once("<footer").unwrap().0));
}
