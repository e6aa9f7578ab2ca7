//! Sturdy refs as text (`docs/design.md` §5).
//!
//! `share://ADDRESS[,ADDRESS…]/SHARE/GRANT?epoch=N[&pin=HEX | &tls=off | &tls=ca]#SECRET` and
//! `share-factory://ADDRESS[,…]/GRANT[?pin=HEX | ?tls=off | ?tls=ca]#SECRET`. An address is
//! `HOST:PORT`, or `unix:` and the percent-encoded path of a Unix socket; `http:HOST:PORT` or
//! `https:HOST:PORT` where HTTP is spoken. The secret stands in the fragment so that no log sees it.

use std::fmt;
use std::str::FromStr;

use url::form_urlencoded;

use crate::address;
use crate::ids::{Epoch, GrantId, ShareId};
use crate::secret::Secret;
use crate::security::Security;

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
    /// `HOST:PORT` or `unix:/PATH` of each server, in the order in which to try them, and those at which
    /// it is reached by HTTP where none answers, `http:HOST:PORT` or `https:HOST:PORT`; at least one.
    pub addresses: Vec<String>,
    /// The share.
    pub share: ShareId,
    /// The grant.
    pub grant: GrantId,
    /// The epoch under which the grant was given.
    pub epoch: Epoch,
    /// How the connection is protected.
    pub security: Security,
    /// What proves the grant.
    pub secret: Secret,
}

/// Opens a factory: the right to create shares.
#[derive(Clone)]
pub struct FactoryRef {
    /// `HOST:PORT` or `unix:/PATH` of each server, in the order in which to try them, and those at which
    /// it is reached by HTTP where none answers, `http:HOST:PORT` or `https:HOST:PORT`; at least one.
    pub addresses: Vec<String>,
    /// The factory's grant.
    pub grant: GrantId,
    /// How the connection is protected.
    pub security: Security,
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
    /// An address has none of the forms that addresses have.
    #[error(
        "an address in the ref is not of the form HOST:PORT, unix:%2FPATH%2FOF%2FSOCKET, \
         http:HOST:PORT or https:HOST:PORT"
    )]
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
    /// `tls=` says what this version does not know.
    #[error("the ref's `tls=` is neither `off` nor `ca`: upgrade this side")]
    Tls,
    /// A pin means TLS with that certificate: `tls=` has no place beside it.
    #[error(
        "the ref has both `pin=` and `tls=`: a pinned certificate means TLS, and no other check"
    )]
    PinAndTls,
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
            security: parts.security,
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
            security: parts.security,
            secret: parts.secret,
        })
    }
}

struct Parts<'a> {
    addresses: Vec<String>,
    path: &'a str,
    epoch: Option<Epoch>,
    security: Security,
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
            .map(|address| address::from_text(address).ok_or(RefError::Address))
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.len() > ADDRESSES_MAX {
            return Err(RefError::TooManyAddresses);
        }
        let printed: usize = addresses
            .iter()
            .map(|it| address::to_text(it).len() + 1)
            .sum();
        if printed > ADDRESSES_BYTES_MAX {
            return Err(RefError::TooLong);
        }
        let mut parts = Parts {
            addresses,
            path,
            epoch: None,
            security: Security::ByAddress,
            secret,
        };
        let mut said = SaidOfSecurity::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "epoch" if parts.epoch.is_none() => parts.epoch = Some(epoch(&value)?),
                "pin" if said.pin.is_none() => said.pin = Some(pin(&value)?),
                "tls" if said.tls.is_none() => said.tls = Some(tls(&value)?),
                _ => return Err(RefError::UnknownParameter),
            }
        }
        parts.security = said.security()?;
        Ok(parts)
    }
}

/// The parameters of a ref that are about its security.
#[derive(Default)]
struct SaidOfSecurity {
    pin: Option<Security>,
    tls: Option<Security>,
}

