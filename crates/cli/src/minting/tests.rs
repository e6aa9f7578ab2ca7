//! A request is stored once, and never in the place of another.

use share_model::Refusal;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Asked {
    factory: String,
    title: String,
}

fn asked(title: &str) -> Asked {
    Asked {
        factory: "f".into(),
        title: title.into(),
    }
}

fn remember(path: &Path, title: &str, expires_in: Option<Duration>) -> Request<Secret> {
    let request = Request::remember(path, asked(title), expires_in);
    request.unwrap().unwrap()
}

#[test]
fn a_request_is_the_same_until_it_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("request");
    let hour = Some(Duration::from_secs(3600));
    let first = remember(&path, "t", hour);
    let again = remember(&path, "t", hour);
    assert_eq!(first.id, again.id);
    assert_eq!(first.secret.expose(), again.secret.expose());
    // Reckoned once, whenever the command is given again.
    assert!(first.expires_at.is_some());
    assert_eq!(first.expires_at, again.expires_at);
    first.forget().unwrap();
    again.forget().unwrap();
    let next = remember(&path, "t", hour);
    assert_ne!(
        next.id,
        remember(&folder.path().join("other"), "t", hour).id
    );
}

#[test]
fn a_request_for_something_else_does_not_take_the_place_of_one_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("request");
    let first = remember(&path, "t", None);
    let Other(known) = Request::<Secret>::remember(&path, asked("u"), None)
        .unwrap()
        .unwrap_err();
    assert_eq!(known, asked("t"));
    assert_eq!(remember(&path, "t", None).id, first.id);
}

#[test]
fn a_request_whose_grant_has_run_out_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("request");
    let first = remember(&path, "t", Some(Duration::ZERO));
    assert_ne!(remember(&path, "t", Some(Duration::ZERO)).id, first.id);
}

#[test]
fn a_refused_request_is_over_unless_an_earlier_call_may_have_been_answered() {
    let refused = ClientError::Refused(Refusal::not_authorized());
    let lost = ClientError::NoAnswer { timeout_ms: 1 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("request");
    let fail = |request: Request<Secret>, error: &ClientError| {
        request.failed(error).unwrap();
        path.exists()
    };
    // Nothing was made.
    assert!(!fail(remember(&path, "t", None), &refused));
    // Nobody knows.
    assert!(fail(remember(&path, "t", None), &lost));
    assert!(fail(remember(&path, "t", None), &refused));
    std::fs::remove_file(&path).unwrap();
    // Its time would run while it is refused.
    let hour = Some(Duration::from_secs(3600));
    assert!(fail(remember(&path, "t", hour), &lost));
    assert!(!fail(remember(&path, "t", hour), &refused));
}

/// Written by `share create` of version 0.1.
#[test]
fn a_request_of_an_earlier_version_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("share.creating");
    let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let bytes = format!(
        r#"{{"request":"01890a5d000070008000000000000001","secret":"{secret}","factory":"f","title":"t"}}"#
    );
    std::fs::write(&path, &bytes).unwrap();
    let request = remember(&path, "t", None);
    assert_eq!(request.id.to_string(), "01890a5d000070008000000000000001");
    assert_eq!(request.secret.expose(), &[0; 32]);
    assert_eq!(request.expires_at, None);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), bytes);
}

#[test]
fn another_command_has_another_file_which_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = |command: &str, title: &str| file_of(folder.path(), command, &asked(title)).unwrap();
    assert_eq!(file("grant", "t"), file("grant", "t"));
    assert_ne!(file("grant", "t"), file("grant", "u"));
    assert_ne!(file("grant", "t"), file("publish", "t"));
    let path = file("grant", "t");
    remember(&path, "t", None);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Two processes, each about to store what it made: one secret is lost to the other.
#[test]
fn a_request_that_is_given_twice_at_once_is_one_request() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let path = folder.path().join(round.to_string());
        let ids = std::thread::scope(|scope| {
            let both = [(); 2].map(|()| scope.spawn(|| remember(&path, "t", None).id));
            both.map(|one| one.join().unwrap())
        });
        assert_eq!(ids[0], ids[1], "round {round}");
    }
}

#[test]
fn a_file_never_takes_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("request");
    place_new(&path, b"first").unwrap();
    let error = place_new(&path, b"second").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
}

#[test]
fn what_is_not_a_request_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("request");
    std::fs::write(&path, "not a request").unwrap();
    let error = Request::<Secret>::remember(&path, asked("t"), None).unwrap_err();
    assert!(error.to_string().contains("does not hold a request"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a request");
}
