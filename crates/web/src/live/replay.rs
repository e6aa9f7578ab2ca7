//! A share's log as it was, from its start to where it stands: one viewer's own, at the viewer's pace.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use serde::Serialize;
use share_model::{Cursor, Document, LoggedOp, Refusal, UnixMs};
use tokio::sync::{mpsc, watch};
use tracing::error;

use super::event::Change;
use super::held::Held;
use super::seats::Seats;
use super::stage::{StageError, boundless};
use super::tasks::Tasks;
use crate::reader::{End, Following, Replayed};
use crate::view::{View, ViewLimits};

/// A piece is sent when it has so many bytes; the lines of one op are one in any case.
const PIECE_BYTES: usize = 64 << 10;

/// The replays of a face.
#[derive(Debug)]
pub(crate) struct Replays {
    pub(crate) seats: Seats,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) limits: ViewLimits,
}

/// The first line.
#[derive(Serialize)]
struct First<'a> {
    begin: Begin,
    patches: &'a [crate::view::Patch],
}

#[derive(Serialize)]
struct Begin {
    cursor: Cursor,
    at: UnixMs,
    end_cursor: Cursor,
    end_at: UnixMs,
    truncated: bool,
}

/// The last line of one that was cut.
#[derive(Serialize)]
struct Last<'a> {
    end: Why<'a>,
}

#[derive(Serialize)]
struct Why<'a> {
    reason: &'a str,
    words: &'a str,
}

/// Why a replay gets no further.
enum Stop {
    /// Its reader has gone.
    Left,
    /// It may not be read, or not be gone on with.
    Ended(End),
    Failed(StageError),
}

/// What renders the log.
struct Player {
    view: View,
    document: Document,
    end: Cursor,
    ops: Box<dyn Following>,
    pieces: mpsc::Sender<Bytes>,
}

/// The body of a replay: lines of JSON.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    /// The last line, if the replay was cut: nothing that was made before is sent any more.
    cut: watch::Receiver<Option<Bytes>>,
    is_over: bool,
    drain: watch::Receiver<bool>,
    _held: Held,
}

impl Replays {
    /// The body of a replay. Whoever takes nothing of it makes it wait, and never whoever ends its
    /// authority.
    pub(crate) fn body(
        &self,
        replayed: Replayed,
        held: Held,
        drain: watch::Receiver<bool>,
    ) -> Body {
        let (sender, pieces) = mpsc::channel(1);
        let (cutting, cut) = watch::channel(None);
        let limits = self.limits;
        self.tasks.spawn(play(replayed, limits, (sender, cutting)));
        let body = Pieces {
            pieces,
            cut,
            is_over: false,
            drain,
            _held: held,
        };
        Body::from_stream(unfold(body, |mut body| async move {
            let piece = body.next().await?;
            Some((Ok::<_, Infallible>(piece), body))
        }))
    }
}

async fn play(
    replayed: Replayed,
    limits: ViewLimits,
    (pieces, cutting): (mpsc::Sender<Bytes>, watch::Sender<Option<Bytes>>),
) {
    let begin = Begin {
        cursor: replayed.begin.cursor,
        at: replayed.begin.first_at.unwrap_or_default(),
        end_cursor: replayed.end,
        end_at: replayed.end_at.unwrap_or_default(),
        truncated: replayed.is_truncated,
    };
    let mut player = Player {
        view: View::new(&replayed.begin.document, limits),
        document: replayed.begin.document,
        end: replayed.end,
        ops: replayed.ops,
        pieces,
    };
    match player.run(begin).await {
        Ok(()) | Err(Stop::Left | Stop::Ended(End::Lost)) => {}
        Err(Stop::Ended(End::Refused(refusal))) => {
            cutting.send_replace(Some(last(&refusal)));
        }
        Err(Stop::Failed(error)) => {
            let cause = &error as &(dyn std::error::Error + 'static);
            error!(cause, "replay can't go on: this is a bug");
        }
    }
    // Whoever ended the authority is answered from here on.
    drop(player);
}

impl Player {
    async fn run(&mut self, begin: Begin) -> Result<(), Stop> {
        let mut at = begin.cursor;
        let mut text = Vec::new();
        let patches = self.view.whole();
        line(
            &mut text,
            &First {
                begin,
                patches: &patches,
            },
        )?;
        self.send(text).await?;
        while at < self.end {
            let ops = self.ops.next().await.map_err(Stop::Ended)?;
            let mut text = Vec::new();
            let end = self.end;
            for op in ops.iter().take_while(|op| op.cursor <= end) {
                self.show(&mut text, op)?;
                at = op.cursor;
                if text.len() >= PIECE_BYTES {
                    self.send(std::mem::take(&mut text)).await?;
                }
            }
            if !text.is_empty() {
                self.send(text).await?;
            }
            self.ops.served(at);
        }
        Ok(())
    }

    fn show(&mut self, text: &mut Vec<u8>, op: &LoggedOp) -> Result<(), Stop> {
        let mutation = &op.op.mutation;
        let applied = self.document.apply_again(mutation, &boundless());
        applied.map_err(|error| Stop::Failed(error.into()))?;
        let patches = self.view.change(&self.document, mutation.key());
        let change = Change {
            at: op.at,
            cursor: op.cursor,
            patches: &patches,
        };
        line(text, &change)
    }

    /// Sends a piece when its reader takes it.
    async fn send(&mut self, text: Vec<u8>) -> Result<(), Stop> {
        let room = tokio::select! {
            biased;
            end = self.ops.ended() => return Err(Stop::Ended(end)),
            room = self.pieces.reserve() => room,
        };
        room.map_err(|_| Stop::Left)?.send(text.into());
        Ok(())
    }
}

impl Pieces {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let mut cut = self.cut.clone();
        let piece = tokio::select! {
            biased;
            // Both fail when whoever sends has gone.
            _ = cut.wait_for(Option::is_some) => None,
            _ = self.drain.wait_for(|drain| *drain) => return None,
            piece = self.pieces.recv() => piece,
        };
        let last = self.cut.borrow().clone();
        if last.is_some() {
            self.is_over = true;
            return last;
        }
        match piece {
            Some(piece) => Some(piece),
            // The last pieces of one that came to its end.
            None => self.pieces.recv().await,
        }
    }
}

fn line(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Stop> {
    serde_json::to_writer(&mut *text, value).map_err(|error| Stop::Failed(error.into()))?;
    text.push(b'\n');
    Ok(())
}

fn last(refusal: &Refusal) -> Bytes {
    let end = Why {
        reason: refusal.code.name(),
        words: &refusal.message,
    };
    let mut text = Vec::new();
    match line(&mut text, &Last { end }) {
        Ok(()) => text.into(),
        Err(_) => Bytes::new(),
    }
}
