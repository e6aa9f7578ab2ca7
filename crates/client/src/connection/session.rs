//! A redeemed share, for readers and owners.

use std::rc::Rc;

use share_model::{
    BumpEpoch, Bumped, LogPosition, PROTOCOL_VERSION, Redeemed, ShareRef, SnapshotAt, WriterInfo,
};
use share_proto::share_capnp::{share_session, subscription};
use share_proto::wire;

use super::connector::Connector;
use super::error::ClientError;
use super::peer::{CLIENT, Peer, in_time};
use super::subscription::{Subscription, sink};

/// Bytes of one page of a document.
const PAGE_BYTES: u32 = 1 << 20;

/// A share that was redeemed, on a connection of its own; dropping it closes the connection.
///
/// Cap'n Proto's objects belong to one thread: a session is `!Send` and needs a
/// [`tokio::task::LocalSet`]. Where there is none, [`on_own_thread`](crate::on_own_thread) runs a
/// piece of work that has one.
///
/// ```no_run
/// # async fn show(reference: share_model::ShareRef) -> Result<(), share_client::ClientError> {
/// use share_client::{Session, TcpConnector};
///
/// let session = Session::redeem(&TcpConnector::default(), &reference).await?;
/// let mut keys = Vec::new();
/// let at = session.document(|key, _json| keys.push(key.to_owned())).await?;
/// assert_eq!(keys.len() as u64, at.keys);
/// # Ok(())
/// # }
/// ```
pub struct Session {
    client: share_session::Client,
    redeemed: Redeemed,
    peer: Rc<Peer>,
}

impl Session {
    /// Redeems `reference` at the first of its addresses that answers.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes.
    pub async fn redeem(
        connector: &dyn Connector,
        reference: &ShareRef,
    ) -> Result<Self, ClientError> {
        let (peer, bootstrap) = Peer::connect(connector, &reference.addresses).await?;
        let mut redeem = bootstrap.redeem_share_request();
        wire::write_share_ref(reference, redeem.get().init_ref());
        redeem.get().set_protocol_version(PROTOCOL_VERSION);
        redeem.get().set_client(CLIENT);
        let redeeming = redeem.send();
        let client = redeeming.pipeline.get_session();
        let response = in_time(redeeming.promise).await?;
        let redeemed = wire::read_redeem_outcome(response.get()?.get_outcome()?)??;
        Ok(Self {
            client,
            redeemed,
            peer: Rc::new(peer),
        })
    }

    /// What the server told at redeem.
    pub fn redeemed(&self) -> &Redeemed {
        &self.redeemed
    }

    /// Reads the document as it stands now, and hands each key and its JSON text to `entry`, in the
    /// order of keys.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes. Then what was handed out is not the whole.
    pub async fn document(
        &self,
        mut entry: impl FnMut(&str, &str),
    ) -> Result<SnapshotAt, ClientError> {
        let asking = self.client.document_request().send();
        let snapshot = asking.pipeline.get_snapshot();
        let response = in_time(asking.promise).await?;
        let at = wire::read_snapshot_outcome(response.get()?.get_outcome()?)??;
        let mut after = String::new();
        loop {
            let mut read = snapshot.read_request();
            read.get().set_after(&after);
            read.get().set_bytes_max(PAGE_BYTES);
            let response = in_time(read.send().promise).await?;
            let page = response.get()?;
            let entries = wire::read_document_entries(page.get_entries()?)?;
            for found in &entries {
                entry(&found.key, &found.json);
            }
            match entries.into_iter().last() {
                // A server that neither ends nor goes on would be asked for ever.
                None if !page.get_done() => {
                    let reason = "a page of the document is empty and not the last".into();
                    return Err(ClientError::Failed { reason });
                }
                Some(last) if !page.get_done() => {
                    if last.key <= after {
                        let reason = "a page of the document does not go on".into();
                        return Err(ClientError::Failed { reason });
                    }
                    after = last.key;
                }
                _ => return Ok(at),
            }
        }
    }

    /// Subscribes to every applied op after `from`, and those to come.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes.
    pub async fn subscribe(&self, from: LogPosition) -> Result<Subscription, ClientError> {
        let (client, events) = sink(self.redeemed.limits);
        let mut subscribe = self.client.subscribe_request();
        wire::write_log_position(&from, subscribe.get().init_from());
        subscribe.get().set_sink(client);
        let subscribing = subscribe.send();
        let held: subscription::Client = subscribing.pipeline.get_subscription();
        let response = in_time(subscribing.promise).await?;
        let position = wire::read_subscribe_outcome(response.get()?.get_outcome()?)??;
        Ok(Subscription::new(
            position,
            events,
            held,
            Rc::clone(&self.peer),
        ))
    }

    /// Ends every grant and session of the share's epoch, this one included, and installs a new
    /// owner's grant. Store the request's id and the new secret durably before the call; repeated
    /// with the same ones it gives the same answer.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes: repeat it then.
    pub async fn bump_epoch(&self, request: &BumpEpoch) -> Result<Bumped, ClientError> {
        let mut bump = self.client.bump_epoch_request();
        wire::write_bump_epoch(request, bump.get().init_request());
        let response = in_time(bump.send().promise).await?;
        Ok(wire::read_bump_outcome(response.get()?.get_outcome()?)??)
    }

    /// The writers of the share, by number.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes.
    pub async fn writers(&self) -> Result<Vec<WriterInfo>, ClientError> {
        let response = in_time(self.client.writers_request().send().promise).await?;
        Ok(wire::read_writers_outcome(response.get()?.get_outcome()?)??)
    }

    /// Mints a ref with the same rights, as a child of this session's grant. Not repeatable: each
    /// call mints a new grant.
    ///
    /// # Errors
    ///
    /// If authority has ended, or no answer comes.
    pub async fn save(&self) -> Result<ShareRef, ClientError> {
        let persistent: share_proto::persistent_capnp::persistent::Client<
            share_proto::share_capnp::share_ref::Owned,
            capnp::text::Owned,
        > = capnp::capability::FromClientHook::new(
            capnp::capability::FromClientHook::into_client_hook(self.client.clone()),
        );
        let response = in_time(persistent.save_request().send().promise).await?;
        Ok(wire::read_share_ref(response.get()?.get_sturdy_ref()?)?)
    }
}

/// Hides the capability.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("redeemed", &self.redeemed)
            .finish_non_exhaustive()
    }
}
