//! What a process runs on: its clock, its files and the disk below SQLite, with what breaks of them.

use std::path::Path;
use std::sync::Arc;

use share_model::seam::{Clock, Files, SqliteSettings, SystemFiles};

use super::clock::{Jump, JumpingClock};
use super::error::RealError;
use super::note::Notes;

/// What breaks of a process's machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct MachineArgs {
    /// The greatest number of pages of a SQLite file: one more is refused as by a full disk
    #[arg(long, value_name = "PAGES")]
    pages_max: Option<u32>,
    /// A jump of the clock, in milliseconds after the start and by how many; may be repeated
    #[arg(long, value_name = "AT:BY", allow_hyphen_values = true)]
    clock_jump: Vec<Jump>,
}

/// A process's machine.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) files: Arc<dyn Files>,
    pub(super) sqlite: SqliteSettings,
}

impl Machine {
    /// The machine, whose disk holds `folder`. Needs a [`tokio::task::LocalSet`].
    pub(super) fn start(
        args: MachineArgs,
        _folder: &Path,
        notes: &Notes,
    ) -> Result<Self, RealError> {
        let telling = JumpingClock::tell(args.clock_jump.clone(), notes.clone());
        tokio::task::spawn_local(telling);
        Ok(Self {
            clock: Arc::new(JumpingClock::new(args.clock_jump)),
            files: Arc::new(SystemFiles),
            sqlite: SqliteSettings {
                vfs: None,
                pages_max: args.pages_max,
            },
        })
    }
}
