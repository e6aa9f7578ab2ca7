//! Under which names the face is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use http::Uri;
use http::uri::Authority;

/// The names that a request's `Host` may have. A page elsewhere can let its own name lead to this
/// machine, and then ask as if it were at home; its name is none of these.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// As they stand in the header, in lower case.
    names: BTreeSet<String>,
    /// By which scheme a name is asked of which that is known.
    schemes: BTreeMap<String, String>,
    /// Ports at which any IP address is a name: a page elsewhere has none for a name.
    ports_of_addresses: BTreeSet<u16>,
}

/// A public URL that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is not `http://HOST[:PORT]` or `https://HOST[:PORT]`, with nothing after it")]
pub struct PublicUrlError {
    /// What was given.
    pub url: String,
}

impl Hosts {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also those under which a listener at `address` is reached: the address, `localhost` and the
    /// loopback addresses if it listens there, and if it listens everywhere any IP address.
    #[must_use]
    pub fn listening(mut self, address: SocketAddr) -> Self {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        if ip.is_loopback() || ip.is_unspecified() {
            for name in ["localhost", "127.0.0.1", "[::1]"] {
                self.add(name, port);
            }
        }
        if ip.is_unspecified() {
            self.ports_of_addresses.insert(port);
        }
        match ip {
            IpAddr::V4(ip) => self.add(&ip.to_string(), port),
            IpAddr::V6(ip) => self.add(&format!("[{ip}]"), port),
        }
        self
    }

    /// Also the one of the URL under which others know the face: `https://HOST` or with a port.
    ///
    /// # Errors
    ///
    /// If it is no such URL, or has a path: what is handed out must be `URL/share/ID`.
    pub fn public(mut self, url: &str) -> Result<Self, PublicUrlError> {
        let error = || PublicUrlError { url: url.into() };
        let uri: Uri = url.parse().map_err(|_| error())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(error());
        };
        let is_whole = uri.path() == "/" && uri.query().is_none() && !url.ends_with('/');
        if !is_whole || !matches!(scheme, "http" | "https") || authority.as_str().contains('@') {
            return Err(error());
        }
        let standard = if scheme == "https" { 443 } else { 80 };
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(standard);
        let scheme = scheme.to_owned();
        if port == standard {
            self.schemes.insert(host.clone(), scheme.clone());
            self.names.insert(host.clone());
        }
        let name = format!("{host}:{port}");
        self.schemes.insert(name.clone(), scheme);
        self.names.insert(name);
        Ok(self)
    }

    /// Whether `host`, as in the header, is one of ours.
    pub(crate) fn has(&self, host: &str) -> bool {
        if self.names.contains(&host.to_ascii_lowercase()) {
            return true;
        }
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host();
        let ip = name.trim_start_matches('[').trim_end_matches(']');
        !host.contains('@')
            && ip.parse::<IpAddr>().is_ok()
            && self
                .ports_of_addresses
                .contains(&authority.port_u16().unwrap_or(80))
    }

    /// Whether `origin`, as in the header, is that of pages that were asked for at `host`, which is one
    /// of ours.
    pub(crate) fn is_origin_of(&self, origin: &str, host: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let standard = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return false,
        };
        let [origin, host] = [authority, host].map(str::to_ascii_lowercase);
        let bare = |name: &str| name.strip_suffix(standard).unwrap_or(name).to_owned();
        // Where a proxy does the TLS, only the public URL tells.
        let is_scheme = |known: &String| known == scheme;
        bare(&origin) == bare(&host) && self.schemes.get(&host).is_none_or(is_scheme)
    }

    fn add(&mut self, name: &str, port: u16) {
        // A client leaves the standard port out.
        if port == 80 {
            self.names.insert(name.into());
        }
        self.names.insert(format!("{name}:{port}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hosts: &Hosts, ours: &[&str], others: &[&str]) {
        for host in ours {
            assert!(hosts.has(host), "{host} is not ours");
        }
        for host in others {
            assert!(!hosts.has(host), "{host} is ours");
        }
    }

    #[test]
    fn a_loopback_listener_has_the_local_names_at_its_own_port() {
        let hosts = Hosts::new().listening("127.0.0.1:7421".parse().unwrap());
        let others = [
            "localhost",
            "localhost:80",
            "localhost:7422",
            "localhost.evil.example:7421",
            "evil.example:7421",
            "user@localhost:7421",
            "192.0.2.1:7421",
            "",
            "localhost:7421,localhost:7421",
        ];
        check(
            &hosts,
            &[
                "localhost:7421",
                "LocalHost:7421",
                "127.0.0.1:7421",
                "[::1]:7421",
            ],
            &others,
        );
    }

    #[test]
    fn a_listener_everywhere_has_any_address_at_its_port_but_no_other_name() {
        let hosts = Hosts::new().listening("[::]:80".parse().unwrap());
        check(
            &hosts,
            &["192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "localhost"],
            &["192.0.2.1:81", "evil.example", "a@192.0.2.1"],
        );
    }

    #[test]
    fn an_origin_is_ours_if_it_is_that_of_the_host_that_is_asked() {
        let hosts = Hosts::new().listening("127.0.0.1:7421".parse().unwrap());
        let hosts = hosts.public("https://share.example").unwrap();
        for (origin, host) in [
            ("http://127.0.0.1:7421", "127.0.0.1:7421"),
            ("https://localhost:7421", "LocalHost:7421"),
            ("https://share.example", "share.example"),
            ("https://share.example", "share.example:443"),
        ] {
            assert!(hosts.is_origin_of(origin, host), "{origin} at {host}");
        }
        for (origin, host) in [
            ("null", "share.example"),
            ("", "share.example"),
            ("share.example", "share.example"),
            ("http://share.example", "share.example"),
            ("http://share.example", "share.example:443"),
            ("https://share.example:444", "share.example"),
            ("https://share.example/", "share.example"),
            ("https://a.share.example", "share.example"),
            ("https://share.example.evil.example", "share.example"),
            ("http://localhost:7421", "127.0.0.1:7421"),
            ("http://localhost:7422", "localhost:7421"),
            ("file://share.example", "share.example"),
        ] {
            assert!(!hosts.is_origin_of(origin, host), "{origin} at {host}");
        }
    }

    #[test]
    fn a_public_url_has_its_host_with_the_standard_port_or_its_own() {
        let hosts = Hosts::new().public("https://Share.example").unwrap();
        check(
            &hosts,
            &["share.example", "share.example:443"],
            &["share.example:80", "example"],
        );
        let hosts = Hosts::new().public("http://share.example:8080").unwrap();
        check(&hosts, &["share.example:8080"], &["share.example"]);
        for url in [
            "share.example",
            "https://share.example/",
            "https://share.example/path",
            "https://user@share.example",
            "https://share.example?a",
            "ftp://share.example",
            "",
        ] {
            assert!(Hosts::new().public(url).is_err(), "{url}");
        }
    }
}
