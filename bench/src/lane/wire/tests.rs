//! Writers and subscribers at a real server, and at one that says what no server says.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use capnp::ErrorKind;
use capnp::message::Builder;
use capnp::serialize::write_message_to_words;
use capnp_rpc::rpc_capnp::{exception, message};
use share_model::{FactoryRef, RefusalCode, Secret};
use share_server::{Listeners, RunningServer, Server, ServerOptions};
use tempfile::TempDir;
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::connection::Connection;
use super::event::Event;
use super::{WireLane, watch};
use crate::arrivals::Arrivals;
use crate::error::BenchError;
use crate::lane::Span;
use crate::load::Load;

/// How long anything may take before the test is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const LOAD: Load = Load {
    writers: 1,
    batch_ops: 3,
    op_bytes: 40,
};

struct Served {
    factory: FactoryRef,
    server: RunningServer,
    _folder: TempDir,
}

impl Served {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let listeners = Listeners::bind(&["127.0.0.1:0".to_owned()]).await.unwrap();
        let server = Server::start(ServerOptions::new(&data), listeners).await;
        let text = std::fs::read_to_string(data.join("factory.ref")).unwrap();
        Self {
            factory: text.trim().parse().unwrap(),
            server: server.unwrap(),
            _folder: folder,
        }
    }

    fn address(&self) -> String {
        self.factory.addresses[0].to_string()
    }

    async fn lane(&self) -> WireLane {
        let lane = WireLane::create(&self.address(), &self.factory, LOAD).await;
        lane.unwrap()
    }
}

/// Runs a test on one thread, as the bench runs.
fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let test = async { tokio::time::timeout(PATIENCE, test).await };
    LocalSet::new().block_on(&runtime, test).expect("in time");
}

#[test]
fn what_a_writer_appends_is_applied_once_in_order_and_comes_to_each_subscriber() {
    run(async {
        let served = Served::start().await;
        let mut lane = served.lane().await;
        let begin = Instant::now();
        let end = begin + PATIENCE;
        let arrivals = Rc::new(Arrivals::new(lane.next(), Span { begin, end }));
        let watching: Vec<_> = (1..=3)
            .map(|_| {
                let (address, reference) = (served.address(), lane.reference().clone());
                let arrivals = Rc::clone(&arrivals);
                let watched = async move { watch(&address, &reference, arrivals).await };
                tokio::task::spawn_local(watched)
            })
            .collect();
        assert!(arrivals.wait_live(3, PATIENCE).await);
        for first in (1..=60).step_by(3) {
            for _ in 0..LOAD.batch_ops {
                arrivals.sent(Instant::now());
            }
            assert_eq!(lane.append().await.unwrap(), first);
        }
        let mut came = 0;
        while came < 3 * 60 {
            tokio::task::yield_now().await;
            came += arrivals.samples().calls();
        }
        assert_eq!(came, 3 * 60);
        // Who subscribes is told of the end.
        served.server.drain().await.unwrap();
        for watching in watching {
            let ended = watching.await.unwrap();
            assert!(matches!(ended, Err(BenchError::Refused(_))), "{ended:?}");
        }
    });
}

#[test]
fn calls_in_flight_are_answered_by_their_numbers_and_a_number_is_used_again() {
    run(async {
        let served = Served::start().await;
        let mut lane = served.lane().await;
        for round in 0..3 {
            let mut asked = Vec::new();
            for _ in 0..5 {
                asked.push(lane.send(0).unwrap());
            }
            let mut cursors = vec![None; asked.len()];
            while cursors.contains(&None) {
                let take = |question, answer: Result<u64, _>| {
                    let at = asked.iter().position(|asked| *asked == question);
                    cursors[at.unwrap()] = Some(answer.unwrap());
                };
                lane.hear(take).await.unwrap();
            }
            let first = 1 + round * 15;
            let expected = (0..5).map(|at| Some(first + 3 * at));
            assert_eq!(cursors, expected.collect::<Vec<_>>());
            assert!(asked.iter().all(|question| *question < 8), "{asked:?}");
        }
    });
}

