//! Every kind of message with its conversion both ways, so that one test runs over all of them.

use capnp::message::{Builder, ReaderOptions};
use capnp::serialize;
use share_model::*;

use share_proto::authority_capnp::*;
use share_proto::http_capnp::call;
use share_proto::ids_capnp::*;
use share_proto::op_capnp::*;
use share_proto::refusal_capnp::refusal;
use share_proto::share_capnp::*;
use share_proto::wire::*;

use crate::values::Values;
use crate::{authority, posted};

/// One kind of message.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Writes a random value, reads it back and compares.
    pub(crate) round_trip: fn(&Values, &str),
    /// The message of a random value.
    pub(crate) message: fn(&Values) -> Vec<u8>,
    /// Reads a message; what is wrong with it, if anything.
    pub(crate) read: fn(&[u8]) -> Result<(), String>,
}

/// Entries of the batches that the acks answer.
const ENTRIES: usize = 12;

/// The parts of a ref, which has no equality of its own because it holds a secret.
#[derive(Debug, PartialEq)]
struct Parts {
    addresses: Vec<String>,
    share: Option<ShareId>,
    grant: GrantId,
    epoch: Option<Epoch>,
    security: Security,
    secret: [u8; 32],
}

fn share_ref(values: &Values) -> ShareRef {
    ShareRef {
        addresses: values.addresses(),
        share: ShareId::from_bytes(values.bytes()),
        grant: GrantId::from_bytes(values.bytes()),
        epoch: Epoch::new(values.positive()),
        security: values.security(),
        secret: Secret::from_bytes(values.bytes()),
    }
}

fn factory_ref(values: &Values) -> FactoryRef {
    FactoryRef {
        addresses: values.addresses(),
        grant: GrantId::from_bytes(values.bytes()),
        security: values.security(),
        secret: Secret::from_bytes(values.bytes()),
    }
}

impl From<&ShareRef> for Parts {
    fn from(share_ref: &ShareRef) -> Self {
        Self {
            addresses: share_ref.addresses.clone(),
            share: Some(share_ref.share),
            grant: share_ref.grant,
            epoch: Some(share_ref.epoch),
            security: share_ref.security,
            secret: *share_ref.secret.expose(),
        }
    }
}

impl From<&FactoryRef> for Parts {
    fn from(factory_ref: &FactoryRef) -> Self {
        Self {
            addresses: factory_ref.addresses.clone(),
            share: None,
            grant: factory_ref.grant,
            epoch: None,
            security: factory_ref.security,
            secret: *factory_ref.secret.expose(),
        }
    }
}

fn claim_parts(claim: &ClaimRequest) -> ([u8; 32], Incarnation, Nonce, Option<HistoryId>) {
    let key = *claim.outbox_key.expose();
    (key, claim.incarnation, claim.nonce, claim.history)
}

/// An answer, of which one in four is a refusal.
pub(crate) fn answer<T>(values: &Values, make: impl Fn(&Values) -> T) -> Result<T, Refusal> {
    if values.below(4) == 0 {
        return Err(values.refusal());
    }
    Ok(make(values))
}

pub(crate) fn redeemed(values: &Values) -> Redeemed {
    Redeemed {
        share: ShareId::from_bytes(values.bytes()),
        cursor: Cursor::new(values.number()),
        epoch: Epoch::new(values.positive()),
        history: values.history(),
        rights: values.rights(),
        limits: values.limits(),
        title: values.text(),
        created_at: UnixMs::new(values.number()),
        origin: values.origin(),
        server: values.text(),
        protocol_version: values.small().max(1),
        grant: GrantId::from_bytes(values.bytes()),
        expires_at: values.optional(Values::time),
        label: values.text(),
        owner: values.flag(),
        frozen: values.flag(),
    }
}

pub(crate) fn factory_redeemed(values: &Values) -> FactoryRedeemed {
    FactoryRedeemed {
        addresses: values.addresses(),
        security: values.security(),
        history: values.history(),
        server: values.text(),
        http_url: Some(values.text()).filter(|url| !url.is_empty()),
    }
}

pub(crate) fn claimed(values: &Values) -> Claimed {
    Claimed {
        incarnation: Incarnation::new(values.positive()),
        history: values.history(),
        writer: values.optional(|values| WriterId::new(values.small().max(1))),
        floor: Seq::new(values.number()),
        highest: Seq::new(values.number()),
        chain: Chain::from_bytes(values.bytes()),
    }
}

pub(crate) fn created(values: &Values) -> CreatedShare {
    CreatedShare {
        share: ShareId::from_bytes(values.bytes()),
        grant: GrantId::from_bytes(values.bytes()),
        epoch: Epoch::new(values.positive()),
    }
}

fn snapshot_at(values: &Values) -> SnapshotAt {
    SnapshotAt {
        position: values.position(),
        epoch: Epoch::new(values.positive()),
        keys: values.number(),
        bytes: values.number(),
    }
}

