//! What watching may cost, whatever the share holds.

use share_model::Limits;

/// The bounds of one watching.
#[derive(Debug, Clone, Copy)]
pub(super) struct WatchLimits {
    /// Bytes of a document; of the live one, and of the one that is replayed.
    pub(super) document_bytes_max: u64,
    /// Bytes of one text that are laid out; of the rest it is said how much there is.
    pub(super) text_bytes_max: usize,
    /// Lines of one item that are laid out; of the rest it is said that there is more.
    pub(super) item_lines_max: usize,
    /// Lines that are kept laid out.
    pub(super) laid_lines_max: usize,
    /// Bytes of ops that are kept around where a replay stands; the rest is read from the server again.
    pub(super) window_bytes_max: usize,
    /// Documents that are kept on the way of a replay, to seek back to.
    pub(super) marks_max: usize,
    /// Bytes of these documents, as if nothing were shared among them.
    pub(super) mark_bytes_max: u64,
}

impl WatchLimits {
    pub(super) const DEFAULT: Self = Self {
        document_bytes_max: Limits::DEFAULT.document_bytes_max,
        text_bytes_max: 256 * 1024,
        item_lines_max: 10_000,
        laid_lines_max: 50_000,
        window_bytes_max: 16 << 20,
        marks_max: 64,
        mark_bytes_max: 256 << 20,
    };

    /// What an op that the server has applied is held against: the document's size alone. Whatever else
    /// the server's limits are, it has looked after them.
    pub(super) fn of_document(&self) -> Limits {
        Limits {
            key_bytes_max: u32::MAX,
            value_bytes_max: self.document_bytes_max,
            document_bytes_max: self.document_bytes_max,
            depth_max: 127,
            ..Limits::DEFAULT
        }
    }
}
