//! What outboxes hold of their shares, as far as they are still there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use share_client::{Outbox, OutboxOptions, RegistryEntry, ShareStatus};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// What an outbox holds of a share.
#[derive(Debug, Clone)]
pub(super) enum Held {
    /// So much is left to do.
    Ops(ShareStatus),
    /// Why that is not known.
    Unknown(String),
}

type Found = Result<Vec<ShareStatus>, String>;

/// Looks into the outbox of each entry, once into each file; none is made.
pub(super) async fn look(entries: &[RegistryEntry], until: Instant) -> Vec<Held> {
    let mut files: BTreeMap<PathBuf, Found> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.reference.is_some()) {
        let late = Err("it was not looked into in time".into());
        files.insert(entry.state_file.clone(), late);
    }
    if Instant::now() >= until {
        return entries.iter().map(|entry| held(entry, &files)).collect();
    }
    let (found, mut finding) = mpsc::unbounded_channel();
    let paths: Vec<PathBuf> = files.keys().cloned().collect();
    // Not waited for: a file system that does not answer would hold everything up. It ends with the
    // files of one page, or with the program.
    let started = thread::Builder::new().spawn(move || {
        for path in paths {
            let looked = look_into(&path);
            if found.send((path, looked)).is_err() {
                return;
            }
        }
    });
    if started.is_ok() {
        while let Ok(Some((path, looked))) = timeout_at(until, finding.recv()).await {
            files.insert(path, looked);
        }
    }
    entries.iter().map(|entry| held(entry, &files)).collect()
}

fn held(entry: &RegistryEntry, files: &BTreeMap<PathBuf, Found>) -> Held {
    let Some(share) = entry.share() else {
        return Held::Unknown("there is no share yet".into());
    };
    match files.get(&entry.state_file) {
        Some(Ok(shares)) => match shares.iter().find(|status| status.share == share) {
            Some(status) => Held::Ops(status.clone()),
            None => Held::Unknown("it does not know the share".into()),
        },
        Some(Err(why)) => Held::Unknown(why.clone()),
        None => Held::Unknown("it was not looked into".into()),
    }
}

fn look_into(path: &Path) -> Found {
    // Anything but a file would be waited for without end.
    if !path.is_file() {
        return Err("it is gone".into());
    }
    let read = || {
        let outbox = Outbox::open(path, OutboxOptions::default()).map_err(|it| it.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| error.to_string())?;
        runtime
            .block_on(outbox.shares())
            .map_err(|error| error.to_string())
    };
    read()
}
