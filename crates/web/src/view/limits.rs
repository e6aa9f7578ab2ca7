//! The bounds of what is shown.

/// What a session may make a view hold and a page send. Rows in `docs/limits.md`.
///
/// Markup is up to some twenty times as large as the text that it shows: a part stays below
/// `message_bytes_max` whatever it says, and a message with the differences of the session below
/// `page_bytes_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ViewLimits {
    /// Bytes of one text that are shown: of an answer, a tool's input, its output, a diff. What comes
    /// after is left out, and the page says so.
    pub(crate) text_bytes_max: usize,
    /// Bytes of a title, a name, a model: whatever stands in one line.
    pub(crate) line_bytes_max: usize,
    /// Elements of markdown within each other; deeper ones are shown without their shape.
    pub(crate) nesting_max: usize,
    /// Files of one list that are named.
    pub(crate) files_max: usize,
    /// Bytes of markup of one list of files from which on differences are left out.
    pub(crate) diffs_bytes_max: usize,
    /// Bytes of markup of a message's parts; what comes after is left out, and the page says so.
    pub(crate) message_bytes_max: usize,
    /// Bytes of markup that a view holds of messages: the newest ones. One is shown in any case.
    pub(crate) view_bytes_max: usize,
    /// Bytes of a page; messages that find no room are on the page before or after. One is shown in
    /// any case.
    pub(crate) page_bytes_max: usize,
}

impl ViewLimits {
    /// The defaults.
    pub(crate) const DEFAULT: Self = Self {
        text_bytes_max: 64 << 10,
        line_bytes_max: 512,
        nesting_max: 24,
        files_max: 256,
        diffs_bytes_max: 512 << 10,
        message_bytes_max: 4 << 20,
        view_bytes_max: 32 << 20,
        page_bytes_max: 8 << 20,
    };
}

impl Default for ViewLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
