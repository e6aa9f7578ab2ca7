//! What passes between a client and a server besides batches: the answers to redeem, claim and
//! read, as values.

use crate::authority::Cut;
use crate::fingerprint::Chain;
use crate::grant::{Origin, Rights};
use crate::ids::{
    Cursor, Epoch, GrantId, HistoryId, Incarnation, RequestId, Seq, ShareId, UnixMs, WriterId,
};
use crate::limits::Limits;
use crate::op::Op;
use crate::secret::{SecretHash, sha256};
use crate::security::Security;

/// A place in a share's log; a cursor means something only within its history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogPosition {
    /// The history; `None`: from the beginning, whatever the history, and then the cursor is zero.
    pub history: Option<HistoryId>,
    /// Ops up to here.
    pub cursor: Cursor,
}

/// The answer to a ref that opens its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// The share.
    pub share: ShareId,
    /// Durable ops so far.
    pub cursor: Cursor,
    /// The capability's epoch.
    pub epoch: Epoch,
    /// The server's history.
    pub history: HistoryId,
    /// What the grant allows.
    pub rights: Rights,
    /// The share's bounds.
    pub limits: Limits,
    /// A title for people.
    pub title: String,
    /// When the share was created.
    pub created_at: UnixMs,
    /// Who created it.
    pub origin: Origin,
    /// The server's program and version, for people.
    pub server: String,
    /// The version that the server speaks on this session.
    pub protocol_version: u32,
    /// The grant that was redeemed.
    pub grant: GrantId,
    /// When it runs out, by the server's clock; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// The grant's label; may be empty.
    pub label: String,
    /// It is the owner's grant: it hangs below no other.
    pub owner: bool,
    /// The share refuses appends.
    pub frozen: bool,
}

/// The answer to a factory ref that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactoryRedeemed {
    /// `HOST:PORT` or `unix:/PATH` under which refs are handed out; at least one.
    pub addresses: Vec<String>,
    /// How refs say that the connection is protected.
    pub security: Security,
    /// The server's history.
    pub history: HistoryId,
    /// The server's program and version, for people.
    pub server: String,
    /// Under which URL people reach its HTTP face, with no slash at its end; `None`: there is none.
    pub http_url: Option<String>,
}

/// A request for a new share. Repeatable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateShare {
    /// Stored by the caller before the call.
    pub request: RequestId,
    /// Of the owner's secret, which the caller made and stored before the call.
    pub owner_secret_hash: SecretHash,
    /// For people; may be empty.
    pub title: String,
    /// Who asks.
    pub origin: Origin,
}

impl CreateShare {
    /// The ids of the share that this request makes at a factory's grant, and of its owner's grant:
    /// the halves of SHA-256 over the grant and the request, shaped as UUIDs of version 8. So a
    /// client can make the owner's ref before the server has answered, and repeating the request
    /// finds the share again however long it was. Persisted by what they name: keep stable.
    pub fn ids(&self, factory: GrantId) -> (ShareId, GrantId) {
        let hash = sha256(&[&factory.to_bytes(), &self.request.to_bytes()]);
        let half = |from: usize| std::array::from_fn(|at| hash[from + at]);
        (ShareId::shaped(half(0)), GrantId::shaped(half(16)))
    }
}

/// A share that was created, now or by the same request before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedShare {
    /// The share.
    pub share: ShareId,
    /// The owner's grant.
    pub grant: GrantId,
    /// That grant's epoch.
    pub epoch: Epoch,
}

/// The answer to a claim that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// The client's incarnation from now on.
    pub incarnation: Incarnation,
    /// The server's history.
    pub history: HistoryId,
    /// The writer's number, if it has appended.
    pub writer: Option<WriterId>,
    /// Settled through.
    pub floor: Seq,
    /// The highest seq that the server has seen.
    pub highest: Seq,
    /// The chain at `highest`.
    pub chain: Chain,
}

/// A document at one cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotAt {
    /// The document is the one after this op.
    pub position: LogPosition,
    /// The share's epoch.
    pub epoch: Epoch,
    /// How many keys the document has.
    pub keys: u64,
    /// What it counts against its limit.
    pub bytes: u64,
}

