//! The server over loopback, on its two threads.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

use super::frame::{Append, Frame, ack, subscribe};
use super::inbox::Inbox;
use super::log::Log;
use super::{record, start};

/// Keeps what is synced, and fails once so much of it is.
#[derive(Clone, Default)]
struct Memory {
    written: Vec<u8>,
    synced: Arc<Mutex<Vec<u8>>>,
    bytes_max: Option<usize>,
}

impl Log for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap();
        if self.bytes_max.is_some_and(|most| self.written.len() > most) {
            return Err(io::Error::other("broken"));
        }
        synced.clone_from(&self.written);
        Ok(())
    }
}

/// Has the server run on threads that end with the process; what its log failed of comes by the channel.
fn serve(log: Memory) -> (SocketAddr, mpsc::Receiver<String>) {
    let (failed, failure) = mpsc::sync_channel(1);
    let (serving, address) =
        start(log, move |error| failed.send(error.to_string()).unwrap()).unwrap();
    std::thread::spawn(move || serving.run());
    (address, failure)
}

/// The next frames or records of a connection.
fn receive(stream: &mut TcpStream, inbox: &mut Inbox) -> Vec<Vec<u8>> {
    assert!(
        inbox.read(stream).unwrap() > 0,
        "the server closed the connection"
    );
    let mut pieces = Vec::new();
    while let Some(piece) = inbox.take().unwrap() {
        pieces.push(piece.to_vec());
    }
    pieces
}

const OPS: u64 = 3;

fn id(number: u64) -> [u8; 16] {
    (u128::from(number) << 64 | 0x1d).to_le_bytes()
}

fn payload(number: u64) -> Vec<u8> {
    format!("op {number} {}", "x".repeat(700)).into_bytes()
}

/// An append of so many ops, the first with this number.
fn numbered(first: u64) -> Vec<u8> {
    let mut append = Append::new();
    for number in first..first + OPS {
        append.push(&id(number), &payload(number));
    }
    append.bytes().to_vec()
}

/// The record of an op, by the format's description.
fn record_of(number: u64) -> Vec<u8> {
    let checked = [&number.to_le_bytes()[..], &id(number), &payload(number)].concat();
    let length = u32::try_from(4 + checked.len()).unwrap().to_le_bytes();
    let checksum = crc32fast::hash(&checked).to_le_bytes();
    [&length[..], &checksum, &checked].concat()
}

#[test]
fn every_op_is_acked_when_it_is_synced_and_reaches_a_subscriber_once_and_in_order() {
    const APPENDS: u64 = 700;
    let log = Memory::default();
    let synced = Arc::clone(&log.synced);
    let (address, _) = serve(log);
    let mut subscriber = TcpStream::connect(address).unwrap();
    subscriber.write_all(&subscribe()).unwrap();
    let mut seen = Inbox::default();
    assert_eq!(receive(&mut subscriber, &mut seen), [ack(0, 0)]);

    let mut writer = TcpStream::connect(address).unwrap();
    let all: Vec<_> = (0..APPENDS).flat_map(|at| numbered(1 + at * OPS)).collect();
    let mut sender = writer.try_clone().unwrap();
    let sending = std::thread::spawn(move || sender.write_all(&all).unwrap());
    let records: Vec<_> = (1..=APPENDS * OPS).map(record_of).collect();
    let (mut inbox, mut acked) = (Inbox::default(), 0);
    while acked < APPENDS * OPS {
        for piece in receive(&mut writer, &mut inbox) {
            let Ok(Frame::Ack { first, last }) = Frame::read(&piece) else {
                panic!("no ack: {piece:?}");
            };
            assert!(
                first == acked + 1 && last > acked && last % OPS == 0,
                "ack of {first} to {last} after {acked}"
            );
            acked = last;
            let durable = records.iter().take(usize::try_from(acked).unwrap());
            let durable: usize = durable.map(Vec::len).sum();
            assert!(
                synced.lock().unwrap().len() >= durable,
                "ack {acked} before its sync"
            );
        }
    }
    sending.join().unwrap();
    assert!(*synced.lock().unwrap() == records.concat());

    let mut pushed = Vec::new();
    while pushed.len() < records.len() {
        pushed.extend(receive(&mut subscriber, &mut seen));
    }
    assert!(
        pushed == records,
        "the subscriber got something else than what was logged"
    );
    assert_eq!(record::number(&pushed[1]), Ok(2));
}

#[test]
fn writers_get_numbers_of_one_order() {
    let (address, _) = serve(Memory::default());
    let mut acks = Vec::new();
    for _ in 0..2 {
        let mut writer = TcpStream::connect(address).unwrap();
        writer.write_all(&numbered(1)).unwrap();
        acks.extend(receive(&mut writer, &mut Inbox::default()));
    }
    assert_eq!(acks, [ack(1, 3), ack(4, 6)]);
}

#[test]
fn after_a_failed_sync_nothing_is_acked_any_more() {
    let log = Memory {
        bytes_max: Some((1..=OPS).map(|number| record_of(number).len()).sum()),
        ..Memory::default()
    };
    let (address, failure) = serve(log);
    let mut writer = TcpStream::connect(address).unwrap();
    writer.write_all(&numbered(1)).unwrap();
    let mut inbox = Inbox::default();
    assert_eq!(receive(&mut writer, &mut inbox), [ack(1, OPS)]);
    writer.write_all(&numbered(1 + OPS)).unwrap();
    assert_eq!(failure.recv().unwrap(), "broken");
    writer.set_nonblocking(true).unwrap();
    let answer = inbox.read(&mut writer).map_err(|error| error.kind());
    assert_eq!(answer, Err(io::ErrorKind::WouldBlock));
}
