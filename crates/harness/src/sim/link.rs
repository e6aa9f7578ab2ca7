//! The replay's link as an actor of the simulation has it: what is said goes into the history.

use std::rc::Rc;
use std::sync::Arc;

use share_client::{Connector, RpcLink};
use share_model::OpOutcome;

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
        let is_rejected = |outcome: &OpOutcome| matches!(outcome, OpOutcome::Rejected(_));
        if self.world.plan.is_quiet(&self.name)
            && let OnWire::Acked { outcomes, .. } = &said
            && outcomes.iter().any(is_rejected)
        {
            self.world.board().has_hole = true;
        }
        self.world.push(&self.name, said.told(0));
    }
}
