//! A factory that is asked over Cap'n Proto, on pipes in memory, and loses what it is told to lose.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, new_client, twoparty};
use futures_util::io::AsyncReadExt;
use share_client::{Connector, Stream};
use share_model::{Refusal, RequestId, SecretHash, ShareId};
use share_proto::share_capnp::{bootstrap, share_factory};
use share_proto::wire;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::folder::{answer, served};

/// What becomes of a call.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    Answered,
    /// The connection ends before the call takes effect.
    LostRequest,
    /// The connection ends after it took effect.
    LostReply,
    Refused(Refusal),
}

/// Connects to a factory; refuses while nobody listens.
#[derive(Debug, Clone)]
pub(crate) struct Pipes(Arc<Mutex<Option<mpsc::UnboundedSender<DuplexStream>>>>);

#[async_trait]
impl Connector for Pipes {
    async fn connect(
        &self,
        _: &str,
        _: share_model::Security,
    ) -> Result<Box<dyn Stream>, share_client::ConnectError> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let listening = self.0.lock().unwrap().clone().ok_or_else(refused)?;
        listening.send(theirs).map_err(|_| refused())?;
        Ok(Box::new(ours))
    }
}

#[derive(Default)]
struct State {
    fates: RefCell<Vec<Fate>>,
    created: RefCell<HashMap<RequestId, (SecretHash, ShareId)>>,
}

impl State {
    fn next_fate(&self) -> Fate {
        let mut fates = self.fates.borrow_mut();
        if fates.is_empty() {
            return Fate::Answered;
        }
        fates.remove(0)
    }
}

/// The factory, and what it has created.
#[derive(Clone, Default)]
pub(crate) struct Factory(Rc<State>);

impl Factory {
    /// Starts to listen; needs a [`tokio::task::LocalSet`].
    pub(crate) fn listen(&self) -> Pipes {
        let (accept, mut accepted) = mpsc::unbounded_channel();
        let factory = self.clone();
        tokio::task::spawn_local(async move {
            while let Some(stream) = accepted.recv().await {
                factory.serve(stream);
            }
        });
        Pipes(Arc::new(Mutex::new(Some(accept))))
    }

    /// What becomes of the next calls; those after are answered.
    pub(crate) fn fates(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.0.fates.borrow_mut() = fates.into_iter().collect();
    }

    /// The shares that there are.
    pub(crate) fn shares(&self) -> Vec<ShareId> {
        let created = self.0.created.borrow();
        created.values().map(|(_, share)| *share).collect()
    }

    fn serve(&self, stream: DuplexStream) {
        let (reader, writer) = stream.compat().split();
        let network = twoparty::VatNetwork::new(reader, writer, Side::Server, Default::default());
        let (cut, cutting) = oneshot::channel::<()>();
        let door = Door {
            state: Rc::clone(&self.0),
            cut: Rc::new(RefCell::new(Some(cut))),
        };
        let bootstrap: bootstrap::Client = new_client(door);
        let system = RpcSystem::new(Box::new(network), Some(bootstrap.client));
        tokio::task::spawn_local(async move {
            tokio::select! {
                _ = system => {}
                Ok(()) = cutting => {}
            }
        });
    }
}

#[derive(Clone)]
struct Door {
    state: Rc<State>,
    cut: Rc<RefCell<Option<oneshot::Sender<()>>>>,
}

impl bootstrap::Server for Door {
    async fn redeem_factory(
        self: Rc<Self>,
        _: bootstrap::RedeemFactoryParams,
        mut results: bootstrap::RedeemFactoryResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_factory(new_client((*self).clone()));
        wire::write_factory_outcome(&Ok(served()), results.get().init_outcome());
        Ok(())
    }
}

impl share_factory::Server for Door {
    async fn create_share(
        self: Rc<Self>,
        params: share_factory::CreateShareParams,
        mut results: share_factory::CreateShareResults,
    ) -> Result<(), capnp::Error> {
        let request = wire::read_create_share(params.get()?.get_request()?).unwrap();
        let fate = self.state.next_fate();
        if let Fate::Refused(refusal) = fate {
            wire::write_create_outcome(&Err(refusal), results.get().init_outcome());
            return Ok(());
        }
        let (created, _) = answer(request.request);
        if !matches!(fate, Fate::LostRequest) {
            let hash = request.owner_secret_hash;
            let mut all = self.state.created.borrow_mut();
            let known = all.entry(request.request).or_insert((hash, created.share));
            assert_eq!(known.0, hash, "the request was used with another secret");
        }
        if !matches!(fate, Fate::Answered) {
            if let Some(cut) = self.cut.borrow_mut().take() {
                cut.send(()).unwrap();
            }
            std::future::pending::<()>().await;
        }
        wire::write_create_outcome(&Ok(created), results.get().init_outcome());
        Ok(())
    }
}
