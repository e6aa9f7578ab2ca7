//! Sturdy refs as text (`docs/design.md` §5).
//!
//! `share://HOST:PORT[,HOST:PORT…]/SHARE/GRANT?epoch=N[&pin=HEX]#SECRET` and
//! `share-factory://HOST:PORT[,…]/GRANT[?pin=HEX]#SECRET`. The secret stands in the fragment so
//! that no log sees it.

use std::fmt;
use std::str::FromStr;

use url::{Host, form_urlencoded};

use crate::ids::{Epoch, GrantId, ShareId};
use crate::secret::Secret;

const SHARE_SCHEME: &str = "share://";
const FACTORY_SCHEME: &str = "share-factory://";
/// Bytes of a ref's text; longer ones are not looked at.
const TEXT_BYTES_MAX: usize = 4096;
/// Addresses in a ref.
const ADDRESSES_MAX: usize = 16;
/// Bytes of all addresses as they are printed, which may be more than were read: the rest of a ref fits
/// beside them.
const ADDRESSES_BYTES_MAX: usize = TEXT_BYTES_MAX - 512;

/// Opens a share: where it is served, which grant, and what proves it.
#[derive(Clone)]
pub struct ShareRef {
    /// `HOST:PORT` of each server, in the order in which to try them; at least one.
    pub addresses: Vec<String>,
    /// The share.
    pub share: ShareId,
    /// The grant.
    pub grant: GrantId,
    /// The epoch under which the grant was given.
    pub epoch: Epoch,
    /// SHA-256 of the server's certificate, if it is pinned.
    pub pin: Option<[u8; 32]>,
    /// What proves the grant.
    pub secret: Secret,
}

/// Opens a factory: the right to create shares.
#[derive(Clone)]
pub struct FactoryRef {
    /// `HOST:PORT` of each server, in the order in which to try them; at least one.
    pub addresses: Vec<String>,
    /// The factory's grant.
    pub grant: GrantId,
    /// SHA-256 of the server's certificate, if it is pinned.
    pub pin: Option<[u8; 32]>,
    /// What proves the grant.
    pub secret: Secret,
}

/// What is wrong with the text of a ref. Never shows the text: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefError {
    /// It does not begin as a ref does.
    #[error("a ref of a share begins with `share://`, one of a factory with `share-factory://`")]
    Scheme,
    /// It is longer than any ref.
    #[error("the ref is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// An address is not `HOST:PORT`.
    #[error("an address in the ref is not of the form HOST:PORT")]
    Address,
    /// There are too many addresses.
    #[error("the ref has more than {ADDRESSES_MAX} addresses")]
    TooManyAddresses,
    /// The path is not of the form that the scheme asks for.
    #[error("the ref's path does not name a share and its grant (a factory: its grant)")]
    Path,
    /// The epoch is missing or not a number from 1.
    #[error("the ref has no `epoch=` with a number from 1")]
    Epoch,
    /// The pin is not the hash of a certificate.
    #[error("the ref's `pin=` is not 64 hexadecimal digits")]
    Pin,
    /// A parameter that this version does not know.
    #[error("the ref has a parameter that this version does not know: upgrade this side")]
    UnknownParameter,
    /// The secret is missing or malformed.
    #[error("the ref's secret, after `#`, is missing or not 43 characters of base64url")]
    Secret,
}

impl FromStr for ShareRef {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let parts = Parts::of(text, SHARE_SCHEME)?;
        let (share, grant) = parts.path.split_once('/').ok_or(RefError::Path)?;
        Ok(Self {
            share: canonical(share)?,
            grant: canonical(grant)?,
            epoch: parts.epoch.ok_or(RefError::Epoch)?,
            addresses: parts.addresses,
            pin: parts.pin,
            secret: parts.secret,
        })
    }
}

