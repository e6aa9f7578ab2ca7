//! Recorded agent sessions, plain and packed.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use share_model::{Document, Limits};
use share_opencode::{Converter, Recording, RecordingError, Request, RequestKind, expected};

/// Reads a recording and plays it into a document, which then says what the recording does. Packed or
/// plain, it is read alike.
///
/// # Panics
///
/// If that does not hold.
pub fn recordings(data: &[u8]) {
    let read = read(data);
    if !data.starts_with(&[0x1f, 0x8b]) {
        let packed = packed(data).expect("bytes are packed in memory");
        let again = self::read(&packed);
        assert_eq!(shown(&again), shown(&read), "packed it is read otherwise");
    }
    let Ok(requests) = read else {
        return;
    };
    let Some(document) = play(&requests) else {
        return;
    };
    let expected = expected(requests.into_iter().map(Ok)).expect("each item had its place");
    let found: BTreeMap<String, Value> = document
        .iter()
        .map(|(key, stored)| (key.to_owned(), stored.value().clone()))
        .collect();
    assert_eq!(found, expected);
}

fn packed(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data)?;
    encoder.finish()
}

fn read(data: &[u8]) -> Result<Vec<Request>, RecordingError> {
    let mut recording = Recording::new(data)?;
    let requests = recording.by_ref().collect::<Result<Vec<_>, _>>()?;
    let counts = recording.counts();
    assert_eq!(counts.requests, requests.len() as u64);
    let known = counts.creates + counts.syncs + counts.deletes + counts.other;
    assert_eq!(known, counts.requests);
    Ok(requests)
}

fn shown(read: &Result<Vec<Request>, RecordingError>) -> Result<&[Request], String> {
    read.as_deref().map_err(ToString::to_string)
}

/// The document after all syncs; `None` if an item has no place in one.
fn play(requests: &[Request]) -> Option<Document> {
    let mut converter = Converter::default();
    let mut document = Document::default();
    for request in requests {
        let RequestKind::Sync { items } = &request.kind else {
            continue;
        };
        for item in items {
            for mutation in converter.convert(item.clone()).ok()? {
                let applied = document.apply(&mutation, &Limits::DEFAULT);
                applied.expect("what the converter made is applied");
            }
        }
    }
    Some(document)
}
