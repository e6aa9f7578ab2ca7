//! The replay's link as an actor of the simulation has it: what is said goes into the history.

use std::rc::Rc;
use std::sync::Arc;

use share_client::{Connector, RpcLink};

use super::world::World;
use crate::history::Call;
use crate::recording::{OnWire, Recorder, RecordingLink};

/// Connects as `actor`.
pub(crate) fn link(
    connector: Arc<dyn Connector>,
    world: &Arc<World>,
    actor: &str,
) -> RecordingLink {
    RecordingLink {
        link: Rc::new(RpcLink::new(connector)),
        recorder: Rc::new(Actor {
            world: Arc::clone(world),
            name: actor.to_owned(),
        }),
    }
}

struct Actor {
    world: Arc<World>,
    name: String,
}

impl Recorder for Actor {
    fn call(&self) -> Call {
        self.world.history.call()
    }

    fn said(&self, said: OnWire) {
        self.world.push(&self.name, said.told(0));
    }
}
