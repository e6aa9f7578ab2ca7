//! Addresses of servers: `HOST:PORT`, or `unix:/PATH` for a Unix socket of the same machine, where they
//! speak RPC; `http:HOST:PORT` or `https:HOST:PORT` where they speak HTTP.

use std::net::IpAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Host;

/// What stands before the path of a Unix socket. No host's: a port does not begin with a slash.
const UNIX: &str = "unix:";
/// What stands before `HOST:PORT` where HTTP is spoken. A host of this name has a port behind it, and no
/// second colon.
const HTTP: &str = "http:";
/// The same, with TLS that authorities vouch for.
const HTTPS: &str = "https:";
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

/// The `HOST:PORT` of an address where HTTP is spoken; `None`: RPC is, or it is no address.
pub fn http(address: &str) -> Option<&str> {
    http_parts(address).map(|(_, rest)| rest)
}

/// Reads an address where HTTP is spoken, as it stands in a ref.
pub fn parse_http(text: &str) -> Option<String> {
    http_parts(text)?;
    from_text(text)
}

/// Whether the address asks for HTTP over TLS, with a certificate that an authority vouches for.
pub fn is_https(address: &str) -> bool {
    http_parts(address).is_some_and(|(form, _)| form == HTTPS)
}

/// What stands before `HOST:PORT`, and that.
fn http_parts(address: &str) -> Option<(&'static str, &str)> {
    [HTTP, HTTPS].into_iter().find_map(|form| {
        let rest = address.strip_prefix(form)?;
        rest.contains(':').then_some((form, rest))
    })
}

/// The host of `HOST:PORT`, also where HTTP is spoken, an IPv6 address without its brackets; `None`:
/// the address is none of these forms.
pub fn host(address: &str) -> Option<&str> {
    let (host, _) = http(address).unwrap_or(address).rsplit_once(':')?;
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
    let (form, text) = http_parts(text).unwrap_or(("", text));
    let (host, port) = text.rsplit_once(':')?;
    let host = Host::parse(host).ok()?;
    // One that was percent-encoded: printed, it would part two addresses.
    if matches!(&host, Host::Domain(domain) if domain.contains(',')) {
        return None;
    }
    match port.parse::<u16>() {
        Ok(port @ 1..) => Some(format!("{form}{host}:{port}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_stands_before_host_and_port_and_a_host_may_have_that_name() {
        assert_eq!(http("http:example.org:80"), Some("example.org:80"));
        assert_eq!(http("https:[::1]:443"), Some("[::1]:443"));
        for rpc in ["http:80", "https:443", "example.org:80", "unix:/http:a:1"] {
            assert_eq!(http(rpc), None, "{rpc}");
        }
        assert!(is_https("https:example.org:443") && !is_https("http:example.org:80"));
        assert_eq!(host("https:[::1]:443"), Some("::1"));
        assert_eq!(host("http:80"), Some("http"));
        assert!(is_local("http:localhost:80") && is_local("https:127.0.0.1:80"));
        assert!(!is_local("http:example.org:80") && !is_local("http:80"));
    }

    #[test]
    fn an_address_where_http_is_spoken_reads_back_as_it_was_written() {
        for text in ["http:example.org:80", "https:[::1]:443", "http:80"] {
            let address = from_text(text);
            assert_eq!(address.as_deref(), Some(text));
            assert_eq!(to_text(text), text);
        }
        for wrong in [
            "http:example.org:0",
            "https::443",
            "http:https:a:1",
            "http:/a:1",
        ] {
            assert_eq!(from_text(wrong), None, "{wrong}");
        }
    }
}
