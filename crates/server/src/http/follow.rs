//! Reading a share as it grows: the same log, authority and ends as a subscription over RPC.

use async_trait::async_trait;
use share_model::{Cursor, Document, GrantId, HistoryId, LogPosition, LoggedOp, ShareId, UnixMs};
use share_web::{
    Asker, BackendError, End, Followed, Following, Opened, Readable, Reader, Replayed, Seen,
    Standing,
};
use tokio::sync::watch;
use tracing::info;

use super::answers::{answered, failed, refused};
use super::backend::HttpBackend;
use super::missed::missed;
use crate::fault::Fault;
use crate::feed::{FromRing, Step, Tail, TailLimits};
use crate::owner::{DocumentAt, Outcome, Progress, Registration, Start, SubscribeCall, Subscribed};
use crate::rpc::{Door, Reading};

/// A share that was opened to be read.
#[derive(Debug)]
struct OpenShare {
    door: Door,
    reading: Reading,
}

/// A place in a share's log, that is told when its authority ends.
#[derive(Debug)]
struct LogFollowing {
    tail: Tail,
    end: Ending,
    progress: Progress,
    /// Keeps the share loaded.
    _reading: Reading,
}

/// When nothing more may be read.
#[derive(Debug)]
struct Ending {
    registration: Registration,
    drain: watch::Receiver<bool>,
}

impl HttpBackend {
    /// Opens a share by its public address or by a grant.
    pub(super) async fn open_share(
        &self,
        asker: &Asker,
        reader: &Reader,
    ) -> Result<Opened, BackendError> {
        let proven = match reader {
            Reader::Public(slug) => {
                let by = (slug.grant(), slug.hash());
                self.redeem(asker, slug.grant(), by).await
            }
            Reader::Granted(by) => {
                let proof = (by.grant, by.secret);
                self.redeem_known(asker, by.share, proof).await
            }
        };
        let proven = answered(proven)?;
        proven.opened.redeemed.map_err(refused)?;
        let share = OpenShare {
            door: self.door().clone(),
            reading: proven.reading,
        };
        Ok(Opened::Here(std::sync::Arc::new(share)))
    }
}

#[async_trait]
impl Readable for OpenShare {
    fn key(&self) -> (ShareId, GrantId) {
        (self.reading.handle.share(), self.reading.authority.grant())
    }

    async fn standing(&self) -> Result<Standing, BackendError> {
        let read = answered(self.document().await)?;
        self.standing_at(read).await
    }

    async fn follow(&self, seen: Option<Seen>) -> Result<Followed, BackendError> {
        let read = answered(self.document().await)?;
        let position = read.at.position;
        // The document has the ops up to here; what follows it is read from here on.
        let (subscribed, tail) = self.subscribe(position, self.door.tail_limits()).await?;
        let changed = match seen {
            Some(seen) => missed(&self.door, &self.reading, (seen, position)).await,
            None => Ok(None),
        };
        let changed = changed.map_err(|fault| failed(&fault))?;
        Ok(Followed {
            standing: self.standing_at(read).await?,
            changed,
            ops: self.following(subscribed, tail),
        })
    }

    async fn replay(&self) -> Result<Replayed, BackendError> {
        let beginning = LogPosition::default();
        // Its reader takes as long as it takes; only what was there at the beginning is read.
        let limits = TailLimits {
            lag_ops_max: u64::MAX,
            ..self.door.tail_limits()
        };
        let (subscribed, tail) = self.subscribe(beginning, limits).await?;
        let end = subscribed.position.cursor;
        let end_at = self.time_of(end).await?;
        let is_truncated = subscribed.start == Start::Document;
        let (begin, tail) = match is_truncated {
            false => (self.empty().await?, tail),
            // The log does not reach back: what it leads to is all that there is.
            true => {
                let begin = self.standing().await?;
                let tail = self.tail(begin.cursor, limits);
                (begin, tail)
            }
        };
        Ok(Replayed {
            begin,
            is_truncated,
            end,
            end_at,
            ops: self.following(subscribed, tail),
        })
    }
}

impl OpenShare {
    async fn document(&self) -> Outcome<DocumentAt> {
        self.door.within(self.reading.document()).await
    }

