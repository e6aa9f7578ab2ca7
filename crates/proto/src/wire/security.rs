//! How a connection is protected: a pin, or a word on TLS where there is none.

use capnp::NotInSchema;
use share_model::{CertificatePin, Security};

use super::error::{WireError, WireFault};
use super::field::{known, optional_bytes};
use crate::share_capnp::Tls;

/// The fields of one struct that say it, by name.
pub(super) struct Names {
    pub(super) pin: &'static str,
    pub(super) tls: &'static str,
}

pub(super) fn read_security(
    pin: capnp::Result<capnp::data::Reader<'_>>,
    tls: Result<Tls, NotInSchema>,
    names: &Names,
) -> Result<Security, WireError> {
    let pin = optional_bytes(pin, names.pin)?.map(CertificatePin::from_bytes);
    match (pin, known(tls, names.tls)?) {
        (Some(pin), Tls::ByAddress) => Ok(Security::Pinned(pin)),
        (Some(_), Tls::Authorities | Tls::Off) => {
            Err(WireError::new(names.tls, WireFault::BesidePin))
        }
        (None, Tls::ByAddress) => Ok(Security::ByAddress),
        (None, Tls::Authorities) => Ok(Security::Authorities),
        (None, Tls::Off) => Ok(Security::Plain),
    }
}

/// What stands in the field beside the pin.
pub(super) fn tls(security: Security) -> Tls {
    match security {
        Security::ByAddress | Security::Pinned(_) => Tls::ByAddress,
        Security::Authorities => Tls::Authorities,
        Security::Plain => Tls::Off,
    }
}
