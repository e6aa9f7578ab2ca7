//! Each fault of the proxy, on real sockets: that it fires, what it does, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::{env, future::Future, io, net::SocketAddr, num::NonZeroUsize, time::Duration};

use share_faults::{Close, Direction, FaultProxy, ProxyCounts, ProxyError, ProxyOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    time::{Instant, timeout},
};

const DEADLINE: Duration = Duration::from_secs(10);

/// A proxy with one client connected through it, and the server's end of that connection.
struct Rig {
    listener: TcpListener,
    proxy: FaultProxy,
    client: TcpStream,
    server: TcpStream,
}

impl Rig {
    async fn new() -> Rig {
        Rig::with_seed(0).await
    }

    async fn with_seed(seed: u64) -> Rig {
        let (listener, upstream) = listen().await;
        let proxy = FaultProxy::start(upstream, ProxyOptions { seed, port: 0 })
            .await
            .unwrap();
        let (client, server) = connect(&proxy, &listener).await;
        Rig {
            listener,
            proxy,
            client,
            server,
        }
    }

    #[track_caller]
    fn until(&self, state: impl FnMut(&ProxyCounts) -> bool) -> impl Future<Output = ProxyCounts> {
        let reached = self.proxy.wait_until(state, DEADLINE);
        async { reached.await.unwrap() }
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn connect(proxy: &FaultProxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let before = proxy.counts().connections;
    let client = TcpStream::connect(proxy.local_addr()).await.unwrap();
    let accepted = bounded(listener.accept()).await.unwrap();
    let joined = proxy.wait_until(|counts| counts.connections > before, DEADLINE);
    joined.await.unwrap();
    (client, accepted.0)
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future)
        .await
        .expect("the peer did nothing within the deadline")
}

/// All that arrives until the stream's end, and how it ended.
async fn drain(socket: &mut TcpStream) -> (Vec<u8>, io::Result<usize>) {
    let mut bytes = Vec::new();
    let end = bounded(socket.read_to_end(&mut bytes)).await;
    (bytes, end.map(|_| 0))
}

async fn receive(socket: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    bounded(socket.read_exact(&mut bytes)).await.unwrap();
    bytes
}

#[track_caller]
fn assert_closed(end: io::Result<usize>, close: Close) {
    match close {
        Close::Finish => assert_eq!(end.unwrap(), 0),
        Close::Reset => assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset),
    }
}

