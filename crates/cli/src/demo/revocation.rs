//! The last act of a run: a reader's grant is revoked while the reader follows the share, and then
//! tried again in every way that is left to whoever held it.
//!
//! Nothing is appended: what the recording says that the share must be stays true.

use std::time::Duration;

use share_client::{ClientError, Session, Subscription, SubscriptionEvent, TcpConnector};
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{
    Attenuate, Cursor, Cut, GrantId, LogPosition, Origin, OriginKind, Refusal, RefusalCode,
    RefusalDetail, RequestId, Right, Rights, Secret, Served, ShareRef,
};
use tokio::time::{Instant, timeout};

use crate::connect;
use crate::error::{CliError, Kind};

/// How long the reader's tail may take to be live, or to end once its grant is revoked.
const DEADLINE: Duration = Duration::from_secs(20);

/// What arrives on two connections within this time arrives together: which comes first is chance.
const TOGETHER: Duration = Duration::from_micros(100);

/// What came of it.
#[derive(Debug)]
pub(super) struct Revocation {
    /// From the call to its ack.
    took: Duration,
    /// From the tail's end to the ack, as both arrived here.
    ended_before_ack: Result<Duration, Duration>,
    /// The cursor up to which the tail had read.
    cursor: u64,
    /// Everything that is not as it must be, in words.
    pub(super) wrongs: Vec<String>,
}

impl Revocation {
    /// From the call to its ack, in milliseconds, rounded.
    pub(super) fn took_ms(&self) -> u64 {
        let half = Duration::from_micros(500);
        u64::try_from((self.took + half).as_millis()).unwrap_or(u64::MAX)
    }

    /// What happened, for the story.
    pub(super) fn told(&self) -> String {
        let Self { cursor, .. } = self;
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
        let acked = format!("revoked a reader's grant: acked after {}", ms(self.took));
        if !self.wrongs.is_empty() {
            return format!("{acked}, but not all of it has ended");
        }
        let heard = match self.ended_before_ack {
            Ok(apart) | Err(apart) if apart < TOGETHER => "with it".to_owned(),
            Ok(before) => format!("{} before it", ms(before)),
            Err(after) => format!("{} after it", ms(after)),
        };
        format!(
            "{acked}, its live tail was cut at cursor {cursor} before the ack and heard so {heard}; \
             the ref opens nothing any more"
        )
    }
}

/// Grants a reader, lets it follow the share to its end, and revokes the grant; `owner_ref` leads to
/// the server itself.
pub(super) async fn revoke_a_reader(owner_ref: &ShareRef) -> Result<Revocation, CliError> {
    let failed = |error| connect::failed("revoke a reader of", owner_ref.share, error);
    let owner = connect::redeem(owner_ref).await?;
    let reader_ref = grant(&owner, owner_ref).await?;
    let reader = connect::redeem(&reader_ref).await?;
    let subscription = reader.subscribe(LogPosition::default()).await;
    let mut tail = Tail::new(subscription.map_err(failed)?);
    tail.until_live().await?;

    let begun = Instant::now();
    let revoking = async {
        let cut = owner.revoke(reader_ref.grant, &origin()?).await;
        Ok::<_, CliError>((cut.map_err(failed)?, Instant::now()))
    };
    let (revoked, ended) = tokio::join!(revoking, tail.until_ended());
    let (cut, acked) = revoked?;
    let redeemed = Session::redeem(&TcpConnector::default(), &reader_ref).await;
    let mut entries = 0;
    let document = reader.document(|_, _| entries += 1).await;
    let writers = reader.writers().await;
    let seen = Seen {
        grant: reader_ref.grant,
        cursor: owner.redeemed().cursor.get(),
        title: owner.redeemed().title.clone(),
        cut,
        tail_cursor: tail.cursor,
        after_ack: tail.told_after(acked).await,
        ended: ended.as_ref().map(|ended| ended.why.clone()),
        entries,
        tries: vec![
            ("the revoked ref", redeemed.map(drop)),
            ("the document under the revoked grant", document.map(drop)),
            ("the writers under the revoked grant", writers.map(drop)),
        ],
    };
    let ended_at = ended.map_or(acked, |ended| ended.at);
    Ok(Revocation {
        took: acked - begun,
        ended_before_ack: match acked.checked_duration_since(ended_at) {
            Some(before) => Ok(before),
            None => Err(ended_at - acked),
        },
        cursor: tail.cursor,
        wrongs: seen.wrongs(),
    })
}

fn origin() -> Result<Origin, CliError> {
    let of_the_demo = Origin::new(OriginKind::System, "share demo".to_owned(), 1024);
    of_the_demo.map_err(|error| CliError::new(Kind::Bug, "name the demo").caused_by(error))
}

async fn grant(owner: &Session, owner_ref: &ShareRef) -> Result<ShareRef, CliError> {
    let entropy = SystemEntropy::default();
    let secret = Secret::random(&entropy);
    let asked = Attenuate {
        request: RequestId::new(&SystemClock, &entropy),
        secret_hash: secret.hash(),
        rights: Rights::of(&[Right::Read]),
        expires_at: None,
        label: "the demo's reader".to_owned(),
        sealed_for: None,
        origin: origin()?,
    };
    let minted = owner.attenuate(&asked).await;
    let minted =
        minted.map_err(|error| connect::failed("grant a reader of", owner_ref.share, error))?;
    Ok(ShareRef {
        grant: minted.grant,
        epoch: minted.epoch,
        secret,
        ..owner_ref.clone()
    })
}

