//! opencode's items and recordings as ops of a share.
