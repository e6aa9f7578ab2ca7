//! With what the HTTP face is served.

use std::time::Duration;

/// Who may create shares over HTTP without a token of a factory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpCreate {
    /// Whoever reaches the face.
    Open,
    /// Nobody.
    Token,
}

/// With what the HTTP face is served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpOptions {
    /// Who may create shares; `None`: whoever reaches the face, if only programs of this machine can
    /// and no public URL is said, else who has a token.
    pub create: Option<HttpCreate>,
    /// Under which URL people reach the face, `https?://HOST[:PORT]`; `None`: that of the first
    /// address on which it listens.
    pub public_url: Option<String>,
}

/// Bounds of what the HTTP face keeps of its shares, and of what one request may ask of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Shares of which the writer is kept from one sync to the next.
    pub writers_max: usize,
    /// How long a writer is kept that nobody uses; up to twice as long. It keeps its share loaded.
    pub writer_idle: Duration,
    /// How often a sync is tried again after somebody else changed the share, or its writer was lost.
    pub tries_max: u32,
    /// Bytes of values that a sync compares at a time; of one value, as many as it has.
    pub compared_bytes_max: u64,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            writers_max: 1024,
            writer_idle: Duration::from_secs(120),
            tries_max: 16,
            compared_bytes_max: 32 << 20,
        }
    }
}
