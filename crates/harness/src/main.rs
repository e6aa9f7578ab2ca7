//! `share-chaos`: breaks share sessions on purpose, reproducibly from a seed.
//!
//! Exit codes: 0 all promises held; 1 one did not; 2 wrong usage.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
