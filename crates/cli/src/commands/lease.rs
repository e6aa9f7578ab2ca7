//! `share lease`: which agent session may append where.

use std::time::Duration;

use clap::Subcommand;
use share_client::{
    AgentOutbox, AgentSession, DelegateOptions, Delegation, Gone, Outbox, OutboxError,
    OutboxOptions, Scope, ScopeError,
};
use share_model::{Cycle, ShareId};

use crate::agent_arg::{agent, explained};
use crate::error::CliError;
use crate::state_file::StateArg;
use crate::{run, ui};

mod lines;

use lines::{DelegationLine, EventLine};

/// Rows that are read at once.
const PAGE: usize = 1000;

/// Delegate a part of a share to another agent session, and claim it there.
///
/// A parent delegates a scope (keys at and below a prefix); the first session to claim it may append
/// there, as `share append --as SESSION`, and the parent may not, until the claim ends. Both sides
/// name themselves and use the same state file; no token is handed over.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Delegate(DelegateArgs),
    Claim(ClaimArgs),
    Release(ReleaseArgs),
    Reconcile(ReconcileArgs),
    List(ListArgs),
}

/// Delegate a scope for the next cycle, which ends what is left of the one before
#[derive(Debug, clap::Args)]
struct DelegateArgs {
    #[command(flatten)]
    at: AtArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// The number of the cycle, above the last one; the same number again is the same delegation
    /// [default: the next]
    #[arg(long, value_name = "N")]
    cycle: Option<u64>,
    /// End the claim after this time with nothing appended [default: not by itself]
    #[arg(long, value_name = "SECONDS")]
    idle: Option<u64>,
}

/// Claim a scope that was delegated: just as it was delegated. Repeatable by the same session
#[derive(Debug, clap::Args)]
struct ClaimArgs {
    #[command(flatten)]
    at: AtArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Who delegated it, where several did
    #[arg(long, value_name = "SESSION", value_parser = agent)]
    parent: Option<AgentSession>,
}

/// Release what this session claimed; what it only delegated, it takes back
#[derive(Debug, clap::Args)]
struct ReleaseArgs {
    #[command(flatten)]
    at: AtArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

/// Show what became of this session's delegations, and end the claims of sessions that are gone
#[derive(Debug, clap::Args)]
struct ReconcileArgs {
    #[command(flatten)]
    at: AtArgs,
    /// A session that is gone; may be given more than once
    #[arg(long, value_name = "SESSION", value_parser = agent)]
    gone: Vec<AgentSession>,
    /// Every session that this one delegated to is gone
    #[arg(long, conflicts_with = "gone")]
    all_gone: bool,
}

/// List every delegated cycle, oldest first
#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    state: StateArg,
    /// What happened, instead of how it stands
    #[arg(long)]
    events: bool,
    /// One JSON object a line: share, scope, parent, cycle, state, child, claimId, delegatedAt,
    /// claimedAt, expiresAt, endedAt, ops; with `--events` id, at, kind, share, scope, parent, cycle,
    /// child, session, ops, key
    #[arg(long)]
    json: bool,
}

/// Who does it, and on which share.
#[derive(Debug, clap::Args)]
struct AtArgs {
    /// This agent session's id
    #[arg(long = "as", value_name = "SESSION", value_parser = agent)]
    session: AgentSession,
    /// The share's id [default: the one that the outbox knows]
    #[arg(long, value_name = "ID")]
    share: Option<ShareId>,
    #[command(flatten)]
    state: StateArg,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    token: TokenArgs,
}

#[derive(Debug, clap::Args)]
struct ScopeArgs {
    /// The keys at and below this prefix, by whole segments [default: the whole share]
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true,
          value_parser = scope)]
    scope: Scope,
}

/// What must not be given. It is taken, so that the refusal says why, and never shown.
#[derive(clap::Args)]
struct TokenArgs {
    #[arg(long, hide = true, num_args = 0..=1, default_missing_value = "")]
    token: Option<String>,
    #[arg(hide = true)]
    more: Vec<String>,
}

/// Hides it.
impl std::fmt::Debug for TokenArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenArgs(hidden)")
    }
}

impl TokenArgs {
    fn check(&self) -> Result<(), CliError> {
        if self.token.is_none() && self.more.is_empty() {
            return Ok(());
        }
        Err(CliError::usage(
            "a lease takes no token: it would stand in a prompt, where whoever reads along has it, \
             and long after",
        )
        .hint(
            "name the session and the scope alone: `share lease claim --as SESSION --scope PREFIX`; \
             the state file knows what was delegated",
        ))
    }
}

fn scope(prefix: &str) -> Result<Scope, ScopeError> {
    Scope::new(prefix)
}

