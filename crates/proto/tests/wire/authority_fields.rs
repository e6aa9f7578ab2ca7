//! Where the fields of grants and audits stand in the message, seen with the generated readers alone.

use capnp::message::Builder;
use share_model::*;

use share_proto::authority_capnp::{
    attenuate, audit_entry, cut, factory_attenuate, factory_grant_info, grant_info, minted,
    publish, usage,
};
use share_proto::wire;

fn origin(id: &str) -> Origin {
    Origin::new(OriginKind::Agent, id.to_owned(), 1024).unwrap()
}

/// Fills a message of the kind and gives its reader to the rest.
macro_rules! sent {
    ($message:ident, $write:expr, $value:expr, $module:ident) => {{
        $write($value, $message.init_root());
        $message
            .get_root_as_reader::<$module::Reader<'_>>()
            .unwrap()
    }};
}

#[test]
fn requests_for_grants_stand_in_the_fields_of_the_schema() {
    let request = Attenuate {
        request: RequestId::from_bytes([1; 16]),
        secret_hash: SecretHash::from_bytes([2; 32]),
        rights: Rights::of(&[Right::Append]),
        expires_at: Some(UnixMs::new(3)),
        label: "label".to_owned(),
        sealed_for: Some(OwnerId::from_bytes([4; 32])),
        origin: origin("who"),
    };
    let mut message = Builder::new_default();
    let reader = sent!(message, wire::write_attenuate, &request, attenuate);
    assert_eq!(reader.get_request().unwrap(), [1; 16]);
    assert_eq!(reader.get_secret_hash().unwrap(), [2; 32]);
    let rights = reader.get_rights().unwrap();
    let flags = (rights.get_read(), rights.get_append(), rights.get_admin());
    assert_eq!(flags, (false, true, false));
    assert_eq!(reader.get_expires_at(), 3);
    assert_eq!(reader.get_label().unwrap(), "label");
    assert_eq!(reader.get_sealed_for().unwrap(), [4; 32]);
    assert_eq!(reader.get_origin().unwrap().get_id().unwrap(), "who");

    let request = Publish {
        slug_hash: SecretHash::from_bytes([1; 32]),
        expires_at: None,
        label: "label".to_owned(),
        origin: origin("who"),
    };
    let mut message = Builder::new_default();
    let reader = sent!(message, wire::write_publish, &request, publish);
    assert_eq!(reader.get_slug_hash().unwrap(), [1; 32]);
    assert_eq!(reader.get_expires_at(), 0);
    assert_eq!(reader.get_label().unwrap(), "label");
    assert_eq!(reader.get_origin().unwrap().get_id().unwrap(), "who");
}

#[test]
fn what_was_minted_and_what_was_cut_stand_in_the_fields_of_the_schema() {
    let answer = Minted {
        grant: GrantId::from_bytes([1; 16]),
        epoch: Epoch::new(2),
        expires_at: Some(UnixMs::new(3)),
    };
    let mut message = Builder::new_default();
    let reader = sent!(message, wire::write_minted, &answer, minted);
    assert_eq!(reader.get_grant().unwrap(), [1; 16]);
    assert_eq!((reader.get_epoch(), reader.get_expires_at()), (2, 3));

    let answer = Cut {
        grants: 1,
        sessions: 2,
        appenders: 3,
        viewers: 4,
        served: vec![Served {
            grant: GrantId::from_bytes([5; 16]),
            cursor: Cursor::new(6),
        }],
    };
    let mut message = Builder::new_default();
    let reader = sent!(message, wire::write_cut, &answer, cut);
    assert_eq!((reader.get_grants(), reader.get_sessions()), (1, 2));
    assert_eq!((reader.get_appenders(), reader.get_viewers()), (3, 4));
    let served = reader.get_served().unwrap().get(0);
    assert_eq!(served.get_grant().unwrap(), [5; 16]);
    assert_eq!(served.get_cursor(), 6);
}

const USAGE: Usage = Usage {
    redeems: 1,
    first_redeemed_at: Some(UnixMs::new(2)),
    last_redeemed_at: Some(UnixMs::new(3)),
    first_appended_at: Some(UnixMs::new(4)),
    last_read_at: Some(UnixMs::new(5)),
    last_read_cursor: Cursor::new(6),
    refusals: 7,
    last_refused_at: Some(UnixMs::new(8)),
};

