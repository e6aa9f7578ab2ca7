//! Random values of what passes between an administrator and a server.

use share_model::*;
use share_proto::wire::RevokeRequest;

use crate::values::Values;

/// An answer with entries of which each was told by a server of this version.
type Entries<Event> = Result<Vec<AuditEntry<Event>>, Refusal>;

/// The same answer with the events as this version knows them.
pub(crate) fn known(answer: Entries<ToldEvent>) -> Entries<AuditEvent> {
    answer.map(|entries| {
        let entries = entries.into_iter().map(|entry| AuditEntry {
            event: match entry.event {
                ToldEvent::Known(event) => event,
                // Bytes that were flipped; which event it is says nothing to who only reads.
                ToldEvent::Unknown(_) => AuditEvent::Created,
            },
            number: entry.number,
            at: entry.at,
            last_at: entry.last_at,
            count: entry.count,
            grant: entry.grant,
            by: entry.by,
            origin: entry.origin,
            client: entry.client,
            refusal: entry.refusal,
            cursor: entry.cursor,
        });
        entries.collect()
    })
}

pub(crate) fn attenuate(values: &Values) -> Attenuate {
    let rights = values.rights();
    Attenuate {
        request: RequestId::from_bytes(values.bytes()),
        secret_hash: SecretHash::from_bytes(values.bytes()),
        rights: if rights == Rights::NONE {
            Rights::ALL
        } else {
            rights
        },
        expires_at: values.optional(Values::time),
        label: values.text(),
        sealed_for: values.optional(owner),
        origin: values.origin(),
    }
}

pub(crate) fn publish(values: &Values) -> Publish {
    Publish {
        slug_hash: SecretHash::from_bytes(values.bytes()),
        expires_at: values.optional(Values::time),
        label: values.text(),
        origin: values.origin(),
    }
}

pub(crate) fn revoke(values: &Values) -> RevokeRequest {
    RevokeRequest {
        grant: values.grant(),
        origin: values.origin(),
    }
}

pub(crate) fn minted(values: &Values) -> Minted {
    Minted {
        grant: values.grant(),
        epoch: Epoch::new(values.positive()),
        expires_at: values.optional(Values::time),
    }
}

pub(crate) fn cut(values: &Values) -> Cut {
    Cut {
        grants: values.small(),
        sessions: values.small(),
        appenders: values.small(),
        viewers: values.small(),
        served: values.many(5, |values| Served {
            grant: values.grant(),
            cursor: Cursor::new(values.number()),
        }),
    }
}

pub(crate) fn grant_info(values: &Values) -> GrantInfo {
    GrantInfo {
        id: values.grant(),
        rights: values.rights(),
        epoch: Epoch::new(values.positive()),
        created_at: UnixMs::new(values.number()),
        expires_at: values.optional(Values::time),
        label: values.text(),
        parent: values.optional(Values::grant),
        origin: values.origin(),
        sealed_for: values.optional(owner),
        published: values.flag(),
        revoked_at: values.optional(Values::time),
        sessions: values.small(),
        viewers: values.small(),
        usage: usage(values),
    }
}

pub(crate) fn audit_entry(values: &Values) -> AuditEntry {
    AuditEntry {
        number: values.positive(),
        at: UnixMs::new(values.number()),
        last_at: UnixMs::new(values.number()),
        count: values.positive(),
        event: AuditEvent::ALL[values.usize_below(AuditEvent::ALL.len())],
        grant: values.optional(Values::grant),
        by: values.optional(Values::grant),
        origin: values.optional(Values::origin),
        client: values.text(),
        refusal: values
            .optional(|values| RefusalCode::ALL[values.usize_below(RefusalCode::ALL.len())]),
        cursor: Cursor::new(values.number()),
    }
}

pub(crate) fn factory_attenuate(values: &Values) -> FactoryAttenuate {
    FactoryAttenuate {
        request: RequestId::from_bytes(values.bytes()),
        secret_hash: SecretHash::from_bytes(values.bytes()),
        quotas: quotas(values),
        label: values.text(),
        origin: values.origin(),
    }
}

pub(crate) fn factory_grant_info(values: &Values) -> FactoryGrantInfo {
    FactoryGrantInfo {
        id: values.grant(),
        root: values.flag(),
        quotas: quotas(values),
        shares: values.number(),
        bytes: values.number(),
        label: values.text(),
        created_at: values.optional(Values::time),
    }
}

fn owner(values: &Values) -> OwnerId {
    OwnerId::from_bytes(values.bytes())
}

fn usage(values: &Values) -> Usage {
    Usage {
        redeems: values.number(),
        first_redeemed_at: values.optional(Values::time),
        last_redeemed_at: values.optional(Values::time),
        first_appended_at: values.optional(Values::time),
        last_read_at: values.optional(Values::time),
        last_read_cursor: Cursor::new(values.number()),
        refusals: values.number(),
        last_refused_at: values.optional(Values::time),
    }
}

fn quotas(values: &Values) -> Quotas {
    Quotas {
        shares_max: values.number(),
        bytes_max: values.number(),
        appends_per_second: values.small(),
    }
}
