//! The bounds of what is shown.

/// What a session may make a view hold and a page send. Rows in `docs/limits.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ViewLimits {
    /// Bytes of one text that are shown: of an answer, a tool's input, its output, a diff. What comes
    /// after is left out, and the page says so.
    pub(crate) text_bytes_max: usize,
    /// Bytes of a title, a name, a model: whatever stands in one line.
    pub(crate) line_bytes_max: usize,
    /// Elements of markdown within each other; deeper ones are shown without their shape.
    pub(crate) nesting_max: usize,
    /// Files of one list whose differences are shown.
    pub(crate) files_max: usize,
}

impl ViewLimits {
    /// The defaults.
    pub(crate) const DEFAULT: Self = Self {
        text_bytes_max: 128 << 10,
        line_bytes_max: 512,
        nesting_max: 24,
        files_max: 256,
    };
}

impl Default for ViewLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