/// A subscription that is read, and what it told.
struct Tail {
    subscription: Subscription,
    /// The last cursor that was read.
    cursor: u64,
    /// When each thing of the share was told.
    told: Vec<Instant>,
}

/// The end of a tail.
struct TailEnd {
    at: Instant,
    /// `None`: the connection was lost.
    why: Option<Refusal>,
}

impl Tail {
    fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            cursor: 0,
            told: Vec::new(),
        }
    }

    async fn until_live(&mut self) -> Result<(), CliError> {
        let live = async {
            loop {
                match self.subscription.next().await {
                    Some(SubscriptionEvent::Live(position)) => {
                        self.cursor = position.cursor.get();
                        return Ok(());
                    }
                    Some(SubscriptionEvent::Ended(refusal)) => {
                        return Err(connect::refused("follow the share".to_owned(), &refusal));
                    }
                    Some(event) => self.read(&event),
                    None => return Err(CliError::refused("follow the share: connection lost")),
                }
            }
        };
        let late = || CliError::refused("wait for the reader's tail to be live");
        timeout(DEADLINE, live).await.map_err(|_| late())?
    }

    /// Reads until the tail ends; `None` if it does not.
    async fn until_ended(&mut self) -> Option<TailEnd> {
        let ending = async {
            loop {
                let why = match self.subscription.next().await {
                    Some(SubscriptionEvent::Ended(refusal)) => Some(refusal),
                    Some(event) => {
                        self.read(&event);
                        continue;
                    }
                    None => None,
                };
                let at = Instant::now();
                return TailEnd { at, why };
            }
        };
        timeout(DEADLINE, ending).await.ok()
    }

    /// How much of the share was told after `acked`, until now.
    async fn told_after(&mut self, acked: Instant) -> usize {
        loop {
            tokio::select! {
                biased;
                event = self.subscription.next() => match event {
                    Some(event) => self.read(&event),
                    None => break,
                },
                () = std::future::ready(()) => break,
            }
        }
        self.told.iter().filter(|told| **told > acked).count()
    }

    fn read(&mut self, event: &SubscriptionEvent) {
        match event {
            SubscriptionEvent::Reset { at, .. } => self.cursor = at.position.cursor.get(),
            SubscriptionEvent::Ops(ops) => {
                let last = ops.last().map(|op| op.cursor.get());
                self.cursor = last.unwrap_or(self.cursor);
            }
            SubscriptionEvent::Live(position) => self.cursor = position.cursor.get(),
            SubscriptionEvent::Entries { .. } => {}
            // Tells nothing of the share.
            SubscriptionEvent::Ended(_) => return,
        }
        self.told.push(Instant::now());
    }
}

/// What was seen of a revocation, from all sides.
#[derive(Debug, Clone)]
struct Seen {
    grant: GrantId,
    /// The share's.
    cursor: u64,
    title: String,
    /// What the ack said.
    cut: Cut,
    tail_cursor: u64,
    /// What the tail was told of the share after the ack.
    after_ack: usize,
    /// How the tail ended; `None`: it did not.
    ended: Option<Option<Refusal>>,
    /// Keys that were read of the document after the ack.
    entries: u64,
    /// What was tried under the grant after the ack, and came of it.
    tries: Vec<(&'static str, Result<(), ClientError>)>,
}

impl Seen {
    /// Everything that is not as it must be.
    fn wrongs(&self) -> Vec<String> {
        let mut wrongs = Vec::new();
        let served = Served {
            grant: self.grant,
            cursor: Cursor::new(self.cursor),
        };
        let cut = Cut {
            grants: 1,
            sessions: 1,
            appenders: 0,
            viewers: 1,
            served: vec![served],
        };
        if self.cut != cut {
            let told = &self.cut;
            wrongs.push(format!(
                "the ack of a revocation says {told:?}, not {cut:?}"
            ));
        }
        if self.tail_cursor != self.cursor {
            let (tail, share) = (self.tail_cursor, self.cursor);
            wrongs.push(format!("the tail read up to cursor {tail} of {share}"));
        }
        if self.after_ack > 0 {
            let more = self.after_ack;
            wrongs.push(format!(
                "the tail was told of the share {more} times after its grant's end was acked"
            ));
        }
        match &self.ended {
            None => wrongs.push("the tail goes on under a revoked grant".to_owned()),
            Some(None) => wrongs.push("the tail lost its connection and does not know why".into()),
            Some(Some(refusal)) => wrongs.extend(self.told_too_much("the tail's end", refusal)),
        }
        if self.entries > 0 {
            let entries = self.entries;
            wrongs.push(format!("{entries} keys were read under a revoked grant"));
        }
        for (what, came) in &self.tries {
            match came {
                Ok(()) => wrongs.push(format!("{what} still opens the share")),
                Err(ClientError::Refused(refusal)) => {
                    wrongs.extend(self.told_too_much(what, refusal));
                }
                Err(error) => wrongs.push(format!("{what}: not refused, but {error}")),
            }
        }
        wrongs
    }

    /// A refusal says that the grant was revoked, and nothing of the share.
    fn told_too_much(&self, what: &str, refusal: &Refusal) -> Option<String> {
        let Refusal {
            code,
            message,
            detail,
            ..
        } = refusal;
        if *code != RefusalCode::Revoked {
            return Some(format!(
                "{what}: refused as `{}`, not `revoked`",
                code.name()
            ));
        }
        let tells = message.contains(&self.title) || message.contains("cursor");
        if tells || *detail != RefusalDetail::None {
            return Some(format!(
                "{what}: the refusal tells of the share: {refusal:?}"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests;
