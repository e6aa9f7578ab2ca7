//! A redeemed share, for readers and owners.

use std::rc::Rc;

use share_model::{
    LogPosition, OwnerKey, PROTOCOL_VERSION, Redeemed, Security, ShareRef, Slug, SnapshotAt,
    WriterInfo,
};
use share_proto::share_capnp::{share_session, subscription};
use share_proto::wire;

use super::connector::Connector;
use super::error::ClientError;
use super::peer::{CLIENT, Peer, in_time, read_redeemed, write_redeem};
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
    pub(super) client: share_session::Client,
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
        Self::redeem_as(connector, reference, None).await
    }

    /// As [`Session::redeem`], by `owner`: opens a ref that is sealed to it as well.
    ///
    /// # Errors
    ///
    /// As [`Session::redeem`]. A ref that is sealed to another owner is refused like one that does
    /// not exist.
    pub async fn redeem_as(
        connector: &dyn Connector,
        reference: &ShareRef,
        owner: Option<&OwnerKey>,
    ) -> Result<Self, ClientError> {
        let (peer, bootstrap) =
            Peer::connect(connector, &reference.addresses, reference.security).await?;
        let mut redeem = bootstrap.redeem_share_request();
        write_redeem(reference, owner, redeem.get());
        let redeeming = redeem.send();
        let client = redeeming.pipeline.get_session();
        let response = in_time(redeeming.promise).await?;
        let outcome = response.get()?.get_outcome()?;
        let redeemed = read_redeemed(outcome, reference.grant)?;
        Ok(Self::opened(peer, client, redeemed))
    }

    /// Opens a published share for reading, by its public address, at the first of `addresses` that
    /// answers as `security` asks for.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes.
    pub async fn redeem_slug(
        connector: &dyn Connector,
        addresses: &[String],
        security: Security,
        slug: &Slug,
    ) -> Result<Self, ClientError> {
        let (peer, bootstrap) = Peer::connect(connector, addresses, security).await?;
        let mut redeem = bootstrap.redeem_slug_request();
        redeem.get().set_slug(slug.expose());
        redeem.get().set_protocol_version(PROTOCOL_VERSION);
        redeem.get().set_client(CLIENT);
        let redeeming = redeem.send();
        let client = redeeming.pipeline.get_session();
        let response = in_time(redeeming.promise).await?;
        let grant = Slug::grant_of(&slug.hash());
        let redeemed = read_redeemed(response.get()?.get_outcome()?, grant)?;
        Ok(Self::opened(peer, client, redeemed))
    }

    fn opened(peer: Peer, client: share_session::Client, redeemed: Redeemed) -> Self {
        Self {
            client,
            redeemed,
            peer: Rc::new(peer),
        }
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

    /// The writers of the share, by number.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes.
    pub async fn writers(&self) -> Result<Vec<WriterInfo>, ClientError> {
        let response = in_time(self.client.writers_request().send().promise).await?;
        Ok(wire::read_writers_outcome(response.get()?.get_outcome()?)??)
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
