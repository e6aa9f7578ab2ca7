//! What the server has from outside: clock, randomness, files.

use std::sync::Arc;

use share_model::seam::{Clock, Entropy, Files, SystemClock, SystemEntropy, SystemFiles};

/// The world as the server sees it; a simulation has its own.
#[derive(Debug, Clone)]
pub struct Seams {
    /// What time it is, and how to wait.
    pub clock: Arc<dyn Clock>,
    /// Secrets and ids.
    pub entropy: Arc<dyn Entropy>,
    /// The factory's ref file.
    pub files: Arc<dyn Files>,
}

impl Seams {
    /// The machine's.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
            files: Arc::new(SystemFiles),
        }
    }
}
