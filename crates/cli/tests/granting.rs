//! Weaker refs: what they allow, who may use them, and how they are listed.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use running::story::Story;
use running::{Ended, Place};
use serde_json::Value;

const PUT: &str = r#"{"op":"put","key":"a","value":1}"#;
/// Tries until what is done behind an answer is done.
const LOOKS_MAX: u32 = 1000;
const FACTORY: &str = "@server/factory.ref";

/// A machine of somebody who was given a ref.
fn holder_of(place: &Place, name: &str) -> Place {
    let holder = Place::new();
    holder.write(name, &place.read(name));
    holder
}

fn json(ended: &Ended) -> Value {
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.out).expect("one JSON value")
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn a_grant_allows_what_it_says_and_nothing_more() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve_a_share();
    let read = ["grant", "@owner.ref", "--rights", "read"];
    story.made(
        &place,
        &[&read[..], &["--label", "a \"reader\""]].concat(),
        "read.ref",
    );
    let append = [
        "grant",
        "@owner.ref",
        "--rights",
        "append",
        "--expires",
        "90m",
    ];
    story.made(&place, &append, "append.ref");
    let admin = ["grant", "@owner.ref", "--rights", "admin"];
    story.made(&place, &admin, "admin.ref");

    let reader = holder_of(&place, "read.ref");
    let appender = holder_of(&place, "append.ref");
    story.share(&reader, &["whoami", "@read.ref"]);
    story.tell(
        &["append", "@append.ref"],
        &appender.share_with(&["append", "@append.ref"], PUT),
    );
    story.share(&reader, &["show", "@read.ref"]);
    story.tell(
        &["append", "@read.ref"],
        &reader.share_with(&["append", "@read.ref"], PUT),
    );
    // Whoever may append may not grant, not even less than it has.
    for command in ["grants", "audit", "freeze", "publish", "rotate", "delete"] {
        story.share(&appender, &[command, "@append.ref"]);
    }
    story.share(&appender, &["grant", "@append.ref", "--rights", "read"]);

    // An administrator may, below its own grant; the whole audit is the owner's.
    let below = [
        "grant",
        "@admin.ref",
        "--rights",
        "append",
        "--expires",
        "90m",
    ];
    story.made(&place, &below, "below.ref");
    story.share(&place, &["audit", "@admin.ref"]);
    story.share(&place, &["grants", "@admin.ref"]);
    story.share(&place, &["whoami", "@append.ref"]);
    story.share(&place, &["whoami", "@owner.ref"]);
    insta::assert_snapshot!("what_a_grant_allows", story.told());
}

#[test]
fn a_grant_never_outlives_the_one_that_it_was_made_from() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let admin = [
        "grant",
        "@owner.ref",
        "--rights",
        "admin",
        "--expires",
        "1h",
        "--json",
    ];
    let admin = json(&place.share(&admin));
    place.write("admin.ref", admin["ref"].as_str().unwrap());
    // Without a time of its own it ends with that one.
    let below = json(&place.share(&["grant", "@admin.ref", "--rights", "read", "--json"]));
    assert_eq!(below["expiresAtUnixMs"], admin["expiresAtUnixMs"]);
    let longer = ["grant", "@admin.ref", "--rights", "read", "--expires", "7d"];
    place
        .share(&longer)
        .says(1, &["error: make a grant of share"]);
}

#[test]
fn a_sealed_ref_opens_only_where_its_owners_key_is() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve_a_share();
    let (bob, eve) = (Place::new(), Place::new());
    let id = story.share(&bob, &["identity"]).out;
    assert_ne!(eve.share(&["identity"]).out, id, "each has its own");
    let seal = ["--rights", "read", "--seal-for", id.trim()];
    let grant = [&["grant", "@owner.ref"][..], &seal].concat();
    let sealed = story.made(&place, &grant, "sealed.ref");
    for machine in [&bob, &eve] {
        machine.write("sealed.ref", &sealed.out);
        story.share(machine, &["whoami", "@sealed.ref"]);
        story.share(machine, &["show", "@sealed.ref"]);
    }
    // Not even the owner of the share.
    story.share(&place, &["whoami", "@sealed.ref"]);
    story.share(
        &place,
        &[
            "grant",
            "@owner.ref",
            "--rights",
            "read",
            "--seal-for",
            "bob",
        ],
    );
    insta::assert_snapshot!("sealed", story.told());
    let listed = place.share(&["grants", "@owner.ref", "--json"]);
    let sealed: Vec<Value> = listed
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["sealedFor"].clone())
        .collect();
    assert_eq!(sealed, [Value::Null, id.trim().into()]);
}

