//! TLS and Unix sockets between a real client and a real server.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod tls {
    pub(crate) mod authority;
    pub(crate) mod served;
}

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use share_client::{ClientError, Session, TcpConnector, probe};
use share_model::{CertificatePin, FactoryRef, Security, ShareRef};
use share_server::{
    CertificateSource, Listeners, Reloaded, Server, ServerError, ServerOptions, TlsMode,
};
use tls::authority::Authority;
use tls::served::{Served, append_and_subscribe, create, real_time, trusting};

/// All addresses of the machine, at a free port.
const ANYWHERE: &str = "0.0.0.0:0";
const LOOPBACK: &str = "127.0.0.1:0";

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// The ref with addresses that reach a server which listens on all of the machine's.
fn reached(factory: FactoryRef) -> FactoryRef {
    let addresses = factory.addresses.iter();
    let addresses = addresses.map(|it| it.replace("0.0.0.0", "127.0.0.1"));
    FactoryRef {
        addresses: addresses.collect(),
        ..factory
    }
}

#[test]
fn a_server_on_the_network_makes_its_certificate_once_and_its_refs_pin_it() {
    real_time(async || {
        let served = Served::start(&[ANYWHERE]).await;
        let pin = served.server.security().pin().unwrap();
        let factory = reached(served.factory());
        assert_eq!(factory.security, Security::Pinned(pin));
        for name in ["tls.cert.pem", "tls.key.pem"] {
            assert_eq!(mode(&served.data(name)), 0o600, "{name}");
        }
        let connector = TcpConnector::default();
        let owner = create(&connector, &factory).await.unwrap();
        assert_eq!(owner.security, Security::Pinned(pin));
        let owner = ShareRef {
            addresses: factory.addresses.clone(),
            ..owner
        };
        append_and_subscribe(&connector, served.folder.path(), &owner).await;
        let session = Session::redeem(&connector, &owner).await.unwrap();
        assert_eq!(
            session.save().await.unwrap().security,
            Security::Pinned(pin)
        );
        drop(session);
        let served = Served::on(served.end().await, &[ANYWHERE], |_| {}).await;
        assert_eq!(served.server.security(), Security::Pinned(pin));
        served.end().await;
    });
}

#[test]
fn a_wrong_pin_is_refused_with_both_pins_named() {
    real_time(async || {
        let served = Served::start(&[ANYWHERE]).await;
        let factory = reached(served.factory());
        let (seen, expected) = (factory.security.pin().unwrap(), CertificatePin::of(b""));
        let wrong = FactoryRef {
            security: Security::Pinned(expected),
            ..factory.clone()
        };
        let error = create(&TcpConnector::default(), &wrong).await.unwrap_err();
        let address = factory.addresses[0].clone();
        let named = ClientError::WrongCertificate {
            address,
            expected,
            seen,
        };
        assert_eq!(error, named);
        assert!(!error.is_transport());
        let (text, pins) = (error.to_string(), [expected, seen]);
        assert!(
            pins.iter().all(|pin| text.contains(&pin.to_string())),
            "{text}"
        );
        served.end().await;
    });
}

#[test]
fn a_server_on_loopback_is_plain_unless_it_is_told_otherwise() {
    real_time(async || {
        let served = Served::start(&[LOOPBACK]).await;
        assert_eq!(served.factory().security, Security::ByAddress);
        assert!(!served.data("tls.cert.pem").exists());
        let connector = TcpConnector::default();
        create(&connector, &served.factory()).await.unwrap();
        let always = |options: &mut ServerOptions| options.tls.mode = TlsMode::Always;
        let served = Served::on(served.end().await, &[LOOPBACK], always).await;
        let factory = served.factory();
        assert!(factory.security.pin().is_some());
        create(&connector, &factory).await.unwrap();
        let plain = FactoryRef {
            security: Security::ByAddress,
            ..factory.clone()
        };
        let error = create(&connector, &plain).await.unwrap_err().to_string();
        assert!(error.contains("this server speaks TLS here"), "{error}");
        probe(&factory.addresses[0], None).await.unwrap();
        probe(&factory.addresses[0], factory.security.pin())
            .await
            .unwrap();
        let error = probe(&factory.addresses[0], Some(CertificatePin::of(b""))).await;
        assert!(
            matches!(error, Err(ClientError::WrongCertificate { .. })),
            "{error:?}"
        );
        served.end().await;
    });
}

#[test]
fn a_ref_that_wants_tls_gets_nothing_of_a_server_without() {
    real_time(async || {
        let never = |options: &mut ServerOptions| options.tls.mode = TlsMode::Never;
        let folder = tempfile::tempdir().unwrap();
        let served = Served::on(folder, &[ANYWHERE], never).await;
        let factory = reached(served.factory());
        assert_eq!(factory.security, Security::Plain);
        let connector = TcpConnector::default();
        create(&connector, &factory).await.unwrap();
        let pinned = FactoryRef {
            security: Security::Pinned(CertificatePin::of(b"")),
            ..factory.clone()
        };
        let error = create(&connector, &pinned).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Unreachable { .. }),
            "{error:?}"
        );
        // It says something else than TLS, or nothing and leaves.
        let text = error.to_string();
        let said = ["is not TLS", "it may not speak TLS"];
        assert!(said.iter().any(|said| text.contains(said)), "{text}");
        probe(&factory.addresses[0], None).await.unwrap();
        served.end().await;
    });
}

