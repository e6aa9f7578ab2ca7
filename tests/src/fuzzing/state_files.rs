//! What is kept on disk, by servers and by clients.

mod databases;
mod state;

use share_server::fuzzing;

use databases::{Damage, Database};

/// Reads the bytes behind the first byte, which says as what. What can be read is written and read again
/// as the same; what can't is refused with an error, and a file that is refused is left as it was.
///
/// # Panics
///
/// If that does not hold.
pub fn state_files(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    // The inputs are made by these numbers: new ones at the end.
    match kind % 16 {
        0 => state::record(bytes),
        1 => state::checkpoint(bytes),
        2 => state::records(bytes),
        3 => rewritten(bytes, fuzzing::journal),
        4 => rewritten(bytes, fuzzing::journal_record),
        5 => rewritten(bytes, fuzzing::factory_grants),
        6 => rewritten(bytes, fuzzing::factory_use),
        7 => rewritten(bytes, fuzzing::backup_head),
        8 => databases::open(Database::Outbox, Damage::Bytes, bytes),
        9 => databases::open(Database::Outbox, Damage::Value, bytes),
        10 => databases::open(Database::Registry, Damage::Bytes, bytes),
        11 => databases::open(Database::Registry, Damage::Value, bytes),
        12 => databases::open(Database::Store, Damage::Bytes, bytes),
        13 => databases::open(Database::Store, Damage::Value, bytes),
        14 => databases::open(Database::Outbox, Damage::Whole, bytes),
        _ => databases::open(Database::Store, Damage::Whole, bytes),
    }
}

fn rewritten(bytes: &[u8], rewrite: fn(&[u8]) -> Option<Vec<u8>>) {
    if let Some(written) = rewrite(bytes) {
        assert_eq!(rewrite(&written), Some(written));
    }
}