/// A request to bump the epoch. Repeatable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BumpEpoch {
    /// Stored by the caller before the call.
    pub request: RequestId,
    /// Of the new owner's secret, which the caller made and stored before the call.
    pub owner_secret_hash: SecretHash,
    /// Who asks.
    pub origin: Origin,
}

/// What stands before share, request and epoch in the hash from which a new owner's grant has its id.
/// Persisted by what it names: keep stable.
const BUMP_DOMAIN: &[u8] = b"share-bump-1";

impl BumpEpoch {
    /// The new owner's grant, if the request bumps a share to `epoch`: so that who holds the secret has
    /// the new ref without the answer.
    pub fn owner_grant(&self, share: ShareId, epoch: Epoch) -> GrantId {
        let parts = [
            &share.to_bytes()[..],
            &self.request.to_bytes()[..],
            &epoch.get().to_le_bytes()[..],
        ];
        GrantId::derived(BUMP_DOMAIN, &parts)
    }
}

/// An epoch that was bumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bumped {
    /// The new epoch.
    pub epoch: Epoch,
    /// The new owner's grant.
    pub grant: GrantId,
    /// What ended with the old epoch, at this call.
    pub cut: Cut,
}

/// What readers see of a writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterInfo {
    /// Its number in the share.
    pub number: WriterId,
    /// Of the grant under which its lane was opened.
    pub origin: Origin,
    /// Its highest seq.
    pub highest: Seq,
    /// Whether it is retired.
    pub retired: bool,
}

/// An applied op as readers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedOp {
    /// The share's cursor after it.
    pub cursor: Cursor,
    /// The writer that appended it.
    pub writer: WriterId,
    /// Its seq in that writer's lane.
    pub seq: Seq,
    /// The server's time of its commit.
    pub at: UnixMs,
    /// The op.
    pub op: Op,
    /// Whose op it is, as its entry said; `None`: the writer's own origin.
    pub origin: Option<Origin>,
}

impl LoggedOp {
    /// Bytes of the mutation and of the origin's id.
    pub fn bytes(&self) -> u64 {
        self.op.bytes_from(self.origin.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::OriginKind;

    #[test]
    fn the_ids_of_a_new_share_follow_from_the_factorys_grant_and_the_request() {
        let request = |id: u8| CreateShare {
            request: RequestId::from_bytes([id; 16]),
            owner_secret_hash: SecretHash::from_bytes([0; 32]),
            title: String::new(),
            origin: Origin::new(OriginKind::User, "ann".into(), 1024).unwrap(),
        };
        let grant = GrantId::from_bytes([1; 16]);
        let (share, owner) = request(2).ids(grant);
        // SHA-256 of sixteen 0x01 and sixteen 0x02, by sha256sum; version and variant set.
        assert_eq!(share.to_string(), "f03f702d6016819c96ff011ea60a8f81");
        assert_eq!(owner.to_string(), "081446624f4c82249e099030e36c1f7c");
        assert_ne!(request(3).ids(grant).0, share);
    }

    #[test]
    fn the_grant_of_a_new_owner_follows_from_share_request_and_epoch() {
        let bump = |request: u8| BumpEpoch {
            request: RequestId::from_bytes([request; 16]),
            owner_secret_hash: SecretHash::from_bytes([0; 32]),
            origin: Origin::new(OriginKind::User, "ann".into(), 1024).unwrap(),
        };
        let share = ShareId::from_bytes([1; 16]);
        let grant = bump(2).owner_grant(share, Epoch::new(3));
        // By sha256sum: of the domain, sixteen 0x01, sixteen 0x02 and 3 as eight bytes.
        assert_eq!(grant.to_string(), "e48d91bb296a8626892dae6c6cfc43f8");
        assert_ne!(bump(2).owner_grant(share, Epoch::new(4)), grant);
        assert_ne!(bump(3).owner_grant(share, Epoch::new(3)), grant);
    }
}
