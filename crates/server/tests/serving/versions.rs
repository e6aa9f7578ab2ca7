//! Clients of other protocol versions.

use capnp::message::ReaderOptions;
use capnp::serialize::read_message_from_flat_slice;
use share_model::{Redeemed, RefusalCode, ShareRef};
use share_proto::share_capnp::bootstrap::redeem_share_params;
use share_proto::wire;

use super::client::{Client, Outcome, Session};
use super::lane::Lane;
use super::world::{World, simulated};

/// What the first builds sent, byte by byte.
const VERSION_1: &[u8] = include_bytes!("../../../proto/tests/version-1/redeem_share_params.bin");
/// Where share, grant and secret stand in it.
const SHARE: std::ops::Range<usize> = 0x68..0x78;
const GRANT: std::ops::Range<usize> = 0x78..0x88;
const SECRET: std::ops::Range<usize> = 0x88..0xa8;

/// Redeems as a client of the first builds does.
fn redeem_as_1(
    client: &Client,
    share_ref: &ShareRef,
) -> (Session, impl Future<Output = Outcome<Redeemed>> + use<>) {
    let mut bytes = VERSION_1.to_vec();
    bytes[SHARE].copy_from_slice(&share_ref.share.to_bytes());
    bytes[GRANT].copy_from_slice(&share_ref.grant.to_bytes());
    bytes[SECRET].copy_from_slice(share_ref.secret.expose());
    let message = read_message_from_flat_slice(&mut &*bytes, ReaderOptions::new()).unwrap();
    let params: redeem_share_params::Reader<'_> = message.get_root().unwrap();
    let mut request = client.bootstrap.redeem_share_request();
    request.set(params).unwrap();
    let sent = request.send();
    let session = Session(sent.pipeline.get_session());
    let outcome = async move {
        let response = sent.promise.await?;
        Ok(wire::read_redeem_outcome(response.get()?.get_outcome()?).unwrap())
    };
    (session, outcome)
}

async fn redeem_as(client: &Client, share_ref: &ShareRef, version: u32) -> Outcome<Redeemed> {
    let mut request = client.bootstrap.redeem_share_request();
    wire::write_share_ref(share_ref, request.get().init_ref());
    request.get().set_protocol_version(version);
    let response = request.send().promise.await?;
    Ok(wire::read_redeem_outcome(response.get()?.get_outcome()?).unwrap())
}

#[test]
fn a_client_of_the_first_builds_is_served_in_its_version() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let (session, redeemed) = redeem_as_1(&client, &share_ref);
        let mut lane = Lane::new(1);
        let (writer, _claimed) = session.claim(&lane.claim());
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        assert_eq!(redeemed.await.unwrap().unwrap().protocol_version, 1);
        assert_eq!(session.keys().await, (vec!["a".to_owned()], 1));
        world.end().await;
    });
}

#[test]
fn a_session_speaks_the_older_version_of_both_sides_and_who_is_too_old_is_told() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        for (theirs, spoken) in [(1, 1), (2, 2), (3, 2), (u32::MAX, 2)] {
            let redeemed = redeem_as(&client, &share_ref, theirs).await;
            assert_eq!(redeemed.unwrap().unwrap().protocol_version, spoken);
        }
        let refusal = redeem_as(&client, &share_ref, 0)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(refusal.code, RefusalCode::VersionUnsupported);
        assert_eq!(
            refusal.message,
            "the client speaks protocol version 0, this server 1 to 2: upgrade the client"
        );
        world.end().await;
    });
}
