//! Where a connection comes from, as connections are counted.

use std::net::{IpAddr, Ipv4Addr};

use super::listener::Transport;

/// Where connections come from that count as one peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The first half of an IPv6 address: whoever has one, has the whole /64.
    V6([u16; 4]),
}

impl Source {
    /// Where the other side is; `None`: it does not count, as a pipe in this process
    /// or a Unix socket.
    pub(crate) fn of(transport: &Transport) -> Option<Self> {
        match transport {
            // Fails if the peer has gone already.
            Transport::Tcp(stream) => Some(Self::of_address(stream.peer_addr().ok()?.ip())),
            // Who may connect to it is the server's own user.
            Transport::Unix(_) | Transport::Other(_) => None,
        }
    }

    /// What counts as one peer with this address.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        Source::of_address(address.parse().unwrap())
    }

    #[test]
    fn an_ipv6_network_is_one_peer_and_an_ipv4_address_is_one_however_it_is_written() {
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
