//! Both sides of TLS over a pipe.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use share_model::CertificatePin;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use tokio_rustls::rustls::sign::CertifiedKey;

use super::*;

fn self_made() -> (SelfMade, Identity) {
    let made = make_certificate(&["not a host's name \u{e9}".to_owned()]).unwrap();
    let identity = Identity::from_pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
    (made, identity)
}

/// An authority's certificate, and a server's for `name` that it vouches for.
fn vouched_for(name: &str) -> (String, Identity) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let own = params.signed_by(&key, &issuer).unwrap();
    let certificate = pem::to_pem("CERTIFICATE", own.der());
    let key = pem::to_pem("PRIVATE KEY", key.serialized_der());
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    (pem::to_pem("CERTIFICATE", authority.der()), identity)
}

/// What the client's handshake gives; the client then sends a word, if it may. What the server read.
async fn meet(
    tls: &ServerTls,
    address: &str,
    check: &TlsCheck,
) -> (Result<(), TlsError>, Option<Vec<u8>>) {
    let (ours, theirs): (DuplexStream, DuplexStream) = duplex(64 << 10);
    let client = async {
        let mut stream = connect_tls(ours, address, check).await?;
        stream.write_all(b"secret").await.unwrap();
        stream.shutdown().await.unwrap();
        Ok(())
    };
    let server = async {
        let mut stream = tls.accept(theirs).await.ok()?;
        let mut read = Vec::new();
        // An end without a word of TLS shows the same bytes.
        let _ = stream.read_to_end(&mut read).await;
        Some(read)
    };
    tokio::join!(client, server)
}

#[tokio::test]
async fn the_pinned_certificate_is_taken_whatever_its_name() {
    let (_, identity) = self_made();
    let check = TlsCheck::Pin(identity.pin());
    let tls = ServerTls::new(identity);
    let (client, read) = meet(&tls, "example.org:1", &check).await;
    client.unwrap();
    assert_eq!(read.unwrap(), b"secret");
    meet(&tls, "unix:/s", &check).await.0.unwrap();
}

#[tokio::test]
async fn another_certificate_than_the_pinned_one_is_refused_before_a_byte_is_sent() {
    let ((_, one), (_, other)) = (self_made(), self_made());
    let (expected, seen) = (one.pin(), other.pin());
    let (client, read) = meet(&ServerTls::new(other), "a:1", &TlsCheck::Pin(expected)).await;
    let error = client.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the server's certificate is {seen}, the ref pins {expected}")
    );
    assert!(error.is_about_identity());
    assert_eq!(read, None, "the handshake came to its end");
}

#[tokio::test]
async fn a_server_without_the_key_of_the_pinned_certificate_is_refused() {
    let ((_, pinned), (_, other)) = (self_made(), self_made());
    let pin = pinned.pin();
    let stolen = CertifiedKey::new(
        pinned.certified.cert.clone(),
        Arc::clone(&other.certified.key),
    );
    let certified = Arc::new(stolen);
    let tls = ServerTls::new(Identity {
        certified,
        ..pinned
    });
    for check in [TlsCheck::Pin(pin), TlsCheck::Nothing] {
        let (client, read) = meet(&tls, "a:1", &check).await;
        client.unwrap_err();
        assert_eq!(read, None);
    }
}

#[tokio::test]
async fn a_certificate_is_served_only_with_its_own_key() {
    let ((certificate, _), (key, _)) = (self_made(), self_made());
    let error = Identity::from_pem(certificate.certificate.as_bytes(), key.key.as_bytes());
    assert!(matches!(error, Err(CertificateError::Key(_))), "{error:?}");
    let error = Identity::from_pem(b"", key.key.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "the file has no certificate in PEM form");
    let error = Identity::from_pem(certificate.certificate.as_bytes(), b"x").unwrap_err();
    assert_eq!(error.to_string(), "the file has no key in PEM form");
}

