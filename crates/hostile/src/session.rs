//! How a peer with a grant begins, in one go.

use std::io;

use crate::calls;
use crate::message::{self, Of};
use crate::peer::Peer;

/// The question for the bootstrap capability.
pub(crate) const BOOTSTRAP: u32 = 0;
/// The question for the session.
pub(crate) const SESSION: u32 = 1;
/// The first question that is free.
pub(crate) const FREE: u32 = 2;

/// Asks for the bootstrap capability.
pub(crate) async fn greet(peer: &mut Peer<'_>) -> io::Result<()> {
    peer.send(&message::bootstrap(BOOTSTRAP)).await
}

/// Redeems the attacker's grant.
pub(crate) async fn open(peer: &mut Peer<'_>) -> io::Result<()> {
    greet(peer).await?;
    let share = &peer.attacker.target.share;
    let redeem = calls::redeem(SESSION, Of::Bootstrap(BOOTSTRAP), share);
    peer.send(&redeem).await
}