#[test]
fn grants_are_listed_with_how_they_are_used_in_the_order_in_which_they_were_made() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    for (label, file) in [("first", "1.ref"), ("second", "2.ref"), ("third", "3.ref")] {
        let grant = [
            "grant",
            "@owner.ref",
            "--rights",
            "append",
            "--label",
            label,
        ];
        let made = place.share(&grant);
        place.write(file, &made.out);
    }
    let used = holder_of(&place, "1.ref");
    assert_eq!(used.share_with(&["append", "@1.ref"], PUT).code, 0);
    used.share(&["grant", "@1.ref", "--rights", "read"])
        .says(1, &[]);
    assert_eq!(
        holder_of(&place, "2.ref").share(&["revoke", "@2.ref"]).code,
        0
    );
    let listed = place.share(&["grants", "@owner.ref"]);
    let labels = ["owner", "\"first\"", "\"second\"", "\"third\""];
    for (line, label) in listed.out.lines().zip(labels) {
        assert!(line.contains(label), "no {label} in {line}");
    }
    let [_, first, second, third] = &listed.out.lines().collect::<Vec<_>>()[..] else {
        panic!("{listed:?}");
    };
    for (line, words) in [
        (first, "read+append, holds, below"),
        (first, "redeemed 2 times"),
        (first, "first appended"),
        (first, "refused once"),
        (second, "read+append, revoked "),
        (third, "never redeemed"),
    ] {
        assert!(line.contains(words), "no `{words}` in {line}");
    }
}

#[test]
fn a_public_address_is_made_listed_and_ended() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve_a_share();
    story.made(
        &place,
        &["publish", "@owner.ref", "--label", "page"],
        "slug",
    );
    story.share(&place, &["grants", "@owner.ref"]);
    story.share(&place, &["unpublish", "@owner.ref", "@slug"]);
    story.share(&place, &["unpublish", "@owner.ref", "@slug"]);
    story.share(&place, &["unpublish", "@owner.ref"]);
    // All at once.
    for label in ["one", "other"] {
        let publish = [
            "publish",
            "@owner.ref",
            "--label",
            label,
            "--expires",
            "90m",
        ];
        story.share(&place, &publish);
    }
    story.share(&place, &["unpublish", "@owner.ref"]);
    // One that is not of this share.
    let other = place.share(&["create", "--factory", FACTORY]);
    place.write("other.ref", &other.out);
    story.share(&place, &["unpublish", "@other.ref", "@slug"]);
    insta::assert_snapshot!("published", story.told());

    let published = json(&place.share(&["publish", "@owner.ref", "--json"]));
    assert_eq!(keys(&published), ["slug", "share", "grant"]);
    let ended = json(&place.share(&["unpublish", "@owner.ref", "--json"]));
    assert_eq!(keys(&ended), ["share", "revoked", "cut"]);
    assert_eq!(ended["revoked"][0], published["grant"]);
}

#[test]
fn a_factory_ref_within_quotas_creates_so_many_shares_and_does_nothing_else() {
    let (place, mut story) = (Place::new(), Story::default());
    let _serving = place.serve("127.0.0.1:0");
    let grant = ["grant", FACTORY, "--shares", "1", "--label", "a team"];
    story.made(&place, &grant, "team.ref");
    let team = holder_of(&place, "team.ref");
    story.made(&team, &["create", "--factory", "@team.ref"], "owner.ref");
    story.share(
        &team,
        &["create", "--factory", "@team.ref", "--title", "more"],
    );
    // What was refused leaves nothing that is in the way of something else.
    story.share(
        &team,
        &["create", "--factory", "@team.ref", "--title", "other"],
    );
    story.share(&team, &["grant", "@team.ref", "--shares", "1"]);
    story.share(&team, &["grants", "@team.ref"]);
    story.share(&place, &["grants", FACTORY]);
    // Room is made by what is deleted.
    assert_eq!(team.share(&["delete", "@owner.ref"]).code, 0);
    let create = ["create", "--factory", "@team.ref"];
    // A moment later, when it is erased.
    let created = (0..LOOKS_MAX).map(|_| team.share(&create));
    let created = created.into_iter().find(|created| created.code == 0);
    team.write("owner.ref", &created.expect("there is room").out);

    let lines = place.share(&["grants", FACTORY, "--json"]).out;
    let grants: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&grants[0]["root"], &grants[1]["shares"]),
        (&true.into(), &1.into())
    );
    let id = grants[1]["grant"].as_str().unwrap();
    story.share(&place, &["revoke", FACTORY, "--grant", id]);
    story.share(&place, &["revoke", FACTORY, "--grant", id]);
    story.share(&team, &["create", "--factory", "@team.ref"]);
    // Its shares stay.
    assert_eq!(team.share(&["whoami", "@owner.ref"]).code, 0);
    let unknown = "01890a5d000070008000000000000002";
    story.share(&place, &["revoke", FACTORY, "--grant", unknown]);
    insta::assert_snapshot!("factory", story.told());
}

#[test]
fn a_script_reads_all_of_a_grant_and_of_who_holds_it() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let grant = ["grant", "@owner.ref", "--rights", "append", "--json"];
    let grant = json(&place.share(&grant));
    assert_eq!(keys(&grant), ["ref", "share", "grant", "epoch", "rights"]);
    place.write("append.ref", grant["ref"].as_str().unwrap());
    let who = json(&place.share(&["whoami", "@append.ref", "--json"]));
    let expected = [
        "share",
        "title",
        "rights",
        "owner",
        "grant",
        "label",
        "epoch",
        "expiresAtUnixMs",
        "frozen",
        "cursor",
        "server",
    ];
    assert_eq!(keys(&who), expected);
    assert_eq!(
        (&who["grant"], &who["rights"], &who["owner"]),
        (&grant["grant"], &grant["rights"], &false.into())
    );
    let factory = json(&place.share(&["grant", FACTORY, "--json"]));
    assert_eq!(keys(&factory), ["ref", "grant"]);
}
