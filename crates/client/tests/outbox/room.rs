//! A full outbox.

use share_client::{Grouping, OutboxError, OutboxOptions};
use share_model::seam::SqliteSettings;

use crate::folder::{Folder, SHARE, put, seqs};

fn bounded(pages: u32) -> OutboxOptions {
    OutboxOptions {
        sqlite: SqliteSettings {
            pages_max: Some(pages),
            ..SqliteSettings::default()
        },
        ..OutboxOptions::default()
    }
}

#[tokio::test]
async fn a_full_outbox_says_so_and_loses_nothing() {
    let folder = Folder::new();
    let outbox = folder.outbox_with(bounded(64)).await;
    let json = format!("\"{}\"", "x".repeat(3000));
    let mut stored = 0;
    let error = loop {
        match outbox.enqueue(SHARE, put("k", &json)).await {
            Ok(enqueued) => stored = enqueued.seq.get(),
            Err(error) => break error,
        }
        assert!(stored < 64, "64 pages never fill");
    };
    assert!(matches!(error, OutboxError::Full), "{error:?}");
    assert!(stored > 20);
    // A whole call is refused, not half of it.
    let calls = vec![put("k", "1"), put("k", &json)];
    let refused = outbox.enqueue_all(SHARE, calls, Grouping::Loose).await;
    assert!(matches!(refused, Err(OutboxError::Full)));
    assert_eq!(seqs(&outbox).await, (1..=stored).collect::<Vec<_>>());
    drop(outbox);

    let outbox = folder.outbox_with(bounded(128)).await;
    let next = outbox.enqueue(SHARE, put("k", &json)).await.unwrap();
    assert_eq!(next.seq.get(), stored + 1, "a refused op took a seq");
}
