//! Readers: one that follows a share through all that is broken, and one that reads it at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use share_client::{ClientError, FollowEvent, Follower, Session};
use share_model::{LogPosition, LoggedOp, RefusalCode, ShareRef};

use super::connector;
use super::error::RealError;
use super::story::Story;
use crate::history::{Trouble, What};

/// Follows a share from its beginning until it is refused, or dropped. Needs a
/// [`tokio::task::LocalSet`].
pub(super) async fn follow(reference: ShareRef, story: Story, actor: String) {
    let (share, grant) = (reference.share, reference.grant);
    let from = LogPosition::default();
    story.tell(&actor, What::Follow { share, grant, from });
    let mut follower = Follower::new(Arc::new(connector()), reference, from);
    let mut document = BTreeMap::new();
    let mut reset_at = from;
    loop {
        match follower.next().await {
            Ok(FollowEvent::Reset { at, .. }) => {
                document.clear();
                reset_at = at.position;
                let at = reset_at;
                story.tell(&actor, What::Reset { share, at });
            }
            Ok(FollowEvent::Entries { entries, done }) => {
                document.extend(entries.into_iter().map(|entry| (entry.key, entry.json)));
                if done {
                    let (document, at) = (std::mem::take(&mut document), reset_at);
                    story.tell(
                        &actor,
                        What::Document {
                            share,
                            at,
                            document,
                        },
                    );
                }
            }
            Ok(FollowEvent::Ops(ops)) => story.tell(&actor, What::Saw { share, grant, ops }),
            Ok(FollowEvent::Live(at)) => story.tell(&actor, What::Live { share, at }),
            // It comes back by itself, and so does whatever is new.
            Ok(_) => {}
            Err(error) => {
                let why = Trouble::of(&error);
                story.tell(&actor, What::FollowEnded { share, why });
                return;
            }
        }
    }
}

/// What a reader is told of a share who begins anew, when nothing happens any more.
pub(super) async fn read_whole(reference: &ShareRef) -> Result<What, RealError> {
    let share = reference.share;
    let session = match Session::redeem(&connector(), reference).await {
        Ok(session) => session,
        Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::Gone => {
            return Ok(What::FinalGone { share });
        }
        Err(error) => return Err(RealError::call("read a share at the end")(error)),
    };
    let mut document = BTreeMap::new();
    let keep = |key: &str, json: &str| {
        document.insert(key.to_owned(), json.to_owned());
    };
    let at = session.document(keep).await;
    at.map_err(RealError::call("read a document at the end"))?;
    Ok(What::Final {
        share,
        history: session.redeemed().history,
        log: read_log(reference.clone()).await?,
        document,
        cursor: session.redeemed().cursor,
    })
}

async fn read_log(reference: ShareRef) -> Result<Vec<LoggedOp>, RealError> {
    let from = LogPosition::default();
    let mut follower = Follower::new(Arc::new(connector()), reference, from);
    let mut log = Vec::new();
    loop {
        let event = follower.next().await;
        match event.map_err(RealError::call("read a log at the end"))? {
            FollowEvent::Ops(ops) => log.extend(ops),
            FollowEvent::Live(_) => return Ok(log),
            // The log begins at its first op: nothing of these runs is truncated.
            _ => {}
        }
    }
}
