//! The shares of the backend in memory, read as they grow.

use async_trait::async_trait;
use share_model::{
    Cursor, Document, GrantId, HistoryId, LoggedOp, Mutation, Op, OpId, Refusal, Seq, ShareId,
    Slug, UnixMs, WriterId,
};
use share_web::{BackendError, End, Followed, Following, Readable, Replayed, Seen, Standing};
use tokio::sync::watch;

/// What a share says, and how it came to that.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) document: Document,
    pub(crate) history: HistoryId,
    ops: Vec<LoggedOp>,
    /// Why it may not be read any more.
    ended: Option<Refusal>,
}

/// A share whose log is followed.
#[derive(Debug, Clone)]
pub(crate) struct Growing {
    log: watch::Sender<Log>,
    /// How many follow it.
    followers: watch::Sender<usize>,
}

impl Default for Growing {
    fn default() -> Self {
        Self {
            log: watch::Sender::new(Log {
                document: Document::default(),
                history: HistoryId::from_bytes([1; 16]),
                ops: Vec::new(),
                ended: None,
            }),
            followers: watch::Sender::new(0),
        }
    }
}

impl Growing {
    pub(crate) fn document(&self) -> Document {
        self.log.borrow().document.clone()
    }

    /// Applies a mutation that was tried on a copy of the document.
    pub(crate) fn append(&self, mutation: Mutation, document: Document) {
        self.log.send_modify(|log| {
            let cursor = Cursor::new(log.ops.len() as u64 + 1);
            log.document = document;
            log.ops.push(LoggedOp {
                cursor,
                writer: WriterId::new(1),
                seq: Seq::new(cursor.get()),
                at: UnixMs::new(1_000_000 + cursor.get()),
                op: Op {
                    id: OpId::from_bytes([0; 16]),
                    depends_on: Vec::new(),
                    mutation,
                },
                origin: None,
            });
        });
    }

    /// As after a restore from a backup that had all of it.
    pub(crate) fn renew_history(&self) {
        self.log
            .send_modify(|log| log.history = HistoryId::from_bytes([2; 16]));
    }

    /// Ends the authority of all who read it; done when nobody does any more.
    pub(crate) async fn end(&self, refusal: Refusal) {
        self.log.send_modify(|log| log.ended = Some(refusal));
        self.followers(0).await;
    }

    /// Waits until so many follow it.
    pub(crate) async fn followers(&self, count: usize) {
        let mut followers = self.followers.subscribe();
        let so_many = followers.wait_for(|followers| *followers == count);
        let so_many = tokio::time::timeout(std::time::Duration::from_secs(20), so_many);
        so_many.await.expect("so many follow").unwrap();
    }

    /// How many follow it now.
    pub(crate) fn following(&self) -> usize {
        *self.followers.borrow()
    }

    pub(crate) fn ended(&self) -> Option<Refusal> {
        self.log.borrow().ended.clone()
    }

    fn tail(&self, at: u64) -> Box<dyn Following> {
        self.followers.send_modify(|followers| *followers += 1);
        Box::new(Tail {
            share: self.clone(),
            log: self.log.subscribe(),
            at,
        })
    }
}

/// A share as one slug opens it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) share: Growing,
    pub(crate) slug: Slug,
}

impl Open {
    fn check(&self) -> Result<(), BackendError> {
        match self.share.ended() {
            Some(refusal) => Err(BackendError::Gone {
                reason: refusal.message,
            }),
            None => Ok(()),
        }
    }

    fn standing_now(&self) -> Standing {
        let log = self.share.log.borrow();
        Standing {
            document: log.document.clone(),
            history: log.history,
            cursor: Cursor::new(log.ops.len() as u64),
            first_at: log.ops.first().map(|op| op.at),
            last_at: log.ops.last().map(|op| op.at),
        }
    }
}

#[async_trait]
impl Readable for Open {
    fn key(&self) -> (ShareId, GrantId) {
        (ShareId::from_bytes(*self.slug.expose()), self.slug.grant())
    }

    async fn standing(&self) -> Result<Standing, BackendError> {
        self.check()?;
        Ok(self.standing_now())
    }

    async fn follow(&self, seen: Option<Seen>) -> Result<Followed, BackendError> {
        self.check()?;
        let standing = self.standing_now();
        let ops = self.share.tail(standing.cursor.get());
        let log = self.share.log.borrow();
        let changed = seen.and_then(|seen| {
            let from = seen.position.cursor.get();
            let behind = standing.cursor.get().checked_sub(from)?;
            let is_near = behind <= seen.ops_max && seen.position.history == Some(log.history);
            let missed = log.ops.get(usize::try_from(from).ok()?..)?;
            let mut changed: Vec<String> = Vec::new();
            for op in missed {
                let key = op.op.mutation.key();
                changed.retain(|known| known != key);
                changed.push(key.to_owned());
            }
            is_near.then_some(changed)
        });
        Ok(Followed {
            standing,
            changed,
            ops,
        })
    }

    async fn replay(&self) -> Result<Replayed, BackendError> {
        self.check()?;
        let now = self.standing_now();
        Ok(Replayed {
            begin: Standing {
                document: Document::default(),
                cursor: Cursor::ZERO,
                last_at: None,
                ..now.clone()
            },
            is_truncated: false,
            end: now.cursor,
            end_at: now.last_at,
            ops: self.share.tail(0),
        })
    }
}

#[derive(Debug)]
struct Tail {
    share: Growing,
    log: watch::Receiver<Log>,
    at: u64,
}

#[async_trait]
impl Following for Tail {
    async fn next(&mut self) -> Result<Vec<LoggedOp>, End> {
        let at = usize::try_from(self.at).unwrap();
        let log = self
            .log
            .wait_for(|log| log.ended.is_some() || log.ops.len() > at);
        let log = log.await.map_err(|_| End::Lost)?;
        if let Some(refusal) = &log.ended {
            return Err(End::Refused(refusal.clone()));
        }
        let ops = log.ops[at..].to_vec();
        self.at += ops.len() as u64;
        Ok(ops)
    }

    async fn ended(&mut self) -> End {
        match self.log.wait_for(|log| log.ended.is_some()).await {
            Ok(log) => log.ended.clone().map_or(End::Lost, End::Refused),
            Err(_) => End::Lost,
        }
    }

    fn served(&self, _: Cursor) {}
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.share
            .followers
            .send_modify(|followers| *followers -= 1);
    }
}