#[tokio::test]
async fn without_a_pin_an_authority_vouches_for_the_host_of_the_address() {
    let (authority, identity) = vouched_for("example.org");
    let tls = ServerTls::new(identity);
    let trusting =
        |text: &str| TlsCheck::Authorities(Authorities::from_pem(text.as_bytes()).unwrap());
    meet(&tls, "example.org:7", &trusting(&authority))
        .await
        .0
        .unwrap();
    for (address, authority) in [
        ("other.example.org:7", &authority),
        ("127.0.0.1:7", &authority),
        ("unix:/s", &authority),
        ("example.org:7", &vouched_for("example.org").0),
    ] {
        let (client, read) = meet(&tls, address, &trusting(authority)).await;
        let error = client.unwrap_err();
        assert!(matches!(error, TlsError::NotTrusted { .. }), "{error:?}");
        assert_eq!(read, None);
    }
    let (authority, identity) = vouched_for("127.0.0.1");
    let tls = ServerTls::new(identity);
    meet(&tls, "127.0.0.1:7", &trusting(&authority))
        .await
        .0
        .unwrap();
}

#[tokio::test]
async fn a_certificate_of_the_servers_own_is_worth_nothing_without_its_pin() {
    let (_, identity) = self_made();
    let authorities = Authorities::from_pem(vouched_for("a").0.as_bytes()).unwrap();
    let check = TlsCheck::Authorities(authorities);
    let (client, read) = meet(&ServerTls::new(identity), "share.invalid:1", &check).await;
    let error = client.unwrap_err();
    assert!(matches!(error, TlsError::NotTrusted { .. }), "{error:?}");
    assert_eq!(read, None);
}

#[tokio::test]
async fn a_replaced_certificate_is_that_of_new_connections() {
    let ((_, one), (_, other)) = (self_made(), self_made());
    let (old, new) = (TlsCheck::Pin(one.pin()), TlsCheck::Pin(other.pin()));
    let tls = ServerTls::new(one);
    meet(&tls, "a:1", &old).await.0.unwrap();
    tls.clone().replace(other);
    meet(&tls, "a:1", &new).await.0.unwrap();
    let error = meet(&tls, "a:1", &old).await.0.unwrap_err();
    assert!(matches!(error, TlsError::WrongPin { .. }), "{error:?}");
}

#[tokio::test]
async fn who_answers_no_handshake_is_said_to_speak_no_tls() {
    let check = TlsCheck::Pin(CertificatePin::of(b""));
    let (ours, mut theirs) = duplex(1024);
    theirs.write_all(&[0, 0, 0, 0, 2, 0, 0, 0]).await.unwrap();
    let error = connect_tls(ours, "a:1", &check).await.unwrap_err();
    assert!(matches!(error, TlsError::Handshake { .. }), "{error:?}");
    let (ours, theirs) = duplex(1024);
    let leave = async move { drop(theirs) };
    let (error, ()) = tokio::join!(connect_tls(ours, "a:1", &check), leave);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("it may not speak TLS"), "{error}");
}

#[tokio::test]
async fn the_first_two_bytes_tell_tls_from_the_rest_and_are_read_again() {
    for (sent, expected) in [
        (&[22_u8, 3, 1, 9][..], Beginning::Tls),
        (&[22, 0, 0, 0], Beginning::Plain),
        (&[0, 0, 0, 0], Beginning::Plain),
        (&[0], Beginning::Plain),
        (&[22], Beginning::Plain),
        (&[], Beginning::Nothing),
    ] {
        // One byte at a time.
        let (mut ours, theirs) = duplex(1);
        let send = async move { ours.write_all(sent).await };
        let read = async {
            let (beginning, mut stream) = begins_with(theirs).await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            (beginning, all)
        };
        let (sending, (beginning, all)) = tokio::join!(send, read);
        sending.unwrap();
        assert_eq!((beginning, all.as_slice()), (expected, sent));
    }
}

#[test]
fn debug_of_a_certificate_and_its_key_shows_neither() {
    let (made, identity) = self_made();
    let shown = format!("{made:?} {identity:?}");
    assert_eq!(
        shown,
        format!("SelfMade(hidden) Identity({})", identity.pin())
    );
}
