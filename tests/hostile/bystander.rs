//! A client that behaves: it appends op after op through its outbox, and another one follows.

use std::path::Path;
use std::sync::Arc;

use share_client::{
    Flusher, FlusherOptions, FollowEvent, Follower, Heard, NewOp, Outbox, OutboxOptions, Outcome,
    Outcomes, Session, TcpConnector,
};
use share_model::{LogPosition, LoggedOp, Mutation, ShareRef};
use tokio::sync::watch;

/// The one key that it changes. No other mutation shows a second effect as an append does.
const KEY: &str = "bystander";
/// How long it waits before it tries again to be let in.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(20);

/// A client at work.
pub(crate) struct Bystander {
    reference: ShareRef,
    outbox: Outbox,
    outcomes: Outcomes,
    flusher: Flusher,
    ops: usize,
    word_bytes: usize,
}

impl Bystander {
    /// Begins with an empty text, to which words of so many bytes are to be appended.
    pub(crate) async fn start(reference: &ShareRef, folder: &Path, word_bytes: usize) -> Self {
        let outbox = Outbox::open(&folder.join("outbox.sqlite"), OutboxOptions::default());
        let outbox = outbox.expect("an outbox can be made");
        let used = outbox.use_ref(reference.clone()).await;
        used.expect("the outbox keeps the ref");
        let flusher = Flusher::spawn(&outbox, FlusherOptions::default()).expect("a flusher starts");
        let mut bystander = Self {
            reference: reference.clone(),
            outcomes: outbox.outcomes(),
            outbox,
            flusher,
            ops: 0,
            word_bytes,
        };
        let put = Mutation::Put {
            key: KEY.into(),
            json: "\"\"".into(),
        };
        bystander.send(put).await;
        bystander
    }

    /// Appends its next word to the text, and waits until the op is known to be applied.
    pub(crate) async fn append(&mut self) {
        let word = word(self.ops, self.word_bytes);
        let append = Mutation::AppendText {
            key: KEY.into(),
            pointer: String::new().into(),
            text: word.into(),
        };
        self.send(append).await;
    }

    async fn send(&mut self, mutation: Mutation) {
        let enqueued = self
            .outbox
            .enqueue(self.reference.share, NewOp::of(mutation))
            .await;
        let enqueued = enqueued.expect("an op is enqueued");
        match self.outcomes.next().await {
            Some(Heard::Outcome(event)) => {
                assert_eq!(event.op_id, enqueued.id, "{event:?}");
                // A lost answer is asked for again: it was applied once all the same.
                let applied = matches!(event.outcome, Outcome::Applied(_) | Outcome::Duplicate(_));
                assert!(applied, "{event:?}");
            }
            other => panic!("the outbox says {other:?}"),
        }
        self.ops += 1;
    }

    /// How many ops it has appended.
    pub(crate) fn ops(&self) -> usize {
        self.ops
    }

    /// Reads what it wrote, as a document.
    pub(crate) async fn check_document(&self) {
        let mut pace = tokio::time::interval(AGAIN);
        let session = loop {
            pace.tick().await;
            match Session::redeem(&TcpConnector::default(), &self.reference).await {
                Ok(session) => break session,
                // As its outbox and its follower do, within the scene's deadline.
                Err(error) if error.is_transport() => {}
                Err(error) => panic!("the bystander is not let in: {error}"),
            }
        };
        let mut found = None;
        let read = session.document(|key, json| {
            if key == KEY {
                found = Some(json.to_owned());
            }
        });
        read.await.expect("the document is read");
        let words: String = (1..self.ops).map(|at| word(at, self.word_bytes)).collect();
        assert_eq!(found, Some(format!("\"{words}\"")));
    }

    pub(crate) async fn stop(self) {
        self.flusher.stop().await.expect("the flusher ends");
    }
}

/// Follows a share from its first op, until all of the bystander's `ops` have come, and checks that
/// each came once and in order. Ops of others are passed over.
pub(crate) async fn follow(
    reference: ShareRef,
    word_bytes: usize,
    ops: watch::Receiver<Option<usize>>,
) {
    let connector = Arc::new(TcpConnector::default());
    let mut follower = Follower::new(connector, reference, LogPosition::default());
    let mut seen = 0;
    let mut last = 0;
    while ops.borrow().is_none_or(|ops| seen < ops) {
        let mut told = ops.clone();
        let event = tokio::select! {
            event = follower.next() => event.expect("the follower may read"),
            // How many there will be is said once, and maybe they have all come by then.
            _ = told.changed(), if ops.borrow().is_none() => continue,
        };
        match event {
            FollowEvent::Ops(logged) => {
                for op in logged {
                    assert_eq!(op.cursor.get(), last + 1, "a gap or a repeat: {op:?}");
                    last += 1;
                    if let Some(text) = text_of(&op) {
                        let expected = (seen > 0).then(|| word(seen, word_bytes));
                        assert_eq!(text, expected, "op {seen} of the bystander");
                        seen += 1;
                    }
                }
            }
            FollowEvent::Reset { .. } => panic!("the log reaches back to the first op: {event:?}"),
            // A lost connection is made again.
            _ => {}
        }
    }
}

/// What the bystander appended with this op; its first one is a put.
fn text_of(logged: &LoggedOp) -> Option<Option<String>> {
    match &logged.op.mutation {
        Mutation::Put { key, .. } if **key == *KEY => Some(None),
        Mutation::AppendText { key, text, .. } if **key == *KEY => Some(Some(text.to_string())),
        _ => None,
    }
}

/// A number, filled up to so many bytes.
fn word(number: usize, bytes: usize) -> String {
    format!("{number:bytes$} ")
}
