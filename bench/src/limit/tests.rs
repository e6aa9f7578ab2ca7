//! The server over loopback, on its two threads.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

use super::frame::{Inbox, Kind, append, bare, renumber};
use super::log::Log;
use super::start;

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

/// The next frames of a connection.
fn receive(stream: &mut TcpStream, inbox: &mut Inbox) -> Vec<(Kind, u64, Vec<u8>)> {
    assert!(
        inbox.read(stream).unwrap() > 0,
        "the server closed the connection"
    );
    let mut frames = Vec::new();
    while let Some(frame) = inbox.take().unwrap() {
        frames.push((frame.kind, frame.number, frame.bytes.to_vec()));
    }
    frames
}

fn numbered(number: u64) -> Vec<u8> {
    let payload = format!("op {number} {}", "x".repeat(700));
    let mut frame = append(payload.as_bytes());
    renumber(&mut frame, number);
    frame
}

#[test]
fn every_append_is_acked_when_it_is_synced_and_reaches_a_subscriber_once_and_in_order() {
    const APPENDS: u64 = 2000;
    let log = Memory::default();
    let synced = Arc::clone(&log.synced);
    let (address, _) = serve(log);
    let mut subscriber = TcpStream::connect(address).unwrap();
    subscriber.write_all(&bare(Kind::Subscribe, 0)).unwrap();
    let mut seen = Inbox::default();
    assert_eq!(receive(&mut subscriber, &mut seen)[0].0, Kind::Ack);

    let mut writer = TcpStream::connect(address).unwrap();
    let sent: Vec<_> = (1..=APPENDS).map(numbered).collect();
    let (all, mut sender) = (sent.concat(), writer.try_clone().unwrap());
    let sending = std::thread::spawn(move || sender.write_all(&all).unwrap());
    let (mut inbox, mut acked) = (Inbox::default(), 0);
    while acked < APPENDS {
        for (kind, through, _) in receive(&mut writer, &mut inbox) {
            assert!(
                kind == Kind::Ack && through > acked,
                "{kind:?} {through} after {acked}"
            );
            acked = through;
            let durable: usize = sent
                .iter()
                .take(usize::try_from(acked).unwrap())
                .map(Vec::len)
                .sum();
            assert!(
                synced.lock().unwrap().len() >= durable,
                "ack {acked} before its sync"
            );
        }
    }
    sending.join().unwrap();
    assert!(*synced.lock().unwrap() == sent.concat());

    let mut pushed = Vec::new();
    while pushed.len() < sent.len() {
        pushed.extend(
            receive(&mut subscriber, &mut seen)
                .into_iter()
                .map(|(_, _, bytes)| bytes),
        );
    }
    assert!(
        pushed == sent,
        "the subscriber got something else than what was sent"
    );
}

#[test]
fn after_a_failed_sync_nothing_is_acked_any_more() {
    let first = numbered(1);
    let log = Memory {
        bytes_max: Some(first.len()),
        ..Memory::default()
    };
    let (address, failure) = serve(log);
    let mut writer = TcpStream::connect(address).unwrap();
    writer.write_all(&first).unwrap();
    let mut inbox = Inbox::default();
    assert_eq!(
        receive(&mut writer, &mut inbox),
        [(Kind::Ack, 1, bare(Kind::Ack, 1).to_vec())]
    );
    writer.write_all(&numbered(2)).unwrap();
    assert_eq!(failure.recv().unwrap(), "broken");
    writer.set_nonblocking(true).unwrap();
    let answer = inbox.read(&mut writer).map_err(|error| error.kind());
    assert_eq!(answer, Err(io::ErrorKind::WouldBlock));
}
