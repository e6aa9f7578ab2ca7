//! The thread that reads appends and pushes what is durable to subscribers.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::feed::{Feed, Place, Served};
use super::frame::{Frame, ack};
use super::group::{Filling, Group, Writer};
use super::inbox::Inbox;

const LISTENER: Token = Token(usize::MAX);
const DURABLE: Token = Token(usize::MAX - 1);
/// Subscribers that are served before appends are looked at again.
const SERVED_AT_ONCE: usize = 16;

/// A connection that both threads hold: one reads it, the other acks on it.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Arc<TcpStream>);

impl Writer for Peer {
    fn ack(&self, first: u64, last: u64) {
        // An ack is a few bytes, and a peer has few appends without one. Whoever has not even room
        // for that, or is gone, waits for nothing any more.
        if (&*self.0).write_all(&ack(first, last)).is_err() {
            let _ = self.0.shutdown(std::net::Shutdown::Both);
        }
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What the threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) filling: Filling<Peer>,
    /// Groups that are durable and not in the feed yet. Never more than were read since the reading
    /// thread last looked, for it is the one that takes them.
    durable: Mutex<Vec<Arc<Vec<u8>>>>,
    has_subscribers: AtomicBool,
    waker: Waker,
}

impl Shared {
    /// Hands on a group that is durable; leaves it empty.
    pub(crate) fn publish(&self, group: &mut Group<Peer>) -> io::Result<()> {
        if !self.has_subscribers.load(Ordering::Acquire) {
            group.bytes.clear();
            return Ok(());
        }
        let bytes = Arc::new(std::mem::take(&mut group.bytes));
        self.durable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(bytes);
        self.waker.wake()
    }
}

/// A connection as the reading thread has it.
struct Connection {
    peer: Peer,
    inbox: Inbox,
    subscribed: Option<Subscriber>,
}

struct Subscriber {
    place: Place,
    /// It took less than it was given: it is served again when it says that it has room.
    is_full: bool,
}

/// The reading thread.
pub(crate) struct Serving {
    poll: Poll,
    listener: TcpListener,
    shared: Arc<Shared>,
    connections: Vec<Option<Connection>>,
    feed: Feed,
    /// The number of the next op, of whichever writer.
    next: u64,
    /// Whose turn it is among the subscribers, and how many have not had theirs since the feed grew.
    turn: usize,
    waiting: usize,
}

impl Serving {
    /// Serves whoever connects to `listener`.
    pub(crate) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let shared = Shared {
            filling: Filling::default(),
            durable: Mutex::default(),
            has_subscribers: AtomicBool::new(false),
            waker: Waker::new(poll.registry(), DURABLE)?,
        };
        Ok(Self {
            poll,
            listener,
            shared: Arc::new(shared),
            connections: Vec::new(),
            feed: Feed::default(),
            next: 1,
            turn: 0,
            waiting: 0,
        })
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Goes on until polling fails.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let patience = (self.waiting > 0).then_some(std::time::Duration::ZERO);
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    DURABLE => self.take_durable(),
                    Token(at) => self.hear(at, event),
                }
            }
            if self.shared.filling.with(|group| !group.bytes.is_empty()) {
                self.shared.filling.announce();
            }
            self.serve_some();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let free = self.connections.iter().position(Option::is_none);
            let at = free.unwrap_or(self.connections.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(at), interest)?;
            let connection = Some(Connection {
                peer: Peer(Arc::new(stream)),
                inbox: Inbox::default(),
                subscribed: None,
            });
            match free {
                Some(at) => self.connections[at] = connection,
                None => self.connections.push(connection),
            }
        }
    }

    fn take_durable(&mut self) {
        let groups = &self.shared.durable;
        let groups = std::mem::take(&mut *groups.lock().unwrap_or_else(PoisonError::into_inner));
        for group in groups {
            self.feed.push(group);
        }
        self.waiting = self.connections.len();
    }

    fn hear(&mut self, at: usize, event: &Event) {
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return;
        };
        if event.is_writable()
            && let Some(subscriber) = &mut connection.subscribed
        {
            subscriber.is_full = false;
            self.waiting = self.connections.len();
        }
        if event.is_readable() && !self.read(at).is_ok_and(|goes_on| goes_on) {
            self.connections[at] = None;
        }
    }

    /// Reads what came. False: nothing more will.
    fn read(&mut self, at: usize) -> io::Result<bool> {
        let Some(Some(connection)) = self.connections.get_mut(at) else {
            return Ok(false);
        };
        loop {
            let room = connection.inbox.room().len();
            let bytes = match connection.inbox.read(&mut &*connection.peer.0) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            let inbox = &mut connection.inbox;
            let (peer, next) = (&connection.peer, &mut self.next);
            let is_subscriber = connection.subscribed.is_some();
            let subscribes = self.shared.filling.with(|group| -> io::Result<bool> {
                let mut subscribes = false;
                while let Some(piece) = inbox.take()? {
                    match Frame::read(piece)? {
                        Frame::Append(ops) if !is_subscriber => {
                            *next = group.push(ops, peer, *next)?;
                        }
                        Frame::Subscribe => subscribes = true,
                        // An ack to a subscriber could fall into the middle of a record.
                        Frame::Append(_) | Frame::Ack { .. } => {
                            return Err(io::ErrorKind::InvalidData.into());
                        }
                    }
                }
                Ok(subscribes)
            })?;
            if subscribes {
                self.shared.has_subscribers.store(true, Ordering::Release);
                peer.ack(0, 0);
                let place = self.feed.end();
                connection.subscribed = Some(Subscriber {
                    place,
                    is_full: false,
                });
            }
            // A socket that gave less than there was room for is empty, and will say when it is not.
            if bytes < room {
                return Ok(bytes > 0);
            }
        }
    }

    /// Serves the next few subscribers.
    fn serve_some(&mut self) {
        let mut served = 0;
        while self.waiting > 0 && served < SERVED_AT_ONCE {
            self.waiting -= 1;
            self.turn = (self.turn + 1) % self.connections.len().max(1);
            let Some(Some(connection)) = self.connections.get_mut(self.turn) else {
                continue;
            };
            let Some(subscriber) = &mut connection.subscribed else {
                continue;
            };
            if subscriber.is_full {
                continue;
            }
            served += 1;
            match self.feed.serve(&mut subscriber.place, &*connection.peer.0) {
                Ok(Served::Everything) => {}
                Ok(Served::Full) => subscriber.is_full = true,
                Ok(Served::Behind) | Err(_) => self.connections[self.turn] = None,
            }
        }
        if self.waiting == 0 {
            let connections = self.connections.iter().flatten();
            let places = connections.filter_map(|connection| connection.subscribed.as_ref());
            self.feed
                .drop_before(places.map(|subscriber| subscriber.place));
        }
    }
}
