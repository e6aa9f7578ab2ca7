//! The client library: a durable outbox and its replay.
//!
//! An agent embeds it. Every op is on stable storage before the agent goes on ([`Outbox`]); a
//! background loop drains the outbox into the share's server by *redeem, claim, append* after every
//! reconnect, restart or crash ([`Flusher`]). However often a batch is sent, each op changes the
//! share once; every op ends as applied, as a dead letter with its reason, or in doubt, and the
//! agent can see which ([`Outbox::outcomes`], [`Outbox::rows`]).
//!
//! ```no_run
//! use std::path::Path;
//!
//! use share_client::{Flusher, FlusherOptions, Heard, NewOp, Outbox, OutboxOptions, Outcome};
//! use share_model::{Mutation, ShareRef};
//!
//! # async fn agent(text: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let path = Path::new(".opencode/state/share.sqlite");
//! let outbox = Outbox::open(path, OutboxOptions::default())?;
//! let reference: ShareRef = text.parse()?;
//! let share = reference.share;
//! outbox.use_ref(reference).await?;
//! let flusher = Flusher::spawn(&outbox, FlusherOptions::default())?;
//! let mut outcomes = outbox.outcomes();
//!
//! // For each thing that happens in the session: durable when this returns, sent when it can be.
//! let put = Mutation::Put { key: "session".into(), json: r#"{"title":"hello"}"#.into() };
//! outbox.enqueue(share, NewOp::of(put)).await?;
//!
//! if let Some(Heard::Outcome(event)) = outcomes.next().await {
//!     if let Outcome::DeadLetter(why) = event.outcome {
//!         println!("op {} was not applied: {why}", event.op_id);
//!     }
//! }
//!
//! // At the end of the session: wait until the server has everything, then stop.
//! let report = flusher.flush().await?;
//! println!("{} ops are kept", report.pending);
//! flusher.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Which session has which share on a machine, with the owner's refs, stands in a file of its own
//! ([`Registry`]), so that a lost worktree loses no share.
//!
//! [`Outbox`] and [`Flusher`] may be used from any task of any runtime. What reads a share or
//! creates one ([`Session`], [`Follower`], [`create_share`]) holds Cap'n Proto's objects, which
//! belong to one thread: it needs a [`tokio::task::LocalSet`], or [`on_own_thread`].
//!
//! Time, randomness, files, connections and the storage thread come in through seams
//! ([`OutboxOptions`], [`FlusherOptions`], [`RegistryOptions`]), so that a simulation owns all of them.

mod backoff;
mod connection;
mod json_line;
mod link;
mod outbox;
mod registry;
mod replay;
mod sqlite_file;

pub use backoff::Backoff;
pub use connection::{
    BackupError, ClientError, ConnectError, Connector, DocumentEntry, FallbackLink, FollowEvent,
    Follower, HttpLink, HttpServer, HttpServerError, Route, RpcLink, Session, Stream, Subscription,
    SubscriptionEvent, TcpConnector, Transport, attenuate_factory, attenuate_share, backup,
    bump_epoch, create_share, delete_share, factory_grants, factory_served, on_own_thread, probe,
    publish_share, revoke_factory_grant, rotate_share,
};
pub use json_line::JsonLineError;
pub use link::{Answer, LaneAppender, LaneRequest, Link, LinkedLane};
pub use outbox::{
    AgentOutbox, AgentSession, Claim, ClaimedOps, DelegateOptions, DelegatedCycle, Delegation,
    DelegationError, DependencyDetails, DependsOn, Ending, Enqueued, Failure, Gone, GroupDetails,
    Grouping, Heard, LeaseEvent, LeaseEventKind, LostOps, NewOp, OpDetails, Outbox, OutboxError,
    OutboxOptions, Outcome, OutcomeEvent, Outcomes, Recovery, RecoveryEvent, RefUse, Resolution,
    ResolveError, Retention, RetryPolicy, Row, RowFilter, RowPosition, RowState, Scope, ScopeError,
    ShareStatus, Stop,
};
pub use registry::{
    NameError, OpenAnswer, OpenError, OpenSession, OpenedSession, PendingShare, RefUpdate,
    Registry, RegistryEntry, RegistryError, RegistryFilter, RegistryOptions, RegistryPosition,
    Reserved, SessionName, ShareAhead, Sighting,
};
pub use replay::{
    BlockedShare, FlushOptions, FlushReport, Flusher, FlusherError, FlusherOptions, HeldShares,
    Progress, StoppedShare,
};
pub use share_network::tls::{Authorities, CertificateError, TlsError};
