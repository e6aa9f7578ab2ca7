//! The named edges between the steps of an operation, at which a machine may die.

use std::fmt;
use std::str::FromStr;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A database of SQLite's.
    Db,
    /// A write-ahead log of SQLite's.
    Wal,
    /// A rollback journal of SQLite's.
    Rollback,
    /// A file that is appended to by [`super::SimulatedFiles`]: the server's authority journal.
    Journal,
    /// A file of fixed length that is written over in place: a segment of the store's redo log.
    Redo,
    /// A file that is replaced as a whole by [`super::SimulatedFiles`].
    File,
}

/// A moment in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Nothing of a write is done.
    WriteBefore,
    /// As [`Moment::WriteBefore`], where a write-ahead log begins anew: its header is written.
    ResetBefore,
    /// The first part of a write is done.
    WriteTorn,
    /// The write is done, and not synced.
    WriteAfter,
    /// Nothing of a sync is done.
    SyncBefore,
    /// The sync is done, and nobody knows.
    SyncAfter,
    /// Before a change of length.
    TruncateBefore,
    /// After a change of length, which is not synced.
    TruncateAfter,
    /// Before a removal.
    DeleteBefore,
    /// After a removal.
    DeleteAfter,
    /// Before a file is put in the place of another one.
    ReplaceBefore,
    /// It is durably in place, and nobody knows.
    ReplaceAfter,
}

/// A moment in an operation on a kind of file. Its name is `KIND.MOMENT`: `wal.sync.before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Of the file.
    pub kind: FileKind,
    /// In the operation.
    pub moment: Moment,
}

/// No edge has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no edge {0:?}")]
pub struct UnknownEdge(String);

const KINDS: [FileKind; 6] = [
    FileKind::Db,
    FileKind::Wal,
    FileKind::Rollback,
    FileKind::Journal,
    FileKind::Redo,
    FileKind::File,
];

const MOMENTS: [Moment; 12] = [
    Moment::WriteBefore,
    Moment::ResetBefore,
    Moment::WriteTorn,
    Moment::WriteAfter,
    Moment::SyncBefore,
    Moment::SyncAfter,
    Moment::TruncateBefore,
    Moment::TruncateAfter,
    Moment::DeleteBefore,
    Moment::DeleteAfter,
    Moment::ReplaceBefore,
    Moment::ReplaceAfter,
];

impl FileKind {
    fn name(self) -> &'static str {
        match self {
            Self::Db => "db",
            Self::Wal => "wal",
            Self::Rollback => "rollback",
            Self::Journal => "journal",
            Self::Redo => "redo",
            Self::File => "file",
        }
    }

    /// Whether files of this kind come to this moment at all.
    fn has(self, moment: Moment) -> bool {
        match self {
            Self::Db | Self::Rollback => !moment.is_replacing() && moment != Moment::ResetBefore,
            Self::Wal => !moment.is_replacing(),
            Self::Journal => {
                let deletes = [Moment::DeleteBefore, Moment::DeleteAfter];
                moment != Moment::ResetBefore && !deletes.contains(&moment)
            }
            Self::Redo => matches!(
                moment,
                Moment::WriteBefore
                    | Moment::WriteTorn
                    | Moment::WriteAfter
                    | Moment::SyncBefore
                    | Moment::SyncAfter
            ),
            Self::File => moment.is_replacing(),
        }
    }
}

impl Moment {
    fn name(self) -> &'static str {
        match self {
            Self::WriteBefore => "write.before",
            Self::ResetBefore => "reset.before",
            Self::WriteTorn => "write.torn",
            Self::WriteAfter => "write.after",
            Self::SyncBefore => "sync.before",
            Self::SyncAfter => "sync.after",
            Self::TruncateBefore => "truncate.before",
            Self::TruncateAfter => "truncate.after",
            Self::DeleteBefore => "delete.before",
            Self::DeleteAfter => "delete.after",
            Self::ReplaceBefore => "replace.before",
            Self::ReplaceAfter => "replace.after",
        }
    }

    fn is_replacing(self) -> bool {
        matches!(self, Self::ReplaceBefore | Self::ReplaceAfter)
    }
}

impl Edge {
    /// Every edge that an operation may come to.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.into_iter().flat_map(|kind| {
            let moments = MOMENTS.into_iter().filter(move |moment| kind.has(*moment));
            moments.map(move |moment| Self { kind, moment })
        })
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind.name(), self.moment.name())
    }
}

impl FromStr for Edge {
    type Err = UnknownEdge;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|edge| edge.to_string() == name)
            .ok_or_else(|| UnknownEdge(name.to_owned()))
    }
}
