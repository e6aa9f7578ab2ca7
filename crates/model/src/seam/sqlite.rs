//! How SQLite is opened.

/// What a caller may set about a SQLite file; everything else is the store's own affair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqliteSettings {
    /// The VFS to open the file with; `None`: the default one. A simulated disk goes here. Its files
    /// are files of the system at the same paths: that is where they are made, looked at and copied.
    pub vfs: Option<String>,
    /// The greatest number of pages that the file may have; `None`: no bound but the disk. One more
    /// is refused as a full disk is.
    pub pages_max: Option<u32>,
}
