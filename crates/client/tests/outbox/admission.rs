//! What an outbox takes, and what it refuses before anything is stored.

use share_client::{
    DependsOn, Grouping, NewOp, Outbox, OutboxError, OutboxOptions, RefUse, RowFilter, RowState,
};
use share_model::{
    Dependency, Epoch, Fingerprint, Identity, Limits, Mutation, MutationError, Op, OpId, Secret,
    Seq, ShareId, ShareRef,
};

use crate::folder::{Folder, SHARE, named, put, reference, seqs};

fn id(number: u8) -> OpId {
    OpId::from_bytes([number; 16])
}

#[tokio::test]
async fn seq_and_identity_are_given_at_enqueue_and_a_dependency_by_op_id_becomes_an_identity() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    let first = outbox
        .enqueue(SHARE, named(1, put("a", "1")))
        .await
        .unwrap();
    let depends_on = vec![DependsOn::Op(id(1))];
    let second = NewOp {
        depends_on,
        ..named(2, put("b", "2"))
    };
    let second = outbox.enqueue(SHARE, second).await.unwrap();
    assert_eq!((first.seq, second.seq), (Seq::new(1), Seq::new(2)));
    let put = |key: &str, json: &str| Mutation::Put {
        key: key.into(),
        json: json.into(),
    };
    let op = Op {
        id: id(1),
        depends_on: vec![],
        mutation: put("a", "1"),
    };
    let fingerprint = Fingerprint::of(&op, first.identity.outbox);
    assert_eq!(first.identity.fingerprint, fingerprint);
    let dependency = Dependency {
        outbox: None,
        seq: Seq::new(1),
        fingerprint,
    };
    let op = Op {
        id: id(2),
        depends_on: vec![dependency],
        mutation: put("b", "2"),
    };
    assert_eq!(
        second.identity.fingerprint,
        Fingerprint::of(&op, first.identity.outbox)
    );
}

#[tokio::test]
async fn a_dependency_on_an_earlier_op_of_the_same_call_is_found() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    let dependent = NewOp {
        depends_on: vec![DependsOn::Op(id(1))],
        ..named(2, put("b", "2"))
    };
    let ops = vec![named(1, put("a", "1")), dependent.clone()];
    outbox
        .enqueue_all(SHARE, ops, Grouping::Loose)
        .await
        .unwrap();
    assert_eq!(seqs(&outbox).await, [1, 2]);
}

#[tokio::test]
async fn an_unknown_or_later_dependency_is_refused_by_name_and_nothing_of_the_call_is_stored() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    let on = |dependency| NewOp {
        depends_on: vec![dependency],
        ..named(2, put("b", "2"))
    };
    let ops = vec![
        put("a", "1"),
        on(DependsOn::Op(id(3))),
        named(3, put("c", "3")),
    ];
    let refused = outbox
        .enqueue_all(SHARE, ops, Grouping::Loose)
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        OutboxError::UnknownDependency { op, dependency } if op == id(2) && dependency == id(3)
    ));
    let own = outbox.enqueue(SHARE, put("a", "1")).await.unwrap().identity;
    let later = Identity {
        seq: Seq::new(2),
        ..own
    };
    let refused = outbox
        .enqueue(SHARE, on(DependsOn::Identity(later)))
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        OutboxError::LaterDependency { dependency, .. } if dependency == Seq::new(2)
    ));
    assert_eq!(seqs(&outbox).await, [1]);
    outbox
        .enqueue(SHARE, on(DependsOn::Identity(own)))
        .await
        .unwrap();
    let elsewhere = Identity {
        outbox: share_model::OutboxId::from_bytes([5; 16]),
        seq: Seq::new(99),
        ..own
    };
    let other = NewOp {
        depends_on: vec![DependsOn::Identity(elsewhere)],
        ..put("c", "3")
    };
    outbox.enqueue(SHARE, other).await.unwrap();
    assert_eq!(seqs(&outbox).await, [1, 2, 3]);
}

