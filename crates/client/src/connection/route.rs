//! Which ways lead to a server.

use std::str::FromStr;

use share_model::address;
use share_model::{FactoryRef, ShareRef};

/// What is spoken with a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// RPC at the addresses of the ref; where none of them answers, HTTP.
    #[default]
    Auto,
    /// RPC only.
    Rpc,
    /// HTTP only.
    Http,
}

/// Where a server's HTTP face is, besides what a ref says.
///
/// ```
/// use share_client::HttpServer;
///
/// let server: HttpServer = "https://shares.example.org".parse()?;
/// assert_eq!(server.address(), "https:shares.example.org:443");
/// # Ok::<(), share_client::HttpServerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpServer {
    address: String,
}

/// The text is no URL of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the HTTP face of a server is `http://HOST[:PORT]` or `https://HOST[:PORT]`, with no path")]
pub struct HttpServerError;

impl HttpServer {
    /// As it stands in a ref: `http:HOST:PORT` or `https:HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl FromStr for HttpServer {
    type Err = HttpServerError;

    fn from_str(text: &str) -> Result<Self, HttpServerError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let (scheme, rest) = text.split_once("://").ok_or(HttpServerError)?;
        let port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(HttpServerError),
        };
        let with_port = format!("{scheme}:{rest}:{port}");
        let address = match address::parse_http(&format!("{scheme}:{rest}")) {
            Some(address) => Some(address),
            None => address::parse_http(&with_port),
        };
        let address = address.ok_or(HttpServerError)?;
        Ok(Self { address })
    }
}

/// Which ways are taken to the servers of refs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// What is spoken.
    pub transport: Transport,
    /// Where else HTTP is spoken; behind those of the ref.
    pub http: Option<HttpServer>,
}

impl Route {
    /// The ref, with the addresses that this route takes.
    #[must_use]
    pub fn share(&self, reference: &ShareRef) -> ShareRef {
        ShareRef {
            addresses: self.addresses(&reference.addresses),
            ..reference.clone()
        }
    }

    /// The ref, with the addresses that this route takes.
    #[must_use]
    pub fn factory(&self, factory: &FactoryRef) -> FactoryRef {
        FactoryRef {
            addresses: self.addresses(&factory.addresses),
            ..factory.clone()
        }
    }

    /// Of a ref's addresses those that are to be tried, in that order.
    fn addresses(&self, of_ref: &[String]) -> Vec<String> {
        let beside = self.http.iter().map(|server| server.address.clone());
        let is_taken = |address: &String| match self.transport {
            Transport::Auto => true,
            Transport::Rpc => address::http(address).is_none(),
            Transport::Http => address::http(address).is_some(),
        };
        of_ref
            .iter()
            .cloned()
            .chain(beside)
            .filter(is_taken)
            .collect()
    }
}

/// The addresses at which HTTP is spoken.
pub(super) fn by_http(addresses: &[String]) -> impl Iterator<Item = &str> {
    let addresses = addresses.iter().map(String::as_str);
    addresses.filter(|address| address::http(address).is_some())
}

/// The addresses at which RPC is spoken.
pub(super) fn by_rpc(addresses: &[String]) -> impl Iterator<Item = &str> {
    let addresses = addresses.iter().map(String::as_str);
    addresses.filter(|address| address::http(address).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_face_is_an_address_and_nothing_else_is() {
        for (url, address) in [
            ("http://127.0.0.1:7421", "http:127.0.0.1:7421"),
            ("http://example.org/", "http:example.org:80"),
            ("https://[::1]", "https:[::1]:443"),
            ("https://example.org:8443", "https:example.org:8443"),
        ] {
            assert_eq!(url.parse::<HttpServer>().unwrap().address(), address);
        }
        for wrong in [
            "",
            "example.org",
            "ftp://example.org",
            "https://",
            "https://a/b",
            "https://user@a",
            "https://a:0",
            "https://a?b",
            "http:example.org:80",
        ] {
            assert_eq!(wrong.parse::<HttpServer>(), Err(HttpServerError), "{wrong}");
        }
    }

    #[test]
    fn a_route_takes_the_ways_that_it_names() {
        let of_ref = ["a:1", "http:b:2", "unix:/c"].map(str::to_owned);
        let route = |transport, http: Option<&str>| Route {
            transport,
            http: http.map(|url| url.parse().unwrap()),
        };
        let taken = |route: Route| route.addresses(&of_ref);
        assert_eq!(taken(route(Transport::Auto, None)), of_ref);
        assert_eq!(
            taken(route(Transport::Rpc, Some("http://d:4"))),
            ["a:1", "unix:/c"]
        );
        assert_eq!(
            taken(route(Transport::Http, Some("http://d:4"))),
            ["http:b:2", "http:d:4"]
        );
        assert_eq!(by_rpc(&of_ref).collect::<Vec<_>>(), ["a:1", "unix:/c"]);
        assert_eq!(by_http(&of_ref).collect::<Vec<_>>(), ["http:b:2"]);
    }
}
