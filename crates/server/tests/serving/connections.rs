//! Connections: how many there may be, and which end for others. Redeems that prove nothing.

use std::time::Duration;

use capnp::ErrorKind;
use futures_util::future::join_all;
use share_model::seam::{Clock as _, SimulatedClock};
use share_model::{Refusal, UnixMs};
use share_server::{Server, ServerOptions, TcpListener};

use super::client::{Client, secret};
use super::world::{World, connect_tcp, data_in, over_tcp, real_time, simulated, soon};

/// Waits until the server has closed the connection.
async fn closed(client: Client) {
    // How it says so makes no difference.
    let _ = soon("the end of a connection", client.system).await;
}

#[test]
fn a_hundred_that_connect_at_once_are_all_served() {
    real_time(async || {
        let folder = tempfile::tempdir().unwrap();
        let data = data_in(&folder);
        let server = over_tcp(&data).await;
        // The kernel has them all before the first is accepted.
        let address: std::net::SocketAddr = server.address().parse().unwrap();
        let streams: Vec<_> = (0..100)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let served = streams.into_iter().map(async |stream| {
            stream.set_nonblocking(true).unwrap();
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let client = Client::new(stream, super::world::factory_ref(&data));
            let grants = client.factory().grants_request().send().promise.await;
            grants.map(|_| client)
        });
        let served = soon("100 answers", join_all(served)).await;
        assert_eq!(served.iter().filter(|client| client.is_ok()).count(), 100);
        drop(served);
        server.drain().await.unwrap();
    });
}

#[test]
fn a_connection_too_many_takes_the_place_of_the_oldest_that_has_proven_nothing() {
    simulated(async || {
        let world = World::with(|options| options.limits.connections_max = 3).await;
        let proven = world.connect().await;
        let share_ref = proven.owner_ref(1).await;
        let (older, younger) = (world.connect().await, world.connect().await);
        let new = world.connect().await;
        closed(older).await;
        for client in [&new, &younger, &proven] {
            client.redeemed(&share_ref).await.unwrap().unwrap();
        }
        // All have proven an authority now.
        let refused = world.connect().await;
        closed(refused).await;
        for client in [&new, &younger, &proven] {
            client.redeemed(&share_ref).await.unwrap().unwrap();
        }
        younger.cut().await;
        let freed = async {
            // The server has to notice first.
            while world.connect().await.redeemed(&share_ref).await.is_err() {}
        };
        soon("a place that is free again", freed).await;
        world.end().await;
    });
}

#[test]
fn an_address_has_so_many_connections_and_who_has_proven_an_authority_keeps_its_own() {
    real_time(async || {
        let folder = tempfile::tempdir().unwrap();
        let data = data_in(&folder);
        let mut options = ServerOptions::new(&data);
        options.limits.connections_per_address_max = 2;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start(options, listener).await.unwrap();
        let connect = || connect_tcp(server.address(), &data);
        let proven = connect().await;
        let share_ref = proven.owner_ref(1).await;
        let idle = connect().await;
        let new = connect().await;
        closed(idle).await;
        new.redeemed(&share_ref).await.unwrap().unwrap();
        closed(connect().await).await;
        proven.redeemed(&share_ref).await.unwrap().unwrap();
        drop((proven, new));
        server.drain().await.unwrap();
    });
}

#[test]
fn who_has_proven_nothing_and_asks_for_nothing_is_disconnected_after_30_s() {
    simulated(async || {
        let world = World::start().await;
        let clock = SimulatedClock::starting_at(UnixMs::new(0));
        let proven = world.connect().await;
        let share_ref = proven.owner_ref(1).await;
        let begun = clock.now().get();
        // It asks for the bootstrap capability, and for nothing of that.
        let silent = world.connect().await;
        let bound = Duration::from_secs(60);
        let _ = tokio::time::timeout(bound, silent.system).await.unwrap();
        assert_eq!(clock.now().get() - begun, 30_000);
        // Who tries is not idle.
        let mut wrong = share_ref.clone();
        wrong.secret = secret(99);
        let trying = world.connect().await;
        for _ in 0..4 {
            clock.sleep(Duration::from_secs(29)).await;
            let refused = trying.redeemed(&wrong).await.unwrap().unwrap_err();
            assert_eq!(refused, Refusal::not_authorized());
        }
        let last = clock.now().get();
        let _ = tokio::time::timeout(bound, trying.system).await.unwrap();
        assert_eq!(clock.now().get() - last, 30_000);
        proven.redeemed(&share_ref).await.unwrap().unwrap();
        world.end().await;
    });
}

#[test]
fn redeems_in_flight_are_bounded_until_one_has_proven_an_authority() {
    simulated(async || {
        let world = World::start().await;
        let owner = world.connect().await.owner_ref(1).await;
        let mut wrong = owner.clone();
        wrong.secret = secret(99);
        // The ninth is told to come later, with whatever secret.
        for last in [&wrong, &owner] {
            let client = world.connect().await;
            let eight: Vec<_> = (0..8).map(|_| client.redeem(&wrong).1).collect();
            let error = client.redeemed(last).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
            for told in join_all(eight).await {
                assert_eq!(told.unwrap().unwrap_err(), Refusal::not_authorized());
            }
            client.redeemed(&owner).await.unwrap().unwrap();
            let many = join_all((0..20).map(|_| client.redeemed(&wrong))).await;
            assert!(many.iter().all(Result::is_ok), "{many:?}");
        }
        world.end().await;
    });
}

#[test]
fn who_proves_nothing_too_often_is_told_to_come_later_with_the_right_secret_too() {
    simulated(async || {
        let world = World::with(|options| options.limits.rpc.redeems_per_second = 5).await;
        let client = world.connect().await;
        let owner = client.owner_ref(1).await;
        let mut wrong = owner.clone();
        wrong.secret = secret(99);
        // What opens something does not count.
        for _ in 0..50 {
            client.redeemed(&owner).await.unwrap().unwrap();
        }
        let mut refused = 0;
        let error = loop {
            match client.redeemed(&wrong).await {
                Ok(told) => assert_eq!(told.unwrap_err(), Refusal::not_authorized()),
                Err(error) => break error,
            }
            refused += 1;
        };
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        // Twice the rate at once; while they were refused, 10 ms each, none came back.
        assert_eq!(refused, 10);
        let told = client.redeemed(&owner).await.unwrap_err();
        assert_eq!(told.extra, error.extra);
        let clock = SimulatedClock::starting_at(UnixMs::new(0));
        clock.sleep(Duration::from_millis(200)).await;
        client.redeemed(&owner).await.unwrap().unwrap();
        world.end().await;
    });
}
