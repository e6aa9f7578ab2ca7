//! No secret is anywhere but where it belongs (`docs/design.md` §5): not in what the server stores,
//! backs up or logs, not in what clients log, and not in what others see of their processes.
//!
//! Everything runs with the most verbose log there is. The server has hashes only, so that whoever
//! reads its disk, its backup or its log can open nothing.

#[path = "secrets/leaks.rs"]
mod leaks;
#[path = "secrets/place.rs"]
mod place;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use leaks::{Made, find};
use place::{Out, Place};
use share_client::{
    ClientError, Flusher, FlusherOptions, NewOp, Outbox, OutboxOptions, Session, Subscription,
    SubscriptionEvent, TcpConnector, attenuate_factory, create_share, delete_share,
};
use share_model::seam::{SystemClock, SystemEntropy};
use share_model::{
    Attenuate, BumpEpoch, CreateShare, Cursor, FactoryAttenuate, FactoryRef, LogPosition, Mutation,
    Origin, OriginKind, OwnerKey, Publish, Quotas, RequestId, Right, Rights, Secret, ShareRef,
    Slug,
};

const PUT: &str = "{\"op\":\"put\",\"key\":\"a\",\"value\":1}\n";

/// What a run makes, and what it has made so far.
struct Run {
    place: Place,
    entropy: SystemEntropy,
    secrets: Vec<Made>,
}

impl Run {
    /// Remembers a secret that lies only in the files named.
    fn made(&mut self, what: &'static str, bytes: &[u8], homes: &[&str]) {
        let homes: Vec<PathBuf> = homes.iter().map(|home| self.place.path(home)).collect();
        let homes: Vec<&Path> = homes.iter().map(PathBuf::as_path).collect();
        self.secrets.push(Made::new(what, bytes, &homes));
    }

    /// A new secret of the library's caller, who stores it nowhere.
    fn secret(&mut self, what: &'static str) -> Secret {
        let secret = Secret::random(&self.entropy);
        self.made(what, secret.expose(), &[]);
        secret
    }

    fn request(&self) -> RequestId {
        RequestId::new(&SystemClock, &self.entropy)
    }

    /// Runs a command that prints a ref, which it puts into the client's folder.
    fn hand_over(&mut self, what: &'static str, args: &[&str], file: &str) -> ShareRef {
        let text = self.place.share(args, "", Out::HandedOver);
        let path = self.place.path("client").join(file);
        std::fs::write(path, &text).expect("a ref can be kept");
        let reference: ShareRef = text.trim().parse().expect("it is a ref");
        self.made(what, reference.secret.expose(), &["client"]);
        reference
    }

    /// The `share` command, from a new share to its rotated owner's ref.
    fn command_line(&mut self, factory: &FactoryRef) -> ShareRef {
        let factory_arg = "@../server/factory.ref";
        self.made(
            "the factory's",
            factory.secret.expose(),
            &["server/factory.ref"],
        );
        let create = ["create", "--factory", factory_arg, "--title", "t"];
        self.hand_over("the first owner's", &create, "owner.ref");
        let grant = ["grant", "@owner.ref", "--rights", "append"];
        let granted = self.hand_over("a granted", &grant, "granted.ref");
        let id = self.place.share(&["identity"], "", Out::Log);
        let sealed = [
            "grant",
            "@owner.ref",
            "--rights",
            "read",
            "--seal-for",
            id.trim(),
        ];
        self.hand_over("a sealed", &sealed, "sealed.ref");
        let key = self
            .place
            .read("client/home/.local/share/share-sessions/owner.key");
        let key = Secret::from_text(key.trim()).expect("it is a key");
        self.made("the machine's key", key.expose(), &["client/home"]);
        let slug = self
            .place
            .share(&["publish", "@owner.ref"], "", Out::HandedOver);
        let slug = Slug::from_text(slug.trim()).expect("it is a slug");
        self.made("the command's slug", slug.expose(), &["client"]);

        let (tail, _) = {
            self.place.share(&["append", "@granted.ref"], PUT, Out::Log);
            self.place.start(&["tail", "@owner.ref", "--json"])
        };
        for args in [&["show", "@sealed.ref"][..], &["show", "@owner.ref"]] {
            self.place.share(args, "", Out::Log);
        }
        drop(tail);
        let granted = granted.grant.to_string();
        let revoke = ["revoke", "@owner.ref", "--grant", &granted];
        self.place.share(&revoke, "", Out::Log);
        for args in [&["grants", "@owner.ref"][..], &["audit", "@owner.ref"]] {
            self.place.share(args, "", Out::Log);
        }
        let rotate = ["rotate", "@owner.ref"];
        self.hand_over("the second owner's", &rotate, "owner.ref")
    }