impl AtArgs {
    async fn open(&self) -> Result<(AgentOutbox, ShareId), CliError> {
        let outbox = self.state.open_existing(OutboxOptions::default())?;
        let share = match self.share {
            Some(share) => share,
            None => only_share(&outbox).await?,
        };
        Ok((outbox.agent(self.session.clone()), share))
    }

    /// Shows what a step came to.
    fn show(&self, what: &str, done: Result<Delegation, OutboxError>) -> Result<(), CliError> {
        let done = done.map_err(|cause| explained(CliError::refused(what), cause))?;
        DelegationLine::of(&done).show(self.json)
    }
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    match &args.action {
        Action::Delegate(DelegateArgs { at, .. })
        | Action::Claim(ClaimArgs { at, .. })
        | Action::Release(ReleaseArgs { at, .. })
        | Action::Reconcile(ReconcileArgs { at, .. }) => at.token.check()?,
        Action::List(_) => {}
    }
    run::block_on(async {
        match args.action {
            Action::Delegate(args) => delegate(args).await,
            Action::Claim(args) => claim(args).await,
            Action::Release(args) => release(args).await,
            Action::Reconcile(args) => reconcile(args).await,
            Action::List(args) if args.events => list_events(args).await,
            Action::List(args) => list(args).await,
        }
    })
}

async fn delegate(args: DelegateArgs) -> Result<(), CliError> {
    let (agent, share) = args.at.open().await?;
    let options = DelegateOptions {
        cycle: args.cycle.map(Cycle::new),
        idle_max: args.idle.map(Duration::from_secs),
    };
    let done = agent.delegate(share, &args.scope.scope, options).await;
    args.at.show("delegate the scope", done)
}

async fn claim(args: ClaimArgs) -> Result<(), CliError> {
    let (agent, share) = args.at.open().await?;
    let parent = args.parent.as_ref();
    let done = agent.claim(share, &args.scope.scope, parent).await;
    args.at.show("claim the scope", done)
}

async fn release(args: ReleaseArgs) -> Result<(), CliError> {
    let (agent, share) = args.at.open().await?;
    let scope = &args.scope.scope;
    let done = match agent.release(share, scope).await {
        Err(OutboxError::Delegation(why)) => {
            let revoked = agent.revoke(share, scope).await;
            // Who neither claimed nor delegated is told of the claim.
            revoked.map_err(|_| OutboxError::Delegation(why))
        }
        done => done,
    };
    args.at.show("release the scope", done)
}

async fn reconcile(args: ReconcileArgs) -> Result<(), CliError> {
    let (agent, share) = args.at.open().await?;
    let gone = match (args.all_gone, args.gone) {
        (true, _) => Gone::Everybody,
        (false, sessions) if sessions.is_empty() => Gone::Nobody,
        (false, sessions) => Gone::Sessions(sessions),
    };
    let seen = agent.reconcile(share, gone).await;
    let seen = seen.map_err(|cause| {
        let what = CliError::refused("look at what became of the delegations");
        explained(what, cause)
    })?;
    if seen.is_empty() && !args.at.json {
        ui::note("this session has delegated nothing");
    }
    seen.iter()
        .try_for_each(|it| DelegationLine::of(it).show(args.at.json))
}

async fn list(args: ListArgs) -> Result<(), CliError> {
    let outbox = args.state.open_existing(OutboxOptions::default())?;
    let mut after = 0;
    loop {
        let page = outbox.delegations(after, PAGE).await.map_err(unread)?;
        let Some(last) = page.last() else { break };
        after = last.number;
        for delegation in &page {
            DelegationLine::of(delegation).show(args.json)?;
        }
    }
    if after == 0 && !args.json {
        ui::note("nothing was delegated");
    }
    Ok(())
}

async fn list_events(args: ListArgs) -> Result<(), CliError> {
    let outbox = args.state.open_existing(OutboxOptions::default())?;
    let mut after = 0;
    loop {
        let page = outbox.lease_events(after, PAGE).await.map_err(unread)?;
        let Some(last) = page.last() else { break };
        after = last.number;
        for event in &page {
            EventLine::of(event).show(args.json)?;
        }
    }
    if after == 0 && !args.json {
        ui::note("nothing was delegated");
    }
    Ok(())
}

fn unread(error: OutboxError) -> CliError {
    CliError::refused("read the outbox").caused_by(error)
}

/// The share that is meant where none is named.
async fn only_share(outbox: &Outbox) -> Result<ShareId, CliError> {
    let shares = outbox.shares().await.map_err(unread)?;
    match shares.as_slice() {
        [one] => Ok(one.share),
        [] => {
            Err(CliError::refused("the outbox knows no share")
                .hint("`share use @FILE` gives it a ref"))
        }
        several => Err(
            CliError::usage(format!("the outbox knows {} shares", several.len()))
                .hint("name one with `--share ID`; `share outbox list` shows them"),
        ),
    }
}
