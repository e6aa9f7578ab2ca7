//! `share serve` with TLS, as processes.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[expect(dead_code, reason = "what it can do is not all for these tests")]
mod running;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use running::{Ended, Place};

/// A server whose words are heard. Killed when it is dropped.
struct Server {
    child: Child,
    address: String,
    said: BufReader<ChildStderr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(place: &Place, data: &str, options: &[&str]) -> Self {
        let args = [
            "serve",
            "--no-http",
            "--data",
            data,
            "--listen",
            "127.0.0.1:0",
        ];
        let args = [&args[..], options].concat();
        let mut command = place.command(&args);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let address = line.trim().strip_prefix("listening on ");
        Self {
            address: address.unwrap().to_owned(),
            child,
            said,
        }
    }

    /// What it says next that has `words`.
    fn says(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            let read = self.said.read_line(&mut line).unwrap();
            assert!(read > 0, "the server ended and did not say `{words}`");
        }
    }

    fn hang_up(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.unwrap().success());
    }
}

/// `share create`, by a machine that trusts the certificate in this file and no other.
fn create(place: &Place, trusted: &str) -> Ended {
    let mut command = place.command(&["create", "--factory", "@server/factory.ref"]);
    command.env("SSL_CERT_FILE", place.path(trusted));
    command.env_remove("SSL_CERT_DIR");
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_ref_with_a_pin_goes_through_every_command_and_health_asks_with_tls() {
    let place = Place::new();
    let mut server = Server::start(&place, "server", &["--tls"]);
    server.says("refs pin the certificate ");
    let created = place.share(&["create", "--factory", "@server/factory.ref"]);
    assert_eq!(created.code, 0, "{created:?}");
    assert!(created.out.contains("&pin="), "{created:?}");
    place.write("owner.ref", &created.out);
    let put = r#"{"op":"put","key":"a","value":1}"#;
    let appended = place.share_with(&["append", "@owner.ref"], put);
    assert!(appended.out.contains("applied 1"), "{appended:?}");
    let granted = place.share(&["grant", "@owner.ref", "--rights", "read"]);
    let pin = &created.out[created.out.find("pin=").unwrap() + 4..][..64];
    assert!(granted.out.contains(pin), "{granted:?}");
    place.write("reader.ref", &granted.out);
    let tail = ["tail", "@reader.ref", "--no-follow"];
    let tailed = place.share(&tail);
    assert!(tailed.out.contains("1 put a"), "{tailed:?}");
    let health = ["health", "--connect", &server.address];
    place.share(&health).says(0, &["answers"]);
    place
        .share(&[&health[..], &["--pin", pin]].concat())
        .says(0, &["answers"]);
    let other = "0".repeat(64);
    place
        .share(&[&health[..], &["--pin", &other]].concat())
        .says(3, &[pin, &other]);
    place.write("wrong.ref", &created.out.replace(pin, &other));
    place.share(&["show", "@wrong.ref"]).says(
        1,
        &[
            pin,
            &other,
            "nothing was sent",
            "hint: ask who runs the server",
        ],
    );
}

#[test]
fn sighup_reads_a_certificate_from_files_anew_and_a_broken_one_changes_nothing() {
    let place = Place::new();
    for name in ["old", "new"] {
        drop(Server::start(&place, name, &["--tls"]));
    }
    let serve = |from: &str| {
        place.write("cert.pem", &place.read(&format!("{from}/tls.cert.pem")));
        place.write("key.pem", &place.read(&format!("{from}/tls.key.pem")));
    };
    serve("old");
    let files = ["--tls", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let mut server = Server::start(&place, "server", &files);
    let created = create(&place, "old/tls.cert.pem");
    assert_eq!(created.code, 0, "{created:?}");
    assert!(created.out.contains("&tls=ca#"), "{created:?}");
    create(&place, "new/tls.cert.pem").says(1, &["is not trusted", "SSL_CERT_FILE"]);

    place.write("cert.pem", "no certificate");
    server.hang_up();
    server.says("the one from before serves on");
    assert_eq!(create(&place, "old/tls.cert.pem").code, 0);

    serve("new");
    server.hang_up();
    server.says("new connections get certificate ");
    assert_eq!(create(&place, "new/tls.cert.pem").code, 0);
    assert_eq!(create(&place, "old/tls.cert.pem").code, 1);
}

#[test]
fn contradictions_about_tls_are_wrong_usage() {
    let place = Place::new();
    for options in [
        &["--tls", "--insecure-plain"][..],
        &["--tls-cert", "c"],
        &["--tls-key", "k"],
        &["--insecure-plain", "--tls-cert", "c", "--tls-key", "k"],
    ] {
        let ended = place.share(&[&["serve"], options].concat());
        assert_eq!(ended.code, 2, "{ended:?}");
    }
}
