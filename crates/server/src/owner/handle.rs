//! How others reach an owner.

use std::sync::{Arc, OnceLock};

use share_model::ShareId;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::allotment::{Allotment, Taken};
use super::call::{Call, Command, Reply, Waiting};
use crate::factory::FactoryUse;
use crate::fault::Fault;
use crate::feed::Feed;

/// Bytes that one permit of a [`Budget`] stands for.
const PERMIT_BYTES: usize = 1024;

/// Bytes of calls that may wait for a share although the server has no room: so that who floods many
/// shares with large batches leaves room in the others for small ones.
const OWN_BYTES: usize = 64 << 10;

/// How many bytes of batches may wait.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Budget {
    /// Room for about this many bytes.
    pub(crate) fn of(bytes: usize) -> Self {
        let permits = (bytes / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(permits)))
    }

    /// Room for this many calls, whatever their bytes.
    pub(super) fn of_calls(calls: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            calls.clamp(1, Semaphore::MAX_PERMITS),
        )))
    }

    /// Room for one call.
    pub(super) fn take_one(&self, max: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let taken = Arc::clone(&self.0).try_acquire_owned();
        taken.map_err(|_| Fault::QueueFull { calls: max })
    }

    pub(super) fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Fault> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES).max(1));
        let permits = permits.map_err(|_| Fault::BytesFull)?;
        let taken = Arc::clone(&self.0).try_acquire_many_owned(permits);
        taken.map_err(|_| Fault::BytesFull)
    }
}

/// What the shares of the factory grant use that created this one; set once the share was loaded.
pub(crate) type Usage = Arc<OnceLock<Arc<FactoryUse>>>;

/// A loaded share. While one of these lives, the share stays loaded.
#[derive(Debug, Clone)]
pub(crate) struct ShareHandle {
    share: ShareId,
    calls: mpsc::Sender<Box<dyn Waiting>>,
    feed: Arc<Feed>,
    /// Of the share, and of the whole server.
    room: [Budget; 2],
    /// What the share has of the server's for itself, whatever others fill.
    own: Budget,
    /// What the shares of its factory grant use; once the share was loaded.
    usage: Usage,
    /// Counted by the hub, to tell whether anybody has a handle.
    _used: Arc<()>,
}

impl ShareHandle {
    pub(crate) fn new(
        feed: Arc<Feed>,
        calls: mpsc::Sender<Box<dyn Waiting>>,
        room: [Budget; 2],
        (usage, used): (Usage, Arc<()>),
    ) -> Self {
        Self {
            share: feed.share(),
            calls,
            feed,
            room,
            own: Budget::of(OWN_BYTES),
            usage,
            _used: used,
        }
    }

    /// The share.
    pub(crate) fn share(&self) -> ShareId {
        self.share
    }

    /// What the shares of its factory grant use; `None` before the share was loaded.
    pub(crate) fn factory_use(&self) -> Option<&Arc<FactoryUse>> {
        self.usage.get()
    }

    /// Where the share's durable ops are seen.
    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Hands a command over that keeps `bytes` in memory. When this returns, the command has its
    /// place behind all that were handed over before; its outcome comes with the reply.
    pub(crate) fn call<C: Command>(&self, command: C, bytes: usize) -> Reply<C::Answer> {
        self.call_with(command, bytes, None)
    }

    /// As [`ShareHandle::call`], within what the caller's subtree of grants may use.
    pub(crate) fn call_by<C: Command>(
        &self,
        allotment: &Allotment,
        command: C,
        bytes: usize,
    ) -> Reply<C::Answer> {
        match allotment.take_room(bytes) {
            Ok(taken) => self.call_with(command, bytes, Some(taken)),
            Err(fault) => Reply::fault(fault),
        }
    }

    fn call_with<C: Command>(
        &self,
        command: C,
        bytes: usize,
        allotted: Option<Taken>,
    ) -> Reply<C::Answer> {
        let [share, server] = &self.room;
        let of_server = self.own.take(bytes).or_else(|_| server.take(bytes));
        let taken = (share.take(bytes), of_server);
        let room = match taken {
            (Ok(share), Ok(server)) => [share, server],
            (Err(fault), _) | (_, Err(fault)) => return Reply::fault(fault),
        };
        let (call, reply) = Call::new(command, (room, allotted));
        match self.calls.try_send(Box::new(call)) {
            Ok(()) => reply,
            Err(TrySendError::Full(_)) => Reply::fault(Fault::QueueFull {
                calls: self.calls.max_capacity(),
            }),
            Err(TrySendError::Closed(_)) => Reply::fault(Fault::Unloaded),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use share_model::{Cursor, GrantId, Secret};

    use super::*;
    use crate::feed::RingLimits;
    use crate::owner::RedeemCall;

    type Calls = mpsc::Receiver<Box<dyn Waiting>>;

    fn handle(number: u8, server: &Budget) -> (ShareHandle, Calls) {
        let ring = RingLimits {
            ops_max: 1,
            bytes_max: 1,
        };
        let feed = Feed::new(ShareId::from_bytes([number; 16]), Cursor::ZERO, ring);
        let (sender, calls) = mpsc::channel(8);
        let room = [Budget::of(1 << 20), server.clone()];
        let handle = ShareHandle::new(feed, sender, room, (Arc::default(), Arc::default()));
        (handle, calls)
    }

    /// Whether a call of so many bytes has its place.
    fn is_taken(handle: &ShareHandle, bytes: usize) -> bool {
        let call = RedeemCall {
            grant: GrantId::from_bytes([1; 16]),
            secret: Secret::from_bytes([1; 32]).hash(),
            proof: None,
            client: String::new(),
            protocol_version: 1,
        };
        let outcome = handle.call(call, bytes).outcome();
        outcome.now_or_never().is_none()
    }

    #[test]
    fn a_server_without_room_has_some_for_small_calls_of_each_share() {
        let server = Budget::of(100 << 10);
        let (flooded, _waiting) = handle(1, &server);
        let (other, mut calls) = handle(2, &server);
        assert!(is_taken(&flooded, 100 << 10));
        assert!(is_taken(&flooded, 64 << 10));
        assert!(!is_taken(&flooded, 1));
        assert!(is_taken(&other, 60 << 10));
        assert!(is_taken(&other, 4 << 10));
        assert!(!is_taken(&other, 1));
        // Done, it makes room again.
        drop(calls.try_recv());
        assert!(is_taken(&other, 60 << 10));
    }
}
