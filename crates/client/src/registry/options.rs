//! What a caller may choose about a registry.

use std::sync::Arc;

use share_model::seam::{
    Clock, Entropy, Executor, Files, SqliteSettings, SystemClock, SystemEntropy, SystemFiles,
};

/// How a registry is opened. The default is right for a machine; the seams are for simulations.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Where the storage work runs.
    pub executor: Executor,
    /// How SQLite opens the file.
    pub sqlite: SqliteSettings,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where request ids and owners' secrets come from.
    pub entropy: Arc<dyn Entropy>,
    /// The file system, for the folder and the new file.
    pub files: Arc<dyn Files>,
    /// Entries that the registry may have, released ones included: none is ever forgotten.
    pub entries_max: u64,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            executor: Executor::OwnThread,
            sqlite: SqliteSettings::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
            files: Arc::new(SystemFiles),
            entries_max: 100_000,
        }
    }
}
