//! The bounds of the HTTP face.

use std::time::Duration;

use crate::live::LiveLimits;

/// What a peer may make the face hold, and for how long. Rows in `docs/limits.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebLimits {
    /// Bytes of a request's body; more is answered with 413.
    pub body_bytes_max: usize,
    /// Values in the JSON of a body, at any level; more is answered with 413. A value takes more
    /// memory than its text, up to a hundred times.
    pub body_values_max: usize,
    /// Bytes of all bodies that are read or worked on, with what their values take, and of the large
    /// values and pages that are being answered; when they are used up, the answer is 503.
    pub held_bytes_max: usize,
    /// What one address may have of them: more than a body at its bounds and than any value.
    pub held_per_address_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_deadline: Duration,
    /// How long nothing may arrive of a body.
    pub body_stall: Duration,
    /// Bytes of a request's first line and headers together; 8 KiB at least.
    pub header_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// How long a connection may take to bring the head of its next request: also how long it may be
    /// idle.
    pub header_deadline: Duration,
    /// How long a peer may take nothing of an answer.
    pub write_stall: Duration,
    /// How long a connection that ends waits for its peer to end it too.
    pub linger: Duration,
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections at a time of one IPv4 address or IPv6 /64.
    pub connections_per_address_max: usize,
    /// How long requests may go on when the face drains.
    pub drain_deadline: Duration,
    /// Of pages that grow.
    pub live: LiveLimits,
}

impl WebLimits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        body_bytes_max: 64 << 20,
        body_values_max: 1 << 20,
        held_bytes_max: 256 << 20,
        // One body at its bounds: 64 MiB, and a million values.
        held_per_address_bytes_max: 192 << 20,
        body_deadline: Duration::from_secs(120),
        body_stall: Duration::from_secs(10),
        header_bytes_max: 16 << 10,
        headers_max: 64,
        header_deadline: Duration::from_secs(30),
        write_stall: Duration::from_secs(30),
        linger: Duration::from_secs(2),
        connections_max: 1024,
        connections_per_address_max: 256,
        drain_deadline: Duration::from_secs(5),
        live: LiveLimits::DEFAULT,
    };
}

impl Default for WebLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
