//! What this crate keeps in files and records that have no public reading, for tests that give it bytes
//! which no server wrote.
//!
//! Each function reads the bytes, and writes what they say again; `None`: they were refused.

use std::path::Path;

use crate::{backup, factory, journal};

/// A journal's file.
pub fn journal(bytes: &[u8]) -> Option<Vec<u8>> {
    journal::rewritten(Path::new("journal"), bytes)
}

/// The record that binds a store to its journal.
pub fn journal_record(bytes: &[u8]) -> Option<Vec<u8>> {
    journal::rewritten_record(bytes)
}

/// The record of the factory's grants.
pub fn factory_grants(bytes: &[u8]) -> Option<Vec<u8>> {
    factory::rewritten_grants(bytes)
}

/// The record of what a factory's grant has used up.
pub fn factory_use(bytes: &[u8]) -> Option<Vec<u8>> {
    factory::rewritten_use(bytes)
}

/// The line with which a backup begins.
pub fn backup_head(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let head = backup::Head::read(&mut bytes).ok()?;
    Some(head.to_line())
}