#[tokio::test]
async fn an_op_id_names_one_op_of_a_share() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    outbox
        .enqueue(SHARE, named(1, put("a", "1")))
        .await
        .unwrap();
    let refused = outbox
        .enqueue(SHARE, named(1, put("a", "2")))
        .await
        .unwrap_err();
    assert!(matches!(refused, OutboxError::OpIdTaken { seq, .. } if seq == Seq::new(1)));
    let twice = vec![named(2, put("a", "1")), named(2, put("a", "1"))];
    let refused = outbox
        .enqueue_all(SHARE, twice, Grouping::Loose)
        .await
        .unwrap_err();
    assert!(matches!(refused, OutboxError::OpIdTaken { .. }));
    assert_eq!(seqs(&outbox).await, [1]);
}

#[tokio::test]
async fn a_share_without_a_ref_takes_no_op() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    let other = ShareId::from_bytes([1; 16]);
    let refused = outbox.enqueue(other, put("a", "1")).await.unwrap_err();
    assert!(matches!(refused, OutboxError::UnknownShare { share } if share == other));
}

async fn tightly_limited(folder: &Folder) -> Outbox {
    let limits = Limits {
        key_bytes_max: 4,
        value_bytes_max: 10,
        depth_max: 2,
        dependencies_max: 1,
        batch_bytes_max: 14,
        ..Limits::DEFAULT
    };
    let options = OutboxOptions {
        limits,
        ..OutboxOptions::default()
    };
    folder.outbox_with(options).await
}

fn append(pointer: &str, text: &str) -> NewOp {
    let (key, pointer, text) = ("k".into(), pointer.into(), text.into());
    NewOp::of(Mutation::AppendText { key, pointer, text })
}

#[tokio::test]
async fn at_a_limit_an_op_is_taken() {
    let folder = Folder::new();
    let outbox = tightly_limited(&folder).await;
    for op in [
        put("four", "\"12345678\""),
        put("k", "[[1]]"),
        append("", "0123456789"),
    ] {
        outbox.enqueue(SHARE, op).await.unwrap();
    }
    assert_eq!(seqs(&outbox).await, [1, 2, 3]);
}

#[tokio::test]
async fn one_beyond_a_limit_an_op_is_refused_by_name_and_nothing_is_stored() {
    let folder = Folder::new();
    let outbox = tightly_limited(&folder).await;
    let merge = Mutation::Merge {
        key: "k".into(),
        json: "nope".into(),
    };
    let (key, pointer, json) = ("k".into(), "a".into(), "1".into());
    let item = Mutation::AppendItem { key, pointer, json };
    let too_large = MutationError::ValueTooLarge { bytes: 11, max: 10 };
    let beyond = [
        (
            put("five5", "1"),
            MutationError::KeyTooLong { bytes: 5, max: 4 },
        ),
        (put("k", "\"123456789\""), too_large.clone()),
        (append("", "0123456789a"), too_large),
        (
            put("k", "[[[]]]"),
            MutationError::TooDeep { levels: 3, max: 2 },
        ),
        (put("", "1"), MutationError::KeyEmpty),
        (put("k", "{\"a\":"), MutationError::NotJson),
        (NewOp::of(merge), MutationError::NotJson),
        (NewOp::of(item), MutationError::PointerAbsent),
    ];
    for (op, expected) in beyond {
        match outbox.enqueue(SHARE, op.clone()).await {
            Err(OutboxError::InvalidOp { error, .. }) => assert_eq!(error, expected, "{op:?}"),
            other => panic!("{op:?} gave {other:?}"),
        }
    }
    assert!(seqs(&outbox).await.is_empty());
}

