//! Tables `delegation` and `delegation_event`: which agent session may append where.

/// What this module keeps.
pub(super) const TABLES: &[&str] = &[];
