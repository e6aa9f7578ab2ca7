use std::sync::Arc;

use tokio::io::{AsyncWriteExt, DuplexStream};

use super::*;
use crate::budget::{Budget, BudgetLimits};
use crate::limits::NetworkLimits;
use crate::standing::Standing;

fn reading() -> (Reading<DuplexStream>, DuplexStream) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let standing = Standing::default();
    standing.prove();
    let budget = Arc::new(Budget::new(&BudgetLimits::server()));
    let link = Link::new(NetworkLimits::server(), budget, standing);
    (Reading::new(link, Rc::new(RefCell::new(near))), far)
}

/// A message of one segment that is empty but for its size.
fn message(words: u32) -> Vec<u8> {
    let mut bytes = [[0; 4], words.to_le_bytes()].concat();
    bytes.resize(8 + 8 * words as usize, 0);
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_a_large_buffer_while_there_is_traffic_and_no_longer() {
    let (reading, mut far) = reading();
    let buffer = || reading.state.borrow().buffer.len();
    assert_eq!(buffer(), 0);
    far.write_all(&message(10_000)).await.unwrap();
    assert!(reading.message().await.unwrap().is_some());
    assert_eq!(buffer(), 64 << 10);
    let nothing = tokio::time::timeout(IDLE * 2, reading.message()).await;
    assert!(nothing.is_err());
    assert_eq!(buffer(), 8 << 10);
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_after_so_many_messages() {
    let (reading, mut far) = reading();
    let messages = message(1).repeat(100);
    far.write_all(&messages).await.unwrap();
    assert!(reading.message().await.unwrap().is_some());
    let mut in_a_row = 1;
    while reading.try_message().unwrap().is_some() {
        in_a_row += 1;
    }
    assert_eq!(in_a_row, 32);
    assert!(reading.message().await.unwrap().is_some());
    assert!(reading.try_message().unwrap().is_some());
}
