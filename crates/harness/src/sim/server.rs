//! The server's process on its machine.

use std::path::PathBuf;
use std::sync::Arc;

use share_model::seam::Executor;
use share_server::store::{RedoOptions, SqliteStore, SqliteStoreOptions, Store};
use share_server::{
    HubLimits, OwnerLimits, RestoreJournal, RestoreOptions, RpcLimits, Seams, Server, ServerLimits,
    ServerOptions, default_journal, restore,
};
use tokio::sync::Notify;

use super::net::{PORT, SimListener};
use super::world::World;
use crate::history::What;

/// What whoever runs the simulation asks of the server's process.
#[derive(Debug, Default)]
pub(crate) struct ServerOrders {
    /// End in order.
    pub(crate) drain: Notify,
}

/// Where the server's data lie.
pub(crate) fn data(world: &World) -> PathBuf {
    world.server.root.join("data")
}

fn seams(world: &World, name: &str) -> Seams {
    Seams {
        clock: world.server.clock(),
        entropy: world.chance(name).entropy(),
        files: world.server.files(),
    }
}

fn store_options(world: &World) -> SqliteStoreOptions {
    SqliteStoreOptions {
        settings: world.server.sqlite(),
        executor: Executor::Inline,
        wal_pages: world.plan.wal_pages,
        index_rows: 64,
        piece_bytes: 4 << 10,
        // A few commits fill a segment, and some wait for SQLite at any time.
        redo: RedoOptions {
            segments: 3,
            segment_bytes: 16 << 10,
            apply_bytes: 4 << 10,
            ..RedoOptions::default()
        },
        ..SqliteStoreOptions::default()
    }
}

fn limits(world: &World) -> ServerLimits {
    let mut owner = OwnerLimits {
        checkpoint_records: 40,
        checkpoint_bytes: 16 << 10,
        ..OwnerLimits::default()
    };
    owner.share.window = world.plan.window;
    owner.ring.ops_max = 16;
    let idle_ms = match world.plan.has("idle-unload") {
        true => 400,
        false => 120_000,
    };
    ServerLimits {
        hub: HubLimits {
            owner,
            idle: std::time::Duration::from_millis(idle_ms),
            ..HubLimits::default()
        },
        rpc: RpcLimits {
            chunk_ops_max: 5,
            // Who is refused comes back at once here, and all of them from few addresses.
            redeems_per_second: 100_000,
            ..RpcLimits::default()
        },
        ..ServerLimits::default()
    }
}

/// One life of the server's process.
pub(crate) async fn run(world: Arc<World>, orders: Arc<ServerOrders>) -> turmoil::Result {
    let _process = world.server.begin(&world.processes, "server");
    let how = match serve(&world, &orders).await {
        Ok(how) | Err(how) => how,
    };
    world.push("server", What::ServerEnded { how });
    Ok(())
}

async fn serve(world: &Arc<World>, orders: &ServerOrders) -> Result<String, String> {
    let seams = seams(world, &format!("server-{}", world.server.boots()));
    let data = data(world);
    let store = SqliteStore::open(
        &data,
        &store_options(world),
        Arc::clone(&seams.files),
        &*seams.entropy,
    )
    .map_err(|error| unusable(world, &error, &error.to_string()))?;
    let store: Arc<dyn Store> = Arc::new(store);
    let history = store.history().await.map_err(|error| error.to_string())?;
    let options = ServerOptions {
        advertise: vec![format!("server:{PORT}")],
        limits: limits(world),
        store: store_options(world),
        seams,
        ..ServerOptions::new(&data)
    };
    let listener = SimListener::bind(world);
    let listener = listener.await.map_err(|error| error.to_string())?;
    let started = Server::start_local(store, options, listener).await;
    let server = started.map_err(|error| {
        let text = error.to_string();
        unusable(world, &error, &text)
    })?;
    world.push("server", What::ServerStarted { history });
    tokio::select! {
        biased;
        error = server.failed() => {
            let drained = server.drain().await;
            Ok(format!("failed: {error} ({drained:?})"))
        }
        () = orders.drain.notified() => match server.drain().await {
            Ok(()) => Ok("in order".to_owned()),
            Err(error) => Ok(format!("not in order: {error}")),
        }
    }
}

/// A start that failed. By a fault of the disk it may; what the disk kept must be usable.
fn unusable(world: &World, error: &dyn std::fmt::Debug, text: &str) -> String {
    let debug = format!("{error:?}");
    if ["Corrupt", "Damaged", "Foreign", "Records", "JournalRecord"]
        .iter()
        .any(|word| debug.contains(word))
    {
        world.broken(format!(
            "server-unusable: the server does not start: {debug}"
        ));
    }
    format!("did not start: {text}")
}

/// Restores a backup while the server is down.
pub(crate) fn restore_backup(
    world: &World,
    name: &str,
    file: PathBuf,
    journal_lost: bool,
) -> Result<Option<PathBuf>, String> {
    let data = data(world);
    let journal = default_journal(&data);
    let journal = if journal_lost {
        if let Err(error) = std::fs::remove_file(&journal) {
            return Err(format!("the journal can't be lost: {error}"));
        }
        RestoreJournal::Lost(journal)
    } else {
        RestoreJournal::At(journal)
    };
    let options = RestoreOptions {
        file,
        data,
        journal,
        advertise: vec![format!("server:{PORT}")],
        seams: seams(world, name),
    };
    // It reads and writes within its own polls: nothing is waited for.
    let restored = futures_util::FutureExt::now_or_never(restore(options));
    match restored {
        Some(Ok(restored)) => Ok(restored.owner_refs),
        Some(Err(error)) => Err(format!("{error:?}")),
        None => Err("the restore waits for something".to_owned()),
    }
}
