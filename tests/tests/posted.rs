//! Calls by HTTP, as a client library makes them and as anybody may (`schema/http.capnp`).

use share_client::{
    ClientError, Route, Stream, Transport, create_share, delete_share, factory_served,
    publish_share,
};
use share_model::{
    Batch, BatchId, CreateShare, Cursor, Entry, EntryBody, Envelope, Epoch, FactoryRef,
    Incarnation, Mutation, Nonce, Op, OpId, OpOutcome, Origin, OriginKind, OutboxKey,
    PROTOCOL_VERSION, Publish, Refusal, RefusalCode, RequestId, Secret, Security, Seq, ShareId,
    ShareRef, Slug,
};
use share_proto::wire::{
    ClaimRequest, Posted, PostedAnswer, PostedAppend, PostedAppended, PostedCall, Proven,
    posted_answer_of, posted_call_bytes,
};
use share_tests::{Cuts, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NO_CUTS: Cuts = Cuts {
    connections: 0,
    bytes_max: 1,
};

fn in_a_world<T>(test: impl AsyncFnOnce(&World) -> T) -> T {
    share_tests::simulate(1, async {
        let mut world = World::start(1, NO_CUTS).await;
        let done = test(&world).await;
        world.stop_server().await;
        done
    })
}

fn origin() -> Origin {
    Origin::new(OriginKind::Agent, "test".into(), 1024).expect("an origin")
}

/// A server's ref, by HTTP only.
fn by_http() -> Route {
    Route {
        transport: Transport::Http,
        http: Some("http://localhost".parse().expect("a URL")),
    }
}

/// Sends bytes as a request, and gives status and body.
async fn post(stream: &mut dyn Stream, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/vnd.share.ops\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    stream.write_all(body).await.expect("it is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("it answers"));
    }
    let head = String::from_utf8(head).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.parse().expect("a length"))
    });
    let mut body = vec![0; length.expect("the answer has a length")];
    stream.read_exact(&mut body).await.expect("it answers");
    (status.expect("a status"), body)
}

async fn post_for(world: &World, share: ShareId, body: &[u8]) -> (u16, Vec<u8>) {
    let connector = world.connector();
    let stream = connector.connect("http:localhost:80", Security::ByAddress);
    let mut stream = stream.await.expect("it connects");
    post(&mut *stream, &format!("/api/share/{share}/ops"), body).await
}

/// A client that has claimed once.
struct Client {
    reference: ShareRef,
    key: OutboxKey,
    incarnation: Incarnation,
    nonce: Nonce,
}

impl Client {
    fn new(reference: &ShareRef) -> Self {
        Self {
            reference: reference.clone(),
            key: OutboxKey::from_bytes([3; 32]),
            incarnation: Incarnation::ZERO,
            nonce: Nonce::from_bytes([1; 16]),
        }
    }

    fn call(&self, batches: &[Batch]) -> PostedCall {
        let envelope = Envelope {
            capability_epoch: Epoch::ZERO,
            settled_through: Seq::ZERO,
        };
        let batches = batches.iter().map(|batch| Ok((batch.clone(), envelope)));
        call(Posted::Append(PostedAppend {
            proven: Proven {
                reference: self.reference.clone(),
                proof: None,
            },
            claim: Ok(ClaimRequest {
                outbox_key: self.key.clone(),
                incarnation: self.incarnation,
                nonce: self.nonce,
                history: None,
            }),
            batches: batches.collect(),
        }))
    }

    async fn append(&self, world: &World, batches: &[Batch]) -> PostedAppended {
        let entries: Vec<_> = batches.iter().map(|batch| batch.entries.len()).collect();
        let body = posted_call_bytes(&self.call(batches));
        let (status, answer) = post_for(world, self.reference.share, &body).await;
        assert_eq!(status, 200);
        match posted_answer_of(&answer, &entries).expect("an answer") {
            PostedAnswer::Append(appended) => appended,
            other => panic!("{other:?}"),
        }
    }
}

fn call(asked: Posted) -> PostedCall {
    PostedCall {
        protocol_version: PROTOCOL_VERSION,
        client: "test".to_owned(),
        asked,
    }
}

/// A batch of one op.
fn batch(seq: u8) -> Batch {
    let put = Mutation::Put {
        key: format!("k{seq}").into(),
        json: "1".into(),
    };
    let op = Op {
        id: OpId::from_bytes([seq; 16]),
        depends_on: Vec::new(),
        mutation: put,
    };
    Batch {
        id: BatchId::from_bytes([seq; 16]),
        atomic: false,
        expected_cursor: None,
        entries: vec![Entry {
            seq: Seq::new(seq.into()),
            was: None,
            body: EntryBody::Op(op),
            origin: None,
        }],
    }
}

fn outcomes(appended: &PostedAppended) -> Vec<Result<OpOutcome, RefusalCode>> {
    let appends = appended.appends.iter();
    let outcomes = appends.map(|append| match append {
        Ok(ack) => Ok(ack.outcomes[0].clone()),
        Err(refusal) => Err(refusal.code),
    });
    outcomes.collect()
}

fn applied(cursor: u64) -> Result<OpOutcome, RefusalCode> {
    Ok(OpOutcome::Applied(Cursor::new(cursor)))
}

fn duplicate(cursor: u64) -> Result<OpOutcome, RefusalCode> {
    Ok(OpOutcome::Duplicate(Cursor::new(cursor)))
}