    /// What the library does with a share, to a replay under a weaker grant.
    async fn library(&mut self, owner: &ShareRef) {
        let session = Session::redeem(&TcpConnector::default(), owner).await;
        let session = session.expect("the owner is let in");
        let weak = self.attenuate(&session, owner, None).await;
        let key = OwnerKey::random(&self.entropy);
        self.made("an owner's key", key.expose(), &[]);
        let sealed = self.attenuate(&session, owner, Some(&key)).await;
        let proof = key.prove(sealed.share, sealed.grant, &sealed.secret.hash());
        self.made("an owner's proof", &proof.to_bytes(), &[]);
        let opened = Session::redeem_as(&TcpConnector::default(), &sealed, Some(&key)).await;
        let saved = opened.expect("its owner is let in").save().await;
        let saved = saved.expect("it is saved");
        self.made("a saved", saved.secret.expose(), &[]);
        self.published(&session, owner).await;
        self.wrong(owner).await;
        self.replay(&weak, &session).await;
        let revoked = session.revoke(sealed.grant, &origin()).await;
        assert_eq!(
            revoked.expect("it is revoked").grants,
            2,
            "and the saved one"
        );
        self.bump(&session, owner).await;
    }

    async fn attenuate(
        &mut self,
        session: &Session,
        owner: &ShareRef,
        seal: Option<&OwnerKey>,
    ) -> ShareRef {
        let secret = Secret::random(&self.entropy);
        let what = seal.map_or("the library's", |_| "the library's sealed");
        let home: &[&str] = if seal.is_some() { &[] } else { &["library"] };
        self.made(what, secret.expose(), home);
        let request = Attenuate {
            request: self.request(),
            secret_hash: secret.hash(),
            rights: Rights::of(&[Right::Read, Right::Append]),
            expires_at: None,
            label: "weak".into(),
            sealed_for: seal.map(OwnerKey::id),
            origin: origin(),
        };
        let minted = session.attenuate(&request).await.expect("it is minted");
        ShareRef {
            grant: minted.grant,
            epoch: minted.epoch,
            secret,
            ..owner.clone()
        }
    }

    async fn published(&mut self, session: &Session, owner: &ShareRef) {
        let slug = Slug::random(&self.entropy);
        self.made("the library's slug", slug.expose(), &[]);
        let request = Publish {
            slug_hash: slug.hash(),
            expires_at: None,
            label: String::new(),
            origin: origin(),
        };
        session.publish(&request).await.expect("it is published");
        let reader = Session::redeem_slug(
            &TcpConnector::default(),
            &owner.addresses,
            owner.security,
            &slug,
        )
        .await;
        let mut followed = follow(&reader.expect("the slug opens the share")).await;
        let revoked = session.revoke(slug.grant(), &origin()).await;
        revoked.expect("it is unpublished");
        while !matches!(
            followed.next().await.expect("the end is told"),
            SubscriptionEvent::Ended(_)
        ) {}
    }

