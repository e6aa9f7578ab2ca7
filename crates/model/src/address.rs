//! Addresses of servers: `HOST:PORT`, or `unix:/PATH` for a Unix socket of the same machine.

use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Host;

/// What stands before the path of a Unix socket. No host's: a port does not begin with a slash.
const UNIX: &str = "unix:";
/// Bytes of the path of a Unix socket that every system takes.
const UNIX_PATH_BYTES_MAX: usize = 103;
/// What stands for itself in a ref's text; the rest of a path is percent-encoded.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The absolute path of the Unix socket that `address` names; `None`: it names none.
pub fn unix_path(address: &str) -> Option<&str> {
    let path = address.strip_prefix(UNIX)?;
    path.starts_with('/').then_some(path)
}

/// The host of `HOST:PORT`, an IPv6 address without its brackets; `None`: the address is none of
/// that form.
pub fn host(address: &str) -> Option<&str> {
    let (host, _) = address.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Some(bare.unwrap_or(host))
}

/// Whether what is sent to `address` stays on the machine: a Unix socket, or loopback.
pub fn is_local(address: &str) -> bool {
    if unix_path(address).is_some() {
        return true;
    }
    match host(address) {
        Some(host) if host.eq_ignore_ascii_case("localhost") => true,
        Some(host) => host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback()),
        None => false,
    }
}

/// Reads an address as it stands in a ref's text.
pub(crate) fn from_text(text: &str) -> Option<String> {
    if let Some(path) = text.strip_prefix(UNIX)
        && path.starts_with('%')
    {
        return unix_from_text(path);
    }
    let (host, port) = text.rsplit_once(':')?;
    let host = Host::parse(host).ok()?;
    // One that was percent-encoded: printed, it would part two addresses.
    if matches!(&host, Host::Domain(domain) if domain.contains(',')) {
        return None;
    }
    match port.parse::<u16>() {
        Ok(port @ 1..) => Some(format!("{host}:{port}")),
        Ok(0) | Err(_) => None,
    }
}

fn unix_from_text(path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let is_path = path.starts_with('/') && !path.contains('\0');
    (is_path && path.len() <= UNIX_PATH_BYTES_MAX).then(|| format!("{UNIX}{path}"))
}

/// The address as it stands in a ref's text.
pub(crate) fn to_text(address: &str) -> String {
    match unix_path(address) {
        Some(path) => format!("{UNIX}{}", utf8_percent_encode(path, PATH)),
        None => address.to_owned(),
    }
}
