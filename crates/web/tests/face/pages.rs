//! The page of a share.

use share_model::Slug;

use crate::client::Answer;
use crate::scene::Scene;

async fn page(scene: &Scene, entries: &[(&str, &str)]) -> Answer {
    let (slug, _) = scene.backend.share(entries);
    scene.get(&format!("/share/{}", slug.to_text())).await
}

#[tokio::test]
async fn a_page_has_title_messages_in_order_and_their_texts_and_tools() {
    let scene = Scene::new().await;
    let entries = [
        ("session", r#"{"title":"Mend the roof"}"#),
        (
            "message/msg_a",
            r#"{"id":"msg_a","role":"assistant","time":{"created":20}}"#,
        ),
        (
            "message/msg_b",
            r#"{"id":"msg_b","role":"user","time":{"created":9}}"#,
        ),
        (
            "part/msg_b/p1",
            r#"{"messageID":"msg_b","id":"p1","type":"text","text":"Please"}"#,
        ),
        (
            "part/msg_a/p1",
            r#"{"messageID":"msg_a","id":"p1","type":"reasoning","text":"Hm"}"#,
        ),
        (
            "part/msg_a/p2",
            r#"{"messageID":"msg_a","id":"p2","type":"tool","tool":"bash","state":{"status":"completed","title":"List","input":{"command":"ls"},"output":"roof.txt"}}"#,
        ),
        (
            "part/msg_a/p3",
            r#"{"messageID":"msg_a","id":"p3","type":"file","filename":"a.png"}"#,
        ),
        (
            "part/msg_a/p4",
            r#"{"messageID":"msg_a","id":"p4","type":"step-start"}"#,
        ),
    ];
    let page = page(&scene, &entries).await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let text = page.text();
    let in_order = [
        "<h1 id=\"title\" dir=\"auto\">Mend the roof</h1>",
        "<a href=\"/api/share/",
        "<article class=\"message user\" id=\"m-msg_b\">",
        "<p>Please</p>",
        "<article class=\"message assistant\" id=\"m-msg_a\">",
        "<p>Hm</p>",
        "<span class=\"name\"><bdi>bash</bdi></span>",
        "<pre class=\"input\">\nls</pre>",
        "<pre class=\"output\" id=\"o-msg_a.p2\">\nroof.txt</pre>",
        "<bdi>a.png</bdi>",
        "</body>\n</html>\n",
    ];
    let mut rest = text;
    for piece in in_order {
        let (_, after) = rest.split_once(piece).expect(piece);
        rest = after;
    }
    assert_eq!(rest, "");
    let head = page.text();
    assert!(head.starts_with("<!doctype html>\n<html lang=\"en\">\n"));
    assert!(head.contains("<title>Mend the roof</title>"));
    assert!(head.contains("<meta name=\"robots\" content=\"noindex, nofollow\">"));
}

#[tokio::test]
async fn nothing_that_a_session_says_is_markup() {
    let scene = Scene::new().await;
    let bad =
        "</pre></title></style><script>alert(1)</script><img src=x onerror='a' \\\"b\\\"&amp;";
    let member = |name: &str| format!(r#""{name}":"{bad}""#);
    let session = format!("{{{}}}", member("title"));
    let message = format!(r#"{{"id":"m",{}}}"#, member("role"));
    let part = |id: &str, rest: &str| format!(r#"{{"messageID":"m","id":"{id}",{rest}}}"#);
    let parts = [
        part("1", &format!(r#""type":"text",{}"#, member("text"))),
        part("2", &format!(r#""type":"reasoning",{}"#, member("text"))),
        part("3", &format!(r#""type":"file",{}"#, member("filename"))),
        part(
            "4",
            &format!(
                r#""type":"tool",{},"state":{{{},{},{},{},"input":{{"{bad}":1}}}}"#,
                member("tool"),
                member("title"),
                member("status"),
                member("output"),
                member("error"),
            ),
        ),
    ];
    let keys = ["part/m/1", "part/m/2", "part/m/3", "part/m/4"];
    let mut entries = vec![("session", session.as_str()), ("message/m", &message)];
    entries.extend(keys.into_iter().zip(parts.iter().map(String::as_str)));
    let page = page(&scene, &entries).await;
    let text = page.text();
    assert_eq!(text.matches("&lt;script&gt;").count(), 12);
    for markup in ["<script>", "<img", "&amp;amp;amp;", "<style"] {
        assert!(!text.contains(markup), "{markup}");
    }
    assert_eq!(text.matches("<script").count(), 1, "the page's own");
    assert_eq!(text.matches("</title>").count(), 1);
}

#[tokio::test]
async fn what_has_another_shape_than_expected_is_shown_as_far_as_it_goes() {
    let scene = Scene::new().await;
    let entries = [
        ("session", "7"),
        ("session_diff", "null"),
        (
            "message/m",
            r#"{"id":"m","role":7,"time":{"created":"never"}}"#,
        ),
        ("message/n", r#"{"id":7}"#),
        (
            "part/m/1",
            r#"{"messageID":"m","id":"1","type":"text","text":7}"#,
        ),
        (
            "part/m/2",
            r#"{"messageID":"m","id":"2","type":"tool","state":[]}"#,
        ),
        ("part/m/3", r#"{"messageID":"m","id":"3"}"#),
        (
            "part/gone/1",
            r#"{"messageID":"gone","id":"1","type":"text","text":"of no message"}"#,
        ),
    ];
    let page = page(&scene, &entries).await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(text.contains("<h1 id=\"title\" dir=\"auto\">Shared session</h1>"));
    assert!(text.contains("<h2><bdi>unknown</bdi></h2>"));
    assert!(!page.text().contains("of no message"));
}

#[tokio::test]
async fn a_share_that_is_not_there_has_a_page_that_says_so() {
    let scene = Scene::new().await;
    let unknown = Slug::from_bytes([0xee; 16]).to_text();
    for id in [unknown.as_str(), "nothing", "%3Cscript%3E"] {
        let page = scene.get(&format!("/share/{id}")).await;
        assert_eq!(page.status, 404);
        assert!(page.text().contains("<h1>No such page</h1>"));
        assert!(!page.text().contains(id));
    }
}
