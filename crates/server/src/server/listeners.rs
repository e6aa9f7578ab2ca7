//! Several places to listen at, as one.

use std::io;

use async_trait::async_trait;
use futures_util::future::select_all;
use share_model::address::unix_path;

use super::error::ServerError;
use super::listener::{Incoming, Listener, Listening, TcpListener};
use super::unix_listener::UnixListener;

/// Listens at several places.
pub struct Listeners(Vec<Box<dyn Listener>>);

impl Listeners {
    /// Listens at each of `addresses`: `HOST:PORT`, where port 0 takes a free one, or `unix:/PATH`.
    ///
    /// # Errors
    ///
    /// If one is in use or can't be listened on; then at none. None at all is none to listen on.
    pub async fn bind(addresses: &[String]) -> Result<Self, ServerError> {
        if addresses.is_empty() {
            return Err(ServerError::Listen {
                address: "no address".to_owned(),
                source: io::ErrorKind::InvalidInput.into(),
            });
        }
        let mut listeners: Vec<Box<dyn Listener>> = Vec::new();
        for address in addresses {
            listeners.push(match unix_path(address) {
                Some(path) => Box::new(UnixListener::bind(path)?),
                None => Box::new(TcpListener::bind(address).await?),
            });
        }
        Ok(Self(listeners))
    }
}

#[async_trait]
impl Listener for Listeners {
    async fn accept(&mut self) -> io::Result<Incoming> {
        // Who is asked first changes, so that a busy one does not hide the others.
        self.0.rotate_left(1);
        let accepting = self.0.iter_mut().map(|listener| listener.accept());
        let (incoming, _, _) = select_all(accepting).await;
        incoming
    }

    fn listening(&self) -> Vec<Listening> {
        self.0.iter().flat_map(|it| it.listening()).collect()
    }
}
