//! An owner's ref is rotated, the answer is lost, and the server is restored from a backup that is
//! older than whoever asked (`docs/design.md` §5, "Minting is repeatable").

use share_client::{ClientError, Session, bump_epoch, rotate_share};
use share_model::{BumpEpoch, Epoch, Origin, OriginKind, RefusalCode, RequestId, Secret, ShareRef};
use share_tests::{Cuts, World};

const NO_CUTS: Cuts = Cuts {
    connections: 0,
    bytes_max: 1,
};

fn secret(number: u8) -> Secret {
    Secret::from_bytes([number; 32])
}

fn bump(number: u8) -> BumpEpoch {
    BumpEpoch {
        request: RequestId::from_bytes([number; 16]),
        owner_secret_hash: secret(number).hash(),
        origin: Origin::new(OriginKind::User, "ann".into(), 64).expect("it is short"),
    }
}

async fn rotated(world: &World, by: &ShareRef, number: u8) -> Result<ShareRef, ClientError> {
    let asked = (&bump(number), &secret(number));
    let bumped = rotate_share(&*world.connector(), by, None, asked).await?;
    Ok(ShareRef {
        grant: bumped.grant,
        epoch: bumped.epoch,
        secret: secret(number),
        ..by.clone()
    })
}

#[test]
fn a_rotation_whose_answer_was_lost_is_found_after_a_restore_that_forgot_who_asked() {
    share_tests::simulate(1, async {
        let mut world = World::start(1, NO_CUTS).await;
        let first = world.create_share().await;
        world.backup("early").await;
        let second = rotated(&world, &first, 2).await.expect("it is rotated");
        // Its answer is not looked at: it was lost.
        let lost = bump_epoch(&*world.connector(), &second, None, &bump(3)).await;
        lost.expect("the bump is made");
        world.restore("early").await;

        let again = bump_epoch(&*world.connector(), &second, None, &bump(3)).await;
        let Err(ClientError::Refused(refusal)) = again else {
            panic!("a server that forgot the ref takes it: {again:?}");
        };
        assert_eq!(refusal.code, RefusalCode::NotAuthorized);
        let third = rotated(&world, &second, 3).await.expect("it is found");
        assert_eq!(third.epoch, Epoch::new(3));
        let session = Session::redeem(&*world.connector(), &third).await;
        assert!(session.expect("the new ref opens").redeemed().owner);
        drop(world.redeem(&third).await);
        // Who asked for nothing finds nothing, and is told so as before.
        let other = rotated(&world, &second, 4).await;
        let Err(ClientError::Refused(refusal)) = other else {
            panic!("a bump that was never made is found: {other:?}");
        };
        assert_eq!(refusal.code, RefusalCode::NotAuthorized);
        world.stop_server().await;
    });
}