impl FromStr for FactoryRef {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let parts = Parts::of(text, FACTORY_SCHEME)?;
        if parts.epoch.is_some() {
            return Err(RefError::UnknownParameter);
        }
        Ok(Self {
            grant: canonical(parts.path)?,
            addresses: parts.addresses,
            pin: parts.pin,
            secret: parts.secret,
        })
    }
}

struct Parts<'a> {
    addresses: Vec<String>,
    path: &'a str,
    epoch: Option<Epoch>,
    pin: Option<[u8; 32]>,
    secret: Secret,
}

impl<'a> Parts<'a> {
    // The `url` crate takes one host only, so the list of addresses is cut here; hosts and
    // parameters are read by it.
    fn of(text: &'a str, scheme: &str) -> Result<Self, RefError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(RefError::TooLong);
        }
        let rest = text.trim().strip_prefix(scheme).ok_or(RefError::Scheme)?;
        let (rest, secret) = rest.split_once('#').ok_or(RefError::Secret)?;
        let secret = Secret::from_text(secret).ok_or(RefError::Secret)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (addresses, path) = rest.split_once('/').ok_or(RefError::Path)?;
        let addresses = addresses
            .split(',')
            .map(address)
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.len() > ADDRESSES_MAX {
            return Err(RefError::TooManyAddresses);
        }
        let printed: usize = addresses.iter().map(|address| address.len() + 1).sum();
        if printed > ADDRESSES_BYTES_MAX {
            return Err(RefError::TooLong);
        }
        let mut parts = Parts {
            addresses,
            path,
            epoch: None,
            pin: None,
            secret,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "epoch" if parts.epoch.is_none() => parts.epoch = Some(epoch(&value)?),
                "pin" if parts.pin.is_none() => parts.pin = Some(pin(&value)?),
                _ => return Err(RefError::UnknownParameter),
            }
        }
        Ok(parts)
    }
}

fn address(text: &str) -> Result<String, RefError> {
    let (host, port) = text.rsplit_once(':').ok_or(RefError::Address)?;
    let host = Host::parse(host).map_err(|_| RefError::Address)?;
    // One that was percent-encoded: printed, it would part two addresses.
    if matches!(&host, Host::Domain(domain) if domain.contains(',')) {
        return Err(RefError::Address);
    }
    match port.parse::<u16>() {
        Ok(port @ 1..) => Ok(format!("{host}:{port}")),
        Ok(0) | Err(_) => Err(RefError::Address),
    }
}

/// Reads an id that is written as this crate writes it; a UUID has several other forms.
fn canonical<T: FromStr + fmt::Display>(text: &str) -> Result<T, RefError> {
    let id = text.parse::<T>().map_err(|_| RefError::Path)?;
    if id.to_string() == text {
        Ok(id)
    } else {
        Err(RefError::Path)
    }
}

fn epoch(text: &str) -> Result<Epoch, RefError> {
    match text.parse() {
        Ok(number @ 1..) => Ok(Epoch::new(number)),
        Ok(0) | Err(_) => Err(RefError::Epoch),
    }
}

fn pin(text: &str) -> Result<[u8; 32], RefError> {
    if text.len() != 64 || !text.is_ascii() {
        return Err(RefError::Pin);
    }
    let mut pin = [0; 32];
    for (at, byte) in pin.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2).ok_or(RefError::Pin)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| RefError::Pin)?;
    }
    Ok(pin)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ShareRef {
    /// The whole ref, secret included: to be stored or handed over, never to be logged.
    pub fn expose(&self) -> String {
        let Self {
            share,
            grant,
            epoch,
            ..
        } = self;
        let pin = self
            .pin
            .map_or(String::new(), |pin| format!("&pin={}", hex(&pin)));
        let (addresses, secret) = (self.addresses.join(","), self.secret.to_text());
        format!("{SHARE_SCHEME}{addresses}/{share}/{grant}?epoch={epoch}{pin}#{secret}")
    }
}