#[tokio::test]
async fn too_many_dependencies_or_bytes_for_a_batch_are_refused() {
    let folder = Folder::new();
    let outbox = tightly_limited(&folder).await;
    let many = DependsOn::Identity(Identity {
        outbox: share_model::OutboxId::from_bytes([5; 16]),
        seq: Seq::new(1),
        fingerprint: Fingerprint::from_bytes([1; 16]),
    });
    let op = NewOp {
        depends_on: vec![many; 2],
        ..put("k", "1")
    };
    let refused = outbox.enqueue(SHARE, op).await.unwrap_err();
    assert!(matches!(
        refused,
        OutboxError::TooManyDependencies {
            count: 2,
            max: 1,
            ..
        }
    ));
    let refused = outbox
        .enqueue(SHARE, append("/long", "012345678"))
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        OutboxError::OpTooLarge {
            bytes: 15,
            max: 14,
            ..
        }
    ));
    assert!(seqs(&outbox).await.is_empty());
}

#[tokio::test]
async fn an_atomic_group_must_fit_a_batch_and_have_an_op() {
    let limits = Limits {
        batch_ops_max: 2,
        ..Limits::DEFAULT
    };
    let folder = Folder::new();
    let outbox = folder
        .outbox_with(OutboxOptions {
            limits,
            ..OutboxOptions::default()
        })
        .await;
    let atomic = Grouping::Atomic {
        expected_cursor: None,
    };
    let group = |count: usize| vec![put("a", "1"); count];
    let refused = outbox
        .enqueue_all(SHARE, group(3), atomic)
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        OutboxError::GroupTooLarge {
            ops: 3,
            ops_max: 2,
            ..
        }
    ));
    let refused = outbox
        .enqueue_all(SHARE, group(0), atomic)
        .await
        .unwrap_err();
    assert!(matches!(refused, OutboxError::EmptyGroup { .. }));
    outbox.enqueue_all(SHARE, group(2), atomic).await.unwrap();
    assert_eq!(seqs(&outbox).await, [1, 2]);
}

#[tokio::test]
async fn the_newest_ref_of_a_share_takes_the_place_of_earlier_ones() {
    let folder = Folder::new();
    let outbox = Outbox::open(&folder.path(), OutboxOptions::default()).unwrap();
    let of_epoch = |epoch, secret| ShareRef {
        epoch: Epoch::new(epoch),
        secret: Secret::from_bytes([secret; 32]),
        ..reference()
    };
    assert_eq!(outbox.use_ref(of_epoch(1, 1)).await.unwrap(), RefUse::New);
    assert_eq!(outbox.use_ref(of_epoch(1, 1)).await.unwrap(), RefUse::Same);
    assert_eq!(
        outbox.use_ref(of_epoch(2, 2)).await.unwrap(),
        RefUse::Replaced
    );
    assert_eq!(outbox.use_ref(of_epoch(1, 1)).await.unwrap(), RefUse::Older);
    assert_eq!(outbox.shares().await.unwrap()[0].epoch, Epoch::new(2));
}

#[tokio::test]
async fn listings_page_and_filter_by_share_and_state() {
    let folder = Folder::new();
    let outbox = folder.outbox().await;
    let other = ShareRef {
        share: ShareId::from_bytes([1; 16]),
        ..reference()
    };
    outbox.use_ref(other.clone()).await.unwrap();
    for share in [other.share, SHARE, SHARE, other.share] {
        outbox.enqueue(share, put("a", "1")).await.unwrap();
    }
    let mut after = None;
    let mut found = Vec::new();
    loop {
        let page = outbox.rows(RowFilter::default(), after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.position());
        found.extend(page.iter().map(|row| (row.share, row.seq.get())));
    }
    assert_eq!(
        found,
        [(SHARE, 1), (SHARE, 2), (other.share, 1), (other.share, 2)]
    );
    let settled = RowFilter {
        states: vec![RowState::Settled],
        ..RowFilter::default()
    };
    assert_eq!(outbox.rows(settled, None, 9).await.unwrap(), []);
    let of_other = RowFilter {
        share: Some(other.share),
        states: vec![RowState::Queued],
    };
    assert_eq!(outbox.rows(of_other, None, 9).await.unwrap().len(), 2);
}