#[test]
fn a_refused_append_is_an_error_until_the_writer_is_claimed_again() {
    run(async {
        let served = Served::start().await;
        let mut lane = served.lane().await;
        lane.append().await.unwrap();
        // More is settled than the server has seen.
        lane.batches.go_on_behind(99);
        for _ in 0..2 {
            match lane.append().await.unwrap_err() {
                BenchError::Refused(refusal) => {
                    assert_eq!(refusal.code, RefusalCode::HistoryChanged);
                }
                error => panic!("{error}"),
            }
        }
        lane.claim_again().await.unwrap();
        assert_eq!(lane.append().await.unwrap(), 4);
    });
}

#[test]
fn a_ref_that_opens_nothing_gives_its_refusal() {
    run(async {
        let served = Served::start().await;
        let lane = served.lane().await;
        let mut wrong = lane.reference().clone();
        wrong.secret = Secret::from_bytes([7; 32]);
        let arrivals = Rc::new(Arrivals::new(1, span_of_nothing()));
        let watched = watch(&served.address(), &wrong, arrivals).await;
        let claimed = WireLane::claim(&served.address(), wrong, LOAD).await;
        for error in [watched.unwrap_err(), claimed.err().unwrap()] {
            match error {
                BenchError::Refused(refusal) => {
                    assert_eq!(refusal.code, RefusalCode::NotAuthorized);
                }
                error => panic!("{error}"),
            }
        }
    });
}

fn span_of_nothing() -> Span {
    let begin = Instant::now();
    Span { begin, end: begin }
}

/// What a connection makes of messages, behind which the server closes it: the answers until then, and
/// why it ended. One question was asked.
async fn heard(messages: &[Vec<u8>]) -> (Vec<Result<(), capnp::Error>>, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut connection = Connection::connect(&address).await.unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(&messages.concat()).unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(connection.questions.ask(), 0);
    let answers = RefCell::new(Vec::new());
    loop {
        let take = |event: Event<'_>, _: &mut _| {
            if let Event::Returned { answer, .. } = event {
                answers.borrow_mut().push(answer.map(drop));
            }
            Ok(())
        };
        if let Err(error) = connection.receive(take).await {
            return (answers.into_inner(), error.to_string());
        }
    }
}

fn message(fill: impl FnOnce(message::Builder<'_>)) -> Vec<u8> {
    let mut built = Builder::new_default();
    fill(built.init_root());
    write_message_to_words(&built)
}

fn returned(question: u32) -> Vec<u8> {
    message(|message| {
        let mut answer = message.init_return();
        answer.set_answer_id(question);
        answer.init_results();
    })
}

#[test]
fn what_the_server_throws_is_the_answer_and_its_kind_stays() {
    run(async {
        let thrown = message(|message| {
            let mut thrown = message.init_return().init_exception();
            thrown.set_reason("come later");
            thrown.set_type(exception::Type::Overloaded);
        });
        let (answers, end) = heard(&[thrown]).await;
        let [Err(error)] = &answers[..] else {
            panic!("{answers:?}");
        };
        assert_eq!(
            (error.kind, &*error.extra),
            (ErrorKind::Overloaded, "come later")
        );
        assert_eq!(end, "the server closed the connection");
    });
}

#[test]
fn what_no_server_says_ends_the_connection_by_name() {
    let abort = message(|message| message.init_abort().set_reason("too much"));
    let elsewhere = message(|message| message.init_return().set_results_sent_elsewhere(()));
    let stranger = message(|message| message.init_call().init_target().set_imported_cap(1));
    let unimplemented = message(|message| {
        message.init_unimplemented();
    });
    let embargo = message(|message| {
        message.init_disembargo();
    });
    run(async move {
        for (sent, expected) in [
            (vec![abort], "the server ended the connection: too much"),
            (
                vec![returned(7)],
                "the server answers question 7, which nobody asked",
            ),
            (
                vec![returned(0), returned(0)],
                "the server answers question 0, which nobody asked",
            ),
            (
                vec![elsewhere],
                "the server sent an answer that is elsewhere",
            ),
            (
                vec![stranger],
                "the server sent a call of something that was not handed out",
            ),
            (
                vec![unimplemented],
                "the server sent a message that it does not know back",
            ),
            (vec![embargo], "the server sent a message of another kind"),
            // A part of a message is none.
            (
                vec![returned(0)[..24].to_vec()],
                "the server closed the connection",
            ),
        ] {
            assert_eq!(heard(&sent).await.1, expected);
        }
    });
}
