//! One HTTP connection to a server, on which one call follows another.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use share_model::{Security, ShareId, address};
use share_proto::wire::{PostedAnswer, PostedCall, posted_answer_of, posted_call_bytes};
use tokio::task::JoinHandle;

use super::status::error_of;
use crate::connection::connector::Connector;
use crate::connection::error::ClientError;
use crate::connection::peer::{CLIENT, connect_to_one, in_time};
use crate::connection::route::by_http;

/// The type of calls and answers.
const CONTENT_TYPE: &str = "application/vnd.share.ops";
/// Bytes of an answer that are read: far more than the outcomes of one call have.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Bytes that are read of what somebody says who refuses a call.
const SAID_BYTES_MAX: usize = 4 << 10;

/// A connection; it is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Poster {
    sender: SendRequest<Full<Bytes>>,
    address: String,
    host: String,
    task: JoinHandle<()>,
}

impl Poster {
    /// Connects to the first of `addresses` at which HTTP is spoken and that answers as `security` asks
    /// for. Needs a [`tokio::task::LocalSet`].
    pub(super) async fn connect(
        connector: &dyn Connector,
        addresses: &[String],
        security: Security,
    ) -> Result<Self, ClientError> {
        let (stream, address) = connect_to_one(connector, by_http(addresses), security).await?;
        let io = TokioIo::new(stream);
        let (sender, connection) = http1::handshake(io).await.map_err(lost)?;
        let task = tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        let host = host_header(&address);
        Ok(Self {
            sender,
            address,
            host,
            task,
        })
    }

    /// Makes a call whose batches have so many `entries` each. The answer comes, or it is late.
    pub(super) async fn post(
        &mut self,
        share: ShareId,
        call: &PostedCall,
        entries: &[usize],
    ) -> Result<PostedAnswer, ClientError> {
        let body = Bytes::from(posted_call_bytes(call));
        let answer = in_time::<_, ClientError>(self.send(share, body)).await?;
        Ok(posted_answer_of(&answer, entries)?)
    }

    async fn send(&mut self, share: ShareId, body: Bytes) -> Result<Bytes, ClientError> {
        let request = Request::post(format!("/api/share/{share}/ops"))
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header(header::USER_AGENT, CLIENT)
            .body(Full::new(body));
        let request = request.map_err(|error| ClientError::Failed {
            reason: format!("the address is no host of a request: {error}"),
        })?;
        self.sender.ready().await.map_err(lost)?;
        let response = self.sender.send_request(request).await.map_err(lost)?;
        if response.status() == StatusCode::OK {
            return answer(response).await;
        }
        let (head, body) = response.into_parts();
        // What it says is for people: half of it, or none, will do.
        let said = Limited::new(body, SAID_BYTES_MAX).collect().await;
        let said = said.map_or(Bytes::new(), http_body_util::Collected::to_bytes);
        Err(error_of(&self.address, (head.status, &head.headers), &said))
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind.as_bytes() != CONTENT_TYPE.as_bytes()) {
        return Err(ClientError::Failed {
            reason: format!("somebody else answers: it is not of the type {CONTENT_TYPE}"),
        });
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    match body.collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ClientError::Failed {
            reason: format!("its answer has more than {ANSWER_BYTES_MAX} bytes"),
        }),
        Err(error) => Err(ClientError::Disconnected {
            reason: error.to_string(),
        }),
    }
}

/// What stands in `Host`, as a browser writes it.
fn host_header(address: &str) -> String {
    let host = address::http(address).unwrap_or(address);
    let default = match address::is_https(address) {
        true => ":443",
        false => ":80",
    };
    host.strip_suffix(default).unwrap_or(host).to_owned()
}

fn lost(error: hyper::Error) -> ClientError {
    let reason = error.to_string();
    match error.is_parse() {
        true => ClientError::Failed {
            reason: format!("what answers does not speak HTTP: {reason}"),
        },
        false => ClientError::Disconnected { reason },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::connection::{ConnectError, Stream};

    /// Answers the first request with this.
    #[derive(Debug)]
    struct Answering(Vec<u8>);

    #[async_trait::async_trait]
    impl Connector for Answering {
        async fn connect(&self, _: &str, _: Security) -> Result<Box<dyn Stream>, ConnectError> {
            let (near, mut far) = tokio::io::duplex(64 << 10);
            let answer = self.0.clone();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                assert!(far.read(&mut request).await.unwrap() > 0);
                // Who has read enough may have gone.
                drop(far.write_all(&answer).await);
            });
            Ok(Box::new(near))
        }
    }

    async fn answered(answer: Vec<u8>) -> Result<Bytes, ClientError> {
        let asking = async {
            let addresses = ["http:a:1".to_owned()];
            let connector = Answering(answer);
            let poster = Poster::connect(&connector, &addresses, Security::ByAddress).await;
            let share = ShareId::from_bytes([1; 16]);
            poster
                .unwrap()
                .send(share, Bytes::from_static(b"call"))
                .await
        };
        tokio::task::LocalSet::new().run_until(asking).await
    }

    fn with_body(kind: &str, bytes: usize) -> Vec<u8> {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\n\r\n");
        let mut answer = head.into_bytes();
        answer.resize(answer.len() + bytes, b'a');
        answer
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_bound_and_not_one_byte_more() {
        let most = answered(with_body(CONTENT_TYPE, ANSWER_BYTES_MAX)).await;
        assert_eq!(most.unwrap().len(), ANSWER_BYTES_MAX);
        let error = answered(with_body(CONTENT_TYPE, ANSWER_BYTES_MAX + 1)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, ClientError::Failed { .. }), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_answer_of_a_share_server_is_none() {
        let error = answered(with_body("text/html", 5)).await.unwrap_err();
        assert!(
            error.to_string().contains("somebody else answers"),
            "{error}"
        );
        let error = answered(b"share/1 spoken here\r\n".to_vec())
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Failed { .. }), "{error}");
        let error = answered(Vec::new()).await.unwrap_err();
        assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
    }

    #[test]
    fn the_host_of_a_request_is_as_a_browser_writes_it() {
        assert_eq!(host_header("https:example.org:443"), "example.org");
        assert_eq!(host_header("http:example.org:443"), "example.org:443");
        assert_eq!(host_header("http:[::1]:80"), "[::1]");
        assert_eq!(host_header("http:127.0.0.1:7421"), "127.0.0.1:7421");
    }
}
