//! A small HTTP face of the scripted server: what a connection is there, is a pipe here, whose calls
//! claim again and again.

use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use share_client::{ClientError, LaneAppender, LaneRequest, LinkedLane};
use share_model::{Claimed, Limits, OutboxId, Redeemed, Refusal};
use share_proto::wire::{
    Posted, PostedAnswer, PostedAppend, PostedAppended, posted_answer_bytes, posted_call_of,
};
use tokio::io::DuplexStream;
use tokio::sync::{Mutex, Notify};

use crate::server::ToServer;

/// Serves one connection, until either side ends it.
pub(crate) async fn serve(pipe: DuplexStream, to_server: ToServer) {
    let face = Rc::new(Face {
        to_server,
        lane: Mutex::new(None),
        cut: Notify::new(),
    });
    let serving = http1::Builder::new().serve_connection(
        TokioIo::new(pipe),
        service_fn(|request| answer(Rc::clone(&face), request)),
    );
    tokio::select! {
        // How it ended, the client is to find out.
        _ = serving => {}
        () = face.cut.notified() => {}
    }
}

struct Face {
    to_server: ToServer,
    /// Of the first call on. Held by one call.
    lane: Mutex<Option<Lane>>,
    cut: Notify,
}

struct Lane {
    outbox: OutboxId,
    appender: Box<dyn LaneAppender>,
    redeemed: Result<Redeemed, Refusal>,
    claimed: Result<Claimed, Refusal>,
}

async fn answer(
    face: Rc<Face>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.method(), "POST");
    let path = request.uri().path();
    assert!(
        path.starts_with("/api/share/") && path.ends_with("/ops"),
        "{path}"
    );
    assert_eq!(request.headers()[header::HOST], "server");
    assert_eq!(
        request.headers()[header::CONTENT_TYPE],
        "application/vnd.share.ops"
    );
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let call = posted_call_of(&body, &Limits::DEFAULT).unwrap();
    let Posted::Append(append) = call.asked else {
        panic!("{:?}", call.asked);
    };
    let status = match face.append(append).await {
        Ok(appended) => {
            let body = posted_answer_bytes(&PostedAnswer::Append(appended));
            let response = Response::builder()
                .header(header::CONTENT_TYPE, "application/vnd.share.ops")
                .body(Full::new(body.into()));
            return Ok(response.unwrap());
        }
        Err(ClientError::Disconnected { .. }) => {
            face.cut.notify_one();
            return std::future::pending().await;
        }
        Err(ClientError::Overloaded { .. }) => StatusCode::SERVICE_UNAVAILABLE,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}

impl Face {
    async fn append(&self, posted: PostedAppend) -> Result<PostedAppended, ClientError> {
        let PostedAppend {
            proven,
            claim,
            batches,
        } = posted;
        let mut lane = self.lane.lock().await;
        let claim = claim.unwrap();
        let outbox = claim.outbox_key.outbox_id();
        let batches = batches.into_iter().map(Result::unwrap);
        let mut answers = Vec::new();
        if lane.is_none() {
            let LinkedLane {
                redeemed,
                claimed,
                appender,
            } = self.to_server.lane(LaneRequest {
                reference: proven.reference,
                key: claim.outbox_key,
                incarnation: claim.incarnation,
                nonce: claim.nonce,
                history: claim.history,
            });
            // Pipelined.
            answers.extend(batches.map(|(batch, envelope)| appender.append(&batch, envelope)));
            *lane = Some(Lane {
                outbox,
                appender,
                redeemed: refused(redeemed.await)?,
                claimed: refused(claimed.await)?,
            });
        } else if let Some(lane) = &mut *lane {
            self.claim_again(lane);
            answers.extend(batches.map(|(batch, envelope)| lane.appender.append(&batch, envelope)));
        }
        let lane = lane.as_ref().unwrap();
        let mut appends = Vec::new();
        for answer in answers {
            match refused(answer.await) {
                Ok(append) => appends.push(append),
                // The client sends the rest again; if there is no outcome at all, later.
                Err(ClientError::Overloaded { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(PostedAppended {
            redeem: lane.redeemed.clone(),
            claim: lane.claimed.clone(),
            appends,
        })
    }

    /// A repeated claim tells where the lane stands now.
    fn claim_again(&self, lane: &mut Lane) {
        let now = self.to_server.0.borrow();
        if let (Ok(claimed), Some(stands)) = (&mut lane.claimed, now.lanes.get(&lane.outbox)) {
            claimed.highest = stands.highest;
            claimed.floor = stands.floor;
            claimed.chain = stands.chain.unwrap_or(claimed.chain);
            claimed.history = now.history;
        }
    }
}

/// A refusal is an outcome.
fn refused<T>(answer: Result<T, ClientError>) -> Result<Result<T, Refusal>, ClientError> {
    match answer {
        Ok(done) => Ok(Ok(done)),
        Err(ClientError::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error),
    }
}
