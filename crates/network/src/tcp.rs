//! How a TCP socket is set for messages.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection may say nothing before its peer is asked whether it is still there, and how
/// long it is waited for an answer.
const ASK_AFTER: Duration = Duration::from_secs(15);
/// How often it is asked before the connection is given up.
const ASKED_MAX: u32 = 4;

/// Sets a TCP socket for messages: small ones are not delayed, and a peer that is gone without a word
/// is noticed within 75 seconds.
///
/// # Errors
///
/// If the machine refuses, mostly because the connection is over.
pub fn set_tcp_options<'a>(socket: impl Into<SockRef<'a>>) -> io::Result<()> {
    let socket = socket.into();
    // Calls are small and answered one by one: waiting to fill a segment costs 40 ms each.
    socket.set_tcp_nodelay(true)?;
    let keep_alive = TcpKeepalive::new()
        .with_time(ASK_AFTER)
        .with_interval(ASK_AFTER)
        .with_retries(ASKED_MAX);
    socket.set_tcp_keepalive(&keep_alive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_asked_four_times_in_a_minute() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        set_tcp_options(&socket).unwrap();
        let socket = SockRef::from(&socket);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(
            socket.tcp_keepalive_time().unwrap(),
            Duration::from_secs(15)
        );
        assert_eq!(
            socket.tcp_keepalive_interval().unwrap(),
            Duration::from_secs(15)
        );
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
    }
}
