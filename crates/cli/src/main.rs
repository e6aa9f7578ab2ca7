//! The `share` command: arguments, output and exit codes; no rules of its own.
//!
//! Exit codes: 0 done; 1 refused or not found, the user can act; 2 wrong usage; 3 the server could
//! not be reached, safe to retry; 255 a bug.

mod age;
mod agent_arg;
mod bridge;
mod commands;
mod connect;
mod counts;
mod cut_report;
mod demo;
mod error;
mod flush;
mod http_arg;
mod identity;
mod minting;
mod op_arg;
mod origin;
mod printable;
mod recovery;
mod ref_arg;
mod registry_arg;
mod rights_arg;
mod run;
mod state_file;
mod ui;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A message, a batch and a record are each a few allocations of some hundred bytes that another thread
/// frees, and messages are cleared as they are allocated: glibc takes a sixth of a server's time for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Share sessions that survive: durable, exactly once, in order, revocable.
#[derive(Debug, Parser)]
#[command(name = "share", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(commands::serve::Args),
    Bridge(commands::bridge::Args),
    Create(commands::create::Args),
    Append(commands::append::Args),
    Push(commands::push::Args),
    Replay(commands::replay::Args),
    Tail(commands::tail::Args),
    Watch(commands::watch::Args),
    Show(commands::show::Args),
    Outbox(commands::outbox::Args),
    Use(commands::use_ref::Args),
    Health(commands::health::Args),
    Backup(commands::backup::Args),
    Restore(commands::restore::Args),
    Open(commands::open::Args),
    List(commands::list::Args),
    Release(commands::release::Args),
    Lease(commands::lease::Args),
    Grant(commands::grant::Args),
    Grants(commands::grants::Args),
    Whoami(commands::whoami::Args),
    Audit(commands::audit::Args),
    Revoke(commands::revoke::Args),
    Rotate(commands::rotate::Args),
    Freeze(commands::freeze::Args),
    Unfreeze(commands::unfreeze::Args),
    Delete(commands::delete::Args),
    Publish(commands::publish::Args),
    Unpublish(commands::unpublish::Args),
    Identity(commands::identity::Args),
    Doctor(commands::doctor::Args),
    Demo(demo::Args),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version come this way too, with their own stream and code.
        Err(error) => error.exit(),
    };
    init_log(&cli.command);
    let done = match cli.command {
        Command::Serve(args) => commands::serve::run(args),
        Command::Bridge(args) => commands::bridge::run(args),
        Command::Create(args) => commands::create::run(args),
        Command::Append(args) => commands::append::run(args),
        Command::Push(args) => commands::push::run(args),
        Command::Replay(args) => commands::replay::run(args),
        Command::Tail(args) => commands::tail::run(args),
        Command::Watch(args) => commands::watch::run(args),
        Command::Show(args) => commands::show::run(args),
        Command::Outbox(args) => commands::outbox::run(args),
        Command::Use(args) => commands::use_ref::run(args),
        Command::Health(args) => commands::health::run(args),
        Command::Backup(args) => commands::backup::run(args),
        Command::Restore(args) => commands::restore::run(args),
        Command::Open(args) => commands::open::run(args),
        Command::List(args) => commands::list::run(args),
        Command::Release(args) => commands::release::run(args),
        Command::Lease(args) => commands::lease::run(args),
        Command::Grant(args) => commands::grant::run(args),
        Command::Grants(args) => commands::grants::run(args),
        Command::Whoami(args) => commands::whoami::run(args),
        Command::Audit(args) => commands::audit::run(args),
        Command::Revoke(args) => commands::revoke::run(args),
        Command::Rotate(args) => commands::rotate::run(args),
        Command::Freeze(args) => commands::freeze::run(args),
        Command::Unfreeze(args) => commands::unfreeze::run(args),
        Command::Delete(args) => commands::delete::run(args),
        Command::Publish(args) => commands::publish::run(args),
        Command::Unpublish(args) => commands::unpublish::run(args),
        Command::Identity(args) => commands::identity::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Demo(args) => demo::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error);
            error.exit_code()
        }
    }
}

/// Logs go to stderr: warnings by default, what `SHARE_LOG` says otherwise. What the client has to
/// say of a replay, its command says with what to do about it. Nothing is written over what `watch`
/// draws: its log goes to a file, or nowhere.
fn init_log(command: &Command) {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    if is_terminal && matches!(command, Command::Watch(_)) {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::try_from_env("SHARE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,share_client=error"));
    let has_colour = is_terminal && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(has_colour)
        .init();
}
