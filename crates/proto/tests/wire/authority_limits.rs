//! Bounds of what passes between an administrator and a server, and fields of the wrong form.

use capnp::message::Builder;
use share_model::{AuditEvent, OwnerId, RefusalCode, ToldEvent};

use share_proto::authority_capnp::{
    attenuate, audit_entry, audit_outcome, cut, factory_grants_outcome, grants_outcome,
};
use share_proto::ids_capnp::origin::Kind;
use share_proto::wire;

fn not<T>(text: &str) -> Result<T, String> {
    Err(text.to_owned())
}

#[test]
fn a_cut_tells_at_most_256_viewers_and_one_with_more_is_refused() {
    let read = |viewers: u32| {
        let mut message = Builder::new_default();
        let mut list = message.init_root::<cut::Builder<'_>>().init_served(viewers);
        for index in 0..viewers {
            list.reborrow().get(index).set_grant(&[1; 16]);
        }
        let read = wire::read_cut(message.get_root_as_reader().unwrap());
        read.map(|cut| cut.served.len())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(256), Ok(256));
    assert_eq!(read(257), not("`cut.served` has 257 items, limit is 256"));
}

#[test]
fn of_more_viewers_than_a_cut_tells_the_first_are_written() {
    let served = |n: u16| share_model::Served {
        grant: share_model::GrantId::from_bytes([1; 16]),
        cursor: share_model::Cursor::new(n.into()),
    };
    let sent = share_model::Cut {
        viewers: 300,
        served: (0..300).map(served).collect(),
        ..Default::default()
    };
    let mut message = Builder::new_default();
    wire::write_cut(&sent, message.init_root());
    let read = wire::read_cut(message.get_root_as_reader().unwrap()).unwrap();
    assert_eq!((read.viewers, read.served.len()), (300, 256));
    assert_eq!(read.served[255].cursor.get(), 255);
}

#[test]
fn a_page_with_more_items_than_a_page_has_is_refused() {
    let mut message = Builder::new_default();
    message
        .init_root::<grants_outcome::Builder<'_>>()
        .init_grants(257);
    let read = wire::read_grants_outcome(message.get_root_as_reader().unwrap());
    let items = |count, max| format!("`outcome` has {count} items, limit is {max}");
    assert_eq!(read.unwrap_err().to_string(), items(257, 256));

    let mut message = Builder::new_default();
    message
        .init_root::<audit_outcome::Builder<'_>>()
        .init_entries(257);
    let read = wire::read_audit_outcome(message.get_root_as_reader().unwrap());
    assert_eq!(read.unwrap_err().to_string(), items(257, 256));

    let mut message = Builder::new_default();
    message
        .init_root::<factory_grants_outcome::Builder<'_>>()
        .init_grants(65);
    let read = wire::read_factory_grants_outcome(message.get_root_as_reader().unwrap());
    assert_eq!(read.unwrap_err().to_string(), items(65, 64));
}