    /// Follows the log from `from`, until the authority ends.
    async fn subscribe(
        &self,
        from: LogPosition,
        limits: TailLimits,
    ) -> Result<(Subscribed, Tail), BackendError> {
        let authority = self.reading.authority.clone();
        let call = SubscribeCall { authority, from };
        let subscribing = self.reading.call(call, 0).outcome();
        let subscribed = answered(self.door.within(subscribing).await)?;
        let at = match subscribed.start {
            Start::Tail(cursor) => cursor,
            Start::Document => subscribed.position.cursor,
        };
        Ok((subscribed, self.tail(at, limits)))
    }

    fn tail(&self, at: Cursor, limits: TailLimits) -> Tail {
        let (feed, store) = (self.reading.handle.feed(), self.door.hub.store());
        Tail::new(feed.clone(), store.clone(), at, limits)
    }

    fn following(&self, subscribed: Subscribed, tail: Tail) -> Box<dyn Following> {
        Box::new(LogFollowing {
            tail,
            progress: subscribed.registration.progress(),
            end: Ending {
                registration: subscribed.registration,
                drain: self.door.drain.clone(),
            },
            _reading: self.reading.clone(),
        })
    }

    fn history(&self) -> HistoryId {
        self.door.hub.history()
    }

    async fn standing_at(&self, read: DocumentAt) -> Result<Standing, BackendError> {
        let cursor = read.at.position.cursor;
        let begin = self.empty().await?;
        let last_at = self.time_of(cursor).await?;
        Ok(Standing {
            document: read.document,
            cursor,
            last_at,
            ..begin
        })
    }

    /// The share before its first op.
    async fn empty(&self) -> Result<Standing, BackendError> {
        Ok(Standing {
            document: Document::default(),
            history: self.history(),
            cursor: Cursor::ZERO,
            first_at: self.time_of(Cursor::new(1)).await?,
            last_at: None,
        })
    }

    /// When the op that led to the cursor was committed; `None`: the log has none.
    async fn time_of(&self, cursor: Cursor) -> Result<Option<UnixMs>, BackendError> {
        let feed = self.reading.handle.feed();
        let Some(before) = cursor.get().checked_sub(1).map(Cursor::new) else {
            return Ok(None);
        };
        if cursor > feed.head() {
            return Ok(None);
        }
        let one = TailLimits {
            chunk_ops_max: 1,
            chunk_bytes_max: 0,
            lag_ops_max: 0,
        };
        let op = match feed.after(before, one) {
            FromRing::Ops(ops) => ops.first().map(|op| (op.cursor, op.at)),
            FromRing::AtHead => None,
            FromRing::Older => {
                let store = self.door.hub.store();
                let read = store.follow(feed.share(), before, 1, 0).await;
                let read = read.map_err(|error| failed(&Fault::from(error)))?;
                read.first().map(|op| (op.cursor, op.at))
            }
        };
        let at = op.filter(|(found, _)| *found == cursor);
        Ok(at.map(|(_, at)| at))
    }
}

impl Ending {
    /// Waits until nothing more may be read. Cancel safe.
    async fn came(&mut self) -> End {
        tokio::select! {
            biased;
            ended = self.registration.ended() => match ended {
                Ok(refusal) => End::Refused(refusal),
                Err(_) => End::Lost,
            },
            // Fails if the server is gone.
            _ = self.drain.wait_for(|drain| *drain) => End::Lost,
        }
    }
}

#[async_trait]
impl Following for LogFollowing {
    async fn next(&mut self) -> Result<Vec<LoggedOp>, End> {
        loop {
            let step = tokio::select! {
                biased;
                end = self.end.came() => return Err(end),
                step = self.tail.step() => step,
            };
            match step {
                Ok(Step::Ops(ops)) => return Ok(ops.iter().map(|op| (**op).clone()).collect()),
                Ok(Step::CaughtUp) => tokio::select! {
                    biased;
                    end = self.end.came() => return Err(end),
                    () = self.tail.more() => {}
                },
                Ok(Step::Lagged) => return Err(End::Lost),
                Err(fault) => {
                    info!(%fault, "a share can't be followed");
                    return Err(End::Lost);
                }
            }
        }
    }

    async fn ended(&mut self) -> End {
        self.end.came().await
    }

    fn served(&self, cursor: Cursor) {
        self.progress.served(cursor);
    }
}
