//! `share watch` in a terminal, before a real server.

#[path = "running/pty.rs"]
mod pty;
#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use pty::Pty;
use running::Place;

const BEGIN: &str = r#"{"op":"put","key":"session","value":{"title":"the session"}}
{"op":"put","key":"message/m","value":{"role":"assistant","time":{"created":1}}}
{"op":"put","key":"part/m/p","value":{"type":"text","text":"hel"}}
"#;

fn say(place: &Place, text: &str) {
    let op = serde_json::json!({"op": "appendText", "key": "part/m/p", "pointer": "/text", "text": text});
    let said = place.share_with(&["append", "@owner.ref"], &op.to_string());
    assert_eq!(said.code, 0, "{said:?}");
}

fn begin(place: &Place) {
    let said = place.share_with(&["append", "@owner.ref"], BEGIN);
    assert_eq!(said.code, 0, "{said:?}");
}

fn watch(place: &Place, args: &[&str]) -> Pty {
    let args: Vec<_> = std::iter::once(&"watch").chain(args).copied().collect();
    let mut command = place.command(&args);
    command.env_remove("NO_COLOR");
    Pty::spawn(command)
}

#[test]
fn text_grows_on_the_screen_and_is_gone_when_the_grant_is_revoked() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    begin(&place);
    let made = place.share(&["grant", "@owner.ref", "--rights", "read", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made.out).expect("one JSON value");
    place.write("read.ref", made["ref"].as_str().expect("a ref"));

    let mut pty = watch(&place, &["@read.ref"]);
    pty.shows_line("hel");
    pty.shows("live");
    say(&place, "lo\u{1b}[2J **there**");
    // What would have cleared the screen is shown, and does not.
    pty.shows(r"hello\u{1b}[2J there");
    pty.shows("the session");

    let grant = made["grant"].as_str().expect("an id");
    let revoked = place.share(&["revoke", "@owner.ref", "--grant", grant]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    pty.shows("revoked");
    let left = pty.screen().contents();
    assert!(
        !left.contains("hello") && !left.contains("the session"),
        "{left}"
    );
    pty.press("q");
    assert_eq!(pty.ends(), Some(1));
    let left = pty.screen().contents();
    assert!(
        left.contains("error: follow share") && left.contains("revoked"),
        "{left}"
    );
    assert!(!left.contains("hello"), "{left}");
}

#[test]
fn a_server_that_was_away_is_followed_on_without_a_gap() {
    let place = Place::new();
    let serving = place.serve_a_share();
    begin(&place);
    let mut pty = watch(&place, &["@owner.ref"]);
    pty.shows(" live");
    let address = serving.kill();
    pty.shows("connecting again");
    pty.shows_line("hel");
    let _serving = place.serve(&address);
    say(&place, "lo");
    say(&place, " again");
    pty.shows_line("hello again");
    pty.shows(" live");
    // Ctrl-C.
    pty.press("\u{3}");
    assert_eq!(pty.ends(), Some(0));
}

#[test]
fn a_session_is_replayed_from_the_log_and_folded_with_the_mouse() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    begin(&place);
    for _ in 0..3 {
        say(&place, "lo ");
    }
    let tool = r#"{"op":"put","key":"part/m/q","value":{"type":"tool","tool":"bash","state":{"output":"what came"}}}"#;
    place.share_with(&["append", "@owner.ref"], tool);
    let mut pty = watch(&place, &["@owner.ref", "--replay", "50", "--no-color"]);
    pty.shows("at its end  7/7");
    pty.shows_line("hello lo lo");
    // The log is read anew for who goes back.
    pty.press("\u{1b}[D\u{1b}[D ");
    pty.shows("5/7");
    pty.shows_line("hello lo");
    pty.press(" l");
    pty.shows(" live");
    pty.shows("▸ bash");
    let is_plain = |screen: &vt100::Screen| {
        let (rows, columns) = screen.size();
        let (rows, columns) = (rows.get(), columns.get());
        let mut cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells.all(|(row, column)| {
            let colour = screen.cell(row, column).map(vt100::Cell::fgcolor);
            colour == Some(vt100::Color::Default)
        })
    };
    assert!(is_plain(pty.screen()));
    let contents = pty.screen().contents();
    let row = contents
        .lines()
        .position(|line| line.contains("▸ bash"))
        .expect("a line");
    // A click there: rows and columns count from 1.
    pty.press(&format!("\u{1b}[<0;1;{}M", row + 1));
    pty.shows("what came");
    pty.press("q");
    assert_eq!(pty.ends(), Some(0));

    let mut pty = watch(&place, &["@owner.ref"]);
    pty.shows("▸ bash");
    pty.until(|screen| !is_plain(screen));
}

#[test]
fn who_is_told_to_stop_gives_the_terminal_back() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    begin(&place);
    let mut pty = watch(&place, &["@owner.ref"]);
    pty.shows(" live");
    rustix::process::kill_process(pty.id(), rustix::process::Signal::TERM).expect("it is there");
    assert_eq!(pty.ends(), Some(0));
    assert!(!pty.screen().contents().contains("hel"));
}

#[test]
fn where_there_is_no_terminal_tail_is_named_and_a_server_that_is_away_is_said() {
    let place = Place::new();
    let serving = place.serve_a_share();
    let words = ["standard output is not a terminal", "hint: `share tail`"];
    place.share(&["watch", "@owner.ref"]).says(2, &words);
    let words = ["invalid value '51'", "1..=50"];
    place
        .share(&["watch", "@owner.ref", "--replay", "51"])
        .says(2, &words);
    serving.kill();
    let mut pty = watch(&place, &["@owner.ref"]);
    assert_eq!(pty.ends(), Some(3));
    pty.shows("it is safe to try again");
}