/// Reads a request for a weaker grant that is whole but for `change`.
fn read_attenuate(change: fn(attenuate::Builder<'_>)) -> Result<(), String> {
    let mut message = Builder::new_default();
    let mut request = message.init_root::<attenuate::Builder<'_>>();
    request.set_request(&[1; 16]);
    request.set_secret_hash(&[2; 32]);
    request.reborrow().init_rights().set_read(true);
    let mut origin = request.reborrow().init_origin();
    origin.set_kind(Kind::User);
    origin.set_id("me");
    change(request);
    let read = wire::read_attenuate(message.get_root_as_reader().unwrap());
    read.map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_request_for_a_grant_names_the_field_that_is_malformed() {
    assert_eq!(read_attenuate(|_| ()), Ok(()));
    assert_eq!(
        read_attenuate(|mut request| request.set_request(&[1; 15])),
        not("`request` has 15 bytes, must have 16")
    );
    assert_eq!(
        read_attenuate(|mut request| request.set_secret_hash(&[])),
        not("`secretHash` has 0 bytes, must have 32")
    );
    assert_eq!(
        read_attenuate(|request| request.init_rights().set_read(false)),
        not("`rights` is zero or empty")
    );
    assert_eq!(
        read_attenuate(|mut request| request.set_label("l".repeat(1025))),
        not("`label` has 1025 bytes, limit is 1024")
    );
    assert_eq!(
        read_attenuate(|mut request| request.set_sealed_for(&[1; 31])),
        not("`sealedFor` has 31 bytes, must have 32")
    );
    assert_eq!(
        read_attenuate(|request| request.init_origin().set_kind(Kind::User)),
        not("`origin` is refused: origin id is empty")
    );
}

/// The message of an entry whose event is the one with this number.
fn entry_of_event(number: u8) -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut entry = message.init_root::<audit_entry::Builder<'_>>();
    entry.set_number(1);
    entry.set_count(1);
    entry.set_event(audit_entry::Event::Restored);
    let mut bytes = capnp::serialize::write_message_to_words(&message);
    // Behind number, at, lastAt and count, of 8 bytes each: the event's 16 bits.
    let event = 8 + 8 + 4 * 8;
    assert_eq!(bytes[event..event + 2], [13, 0]);
    bytes[event] = number;
    bytes
}

#[test]
fn an_event_of_a_later_version_reads_as_its_number_and_one_that_is_not_set_is_refused() {
    let read = |bytes: Vec<u8>| {
        let mut bytes: &[u8] = &bytes;
        let message =
            capnp::serialize::read_message_from_flat_slice(&mut bytes, Default::default()).unwrap();
        let read = wire::read_audit_entry(message.get_root().unwrap());
        read.map(|entry| entry.event)
            .map_err(|error| error.to_string())
    };
    let last = Ok(ToldEvent::Known(AuditEvent::Restored));
    assert_eq!(read(entry_of_event(13)), last);
    assert_eq!(read(entry_of_event(200)), Ok(ToldEvent::Unknown(200)));
    assert_eq!(ToldEvent::Unknown(200).to_string(), "event 200");
    assert_eq!(read(entry_of_event(0)), not("`entry.event` is not set"));
}

#[test]
fn an_entry_with_a_longer_client_than_is_kept_is_refused() {
    let read = |bytes: usize| {
        let mut message = Builder::new_default();
        let mut entry = message.init_root::<audit_entry::Builder<'_>>();
        entry.set_number(1);
        entry.set_count(1);
        entry.set_event(audit_entry::Event::Redeemed);
        entry.set_client("c".repeat(bytes));
        let read = wire::read_audit_entry(message.get_root_as_reader().unwrap());
        read.map(|entry| entry.client.len())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(128), Ok(128));
    assert_eq!(read(129), not("`entry.client` has 129 bytes, limit is 128"));
}

#[test]
fn an_origin_of_an_entry_that_nobody_said_is_none_and_half_of_one_is_refused() {
    let read = |change: fn(audit_entry::Builder<'_>)| {
        let mut message = Builder::new_default();
        let mut entry = message.init_root::<audit_entry::Builder<'_>>();
        entry.set_number(1);
        entry.set_count(1);
        entry.set_event(audit_entry::Event::Redeemed);
        change(entry);
        let read = wire::read_audit_entry(message.get_root_as_reader().unwrap());
        read.map(|entry| entry.origin.is_some())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(|_| ()), Ok(false));
    assert_eq!(read(|entry| entry.init_origin().set_id("")), Ok(false));
    assert_eq!(
        read(|entry| entry.init_origin().set_kind(Kind::Agent)),
        not("`origin` is refused: origin id is empty")
    );
}

#[test]
fn save_seals_to_an_owner_as_text_and_to_nobody_without_one() {
    let read = |text: &str| {
        let read = wire::read_seal_for(Ok(text.into()));
        read.map_err(share_model::Refusal::from)
    };
    assert_eq!(read(""), Ok(None));
    let owner = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    assert_eq!(read(owner), Ok(Some(OwnerId::from_bytes([1; 32]))));
    let refusal = read("AQEB").unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InvalidRequest);
    assert!(
        refusal.message.starts_with("`sealFor` is refused"),
        "{refusal}"
    );
}