    /// Refs that open nothing may still be good elsewhere: a typo, an old one.
    async fn wrong(&mut self, owner: &ShareRef) {
        let connector = TcpConnector::default();
        let wrong = ShareRef {
            secret: self.secret("a wrong"),
            ..owner.clone()
        };
        let slug = Slug::random(&self.entropy);
        self.made("a wrong slug", slug.expose(), &[]);
        let refused = [
            Session::redeem(&connector, &wrong).await,
            Session::redeem_slug(&connector, &owner.addresses, owner.security, &slug).await,
        ];
        for refused in refused {
            let error = refused.expect_err("it opens nothing");
            assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
        }
    }

    /// Appends through an outbox of the library's.
    async fn replay(&mut self, weak: &ShareRef, owner: &Session) {
        let path = self.place.path("library/share.sqlite");
        let outbox = Outbox::open(&path, OutboxOptions::default()).expect("an outbox opens");
        outbox.use_ref(weak.clone()).await.expect("the ref is kept");
        for key in ["b", "c"] {
            let put = Mutation::Put {
                key: key.into(),
                json: "2".into(),
            };
            let enqueued = outbox.enqueue(weak.share, NewOp::of(put)).await;
            enqueued.expect("an op is enqueued");
            let flusher = Flusher::spawn(&outbox, FlusherOptions::default());
            let flusher = flusher.expect("a flusher starts");
            flusher.flush().await.expect("the flusher runs");
            flusher.stop().await.expect("the flusher ends");
            // The second op comes too late.
            let revoked = owner.revoke(weak.grant, &origin()).await;
            revoked.expect("it is revoked");
        }
    }

    async fn bump(&mut self, session: &Session, owner: &ShareRef) {
        let secret = self.secret("the third owner's");
        let request = BumpEpoch {
            request: self.request(),
            owner_secret_hash: secret.hash(),
            origin: origin(),
        };
        let bumped = session.bump_epoch(&request).await.expect("it is bumped");
        let new = ShareRef {
            grant: bumped.grant,
            epoch: bumped.epoch,
            secret,
            ..owner.clone()
        };
        let read = Session::redeem(&TcpConnector::default(), &new).await;
        let mut keys = Vec::new();
        let read = read.expect("the owner is let in");
        let shown = read.document(|key, _| keys.push(key.to_owned())).await;
        shown.expect("the document is read");
        assert_eq!(keys, ["a", "b"]);
    }

    /// Factories: a grant within quotas, and a share that it creates and its owner deletes.
    async fn factories(&mut self, factory: &FactoryRef) {
        let connector = TcpConnector::default();
        let secret = self.secret("a factory's child's");
        let request = FactoryAttenuate {
            request: self.request(),
            secret_hash: secret.hash(),
            quotas: Quotas::default(),
            label: "child".into(),
            origin: origin(),
        };
        let minted = attenuate_factory(&connector, factory, &request).await;
        let child = FactoryRef {
            grant: minted.expect("it is minted").0,
            secret,
            ..factory.clone()
        };
        let secret = self.secret("another owner's");
        let request = CreateShare {
            request: self.request(),
            owner_secret_hash: secret.hash(),
            title: "another".into(),
            origin: origin(),
        };
        let created = create_share(&connector, &child, &request).await;
        let (created, _) = created.expect("a share is created");
        let owner = ShareRef {
            addresses: factory.addresses.clone(),
            share: created.share,
            grant: created.grant,
            epoch: created.epoch,
            security: share_model::Security::ByAddress,
            secret,
        };
        let deleted = delete_share(&connector, &owner, None, &origin()).await;
        deleted.expect("it is deleted");
        let wrong = FactoryRef {
            secret: self.secret("a factory's wrong"),
            ..factory.clone()
        };
        let refused = attenuate_factory(&connector, &wrong, &any_attenuate(self)).await;
        refused.expect_err("it opens nothing");
    }

