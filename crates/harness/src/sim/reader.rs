//! Readers: each follows one share, over any number of connections and refs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use share_client::{Backoff, ClientError, FollowEvent, Follower};
use share_model::seam::Clock;
use share_model::{GrantId, LogPosition, ShareRef};

use super::net::SimConnector;
use super::world::World;
use crate::history::{Trouble, What};

/// One life of a reader. It begins anew with each ref that it is given.
pub(crate) async fn run(world: Arc<World>, name: String) -> turmoil::Result {
    let machine = world.machine(&name);
    let _process = machine.begin(&world.processes, &name);
    let connector = SimConnector::of(&world, &machine);
    let clock = machine.clock();
    let chance = world.chance(&name);
    let mut position = LogPosition::default();
    let mut used: Option<GrantId> = None;
    while !world.board().is_over {
        let newest = world.board().refs_of(&name).into_iter().next();
        let Some(reference) = newest.filter(|newest| used != Some(newest.grant)) else {
            clock.sleep(Duration::from_millis(200)).await;
            continue;
        };
        used = Some(reference.grant);
        if world.plan.has("reader-anew") && chance.permille(500) {
            position = LogPosition::default();
        }
        let follower = Follower::new(Arc::clone(&connector), reference.clone(), position);
        let follower = follower.with_seams(
            Arc::clone(&clock),
            chance.entropy(),
            Backoff {
                max: Duration::from_secs(2),
                ..Backoff::TRANSPORT
            },
        );
        position = follow(&world, &name, &reference, follower, &clock).await;
    }
    Ok(())
}

/// Ends when another ref was given, or all is over.
async fn replaced(world: &World, name: &str, reference: &ShareRef, clock: &Arc<dyn Clock>) {
    loop {
        clock.sleep(Duration::from_millis(300)).await;
        let board = world.board();
        let newest = board.refs_of(name).into_iter().next();
        if board.is_over || newest.map(|newest| newest.grant) != Some(reference.grant) {
            return;
        }
    }
}

/// Writes down what the follower tells, until it is refused, or a newer ref is there.
async fn follow(
    world: &World,
    name: &str,
    reference: &ShareRef,
    mut follower: Follower,
    clock: &Arc<dyn Clock>,
) -> LogPosition {
    let (share, grant) = (reference.share, reference.grant);
    let from = follower.position();
    world.push(name, What::Follow { share, grant, from });
    let mut reset: Option<(LogPosition, BTreeMap<String, String>)> = None;
    loop {
        let told = tokio::select! {
            biased;
            told = follower.next() => told,
            () = replaced(world, name, reference, clock) => break,
        };
        let event = match told {
            Ok(event) => event,
            Err(error) => {
                let why = Trouble::of(&error);
                world.push(name, What::FollowEnded { share, why });
                break;
            }
        };
        match event {
            FollowEvent::Reset { at, .. } => {
                let at = at.position;
                reset = Some((at, BTreeMap::new()));
                world.push(name, What::Reset { share, at });
            }
            FollowEvent::Entries { entries, done } => {
                let Some((at, mut document)) = reset.take() else {
                    continue;
                };
                document.extend(entries.into_iter().map(|entry| (entry.key, entry.json)));
                if done {
                    world.push(
                        name,
                        What::Document {
                            share,
                            at,
                            document,
                        },
                    );
                } else {
                    reset = Some((at, document));
                }
            }
            FollowEvent::Ops(ops) => world.push(name, What::Saw { share, grant, ops }),
            // The follower does not take such ops: whoever sent them is wrong.
            FollowEvent::Lost(ClientError::Failed { reason })
                if reason.starts_with("it sent the op with cursor") =>
            {
                let what =
                    format!("reader-refused: {name} was sent what does not follow: {reason}");
                world.broken(what);
            }
            FollowEvent::Live(at) => world.push(name, What::Live { share, at }),
            _ => {}
        }
    }
    match reset {
        // Half a document is none.
        Some(_) => LogPosition::default(),
        None => follower.position(),
    }
}