#[track_caller]
fn assert_nothing_to_read(socket: &TcpStream) {
    let read = socket.try_read(&mut [0]);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

fn hundred_bytes() -> Vec<u8> {
    (0..100).collect()
}

#[tokio::test]
async fn cut_closes_both_sides_and_later_connections_live() {
    for close in [Close::Reset, Close::Finish] {
        let mut rig = Rig::new().await;
        rig.proxy.cut(close);
        let counts = rig.until(|counts| counts.cuts == 1).await;
        assert_eq!((counts.connections, counts.open), (1, 0));
        assert_closed(drain(&mut rig.client).await.1, close);
        assert_closed(drain(&mut rig.server).await.1, close);

        let (mut client, mut server) = connect(&rig.proxy, &rig.listener).await;
        client.write_all(b"again").await.unwrap();
        assert_eq!(receive(&mut server, 5).await, b"again");
        assert_eq!(rig.proxy.counts().cuts, 1);
    }
}

#[tokio::test]
async fn cut_in_mid_request_delivers_exactly_the_bytes_before_it() {
    for close in [Close::Reset, Close::Finish] {
        let mut rig = Rig::new().await;
        rig.proxy.cut_after(Direction::Up, 37, close);
        rig.client.write_all(&hundred_bytes()).await.unwrap();
        let (bytes, end) = drain(&mut rig.server).await;
        assert_eq!(bytes, hundred_bytes()[..37]);
        assert_closed(end, close);
        let counts = rig.until(|counts| counts.cuts == 1).await;
        assert_eq!((counts.bytes_up, counts.bytes_down), (37, 0));
    }
}

#[tokio::test]
async fn cut_in_mid_reply_delivers_exactly_the_bytes_before_it() {
    for close in [Close::Reset, Close::Finish] {
        let mut rig = Rig::new().await;
        rig.proxy.cut_after(Direction::Down, 41, close);
        rig.client.write_all(b"request").await.unwrap();
        assert_eq!(receive(&mut rig.server, 7).await, b"request");
        rig.server.write_all(&hundred_bytes()).await.unwrap();
        let (bytes, end) = drain(&mut rig.client).await;
        assert_eq!(bytes, hundred_bytes()[..41]);
        assert_closed(end, close);
        let counts = rig.until(|counts| counts.cuts == 1).await;
        assert_eq!((counts.bytes_up, counts.bytes_down), (7, 41));
    }
}

#[tokio::test]
async fn armed_cut_counts_bytes_over_all_connections_and_fires_once() {
    let mut rig = Rig::new().await;
    rig.proxy.cut_after(Direction::Up, 50, Close::Finish);
    rig.client.write_all(&hundred_bytes()[..30]).await.unwrap();
    assert_eq!(receive(&mut rig.server, 30).await.len(), 30);
    let (mut client, mut server) = connect(&rig.proxy, &rig.listener).await;
    client.write_all(&hundred_bytes()[..30]).await.unwrap();
    assert_eq!(drain(&mut server).await.0.len(), 20);
    assert_eq!(drain(&mut rig.server).await.0.len(), 0);
    rig.until(|counts| counts.cuts == 2 && counts.open == 0)
        .await;

    let (mut client, mut server) = connect(&rig.proxy, &rig.listener).await;
    client.write_all(&hundred_bytes()).await.unwrap();
    assert_eq!(receive(&mut server, 100).await, hundred_bytes());
}

#[tokio::test]
async fn swallowed_reply_reaches_nobody_though_the_server_got_the_request() {
    for close in [Close::Reset, Close::Finish] {
        let mut rig = Rig::new().await;
        rig.proxy.swallow_replies(close);
        rig.client.write_all(b"request").await.unwrap();
        assert_eq!(receive(&mut rig.server, 7).await, b"request");
        assert_eq!(rig.proxy.counts().cuts, 0);
        rig.server.write_all(b"reply").await.unwrap();
        let (bytes, end) = drain(&mut rig.client).await;
        assert_eq!(bytes, b"");
        assert_closed(end, close);
        let counts = rig.until(|counts| counts.cuts == 1).await;
        assert_eq!((counts.lost_replies, counts.bytes_swallowed), (1, 5));
        assert_eq!((counts.bytes_up, counts.bytes_down), (7, 0));
    }
}

#[tokio::test]
async fn bytes_swallowed_without_a_request_are_a_cut_but_no_lost_reply() {
    let mut rig = Rig::new().await;
    rig.client.write_all(b"request").await.unwrap();
    assert_eq!(receive(&mut rig.server, 7).await, b"request");
    rig.until(|counts| counts.bytes_up == 7).await;
    rig.proxy.swallow_replies(Close::Reset);
    rig.server.write_all(b"reply").await.unwrap();
    assert_eq!(drain(&mut rig.client).await.0, b"");
    let counts = rig.until(|counts| counts.cuts == 1).await;
    assert_eq!((counts.lost_replies, counts.bytes_swallowed), (0, 5));
}

#[tokio::test]
async fn swallowing_concerns_only_the_connections_that_were_open() {
    let rig = Rig::new().await;
    rig.proxy.swallow_replies(Close::Reset);
    let (mut client, mut server) = connect(&rig.proxy, &rig.listener).await;
    client.write_all(b"request").await.unwrap();
    assert_eq!(receive(&mut server, 7).await, b"request");
    server.write_all(b"reply").await.unwrap();
    assert_eq!(receive(&mut client, 5).await, b"reply");
    assert_eq!(rig.proxy.counts().bytes_swallowed, 0);
}

#[tokio::test]
async fn new_upstream_takes_new_connections_and_leaves_current_ones() {
    let mut rig = Rig::new().await;
    let (moved, upstream) = listen().await;
    rig.proxy.set_upstream(upstream);
    let (mut client, mut server) = connect(&rig.proxy, &moved).await;
    server.write_all(b"new").await.unwrap();
    assert_eq!(receive(&mut client, 3).await, b"new");
    rig.server.write_all(b"old").await.unwrap();
    assert_eq!(receive(&mut rig.client, 3).await, b"old");
}

#[tokio::test]
async fn partition_upwards_holds_requests_lets_replies_pass_and_heals_without_loss() {
    let mut rig = Rig::new().await;
    rig.proxy.partition(Direction::Up);
    rig.client.write_all(b"held").await.unwrap();
    rig.until(|counts| counts.partitions == 1).await;
    rig.server.write_all(b"passes").await.unwrap();
    assert_eq!(receive(&mut rig.client, 6).await, b"passes");
    assert_nothing_to_read(&rig.server);
    assert_eq!(rig.proxy.counts().bytes_up, 0);
    rig.proxy.heal(Direction::Up);
    assert_eq!(receive(&mut rig.server, 4).await, b"held");
}

#[tokio::test]
async fn partition_downwards_holds_replies_and_their_end_and_lets_requests_pass() {
    let mut rig = Rig::new().await;
    rig.proxy.partition(Direction::Down);
    rig.server.shutdown().await.unwrap();
    rig.until(|counts| counts.partitions == 1).await;
    rig.client.write_all(b"passes").await.unwrap();
    assert_eq!(receive(&mut rig.server, 6).await, b"passes");
    assert_nothing_to_read(&rig.client);
    rig.proxy.heal(Direction::Down);
    assert_closed(drain(&mut rig.client).await.1, Close::Finish);

    let (mut client, mut server) = connect(&rig.proxy, &rig.listener).await;
    rig.proxy.partition(Direction::Down);
    server.write_all(b"held").await.unwrap();
    rig.until(|counts| counts.partitions == 2).await;
    assert_nothing_to_read(&client);
    rig.proxy.cut(Close::Reset);
    assert_eq!(drain(&mut client).await.0, b"");
    rig.until(|counts| counts.cuts == 2).await;
}

#[tokio::test]
async fn stall_holds_the_next_bytes_once_and_loses_nothing() {
    let mut rig = Rig::new().await;
    let (stall, start) = (Duration::from_millis(60), Instant::now());
    rig.proxy.stall(Direction::Up, stall);
    rig.client.write_all(b"late").await.unwrap();
    rig.server.write_all(b"in time").await.unwrap();
    assert_eq!(receive(&mut rig.client, 7).await, b"in time");
    assert_eq!(receive(&mut rig.server, 4).await, b"late");
    assert!(start.elapsed() >= stall, "{:?}", start.elapsed());
    rig.client.write_all(b"next").await.unwrap();
    assert_eq!(receive(&mut rig.server, 4).await, b"next");
    assert_eq!(rig.proxy.counts().stalls, 1);
}

#[tokio::test]
async fn delay_holds_every_piece_each_way() {
    let mut rig = Rig::new().await;
    let (delay, start) = (Duration::from_millis(30), Instant::now());
    rig.proxy.delay(delay);
    rig.client.write_all(b"request").await.unwrap();
    assert_eq!(receive(&mut rig.server, 7).await, b"request");
    rig.server.write_all(b"reply").await.unwrap();
    assert_eq!(receive(&mut rig.client, 5).await, b"reply");
    assert!(start.elapsed() >= 2 * delay, "{:?}", start.elapsed());
    assert_eq!(rig.proxy.counts().delays, 2);
}

#[tokio::test]
async fn split_pieces_deliver_the_same_bytes_and_depend_on_the_seed_alone() {
    let seed = env::var("SHARE_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("replay: SHARE_SEED={seed} cargo test -p share-faults --test proxy split_pieces");
    let payload: Vec<u8> = (0..=249).cycle().take(4_000).collect();
    let mut splits = Vec::new();
    for _ in 0..2 {
        let mut rig = Rig::with_seed(seed).await;
        rig.proxy.split(NonZeroUsize::new(7));
        // One write of this size is one read of the proxy, which makes its pieces comparable.
        assert_eq!(rig.client.try_write(&payload).unwrap(), 4_000);
        assert_eq!(receive(&mut rig.server, 4_000).await, payload);
        splits.push(rig.proxy.counts().splits);
    }
    // 4,000 bytes in pieces of 7 at most are 572 pieces, of which the last is no split.
    assert!(splits[0] >= 571, "{splits:?}");
    assert_eq!(splits[0], splits[1]);
}

#[tokio::test]
async fn refused_connections_are_reset_while_current_ones_live() {
    let mut rig = Rig::new().await;
    rig.proxy.refuse_connections(true);
    let mut refused = TcpStream::connect(rig.proxy.local_addr()).await.unwrap();
    assert_closed(drain(&mut refused).await.1, Close::Reset);
    let counts = rig.until(|counts| counts.refused == 1).await;
    assert_eq!((counts.connections, counts.cuts), (1, 0));
    rig.client.write_all(b"lives").await.unwrap();
    assert_eq!(receive(&mut rig.server, 5).await, b"lives");
    rig.proxy.refuse_connections(false);
    connect(&rig.proxy, &rig.listener).await;
}

#[tokio::test]
async fn client_of_an_unreachable_upstream_is_reset_and_counted_apart() {
    let (listener, upstream) = listen().await;
    drop(listener);
    let proxy = FaultProxy::start(upstream, ProxyOptions::default());
    let proxy = proxy.await.unwrap();
    let mut client = TcpStream::connect(proxy.local_addr()).await.unwrap();
    assert_closed(drain(&mut client).await.1, Close::Reset);
    let counts = proxy.wait_until(|counts| counts.unreachable == 1, DEADLINE);
    assert_eq!(counts.await.unwrap().connections, 0);
}

#[tokio::test]
async fn end_of_the_clients_stream_reaches_the_server_which_still_answers() {
    let mut rig = Rig::new().await;
    rig.client.write_all(b"all").await.unwrap();
    rig.client.shutdown().await.unwrap();
    assert_eq!(drain(&mut rig.server).await.0, b"all");
    rig.server.write_all(b"answer").await.unwrap();
    drop(rig.server);
    assert_eq!(drain(&mut rig.client).await.0, b"answer");
    let ended = rig.proxy.wait_until(|counts| counts.open == 0, DEADLINE);
    assert_eq!(ended.await.unwrap().cuts, 0);
}

#[tokio::test]
async fn vanished_server_resets_its_client() {
    let mut rig = Rig::new().await;
    rig.server.set_zero_linger().unwrap();
    drop(rig.server);
    assert_closed(drain(&mut rig.client).await.1, Close::Reset);
    let ended = rig.proxy.wait_until(|counts| counts.open == 0, DEADLINE);
    assert_eq!(ended.await.unwrap().cuts, 0);
}

#[tokio::test]
async fn timeout_tells_the_last_counts() {
    let rig = Rig::new().await;
    let waited = rig
        .proxy
        .wait_until(|counts| counts.cuts == 1, Duration::ZERO);
    let message = waited.await.unwrap_err().to_string();
    assert!(
        message.contains("connections: 1, open: 1, cuts: 0"),
        "{message}"
    );
}

#[tokio::test]
async fn shutdown_leaves_no_task_no_connection_and_a_free_port() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let mut rig = Rig::new().await;
    assert_eq!(tasks(), 2);
    rig.proxy.partition(Direction::Up);
    rig.client.write_all(b"held").await.unwrap();
    rig.until(|counts| counts.partitions == 1).await;
    let (address, upstream) = (rig.proxy.local_addr(), rig.listener.local_addr().unwrap());
    rig.proxy.shutdown().await.unwrap();
    assert_eq!(tasks(), 0);
    drain(&mut rig.client).await.1.unwrap();

    let options = ProxyOptions {
        seed: 0,
        port: address.port(),
    };
    let proxy = FaultProxy::start(upstream, options).await.unwrap();
    assert_eq!(proxy.local_addr(), address);
    let taken = FaultProxy::start(upstream, options).await.unwrap_err();
    assert!(matches!(taken, ProxyError::Listen { port, .. } if port == address.port()));
}

#[tokio::test]
async fn dropped_proxy_ends_its_tasks_and_connections() {
    let mut rig = Rig::new().await;
    drop(rig.proxy);
    drain(&mut rig.client).await.1.unwrap();
    drain(&mut rig.server).await.1.unwrap();
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test]
async fn proxy_is_free_to_run_on_any_runtime() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let (_listener, upstream) = listen().await;
    let proxy = is_send(FaultProxy::start(upstream, ProxyOptions::default()));
    let proxy = is_send(proxy.await.unwrap());
    is_send(proxy.wait_until(|_| true, DEADLINE)).await.unwrap();
    is_send(proxy.shutdown()).await.unwrap();
}