    /// The keys of all lanes of an outbox.
    fn outbox_keys(&mut self, what: &'static str, file: &str, home: &str) {
        let db = rusqlite::Connection::open(self.place.path(file)).expect("the outbox opens");
        let mut keys = db
            .prepare("SELECT outbox_key FROM lane")
            .expect("it has lanes");
        let keys = keys.query_map([], |row| row.get::<_, Vec<u8>>(0));
        let keys: Result<Vec<_>, _> = keys.expect("they are read").collect();
        let keys = keys.expect("they are keys");
        assert!(!keys.is_empty(), "{file} has a lane");
        for key in keys {
            self.made(what, &key, &[home]);
        }
    }
}

fn any_attenuate(run: &mut Run) -> FactoryAttenuate {
    FactoryAttenuate {
        request: run.request(),
        secret_hash: run.secret("nobody's").hash(),
        quotas: Quotas::default(),
        label: String::new(),
        origin: origin(),
    }
}

fn origin() -> Origin {
    Origin::new(OriginKind::User, "tester".into(), 64).expect("it is short")
}

/// Follows a share up to now.
async fn follow(session: &Session) -> Subscription {
    let from = LogPosition {
        history: None,
        cursor: Cursor::ZERO,
    };
    let mut followed = session.subscribe(from).await.expect("it is followed");
    while !matches!(
        followed.next().await.expect("it goes live"),
        SubscriptionEvent::Live(_)
    ) {}
    followed
}

/// Has this process log all it can.
fn log_everything(place: &Place) {
    let log = Mutex::new(place.log("library.log"));
    let logging = tracing_subscriber::fmt().with_writer(log).with_ansi(false);
    logging.with_env_filter("trace").init();
}

#[tokio::test]
async fn no_secret_is_stored_logged_or_shown_where_it_does_not_belong() {
    let mut run = Run {
        place: Place::new(),
        entropy: SystemEntropy::default(),
        secrets: Vec::new(),
    };
    log_everything(&run.place);
    let (server, address) = run.place.serve("127.0.0.1:0");
    let factory = run.place.read("server/factory.ref");
    let factory: FactoryRef = factory.trim().parse().expect("it is a ref");
    let owner = run.command_line(&factory);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            run.library(&owner).await;
            run.factories(&factory).await;
        })
        .await;
    let backup = ["backup", "../saved", "--factory", "@../server/factory.ref"];
    run.place.share(&backup, "", Out::Log);
    server.end();
    let (server, _) = run.place.serve(&address);
    let connector = TcpConnector::default();
    let refused = local.run_until(Session::redeem(&connector, &owner));
    refused.await.expect_err("its epoch has ended");
    run.outbox_keys(
        "the command's outbox key",
        "client/.opencode/state/share.sqlite",
        "client",
    );
    run.outbox_keys(
        "the library's outbox key",
        "library/share.sqlite",
        "library",
    );

    // While the server runs: what it has in files beside its database is looked at too.
    let root = run.place.path("");
    let (leaks, at_home) = find(&root, &run.secrets);
    assert!(leaks.is_empty(), "secrets are found:\n{leaks:#?}");
    // What is looked for would be found, and there are logs in which to look.
    for expected in [
        "server/factory.ref: the factory's as base64url",
        "client/owner.ref: the second owner's as base64url",
        "library/share.sqlite: the library's outbox key as raw",
    ] {
        assert!(
            at_home.contains(expected),
            "no `{expected}` in {at_home:#?}"
        );
    }
    let share = owner.share.to_string();
    for name in ["serve.log", "library.log"] {
        let log = run.place.read(&format!("logs/{name}"));
        assert!(log.contains(&share), "the share is not in {name}:\n{log}");
    }
    let seen = run.place.read("logs/proc.log");
    for expected in ["serve\0", "tail\0@owner.ref", "SHARE_LOG=trace"] {
        assert!(seen.contains(expected), "no `{expected}` in {seen:?}");
    }
    drop(server);
}
