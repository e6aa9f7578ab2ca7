//! How authority ends, and what those see who had it.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use running::story::Story;
use running::{Ended, Place};
use serde_json::{Value, json};

const PUT: &str = r#"{"op":"put","key":"a","value":1}"#;
const FACTORY: &str = "@server/factory.ref";

fn parsed(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.out).expect("one JSON value")
}

/// Makes a grant; its ref goes into the file, its id is returned.
fn grant(place: &Place, from: &str, rights: &str, file: &str) -> String {
    let made = parsed(&place.share(&["grant", from, "--rights", rights, "--json"]));
    let text = |field: &str| made[field].as_str().expect("a string");
    place.write(file, text("ref"));
    text("grant").to_owned()
}

#[test]
fn a_grant_is_ended_by_those_above_it_and_by_who_has_it() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve_a_share();
    let appends = grant(&place, "@owner.ref", "append", "append.ref");
    let admin = grant(&place, "@owner.ref", "admin", "admin.ref");
    grant(&place, "@admin.ref", "read", "below.ref");
    grant(&place, "@owner.ref", "read", "own.ref");

    let revoke = ["revoke", "@owner.ref", "--grant", &appends];
    story.share(&place, &revoke);
    story.share(&place, &revoke);
    story.tell(
        &["append", "@append.ref"],
        &place.share_with(&["append", "@append.ref"], PUT),
    );
    story.share(&place, &["show", "@append.ref"]);
    // A grant ends with what was made from it.
    story.share(&place, &["revoke", "@owner.ref", "--grant", &admin]);
    story.share(&place, &["show", "@below.ref"]);
    story.share(&place, &["grant", "@admin.ref", "--rights", "read"]);
    // Given up by who has it, twice.
    story.share(&place, &["revoke", "@own.ref"]);
    story.share(&place, &["revoke", "@own.ref"]);
    story.share(&place, &["whoami", "@own.ref"]);
    // Not so the owner's; nor what is not there.
    story.share(&place, &["revoke", "@owner.ref"]);
    let unknown = "01890a5d000070008000000000000002";
    story.share(&place, &["revoke", "@owner.ref", "--grant", unknown]);
    story.share(&place, &["revoke", "@owner.ref", "--grant", "bob"]);
    story.share(&place, &["whoami", "@owner.ref"]);
    insta::assert_snapshot!("revoked", story.told());
}

#[test]
fn a_grant_ends_none_that_is_not_below_it() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let other = grant(&place, "@owner.ref", "read", "other.ref");
    grant(&place, "@owner.ref", "admin", "admin.ref");
    place
        .share(&["revoke", "@admin.ref", "--grant", &other])
        .says(1, &["there is no grant", "hint: `share grants` lists"]);
    assert_eq!(place.share(&["whoami", "@other.ref"]).code, 0);
}

#[test]
fn rotating_ends_all_refs_and_the_machine_of_the_owner_goes_on() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve("127.0.0.1:0");
    let open = ["open", "shop", "login", "--factory", FACTORY];
    story.made(&place, &open, "owner.ref");
    grant(&place, "@owner.ref", "append", "append.ref");
    let stored = place.share_with(&["append", "@owner.ref", "--no-flush"], PUT);
    assert_eq!(stored.code, 0, "{stored:?}");

    story.made(&place, &["rotate", "@owner.ref"], "new.ref");
    for old in ["@owner.ref", "@append.ref"] {
        story.share(&place, &["show", old]);
    }
    story.share(&place, &["rotate", "@owner.ref"]);
    story.share(&place, &["replay"]);
    story.share(&place, &["show", "@new.ref"]);
    story.share(&place, &["open", "shop", "login"]);
    let listed = place.share(&["list"]);
    assert_eq!((listed.code, &*listed.err), (0, ""), "{listed:?}");
    insta::assert_snapshot!("rotated", story.told());
    let rotated = parsed(&place.share(&["rotate", "@new.ref", "--json"]));
    let keys: Vec<_> = rotated.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ref", "share", "grant", "epoch", "cut"]);
}

/// Nothing brings it back, and everybody who comes is told what there is to do.
#[test]
fn what_a_user_sees_of_a_share_that_was_deleted() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve("127.0.0.1:0");
    let open = ["open", "shop", "login", "--factory", FACTORY];
    story.made(&place, &open, "owner.ref");
    grant(&place, "@owner.ref", "append", "append.ref");
    let append = ["append", "@append.ref"];
    let bob = Place::new();
    bob.write("append.ref", &place.read("append.ref"));
    assert_eq!(bob.share_with(&append, PUT).code, 0);

    story.share(&place, &["delete", "@append.ref"]);
    story.share(&place, &["delete", "@owner.ref"]);
    let again = parsed(&place.share(&["delete", "@owner.ref", "--json"]));
    let nothing = json!({"grants": 0, "sessions": 0, "appenders": 0, "viewers": 0, "served": []});
    assert_eq!(again["cut"], nothing);
    story.share(&place, &["delete", "@owner.ref"]);
    for command in ["show", "whoami", "grants", "rotate", "freeze"] {
        story.share(&place, &[command, "@owner.ref"]);
    }
    // Who had a ref of it.
    story.tell(&append, &bob.share_with(&append, PUT));
    story.share(&bob, &["doctor"]);
    story.tell(&append, &bob.share_with(&append, PUT));
    // Whoever goes on with the session.
    story.share(&place, &["open", "shop", "login"]);
    story.share(&place, &open);
    story.share(&place, &["release", "shop", "login"]);
    let opened = story.share(&place, &open);
    assert_ne!(opened.out, place.read("owner.ref"));
    insta::assert_snapshot!("deleted", story.told());
}

