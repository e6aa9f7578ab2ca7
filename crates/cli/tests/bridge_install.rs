//! `share bridge install`: what it writes, and that it writes it once.

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use std::os::unix::fs::PermissionsExt;

use running::Place;

const CONFIG: &str = ".config/opencode/opencode.json";
const UNIT: &str = ".config/systemd/user/share-bridge.service";
const COPY: &str = ".local/share/share-sessions/bridge/to.ref";

/// A home folder with a factory's ref in it.
fn home() -> (Place, String) {
    let place = Place::bare();
    let secret = "A".repeat(43);
    let reference = format!("share-factory://127.0.0.1:1/{}#{secret}", "0".repeat(32));
    place.write("factory.ref", &reference);
    (place, secret)
}

#[cfg(target_os = "linux")]
#[test]
fn an_install_writes_configuration_and_service_and_a_second_one_changes_nothing() {
    let (place, secret) = home();
    let install = ["bridge", "install", "--to", "@factory.ref"];
    let first = place.share(&install);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(
        first
            .err
            .contains("systemctl --user enable --now share-bridge"),
        "{first:?}"
    );
    let config = place.read(CONFIG);
    assert!(config.contains("http://127.0.0.1:7422"), "{config}");
    let unit = place.read(UNIT);
    assert!(unit.contains("\"bridge\" \"--to\" \"@/"), "{unit}");
    assert!(!unit.contains(&secret) && !first.err.contains(&secret) && first.out.is_empty());
    assert!(place.read(COPY).contains(&secret));
    let mode = std::fs::metadata(place.path(COPY))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // The ref is known by now.
    let second = place.share(&["bridge", "install"]);
    assert_eq!(second.code, 0, "{second:?}");
    assert_eq!(
        second.err.matches("says so already").count(),
        2,
        "{second:?}"
    );
    assert_eq!((place.read(CONFIG), place.read(UNIT)), (config, unit));
    assert!(!place.path(".config/opencode/opencode.json.bak").exists());
}

#[test]
fn a_dry_run_prints_all_and_writes_nothing() {
    let (place, secret) = home();
    let dry = place.share(&["bridge", "install", "--to", "@factory.ref", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(
        dry.out.contains("\"url\": \"http://127.0.0.1:7422\""),
        "{dry:?}"
    );
    assert!(!dry.out.contains(&secret) && !dry.err.contains(&secret));
    assert!(!place.path(".config").exists() && !place.path(".local").exists());
}

#[test]
fn a_configuration_with_comments_is_left_and_the_line_is_printed() {
    let (place, _) = home();
    std::fs::create_dir_all(place.path(".config/opencode")).unwrap();
    let before = "{\n  // mine\n  \"model\": \"x\"\n}\n";
    place.write(CONFIG, before);
    let ended = place.share(&["bridge", "install", "--to", "@factory.ref"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let line = "\"enterprise\": {\"url\": \"http://127.0.0.1:7422\"}";
    assert!(ended.err.contains(line), "{ended:?}");
    assert_eq!(place.read(CONFIG), before);
}

#[test]
fn a_bridge_listens_on_loopback_only() {
    let (place, _) = home();
    for command in [&["bridge"][..], &["bridge", "install"]] {
        let args = [
            command,
            &["--to", "@factory.ref", "--listen", "0.0.0.0:7422"],
        ]
        .concat();
        let ended = place.share(&args);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.err.contains("no loopback address"), "{ended:?}");
    }
}
