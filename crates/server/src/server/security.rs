//! Whether connections have TLS, and what refs say of it (`docs/design.md` §5).

use std::path::PathBuf;

use share_model::address;
use share_model::{CertificatePin, Security};
use share_network::tls::ServerTls;
use tracing::{info, warn};

use super::certificate::Place;
use super::error::ServerError;
use super::listener::{Listening, Reach};
use super::options::{CertificateSource, TlsMode, TlsOptions};
use crate::seams::Seams;

/// How the server protects its connections.
#[derive(Debug, Clone)]
pub(crate) struct Protecting {
    pub(super) tls: Option<ServerTls>,
    pub(super) mode: TlsMode,
    options: TlsOptions,
    data: PathBuf,
    /// What refs say.
    advertised: Security,
}

/// What became of a request to read the certificate anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// New connections get this one.
    Certificate(CertificatePin),
    /// There is nothing to read anew: no TLS, or a certificate of the server's own, which changes
    /// only by a start without it.
    Nothing,
}

impl Protecting {
    /// Reads or makes the certificate, if one is needed. Refs will name `addresses`.
    pub(super) fn open(
        (data, options): (PathBuf, TlsOptions),
        listening: &[Listening],
        addresses: &[String],
        seams: &Seams,
    ) -> Result<Self, ServerError> {
        let mode = options.mode;
        let is_wanted = mode != TlsMode::Never
            && (mode == TlsMode::Always
                || options.certificate != CertificateSource::SelfMade
                || listening.iter().any(|it| it.reach == Reach::Network));
        let tls = match is_wanted {
            true => {
                let source = &options.certificate;
                let place = Place {
                    data: &data,
                    source,
                };
                let hosts = addresses
                    .iter()
                    .filter_map(|it| host(it))
                    .collect::<Vec<_>>();
                let identity = place.open(seams, &hosts)?;
                info!(pin = %identity.pin(), "TLS with this certificate");
                Some(ServerTls::new(identity))
            }
            false => None,
        };
        if mode == TlsMode::Never && listening.iter().any(|it| it.reach == Reach::Network) {
            warn!("no TLS: whoever is on the way reads every secret that clients send");
        }
        let pin = tls.as_ref().map(ServerTls::pin);
        let advertised = advertised(&options, pin, addresses);
        Ok(Self {
            tls,
            mode,
            options,
            data,
            advertised,
        })
    }

    /// Whether a client that comes from there may do without TLS.
    pub(super) fn is_plain_allowed(&self, reach: Reach) -> bool {
        match (&self.tls, self.mode, reach) {
            (None, ..) | (_, TlsMode::Never, _) | (_, TlsMode::ByAddress, Reach::Machine) => true,
            (_, TlsMode::Always, _) | (_, TlsMode::ByAddress, Reach::Network) => false,
        }
    }

    pub(super) fn advertised(&self) -> Security {
        self.advertised
    }

    /// Reads the certificate anew, if it is from files; the old one serves on if that fails.
    pub(super) fn reload(&self, seams: &Seams) -> Result<Reloaded, ServerError> {
        let source = &self.options.certificate;
        let Some(tls) = self.tls.as_ref() else {
            return Ok(Reloaded::Nothing);
        };
        if *source == CertificateSource::SelfMade {
            return Ok(Reloaded::Nothing);
        }
        let data = &self.data;
        let identity = Place { data, source }.read(seams)?;
        let pin = identity.pin();
        tls.replace(identity);
        info!(%pin, "certificate replaced");
        Ok(Reloaded::Certificate(pin))
    }
}

/// What refs say of a server whose certificate has this pin (`None`: it does no TLS), under these
/// addresses.
fn advertised(options: &TlsOptions, pin: Option<CertificatePin>, addresses: &[String]) -> Security {
    let mut local = addresses.iter().map(|it| address::is_local(it));
    match (pin, &options.certificate, options.mode) {
        (Some(pin), CertificateSource::SelfMade, _) => Security::Pinned(pin),
        // By itself a client would do without at these.
        (Some(_), CertificateSource::Files { .. }, TlsMode::Always) if local.any(|is| is) => {
            Security::Authorities
        }
        // By itself a client would want TLS at these.
        (None, _, TlsMode::Never) if local.any(|is| !is) => Security::Plain,
        _ => Security::ByAddress,
    }
}

/// The host of an address, for a certificate.
fn host(address: &str) -> Option<String> {
    match address::unix_path(address) {
        Some(_) => None,
        None => address::host(address).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(mode: TlsMode, is_from_files: bool) -> TlsOptions {
        let files = || CertificateSource::Files {
            certificate: "c".into(),
            key: "k".into(),
        };
        let certificate = match is_from_files {
            true => files(),
            false => CertificateSource::SelfMade,
        };
        TlsOptions { mode, certificate }
    }

    #[test]
    fn refs_say_of_tls_what_a_client_would_not_do_by_the_address() {
        let pin = CertificatePin::of(b"");
        let (here, away) = ("127.0.0.1:1", "example.org:1");
        let of = |mode, files, pin, addresses: &[&str]| {
            let addresses: Vec<String> = addresses.iter().map(|it| (*it).to_owned()).collect();
            advertised(&options(mode, files), pin, &addresses)
        };
        use TlsMode::{Always, ByAddress, Never};
        assert_eq!(
            of(ByAddress, false, Some(pin), &[away]),
            Security::Pinned(pin)
        );
        assert_eq!(of(Always, false, Some(pin), &[here]), Security::Pinned(pin));
        assert_eq!(
            of(ByAddress, true, Some(pin), &[away, here]),
            Security::ByAddress
        );
        assert_eq!(of(Always, true, Some(pin), &[away]), Security::ByAddress);
        assert_eq!(
            of(Always, true, Some(pin), &[away, here]),
            Security::Authorities
        );
        assert_eq!(of(Never, false, None, &[here, away]), Security::Plain);
        assert_eq!(of(Never, false, None, &[here]), Security::ByAddress);
        // Plain on loopback, advertised under a name: something before it does the TLS.
        assert_eq!(of(ByAddress, false, None, &[away]), Security::ByAddress);
    }
}
