//! Whoever runs the server: makes a backup of it when one is wanted.

use std::sync::Arc;
use std::time::Duration;

use share_client::backup;
use share_model::FactoryRef;

use super::net::SimConnector;
use super::server;
use super::world::World;

/// The operator's name, and its machine's.
pub(crate) const OPERATOR: &str = "operator";

/// Makes backups until all is over.
pub(crate) async fn run(world: Arc<World>) -> turmoil::Result {
    let machine = world.machine(OPERATOR);
    let _process = machine.begin(&world.processes, OPERATOR);
    let connector = SimConnector::of(&world, &machine);
    let clock = machine.clock();
    let mut made = 0;
    while !world.board().is_over && !world.is_calm() {
        clock.sleep(Duration::from_millis(100)).await;
        if !world.board().backup_wanted {
            continue;
        }
        let text = std::fs::read_to_string(server::data(&world).join("factory.ref"));
        let Some(factory) = text
            .ok()
            .and_then(|text| text.trim().parse::<FactoryRef>().ok())
        else {
            continue;
        };
        made += 1;
        let path = machine.root.join(format!("backup-{made}"));
        let taken_at = world.history.next();
        let Ok(mut file) = std::fs::File::create(&path) else {
            continue;
        };
        match backup(&*connector, &factory, &mut file, |_, _| ()).await {
            Ok(_) => {
                let mut board = world.board();
                board.backup = Some((path, taken_at));
                board.backup_wanted = false;
            }
            Err(error) => world.trace(&format!("no backup: {error}")),
        }
    }
    Ok(())
}
