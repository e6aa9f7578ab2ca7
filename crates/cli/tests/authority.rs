//! Grants and how they end, as a script sees them.

#[expect(dead_code, reason = "each test uses some of it")]
mod running;

use std::fs;
use std::io::pipe;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use running::Place;
use serde_json::Value;

const PUT: &str = r#"{"op":"put","key":"a","value":1}"#;
const SHARE: &str = "share://127.0.0.1:1/01890a5d000070008000000000000001/01890a5d000070008000000000000002?epoch=1#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const FACTORY: &str = "share-factory://127.0.0.1:1/01890a5d000070008000000000000002#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The requests that are under way.
fn under_way(place: &Place) -> usize {
    let folder = place.path("data/share-sessions/minting");
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_machines_owner_id_is_made_once_and_its_key_is_for_its_owner_only() {
    let place = Place::new();
    let first = place.share(&["identity"]);
    assert_eq!((first.code, first.out.len()), (0, 44), "{first:?}");
    place.share(&["identity"]).is(0, &first.out, "");
    let json: Value = serde_json::from_str(&place.share(&["identity", "--json"]).out).unwrap();
    assert_eq!(json["owner"], first.out.trim_end());
    let key = place.path("data/share-sessions/owner.key");
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The id says nothing of the key.
    assert_ne!(fs::read_to_string(key).unwrap(), first.out);
}

#[test]
fn what_means_nothing_for_a_ref_is_wrong_usage() {
    let place = Place::new();
    place.write("share.ref", SHARE);
    place.write("factory.ref", FACTORY);
    let says = |words: &[&str], message: &str| place.share(words).says(2, &[message]);
    says(&["grant", "@share.ref"], "no rights are given");
    says(
        &["grant", "@share.ref", "--rights", "read", "--shares", "1"],
        "`--shares` means nothing for the ref of a share",
    );
    says(
        &["grant", "@factory.ref", "--rights", "read"],
        "`--rights` means nothing for the ref of a factory",
    );
    says(
        &["grant", "@factory.ref", "--bytes", "0"],
        "a quota of zero",
    );
    says(
        &["revoke", "@factory.ref"],
        "no grant of the factory is given",
    );
    says(&["unpublish", "@share.ref", "not-a-slug"], "can't be used");
    assert_eq!(under_way(&place), 0);
}

#[test]
fn a_server_that_is_away_ends_with_3() {
    let place = Place::new();
    place.write("share.ref", SHARE);
    place.write("factory.ref", FACTORY);
    let commands: [&[&str]; 11] = [
        &["grant", "@share.ref", "--rights", "read"],
        &["grant", "@factory.ref"],
        &["grants", "@share.ref"],
        &["grants", "@factory.ref"],
        &["revoke", "@share.ref"],
        &["rotate", "@share.ref"],
        &["freeze", "@share.ref"],
        &["unfreeze", "@share.ref"],
        &["delete", "@share.ref"],
        &["audit", "@share.ref"],
        &["publish", "@share.ref"],
    ];
    for words in commands {
        let safe = "it is safe to try again once the server is back";
        place.share(words).says(3, &["no server answers", safe]);
    }
}

#[test]
fn rotating_ends_the_old_ref_and_this_machine_goes_on_with_the_new_one() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let appended = place.share_with(&["append", "@owner.ref"], PUT);
    assert_eq!(appended.code, 0, "{appended:?}");

    let rotated = place.share(&["rotate", "@owner.ref"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(rotated.err.contains("is at epoch 2"), "{rotated:?}");
    let goes_on = "the outbox goes on with the new ref";
    assert!(rotated.err.contains(goes_on), "{rotated:?}");
    place.write("new.ref", &rotated.out);
    assert_eq!(under_way(&place), 0);

    place
        .share(&["whoami", "@owner.ref"])
        .says(1, &["staleEpoch"]);
    place
        .share(&["rotate", "@owner.ref"])
        .says(1, &["staleEpoch"]);
    assert_eq!(under_way(&place), 0);
    let who = place.share(&["whoami", "@new.ref"]);
    assert!(who.out.contains("\nepoch\t2\n"), "{who:?}");
    // By the ref that the outbox holds.
    let op = r#"{"op":"put","key":"b","value":2}"#;
    place.share_with(&["append", "@new.ref"], op).is(
        0,
        "applied 1, duplicates 0, rejected 0\n",
        "",
    );
}

#[test]
fn rotating_keeps_the_registry_up_to_date() {
    let place = Place::new();
    let _serving = place.serve("127.0.0.1:0");
    let open = ["open", "shop", "login", "--factory", "@server/factory.ref"];
    let opened = place.share(&open);
    assert_eq!(opened.code, 0, "{opened:?}");
    place.write("owner.ref", &opened.out);
    let rotated = place.share(&["rotate", "@owner.ref"]);
    assert!(
        rotated.err.contains("the registry has the new ref"),
        "{rotated:?}"
    );
    assert_eq!(place.share(&["open", "shop", "login"]).out, rotated.out);
    // There is a registry now; a share that it does not know is rotated all the same.
    let created = place.share(&["create", "--factory", "@server/factory.ref"]);
    place.write("other.ref", &created.out);
    let rotated = place.share(&["rotate", "@other.ref"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(!rotated.err.contains("registry"), "{rotated:?}");
}

/// Whoever reads the answer may die before it is read: the owner must not lose the share.
#[test]
fn a_rotation_whose_answer_was_lost_gives_the_same_ref_again() {
    let place = Place::new();
    let _serving = place.serve_a_share();
    let (gone, nobody) = pipe().unwrap();
    drop(gone);
    place.share_to(&["rotate", "@owner.ref"], Stdio::from(nobody));
    assert_eq!(under_way(&place), 1);

    // It has taken place.
    place
        .share(&["whoami", "@owner.ref"])
        .says(1, &["staleEpoch"]);
    let again = place.share(&["rotate", "@owner.ref", "--json"]);
    let line: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(line["epoch"], 2, "{again:?}");
    assert_eq!(line["cut"]["grants"], 0, "{again:?}");
    place.write("new.ref", line["ref"].as_str().unwrap());
    let who = place.share(&["whoami", "@new.ref", "--json"]);
    let who: Value = serde_json::from_str(&who.out).unwrap();
    assert_eq!(who["owner"], true);
    assert_eq!(under_way(&place), 0);
}