impl SaidOfSecurity {
    fn security(self) -> Result<Security, RefError> {
        match (self.pin, self.tls) {
            (Some(_), Some(_)) => Err(RefError::PinAndTls),
            (said, None) | (None, said) => Ok(said.unwrap_or_default()),
        }
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

fn pin(text: &str) -> Result<Security, RefError> {
    let pin = text.parse().map_err(|_| RefError::Pin)?;
    Ok(Security::Pinned(pin))
}

fn tls(text: &str) -> Result<Security, RefError> {
    match text {
        "off" => Ok(Security::Plain),
        "ca" => Ok(Security::Authorities),
        _ => Err(RefError::Tls),
    }
}

/// What a ref's text says of its security; empty if nothing needs to be said.
fn parameter(security: Security, before: char) -> String {
    match security {
        Security::ByAddress => String::new(),
        Security::Pinned(pin) => format!("{before}pin={pin}"),
        Security::Authorities => format!("{before}tls=ca"),
        Security::Plain => format!("{before}tls=off"),
    }
}

fn list(addresses: &[String]) -> String {
    let texts: Vec<_> = addresses.iter().map(|it| address::to_text(it)).collect();
    texts.join(",")
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
        let security = parameter(self.security, '&');
        let (addresses, secret) = (list(&self.addresses), self.secret.to_text());
        format!("{SHARE_SCHEME}{addresses}/{share}/{grant}?epoch={epoch}{security}#{secret}")
    }
}

impl FactoryRef {
    /// The whole ref, secret included: to be stored or handed over, never to be logged.
    pub fn expose(&self) -> String {
        let grant = self.grant;
        let security = parameter(self.security, '?');
        let (addresses, secret) = (list(&self.addresses), self.secret.to_text());
        format!("{FACTORY_SCHEME}{addresses}/{grant}{security}#{secret}")
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
        assert_eq!(factory.security.pin().unwrap().to_bytes()[31], 0xff);
    }

    const PIN: &str = "pin=00000000000000000000000000000000000000000000000000000000000000ff";

    #[test]
    fn each_way_of_protecting_a_connection_reads_back_as_it_was_written() {
        for (parameter, security) in [
            ("", Security::ByAddress),
            ("tls=off", Security::Plain),
            ("tls=ca", Security::Authorities),
            (PIN, FACTORY.parse::<FactoryRef>().unwrap().security),
        ] {
            let text = match parameter {
                "" => SHARE.to_owned(),
                _ => SHARE.replace("epoch=3", &format!("epoch=3&{parameter}")),
            };
            let share: ShareRef = text.parse().unwrap();
            assert_eq!((share.security, share.expose()), (security, text));
            let text = match parameter {
                "" => FACTORY.replace(&format!("?{PIN}"), ""),
                _ => FACTORY.replace(PIN, parameter),
            };
            let factory: FactoryRef = text.parse().unwrap();
            assert_eq!((factory.security, factory.expose()), (security, text));
        }
    }

    #[test]
    fn addresses_where_http_is_spoken_stand_in_the_text_as_in_the_ref() {
        let text = SHARE.replace(
            "[::1]:7421,example.org:1",
            "http:[::1]:80,https:example.org:443",
        );
        let share: ShareRef = text.parse().unwrap();
        assert_eq!(
            share.addresses[1..],
            ["http:[::1]:80", "https:example.org:443"]
        );
        assert_eq!(share.expose(), text);
    }

    #[test]
    fn the_path_of_a_unix_socket_stands_percent_encoded_in_the_text_and_plain_in_the_ref() {
        let text = SHARE.replace("example.org:1", "unix:%2Frun%2Fa%20b%2C%23%3F%2Fs-1.sock");
        let share: ShareRef = text.parse().unwrap();
        assert_eq!(share.addresses[2], "unix:/run/a b,#?/s-1.sock");
        assert_eq!(share.expose(), text);
        // A host may have this name.
        let host: ShareRef = SHARE.replace("example.org:1", "unix:7").parse().unwrap();
        assert_eq!(host.addresses[2], "unix:7");
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
        refused("epoch=3", "epoch=3&tls=on", RefError::Tls);
        refused("epoch=3", "epoch=3&tls=", RefError::Tls);
        let off = format!("epoch=3&tls=off&{PIN}");
        refused("epoch=3", &off, RefError::PinAndTls);
        let authorities = format!("epoch=3&{PIN}&tls=ca");
        refused("epoch=3", &authorities, RefError::PinAndTls);
        refused(
            "epoch=3",
            "epoch=3&tls=ca&tls=ca",
            RefError::UnknownParameter,
        );
        refused("127.0.0.1:7420", "unix:", RefError::Address);
        refused("127.0.0.1:7420", "unix:%73ock", RefError::Address);
        refused("127.0.0.1:7420", "unix:%2Fa%00", RefError::Address);
        refused("127.0.0.1:7420", "unix:%2F%FF", RefError::Address);
        let long = format!("unix:%2F{}", "s".repeat(103));
        refused("127.0.0.1:7420", &long, RefError::Address);
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