impl FactoryRef {
    /// The whole ref, secret included: to be stored or handed over, never to be logged.
    pub fn expose(&self) -> String {
        let grant = self.grant;
        let pin = self
            .pin
            .map_or(String::new(), |pin| format!("?pin={}", hex(&pin)));
        let (addresses, secret) = (self.addresses.join(","), self.secret.to_text());
        format!("{FACTORY_SCHEME}{addresses}/{grant}{pin}#{secret}")
    }
}

/// Hides the secret.
impl fmt::Debug for ShareRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareRef")
            .field("addresses", &self.addresses)
            .field("share", &self.share)
            .field("grant", &self.grant)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// Hides the secret.
impl fmt::Debug for FactoryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactoryRef")
            .field("addresses", &self.addresses)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: &str = "share://127.0.0.1:7420,[::1]:7421,example.org:1/01890a5d000070008000000000000001/01890a5d000070008000000000000002?epoch=3#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const FACTORY: &str = "share-factory://127.0.0.1:7420/01890a5d000070008000000000000002?pin=00000000000000000000000000000000000000000000000000000000000000ff#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn refs_read_back_as_they_were_written() {
        let share: ShareRef = SHARE.parse().unwrap();
        assert_eq!(share.expose(), SHARE);
        assert_eq!(
            share.addresses,
            ["127.0.0.1:7420", "[::1]:7421", "example.org:1"]
        );
        assert_eq!(share.epoch, Epoch::new(3));
        let factory: FactoryRef = FACTORY.parse().unwrap();
        assert_eq!(factory.expose(), FACTORY);
        assert_eq!(factory.pin.unwrap()[31], 0xff);
    }

    #[test]
    fn debug_of_a_ref_hides_its_secret() {
        let share: ShareRef = SHARE.parse().unwrap();
        let factory: FactoryRef = FACTORY.parse().unwrap();
        assert!(!format!("{share:?}{factory:?}").contains("AAAAAAA"));
    }

    #[track_caller]
    fn refused(from: &str, to: &str, error: RefError) {
        let text = SHARE.replace(from, to);
        assert_ne!(text, SHARE, "the replacement did nothing");
        assert_eq!(text.parse::<ShareRef>().unwrap_err(), error, "{text}");
    }

    #[test]
    fn a_ref_with_one_wrong_character_is_refused_by_what_is_wrong() {
        refused("share://", "shore://", RefError::Scheme);
        refused("share://", "share-factory://", RefError::Scheme);
        refused("127.0.0.1:7420", "127.0.0.1", RefError::Address);
        refused("127.0.0.1:7420", "127.0.0.1:0", RefError::Address);
        refused("127.0.0.1:7420", "127.0.0.1:74200", RefError::Address);
        refused("127.0.0.1:7420", "", RefError::Address);
        refused("/01890a5d000070008000000000000001", "", RefError::Path);
        refused("01890a5d", "01890a5g", RefError::Path);
        refused("01890a5d", "01890A5D", RefError::Path);
        refused("epoch=3", "epoch=0", RefError::Epoch);
        refused("epoch=3", "epoch=x", RefError::Epoch);
        refused("?epoch=3", "", RefError::Epoch);
        refused("epoch=3", "epoch=3&epoch=4", RefError::UnknownParameter);
        refused("epoch=3", "epoch=3&new=1", RefError::UnknownParameter);
        refused("epoch=3", "epoch=3&pin=00", RefError::Pin);
        refused("#AAAA", "#AAA", RefError::Secret);
        refused("#AAAA", "#AAA+", RefError::Secret);
        refused("#", "", RefError::Secret);
        refused("example.org", "a%2Cb", RefError::Address);
        // Four bytes that are printed as more than twice as many.
        refused("example.org", &"㍿.".repeat(900), RefError::TooLong);
        let long = SHARE.replace("example.org", &"x".repeat(5000));
        assert_eq!(long.parse::<ShareRef>().unwrap_err(), RefError::TooLong);
    }
}
