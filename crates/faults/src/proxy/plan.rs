//! The faults that are in force: set by the script, consulted before each piece is handed on.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

/// A direction of travel through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Client to server.
    Up,
    /// Server to client.
    Down,
}

/// How a cut closes the two sockets of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// A reset: both peers get an error, and what their kernels still had to send is lost.
    Reset,
    /// An orderly end of stream, as when a peer's process ends.
    Finish,
}

/// An order to the connections that are open when it is given: those that remember an older number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) close: Close,
}

impl Order {
    const NONE: Order = Order {
        number: 0,
        close: Close::Reset,
    };

    fn give(&mut self, close: Close) {
        self.number += 1;
        self.close = close;
    }
}

/// The orders that had been given when a connection came in; they don't concern it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    cut: u64,
    swallow: u64,
}

/// What may happen to a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Hand on this many bytes; `cut` is owed as soon as they are written.
    Forward { bytes: usize, cut: Option<Close> },
    /// Drop it, then close the connection.
    Swallow(Close),
    /// Hold it for this long, then ask again.
    Stall(Duration),
    /// Hold it until the partition heals, then ask again.
    Partitioned,
    /// Hold it: the connection is about to be cut.
    Doomed,
}

#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    partitioned: bool,
    /// For the next piece only.
    stall: Option<Duration>,
    cut_after: Option<Budget>,
}

#[derive(Debug, Clone, Copy)]
struct Budget {
    /// 0 while the last of these bytes are being written; the cut follows.
    bytes_left: u64,
    close: Close,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) upstream: SocketAddr,
    pub(super) refusing: bool,
    pub(super) delay: Duration,
    pub(super) piece_bytes_max: Option<NonZeroUsize>,
    cut: Order,
    swallow: Order,
    up: Rules,
    down: Rules,
}

impl Plan {
    pub(super) fn new(upstream: SocketAddr) -> Plan {
        Plan {
            upstream,
            refusing: false,
            delay: Duration::ZERO,
            piece_bytes_max: None,
            cut: Order::NONE,
            swallow: Order::NONE,
            up: Rules::default(),
            down: Rules::default(),
        }
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            cut: self.cut.number,
            swallow: self.swallow.number,
        }
    }

    pub(super) fn cut(&mut self, close: Close) {
        self.cut.give(close);
        for rules in [&mut self.up, &mut self.down] {
            rules.cut_after.take_if(|budget| budget.bytes_left == 0);
        }
    }

    pub(super) fn cut_after(&mut self, direction: Direction, bytes: u64, close: Close) {
        if bytes == 0 {
            return self.cut(close);
        }
        self.rules(direction).cut_after = Some(Budget {
            bytes_left: bytes,
            close,
        });
    }

    pub(super) fn swallow(&mut self, close: Close) {
        self.swallow.give(close);
    }

    pub(super) fn stall(&mut self, direction: Direction, duration: Duration) {
        self.rules(direction).stall = Some(duration);
    }

    pub(super) fn set_partitioned(&mut self, direction: Direction, partitioned: bool) {
        self.rules(direction).partitioned = partitioned;
    }

    pub(super) fn partitioned(&self, direction: Direction) -> bool {
        match direction {
            Direction::Up => self.up.partitioned,
            Direction::Down => self.down.partitioned,
        }
    }

    /// The cut that a connection has been ordered, if any.
    pub(super) fn cut_for(&self, seen: Seen) -> Option<Close> {
        (self.cut.number != seen.cut).then_some(self.cut.close)
    }

    /// Whether the replies to a connection are being swallowed.
    pub(super) fn swallow_for(&self, seen: Seen) -> Option<Close> {
        (self.swallow.number != seen.swallow).then_some(self.swallow.close)
    }

    /// Decides on the next `offered` bytes. Bytes are taken off an armed cut here, before they are
    /// written, so that connections that write at the same time can't overrun it together.
    pub(super) fn judge(&mut self, direction: Direction, seen: Seen, offered: usize) -> Verdict {
        if self.cut_for(seen).is_some() {
            return Verdict::Doomed;
        }
        if let (Direction::Down, Some(close)) = (direction, self.swallow_for(seen)) {
            return Verdict::Swallow(close);
        }
        let rules = self.rules(direction);
        if rules.partitioned {
            return Verdict::Partitioned;
        }
        if let Some(duration) = rules.stall.take() {
            return Verdict::Stall(duration);
        }
        let Some(budget) = &mut rules.cut_after else {
            return Verdict::Forward {
                bytes: offered,
                cut: None,
            };
        };
        if budget.bytes_left == 0 {
            return Verdict::Doomed;
        }
        let bytes = usize::try_from(budget.bytes_left).map_or(offered, |left| left.min(offered));
        budget.bytes_left -= bytes as u64;
        Verdict::Forward {
            bytes,
            cut: (budget.bytes_left == 0).then_some(budget.close),
        }
    }

    fn rules(&mut self, direction: Direction) -> &mut Rules {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}
