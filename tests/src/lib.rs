//! What the end-to-end tests of share sessions stand on: a server and its clients within one
//! thread, over pipes in memory, with paused time and a seed.

pub mod fuzzing;

mod binary;
mod gate;
mod opencode_player;
mod pipe;
mod served;
mod simulation;
mod spoken;
mod stage;
mod trace;
mod world;

pub use binary::share_binary;
pub use gate::{Gate, GatedConnector, Halt};
pub use opencode_player::{OpencodePlayer, Played, PlayedShare};
pub use pipe::{Cuts, TracedConnector};
pub use served::Served;
pub use simulation::simulate;
pub use spoken::{Spoken, by_each_way};
pub use stage::{StagedLink, Stages};
pub use trace::Trace;
pub use world::World;