#[test]
fn a_repeated_call_claims_again_and_applies_each_op_once() {
    in_a_world(async |world| {
        let client = Client::new(&world.create_share().await);
        let first = client.append(world, &[batch(1), batch(2)]).await;
        assert_eq!(outcomes(&first), [applied(1), applied(2)]);
        let again = client.append(world, &[batch(1), batch(2), batch(3)]).await;
        assert_eq!(outcomes(&again), [duplicate(1), duplicate(2), applied(3)]);
        let [first, again] = [first, again].map(|it| it.claim.expect("it is claimed"));
        assert_eq!(first.incarnation, again.incarnation);
        assert_eq!((first.highest, again.highest), (Seq::ZERO, Seq::new(2)));
    });
}

#[test]
fn a_late_call_of_who_was_fenced_off_changes_nothing() {
    in_a_world(async |world| {
        let old = Client::new(&world.create_share().await);
        let first = old.append(world, &[batch(1)]).await;
        let new = Client {
            incarnation: first.claim.expect("it is claimed").incarnation,
            nonce: Nonce::from_bytes([2; 16]),
            ..Client::new(&old.reference)
        };
        assert_eq!(outcomes(&new.append(world, &[]).await), []);
        let late = old.append(world, &[batch(2)]).await;
        assert_eq!(
            late.claim.as_ref().map_err(code),
            Err(RefusalCode::WriterFenced)
        );
        assert_eq!(outcomes(&late), [Err(RefusalCode::WriterFenced)]);
        assert_eq!(
            outcomes(&new.append(world, &[batch(2)]).await),
            [applied(2)]
        );
    });
}

#[test]
fn what_is_behind_a_refused_batch_of_a_call_is_refused_alike() {
    in_a_world(async |world| {
        let client = Client::new(&world.create_share().await);
        let answer = client.append(world, &[batch(1), batch(3), batch(2)]).await;
        let gap = RefusalCode::OutOfOrder;
        assert_eq!(outcomes(&answer), [applied(1), Err(gap), Err(gap)]);
    });
}

fn code(refusal: &Refusal) -> RefusalCode {
    refusal.code
}

#[test]
fn a_wrong_secret_is_told_as_by_rpc_and_nothing_behind_it_is_done() {
    in_a_world(async |world| {
        let mut client = Client::new(&world.create_share().await);
        client.reference.secret = Secret::from_bytes([9; 32]);
        let answer = client.append(world, &[batch(1)]).await;
        let refusal = Refusal::not_authorized();
        assert_eq!(answer.redeem, Err(refusal.clone()));
        assert_eq!(answer.claim, Err(refusal.clone()));
        assert_eq!(answer.appends, [Err(refusal)]);
    });
}

#[test]
fn a_call_that_is_malformed_or_names_another_share_is_a_bad_request() {
    in_a_world(async |world| {
        let client = Client::new(&world.create_share().await);
        let body = posted_call_bytes(&client.call(&[batch(1)]));
        let share = client.reference.share;
        let other = ShareId::from_bytes([5; 16]);
        assert_eq!(post_for(world, other, &body).await.0, 400);
        for malformed in [&body[..body.len() - 8], &body[..8], b"", &[0xff; 64]] {
            assert_eq!(post_for(world, share, malformed).await.0, 400);
        }
        assert_eq!(
            outcomes(&client.append(world, &[batch(1)]).await),
            [applied(1)]
        );
    });
}

#[test]
fn who_speaks_a_version_that_is_too_old_is_told() {
    in_a_world(async |world| {
        let client = Client::new(&world.create_share().await);
        let old = PostedCall {
            protocol_version: 0,
            ..client.call(&[])
        };
        let body = posted_call_bytes(&old);
        let (_, answer) = post_for(world, client.reference.share, &body).await;
        let Ok(PostedAnswer::Append(answer)) = posted_answer_of(&answer, &[]) else {
            panic!("no answer");
        };
        let told = answer.redeem.map_err(|refusal| refusal.code);
        assert_eq!(told.unwrap_err(), RefusalCode::VersionUnsupported);
    });
}

/// What a bridge needs where RPC is blocked.
#[test]
fn a_share_is_created_published_and_deleted_by_http_alone() {
    in_a_world(async |world| {
        let connector = &*world.connector();
        let factory: FactoryRef = by_http().factory(&world.factory());
        let served = factory_served(connector, &factory)
            .await
            .expect("a factory");
        assert_eq!(served.http_url.as_deref(), Some("http://localhost"));
        let secret = Secret::from_bytes([4; 32]);
        let request = CreateShare {
            request: RequestId::from_bytes([6; 16]),
            owner_secret_hash: secret.hash(),
            title: String::new(),
            origin: origin(),
        };
        let mut made = Vec::new();
        for _ in 0..2 {
            let created = create_share(connector, &factory, &request).await;
            made.push(created.expect("it is created"));
        }
        let (created, _) = made[0];
        assert_eq!(created, made[1].0);
        let owner = by_http().share(&ShareRef {
            addresses: Vec::new(),
            share: created.share,
            grant: created.grant,
            epoch: created.epoch,
            security: Security::ByAddress,
            secret,
        });
        let slug = Slug::from_bytes([8; 16]);
        let publish = Publish {
            slug_hash: slug.hash(),
            expires_at: None,
            label: String::new(),
            origin: origin(),
        };
        for _ in 0..2 {
            let minted = publish_share(connector, &owner, None, &publish).await;
            assert_eq!(minted.expect("it is published").grant, slug.grant());
        }
        for _ in 0..2 {
            let ended = delete_share(connector, &owner, None, &origin()).await;
            ended.expect("it is deleted");
        }
        let gone = publish_share(connector, &owner, None, &publish).await;
        match gone {
            Err(ClientError::Refused(refusal)) => assert_eq!(refusal.code, RefusalCode::Gone),
            other => panic!("{other:?}"),
        }
        let (made, by_http) = world.made();
        assert_eq!(made, by_http);
    });
}