/// A session that was opened before is opened again although its server is away, and whatever it says.
#[test]
fn opening_a_session_whose_ref_has_ended_elsewhere_says_so() {
    let place = Place::new();
    let serving = place.serve("127.0.0.1:0");
    let opened = place.share(&["open", "shop", "login", "--factory", FACTORY]);
    let elsewhere = Place::bare();
    elsewhere.write("owner.ref", &opened.out);
    assert_eq!(elsewhere.share(&["rotate", "@owner.ref"]).code, 0);
    let again = place.share(&["open", "shop", "login"]);
    assert_eq!((again.code, &again.out), (0, &opened.out));
    let told = "warning: session \"shop\" \"login\" has a share that does not open";
    assert!(again.err.contains(told), "{again:?}");
    assert!(again.err.contains("staleEpoch"), "{again:?}");
    drop(serving);
    let away = place.share(&["open", "shop", "login"]);
    assert_eq!((away.code, &away.out), (0, &opened.out));
    assert!(!away.err.contains("warning"), "{away:?}");
}

#[test]
fn the_owner_reads_who_did_what() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve_a_share();
    let reads = grant(&place, "@owner.ref", "read", "read.ref");
    for command in ["freeze", "unfreeze", "publish", "unpublish"] {
        assert_eq!(place.share(&[command, "@owner.ref"]).code, 0);
    }
    let revoked = place.share(&["revoke", "@owner.ref", "--grant", &reads]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    place.share(&["show", "@read.ref"]).says(1, &["revoked"]);
    let rotated = place.share(&["rotate", "@owner.ref"]);
    place.write("owner.ref", &rotated.out);
    let audit = place.share(&["audit", "@owner.ref"]);
    for words in [
        "redeemed, ",
        "refused, revoked, grant ",
        "client share-client/",
    ] {
        assert!(audit.out.contains(words), "no `{words}` in {audit:?}");
    }
    // Who was let in or refused is gathered, and written down at any time.
    let is_change = |line: &&str| !line.contains("redeemed") && !line.contains("refused");
    let changes = audit.out.lines().filter(is_change).map(|line| {
        let (_number, what) = line.trim_start().split_once(' ').expect("a number");
        format!("{what}\n")
    });
    let out = changes.collect();
    story.tell(&["audit", "@owner.ref"], &Ended { out, ..audit });
    insta::assert_snapshot!("audit", story.told());

    let lines = place.share(&["audit", "@owner.ref", "--json", "--after", "1"]);
    let first: Value = serde_json::from_str(lines.out.lines().next().unwrap()).unwrap();
    let keys: Vec<_> = first.as_object().unwrap().keys().collect();
    let expected = [
        "number",
        "atUnixMs",
        "lastAtUnixMs",
        "count",
        "event",
        "grant",
        "by",
        "origin",
        "client",
        "refusal",
        "cursor",
    ];
    assert_eq!(keys, expected);
    assert_eq!(first["number"], 2);
}

/// The agent, its outbox and its registry are gone, and the server was started again: the ref is
/// enough, on a machine that has never seen the share.
#[test]
fn whoever_holds_the_owners_ref_can_do_everything_from_any_machine() {
    let (agent, mut story) = (Place::new(), Story::default());
    let serving = agent.serve("127.0.0.1:0");
    let open = ["open", "shop", "login", "--factory", FACTORY];
    let owner = agent.share(&open).out;
    agent.write("owner.ref", &owner);
    assert_eq!(agent.share_with(&["append", "@owner.ref"], PUT).code, 0);
    let address = serving.kill();
    for lost in [".opencode", "data"] {
        std::fs::remove_dir_all(agent.path(lost)).unwrap();
    }
    let _serving = agent.serve(&address);

    let home = Place::bare();
    home.write("owner.ref", &owner);
    let grant = ["grant", "@owner.ref", "--rights", "append"];
    story.made(&home, &grant, "bob.ref");
    story.share(&home, &["whoami", "@owner.ref"]);
    story.share(&home, &["show", "@owner.ref"]);
    let listed = home.share(&["grants", "@owner.ref", "--json"]);
    assert_eq!((listed.code, listed.out.lines().count()), (0, 2));
    let audit = home.share(&["audit", "@owner.ref"]);
    assert_eq!(audit.code, 0, "{audit:?}");
    assert!(audit.out.contains("granted"), "{audit:?}");
    story.share(&home, &["freeze", "@owner.ref"]);
    story.share(&home, &["unfreeze", "@owner.ref"]);
    story.share(&home, &["publish", "@owner.ref"]);
    story.share(&home, &["unpublish", "@owner.ref"]);
    story.share(&home, &["revoke", "@bob.ref"]);
    story.made(&home, &["rotate", "@owner.ref"], "owner.ref");
    story.share(&home, &["delete", "@owner.ref"]);
    insta::assert_snapshot!("any_machine", story.told());

    // No more is left there than it was given.
    let mut left: Vec<_> = std::fs::read_dir(home.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".local", "bob.ref", "owner.ref"]);
    let minting = home.path(".local/share/share-sessions/minting");
    assert_eq!(std::fs::read_dir(minting).unwrap().count(), 0);
}
