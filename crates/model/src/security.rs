//! How the connection to a server is protected (`docs/design.md` §5).

use std::fmt;
use std::str::FromStr;

use crate::address::{is_https, is_local};

/// SHA-256 of a server's certificate in DER form. Shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificatePin([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a certificate's pin has 64 hexadecimal digits")]
pub struct CertificatePinError;

/// How a client protects its connection to a ref's addresses; a part of the ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Security {
    /// Plain where nothing leaves the machine (loopback, a Unix socket); elsewhere TLS, with a
    /// certificate that an authority vouches for.
    #[default]
    ByAddress,
    /// TLS at every address, with this certificate whatever its name or date, and with no other.
    Pinned(CertificatePin),
    /// TLS at every address, with a certificate that an authority vouches for.
    Authorities,
    /// No TLS at any address.
    Plain,
}

/// How one connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    Plain,
    /// TLS, with this certificate and no other.
    Pinned(CertificatePin),
    /// TLS, with a certificate that an authority vouches for.
    Authorities,
}

impl Security {
    /// How a connection to `address` is protected. At `https:HOST:PORT` authorities vouch for the server,
    /// whatever the ref says: it is reached as a browser reaches it.
    pub fn at(self, address: &str) -> Protection {
        match self {
            _ if is_https(address) => Protection::Authorities,
            Self::Pinned(pin) => Protection::Pinned(pin),
            Self::Authorities => Protection::Authorities,
            Self::Plain => Protection::Plain,
            Self::ByAddress if is_local(address) => Protection::Plain,
            Self::ByAddress => Protection::Authorities,
        }
    }

    /// The pin, if there is one.
    pub fn pin(self) -> Option<CertificatePin> {
        match self {
            Self::Pinned(pin) => Some(pin),
            Self::ByAddress | Self::Authorities | Self::Plain => None,
        }
    }
}

impl CertificatePin {
    /// The pin with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Of a certificate in DER form.
    pub fn of(certificate: &[u8]) -> Self {
        Self(crate::secret::sha256(&[certificate]))
    }
}

impl FromStr for CertificatePin {
    type Err = CertificatePinError;

    fn from_str(text: &str) -> Result<Self, CertificatePinError> {
        // `from_str_radix` takes a sign, too.
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CertificatePinError);
        }
        let mut pin = [0; 32];
        for (at, byte) in pin.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).ok_or(CertificatePinError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| CertificatePinError)?;
        }
        Ok(Self(pin))
    }
}

impl fmt::Display for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificatePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificatePin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_plain_by_itself_only_where_nothing_leaves_the_machine() {
        let at = |address| Security::ByAddress.at(address);
        assert_eq!(at("127.0.0.1:7420"), Protection::Plain);
        assert_eq!(at("[::1]:7420"), Protection::Plain);
        assert_eq!(at("localhost:7420"), Protection::Plain);
        assert_eq!(at("unix:/run/share.sock"), Protection::Plain);
        assert_eq!(at("example.org:7420"), Protection::Authorities);
        assert_eq!(at("192.0.2.1:7420"), Protection::Authorities);
        assert_eq!(at("0.0.0.0:7420"), Protection::Authorities);
        assert_eq!(at("127.0.0.1.example.org:7420"), Protection::Authorities);
        assert_eq!(at("localhost.example.org:7420"), Protection::Authorities);
        assert_eq!(at("unix:7420"), Protection::Authorities);
        assert_eq!(at("no port"), Protection::Authorities);
    }

    #[test]
    fn what_a_ref_says_of_its_security_holds_at_every_address() {
        let pin = CertificatePin::of(b"");
        for address in ["127.0.0.1:1", "unix:/s", "example.org:1"] {
            assert_eq!(Security::Pinned(pin).at(address), Protection::Pinned(pin));
            assert_eq!(Security::Authorities.at(address), Protection::Authorities);
            assert_eq!(Security::Plain.at(address), Protection::Plain);
            let http = format!("http:{address}");
            assert_eq!(Security::Pinned(pin).at(&http), Protection::Pinned(pin));
        }
    }

    #[test]
    fn authorities_vouch_for_https_whatever_the_ref_says() {
        let pinned = Security::Pinned(CertificatePin::of(b""));
        for security in [Security::ByAddress, pinned, Security::Plain] {
            for address in ["https:127.0.0.1:1", "https:example.org:1"] {
                assert_eq!(security.at(address), Protection::Authorities);
            }
        }
        let by_address = Security::ByAddress;
        assert_eq!(by_address.at("http:127.0.0.1:1"), Protection::Plain);
        assert_eq!(by_address.at("http:example.org:1"), Protection::Authorities);
    }

    #[test]
    fn a_pin_is_the_sha_256_of_the_certificate_in_hexadecimal_digits() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(CertificatePin::of(b"").to_string(), text);
        let upper: CertificatePin = text.to_uppercase().parse().unwrap();
        assert_eq!(upper, CertificatePin::of(b""));
        for wrong in [
            &text[1..],
            "",
            &format!("{text}0"),
            &format!("+{}", &text[1..]),
        ] {
            assert_eq!(wrong.parse::<CertificatePin>(), Err(CertificatePinError));
        }
    }
}
