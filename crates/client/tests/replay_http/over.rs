//! The server is reached by HTTP, over a pipe for each connection.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use share_client::{
    ClientError, ConnectError, Connector, HttpLink, LaneRequest, Link, LinkedLane, Stream,
};
use share_model::{Security, ShareRef};
use tokio::io::DuplexStream;

use crate::face::serve;
use crate::server::{Server, ToServer};

/// Batches go without waiting for answers to earlier ones.
pub(crate) const IS_PIPELINED: bool = false;
/// Bytes that a pipe holds in each direction.
const PIPE_BYTES: usize = 4096;

pub(crate) fn link(server: &Rc<RefCell<Server>>) -> Rc<dyn Link> {
    Rc::new(ByHttp(Rc::clone(server)))
}

struct ByHttp(Rc<RefCell<Server>>);

#[async_trait(?Send)]
impl Link for ByHttp {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        let to_server = ToServer(Rc::clone(&self.0));
        to_server.connect()?;
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        tokio::task::spawn_local(serve(far, to_server));
        let reference = ShareRef {
            addresses: vec!["http:server:80".to_owned()],
            ..request.reference
        };
        let request = LaneRequest {
            reference,
            ..request
        };
        let pipe = Arc::new(Pipe(Mutex::new(Some(near))));
        HttpLink::new(pipe).open(request).await
    }
}

/// One connection that is there already.
#[derive(Debug)]
pub(crate) struct Pipe(pub(crate) Mutex<Option<DuplexStream>>);

#[async_trait]
impl Connector for Pipe {
    async fn connect(&self, _: &str, _: Security) -> Result<Box<dyn Stream>, ConnectError> {
        let near = self.0.lock().unwrap().take();
        Ok(Box::new(near.expect("one connection is made")))
    }
}