#[test]
fn a_certificate_from_files_is_checked_by_authorities_and_replaced_while_it_serves() {
    real_time(async || {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (Authority::new(), Authority::new());
        let (certificate, key) = (folder.path().join("cert"), folder.path().join("key"));
        let write = |made: (String, String)| {
            fs::write(&certificate, made.0).unwrap();
            fs::write(&key, made.1).unwrap();
        };
        write(old.certify("localhost"));
        let files = |options: &mut ServerOptions| {
            options.tls.mode = TlsMode::Always;
            options.tls.certificate = CertificateSource::Files {
                certificate: certificate.clone(),
                key: key.clone(),
            };
        };
        let served = Served::on(folder, &[LOOPBACK], files).await;
        let factory = served.factory();
        assert_eq!(factory.security, Security::Authorities);
        let factory = FactoryRef {
            addresses: vec![factory.addresses[0].replace("127.0.0.1", "localhost")],
            ..factory
        };
        let (by_old, by_new) = (trusting(&old.certificate), trusting(&new.certificate));
        let owner = create(&by_old, &factory).await.unwrap();
        let owner = ShareRef {
            addresses: factory.addresses.clone(),
            ..owner
        };
        let live = Session::redeem(&by_old, &owner).await.unwrap();
        let error = create(&by_new, &factory).await.unwrap_err();
        assert!(matches!(error, ClientError::NotTrusted { .. }), "{error:?}");

        write(("no certificate".to_owned(), String::new()));
        let error = served.server.reload_certificate().unwrap_err();
        assert!(matches!(error, ServerError::Certificate { .. }), "{error}");
        create(&by_old, &factory).await.unwrap();

        write(new.certify("localhost"));
        let reloaded = served.server.reload_certificate().unwrap();
        assert!(matches!(reloaded, Reloaded::Certificate(_)), "{reloaded:?}");
        create(&by_new, &factory).await.unwrap();
        create(&by_old, &factory).await.unwrap_err();
        live.document(|_, _| {}).await.unwrap();
        served.end().await;
    });
}

#[test]
fn a_unix_socket_is_its_owners_only_and_needs_no_tls_beside_an_address_that_has_it() {
    real_time(async || {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("share.sock");
        let address = format!("unix:{}", socket.display());
        let served = Served::on(folder, &[&address, ANYWHERE], |_| {}).await;
        assert_eq!(mode(&socket), 0o600);
        let factory = served.factory();
        assert_eq!(factory.addresses[0], address);
        let pinned = FactoryRef {
            addresses: vec![address.clone()],
            ..factory
        };
        let plain = FactoryRef {
            security: Security::ByAddress,
            ..pinned.clone()
        };
        let connector = TcpConnector::default();
        let owner = create(&connector, &plain).await.unwrap();
        for security in [pinned.security, plain.security] {
            let outboxes = tempfile::tempdir().unwrap();
            let owner = create(
                &connector,
                &FactoryRef {
                    security,
                    ..pinned.clone()
                },
            )
            .await;
            let owner = ShareRef {
                addresses: vec![address.clone()],
                security,
                ..owner.unwrap()
            };
            append_and_subscribe(&connector, outboxes.path(), &owner).await;
        }
        assert!(owner.security.pin().is_some());
        let folder = served.end().await;
        assert!(!socket.exists(), "the socket is left");
        drop(folder);
    });
}

#[test]
fn the_socket_of_a_dead_server_is_replaced_and_that_of_a_live_one_or_another_file_is_not() {
    real_time(async || {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("share.sock");
        let address = [format!("unix:{}", socket.display())];
        // Its file stays when it is closed, as that of a killed server.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let live = Listeners::bind(&address).await.unwrap();
        let error = Listeners::bind(&address).await.err().unwrap();
        assert!(matches!(error, ServerError::PortInUse { .. }), "{error}");
        drop(live);
        fs::write(&socket, "mine").unwrap();
        let error = Listeners::bind(&address).await.err().unwrap();
        assert!(matches!(error, ServerError::Listen { .. }), "{error}");
        assert_eq!(fs::read_to_string(&socket).unwrap(), "mine");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    });
}

#[test]
fn a_lost_key_is_named_and_no_other_certificate_takes_the_place_of_its_own() {
    real_time(async || {
        let served = Served::start(&[ANYWHERE]).await;
        let (certificate, key) = (served.data("tls.cert.pem"), served.data("tls.key.pem"));
        let folder = served.end().await;
        let before = fs::read(&certificate).unwrap();
        fs::remove_file(&key).unwrap();
        let options = ServerOptions::new(folder.path().join("data"));
        let listeners = Listeners::bind(&[ANYWHERE.to_owned()]).await.unwrap();
        let error = Server::start(options, listeners).await.unwrap_err();
        assert!(matches!(error, ServerError::KeyMissing { .. }), "{error}");
        assert_eq!(fs::read(&certificate).unwrap(), before);
    });
}