#[test]
fn a_grant_and_its_use_stand_in_the_fields_of_the_schema() {
    let info = GrantInfo {
        id: GrantId::from_bytes([1; 16]),
        rights: Rights::of(&[Right::Read]),
        epoch: Epoch::new(2),
        created_at: UnixMs::new(3),
        expires_at: Some(UnixMs::new(4)),
        label: "label".to_owned(),
        parent: Some(GrantId::from_bytes([5; 16])),
        origin: origin("who"),
        sealed_for: Some(OwnerId::from_bytes([6; 32])),
        published: true,
        revoked_at: Some(UnixMs::new(7)),
        sessions: 8,
        viewers: 9,
        usage: USAGE,
    };
    let mut message = Builder::new_default();
    let reader = sent!(message, wire::write_grant_info, &info, grant_info);
    assert_eq!(reader.get_id().unwrap(), [1; 16]);
    assert!(reader.get_rights().unwrap().get_read());
    assert_eq!((reader.get_epoch(), reader.get_created_at()), (2, 3));
    assert_eq!((reader.get_expires_at(), reader.get_revoked_at()), (4, 7));
    assert_eq!(reader.get_label().unwrap(), "label");
    assert_eq!(reader.get_parent().unwrap(), [5; 16]);
    assert_eq!(reader.get_origin().unwrap().get_id().unwrap(), "who");
    assert_eq!(reader.get_sealed_for().unwrap(), [6; 32]);
    assert!(reader.get_published());
    assert_eq!((reader.get_sessions(), reader.get_viewers()), (8, 9));

    let mut message = Builder::new_default();
    let reader = sent!(message, wire::write_usage, &USAGE, usage);
    let numbers = [
        reader.get_redeems(),
        reader.get_first_redeemed_at(),
        reader.get_last_redeemed_at(),
        reader.get_first_appended_at(),
        reader.get_last_read_at(),
        reader.get_last_read_cursor(),
        reader.get_refusals(),
        reader.get_last_refused_at(),
    ];
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn an_entry_of_the_audit_stands_in_the_fields_of_the_schema() {
    let entry = AuditEntry {
        number: 1,
        at: UnixMs::new(2),
        last_at: UnixMs::new(3),
        count: 4,
        event: AuditEvent::Refused,
        grant: Some(GrantId::from_bytes([5; 16])),
        by: Some(GrantId::from_bytes([6; 16])),
        origin: Some(origin("who")),
        client: "client".to_owned(),
        refusal: Some(RefusalCode::Frozen),
        cursor: Cursor::new(7),
    };
    let mut message = Builder::new_default();
    let reader = sent!(message, wire::write_audit_entry, &entry, audit_entry);
    assert_eq!((reader.get_number(), reader.get_count()), (1, 4));
    assert_eq!((reader.get_at(), reader.get_last_at()), (2, 3));
    assert_eq!(reader.get_grant().unwrap(), [5; 16]);
    assert_eq!(reader.get_by().unwrap(), [6; 16]);
    assert_eq!(reader.get_origin().unwrap().get_id().unwrap(), "who");
    assert_eq!(reader.get_client().unwrap(), "client");
    let refusal = reader.get_refusal().unwrap();
    assert!(refusal == share_proto::refusal_capnp::refusal::Code::Frozen);
    assert_eq!(reader.get_cursor(), 7);
}

#[test]
fn every_event_stands_under_the_name_that_the_schema_gives_it() {
    for event in AuditEvent::ALL {
        let entry = AuditEntry {
            number: 1,
            at: UnixMs::new(1),
            last_at: UnixMs::new(1),
            count: 1,
            event: *event,
            grant: None,
            by: None,
            origin: None,
            client: String::new(),
            refusal: None,
            cursor: Cursor::ZERO,
        };
        let mut message = Builder::new_default();
        let reader = sent!(message, wire::write_audit_entry, &entry, audit_entry);
        let shown = format!("{:?}", reader.get_event().unwrap());
        assert_eq!(shown.to_lowercase(), event.name().to_lowercase());
    }
}

#[test]
fn a_factorys_grants_stand_in_the_fields_of_the_schema() {
    let quotas = Quotas {
        shares_max: 1,
        bytes_max: 2,
        appends_per_second: 3,
    };
    let request = FactoryAttenuate {
        request: RequestId::from_bytes([4; 16]),
        secret_hash: SecretHash::from_bytes([5; 32]),
        quotas,
        label: "label".to_owned(),
        origin: origin("who"),
    };
    let mut message = Builder::new_default();
    let reader = sent!(
        message,
        wire::write_factory_attenuate,
        &request,
        factory_attenuate
    );
    assert_eq!(reader.get_request().unwrap(), [4; 16]);
    assert_eq!(reader.get_secret_hash().unwrap(), [5; 32]);
    assert_eq!(reader.get_label().unwrap(), "label");
    assert_eq!(reader.get_origin().unwrap().get_id().unwrap(), "who");
    let told = reader.get_quotas().unwrap();
    assert_eq!((told.get_shares_max(), told.get_bytes_max()), (1, 2));
    assert_eq!(told.get_appends_per_second(), 3);

    let info = FactoryGrantInfo {
        id: GrantId::from_bytes([1; 16]),
        root: true,
        quotas,
        shares: 2,
        bytes: 3,
        label: "label".to_owned(),
        created_at: Some(UnixMs::new(4)),
    };
    let mut message = Builder::new_default();
    let reader = sent!(
        message,
        wire::write_factory_grant_info,
        &info,
        factory_grant_info
    );
    assert_eq!(reader.get_id().unwrap(), [1; 16]);
    assert!(reader.get_root());
    assert_eq!((reader.get_shares(), reader.get_bytes()), (2, 3));
    assert_eq!(reader.get_label().unwrap(), "label");
    assert_eq!(reader.get_created_at(), 4);
    assert_eq!(reader.get_quotas().unwrap().get_bytes_max(), 2);
}