fn bumped(values: &Values) -> Bumped {
    Bumped {
        epoch: Epoch::new(values.positive()),
        grant: GrantId::from_bytes(values.bytes()),
        cut: authority::cut(values),
    }
}

fn backup_made(values: &Values) -> BackupMade {
    BackupMade {
        bytes: values.positive(),
        sha256: values.bytes(),
        shares: values.number(),
        history: values.history(),
        at: UnixMs::new(values.number()),
    }
}

fn writer(values: &Values) -> WriterInfo {
    WriterInfo {
        number: WriterId::new(values.small().max(1)),
        origin: values.origin(),
        highest: Seq::new(values.number()),
        retired: values.flag(),
    }
}

pub(crate) fn create_share(values: &Values) -> CreateShare {
    CreateShare {
        request: RequestId::from_bytes(values.bytes()),
        owner_secret_hash: SecretHash::from_bytes(values.bytes()),
        title: values.text(),
        origin: values.origin(),
    }
}

fn bump_epoch(values: &Values) -> BumpEpoch {
    BumpEpoch {
        request: RequestId::from_bytes(values.bytes()),
        owner_secret_hash: SecretHash::from_bytes(values.bytes()),
        origin: values.origin(),
    }
}

pub(crate) fn claim(values: &Values) -> ClaimRequest {
    ClaimRequest {
        outbox_key: OutboxKey::from_bytes(values.bytes()),
        incarnation: Incarnation::new(values.number()),
        nonce: Nonce::from_bytes(values.bytes()),
        history: values.optional(Values::history),
    }
}

macro_rules! kinds {
    ($($name:literal: $owned:ty, $make:expr, $write:expr, $read:expr, $parts:expr;)*) => {
        pub(crate) const ALL: &[Kind] = &[$(Kind {
            name: $name,
            round_trip: |values, context| {
                let made = $make(values);
                let bytes = in_message!($owned, $write, &made);
                let back = from_message!($owned, $read, &bytes).unwrap();
                assert_eq!($parts(&back), $parts(&made), "{} {context}", $name);
            },
            message: |values| in_message!($owned, $write, &$make(values)),
            read: |bytes| from_message!($owned, $read, bytes).map(drop),
        }),*];
    };
}

macro_rules! in_message {
    ($owned:ty, $write:expr, $value:expr) => {{
        let mut message = Builder::new_default();
        $write(
            $value,
            message.init_root::<<$owned as capnp::traits::Owned>::Builder<'_>>(),
        );
        serialize::write_message_to_words(&message)
    }};
}

macro_rules! from_message {
    ($owned:ty, $read:expr, $bytes:expr) => {{
        let mut bytes: &[u8] = $bytes;
        match serialize::read_message_from_flat_slice(&mut bytes, ReaderOptions::new()) {
            Err(error) => Err(error.to_string()),
            Ok(message) => {
                match message.get_root::<<$owned as capnp::traits::Owned>::Reader<'_>>() {
                    Err(error) => Err(error.to_string()),
                    Ok(reader) => $read(reader).map_err(|error: WireError| error.to_string()),
                }
            }
        }
    }};
}

/// Values that have an equality of their own.
fn whole<T>(value: &T) -> &T {
    value
}

const LIMITS: &Limits = &Limits::DEFAULT;

