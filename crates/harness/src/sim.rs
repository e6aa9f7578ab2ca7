//! The simulated world: server and clients as they ship, on machines whose network, clock and disk
//! obey a seed. One seed is one run; run twice, it gives the same bytes.

mod agent;
mod board;
mod chaos;
mod clock;
mod link;
mod machine;
mod net;
mod operator;
mod owner;
mod plan;
mod prober;
mod reader;
mod run;
mod server;
mod work;
mod world;

pub use plan::{FAULTS, OPERATIONS, Plan, SCENARIOS, Scenario, scenario};
pub use run::{SimRun, run};
