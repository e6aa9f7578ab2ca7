//! Texts for people that a caller sends: titles, labels, ids of origins.

use share_model::Limits;

/// A text that is too long to be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} has {bytes} bytes, limit is {max}")]
pub(crate) struct LabelError {
    pub(crate) name: &'static str,
    pub(crate) bytes: u64,
    pub(crate) max: u32,
}

pub(crate) fn check_label(
    name: &'static str,
    text: &str,
    limits: &Limits,
) -> Result<(), LabelError> {
    let (bytes, max) = (text.len() as u64, limits.label_bytes_max);
    if bytes > u64::from(max) {
        return Err(LabelError { name, bytes, max });
    }
    Ok(())
}
