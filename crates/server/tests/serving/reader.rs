//! A reader: a sink that keeps what it is told, and checks that nothing is missing or doubled.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use capnp::Error;
use share_model::{Limits, LogPosition, Mutation, Refusal};
use share_proto::share_capnp::sink;
use share_proto::wire;
use tokio::sync::watch;

use super::world::soon;

/// What a reader has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The cursor of the last op or document.
    pub(crate) cursor: u64,
    /// Key to JSON, as the puts and resets made it.
    pub(crate) document: BTreeMap<String, String>,
    /// Cursors of the documents, and whether the reader had lagged.
    pub(crate) resets: Vec<(u64, bool)>,
    /// Ops that came one by one.
    pub(crate) ops: u64,
    /// Where it was when it was told that it had caught up.
    pub(crate) live: Vec<u64>,
    pub(crate) ended: Option<Refusal>,
    /// The document of a reset is not complete.
    is_resetting: bool,
}

/// A reader that began at a cursor.
pub(crate) struct Reader {
    seen: Rc<watch::Sender<Seen>>,
    /// While true, the reader does not answer.
    slow: Rc<watch::Sender<bool>>,
}

struct Recorder {
    seen: Rc<watch::Sender<Seen>>,
    slow: Rc<watch::Sender<bool>>,
    /// The first breach of the sink's contract.
    breach: RefCell<Option<String>>,
}

impl Reader {
    /// A reader that has seen everything up to `cursor`.
    pub(crate) fn at(cursor: u64) -> (Self, sink::Client) {
        let seen = Seen {
            cursor,
            ..Seen::default()
        };
        let seen = Rc::new(watch::Sender::new(seen));
        let slow = Rc::new(watch::Sender::new(false));
        let recorder = Recorder {
            seen: Rc::clone(&seen),
            slow: Rc::clone(&slow),
            breach: RefCell::default(),
        };
        (Self { seen, slow }, capnp_rpc::new_client(recorder))
    }

    /// Stops answering, or goes on.
    pub(crate) fn be_slow(&self, slow: bool) {
        self.slow.send_replace(slow);
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until what was seen is as `wanted`.
    #[track_caller]
    pub(crate) fn until(
        &self,
        what: &str,
        wanted: impl Fn(&Seen) -> bool,
    ) -> impl Future<Output = Seen> {
        let mut seen = self.seen.subscribe();
        let wait = async move { seen.wait_for(|seen| wanted(seen)).await.unwrap().clone() };
        soon(what, wait)
    }
}

impl Recorder {
    async fn answer(
        &self,
        change: impl FnOnce(&mut Seen) -> Result<(), String>,
    ) -> Result<(), Error> {
        let mut slow = self.slow.subscribe();
        slow.wait_for(|slow| !*slow).await.unwrap();
        let mut result = Ok(());
        self.seen.send_modify(|seen| {
            result = match &seen.ended {
                Some(refusal) => Err(format!("called after the end: {refusal}")),
                None => change(seen),
            };
        });
        if let Err(breach) = &result {
            self.breach.replace(Some(breach.clone()));
        }
        result.map_err(Error::failed)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(breach) = self.breach.take()
            && !std::thread::panicking()
        {
            panic!("the server broke the sink's contract: {breach}");
        }
    }
}

impl sink::Server for Recorder {
    async fn reset(self: Rc<Self>, params: sink::ResetParams) -> Result<(), Error> {
        let params = params.get()?;
        let at = wire::read_snapshot_at(params.get_at()?).unwrap();
        let lagged = params.get_lagged();
        self.answer(|seen| {
            seen.cursor = at.position.cursor.get();
            seen.document.clear();
            seen.resets.push((seen.cursor, lagged));
            seen.is_resetting = true;
            Ok(())
        })
        .await
    }

    async fn entries(self: Rc<Self>, params: sink::EntriesParams) -> Result<(), Error> {
        let params = params.get()?;
        let entries = wire::read_document_entries(params.get_entries()?).unwrap();
        let done = params.get_done();
        self.answer(|seen| {
            if !seen.is_resetting {
                return Err("entries without a reset".to_owned());
            }
            let entries = entries.into_iter().map(|entry| (entry.key, entry.json));
            seen.document.extend(entries);
            seen.is_resetting = !done;
            Ok(())
        })
        .await
    }

    async fn ops(self: Rc<Self>, params: sink::OpsParams) -> Result<(), Error> {
        let ops = wire::read_logged_ops(params.get()?.get_ops()?, &Limits::DEFAULT).unwrap();
        self.answer(|seen| {
            if seen.is_resetting || ops.is_empty() {
                return Err("ops in the middle of a document, or none".to_owned());
            }
            for op in ops {
                let (found, expected) = (op.cursor.get(), seen.cursor + 1);
                if found != expected {
                    return Err(format!("op {found} where {expected} follows"));
                }
                seen.cursor = found;
                seen.ops += 1;
                match op.op.mutation {
                    Mutation::Put { key, json } => {
                        seen.document.insert(key.to_string(), json.to_string())
                    }
                    other => return Err(format!("{other:?} in a test of puts")),
                };
            }
            Ok(())
        })
        .await
    }

    async fn live(
        self: Rc<Self>,
        params: sink::LiveParams,
        _: sink::LiveResults,
    ) -> Result<(), Error> {
        let position = wire::read_log_position(params.get()?.get_position()?).unwrap();
        self.answer(|seen| {
            let cursor = position.cursor.get();
            seen.live.push(cursor);
            if seen.live.len() > 1 || cursor != seen.cursor {
                return Err(format!("live at {cursor}, seen up to {}", seen.cursor));
            }
            Ok(())
        })
        .await
    }

    async fn ended(
        self: Rc<Self>,
        params: sink::EndedParams,
        _: sink::EndedResults,
    ) -> Result<(), Error> {
        let refusal = wire::read_refusal(params.get()?.get_refusal()?).unwrap();
        self.answer(|seen| {
            seen.ended = Some(refusal);
            Ok(())
        })
        .await
    }
}

/// From the beginning, whatever the history.
pub(crate) fn beginning() -> LogPosition {
    LogPosition::default()
}