kinds! {
    "batch": batch::Owned, Values::batch, write_batch, |reader| read_batch(reader, LIMITS), whole;
    "entry": entry::Owned, Values::entry, write_entry, |reader| read_entry(reader, LIMITS), whole;
    "op": op::Owned, Values::op, write_op, |reader| read_op(reader, LIMITS), whole;
    "envelope": envelope::Owned, |values: &Values| Envelope {
            capability_epoch: Epoch::new(values.number()),
            settled_through: Seq::new(values.number()),
        }, write_envelope, |reader| Ok(read_envelope(reader)), whole;
    "ack": ack::Owned, |values: &Values| values.ack(ENTRIES), write_ack,
        |reader| read_ack(reader, ENTRIES), whole;
    "refusal": refusal::Owned, Values::refusal, write_refusal, read_refusal, whole;
    "rights": rights::Owned, Values::rights, |rights: &Rights, builder| write_rights(*rights, builder),
        |reader| Ok(read_rights(reader)), whole;
    "origin": origin::Owned, Values::origin, write_origin, read_origin, whole;
    "limits": limits::Owned, Values::limits, write_limits, read_limits, whole;
    "share ref": share_ref::Owned, share_ref, write_share_ref, read_share_ref,
        |made: &ShareRef| Parts::from(made);
    "factory ref": factory_ref::Owned, factory_ref, write_factory_ref, read_factory_ref,
        |made: &FactoryRef| Parts::from(made);
    "claim": share_session::claim_writer_params::Owned, claim, write_claim_request,
        read_claim_request, claim_parts;
    "create share": create_share::Owned, create_share, write_create_share, read_create_share, whole;
    "bump epoch": bump_epoch::Owned, bump_epoch, write_bump_epoch, read_bump_epoch, whole;
    "position": log_position::Owned, Values::position, write_log_position, read_log_position, whole;
    "logged op": logged_op::Owned, Values::logged_op, write_logged_op,
        |reader| read_logged_op(reader, LIMITS), whole;
    "document entry": document_entry::Owned, |values: &Values| DocumentEntry {
            key: values.some_text(),
            json: values.some_text(),
        }, |entry: &DocumentEntry, builder| write_document_entry(&entry.key, &entry.json, builder),
        read_document_entry, whole;
    "redeem outcome": redeem_outcome::Owned, |values| answer(values, redeemed),
        write_redeem_outcome, read_redeem_outcome, whole;
    "factory outcome": factory_outcome::Owned, |values| answer(values, factory_redeemed),
        write_factory_outcome, read_factory_outcome, whole;
    "create outcome": create_outcome::Owned, |values| answer(values, created),
        write_create_outcome, read_create_outcome, whole;
    "claim outcome": claim_outcome::Owned, |values| answer(values, claimed),
        write_claim_outcome, read_claim_outcome, whole;
    "append outcome": append_outcome::Owned,
        |values| answer(values, |values| values.ack(ENTRIES)), write_append_outcome,
        |reader| read_append_outcome(reader, ENTRIES), whole;
    "snapshot outcome": snapshot_outcome::Owned, |values| answer(values, snapshot_at),
        write_snapshot_outcome, read_snapshot_outcome, whole;
    "subscribe outcome": subscribe_outcome::Owned, |values| answer(values, Values::position),
        write_subscribe_outcome, read_subscribe_outcome, whole;
    "bump outcome": bump_outcome::Owned, |values| answer(values, bumped),
        write_bump_outcome, read_bump_outcome, whole;
    "backup outcome": backup_outcome::Owned, |values| answer(values, backup_made),
        write_backup_outcome, read_backup_outcome, whole;
    "writers outcome": writers_outcome::Owned,
        |values| answer(values, |values| values.many(5, writer)), write_writers_outcome,
        read_writers_outcome, whole;
    "attenuate": attenuate::Owned, authority::attenuate, write_attenuate, read_attenuate, whole;
    "publish": publish::Owned, authority::publish, write_publish, read_publish, whole;
    "revoke": share_session::revoke_capability_params::Owned, authority::revoke,
        write_revoke_request, read_revoke_request, whole;
    "grants request": share_session::grants_params::Owned,
        |values: &Values| values.optional(Values::grant),
        |after: &Option<GrantId>, builder| write_grants_request(*after, builder),
        read_grants_request, whole;
    "factory attenuate": factory_attenuate::Owned, authority::factory_attenuate,
        write_factory_attenuate, read_factory_attenuate, whole;
    "factory revoke": share_factory::revoke_params::Owned, Values::grant,
        |grant: &GrantId, builder| write_factory_revoke(*grant, builder), read_factory_revoke,
        whole;
    "mint outcome": mint_outcome::Owned, |values| answer(values, authority::minted),
        write_mint_outcome, read_mint_outcome, whole;
    "end outcome": end_outcome::Owned, |values| answer(values, authority::cut),
        write_end_outcome, read_end_outcome, whole;
    "freeze outcome": freeze_outcome::Owned, |values| answer(values, Values::flag),
        write_freeze_outcome, read_freeze_outcome, whole;
    "grants outcome": grants_outcome::Owned,
        |values| answer(values, |values| values.many(4, authority::grant_info)),
        write_grants_outcome, read_grants_outcome, whole;
    "audit outcome": audit_outcome::Owned,
        |values| answer(values, |values| values.many(4, authority::audit_entry)),
        write_audit_outcome, |reader| read_audit_outcome(reader).map(authority::known), whole;
    "factory mint outcome": factory_mint_outcome::Owned, |values| answer(values, Values::grant),
        write_factory_mint_outcome, read_factory_mint_outcome, whole;
    "factory grants outcome": factory_grants_outcome::Owned,
        |values| answer(values, |values| values.many(4, authority::factory_grant_info)),
        write_factory_grants_outcome, read_factory_grants_outcome, whole;
    "factory revoke outcome": factory_revoke_outcome::Owned, |values| answer(values, Values::flag),
        write_factory_revoke_outcome, read_factory_revoke_outcome, whole;
    "posted call": call::Owned, posted::call, write_posted_call,
        |reader| read_posted_call(reader, LIMITS), posted_call_bytes;
    "posted answer": share_proto::http_capnp::answer::Owned, posted::posted_answer,
        write_posted_answer, |reader| read_posted_answer(reader, posted::OF_BATCHES), whole;
    // Reading them can't fail, whatever they hold.
    "share ref to redeem": share_ref::Owned, share_ref, write_share_ref,
        |reader| Ok(read_share_ref_to_redeem(reader)), |made: &ShareRef| made.grant;
    "factory ref to redeem": factory_ref::Owned, factory_ref, write_factory_ref,
        |reader| Ok(read_factory_ref_to_redeem(reader)), |made: &FactoryRef| made.grant;
}
