//! What is to be reached: the rows of the table.

use std::fmt;

use self::Against::{Limit, Own, Peers};
use self::Bound::{AtLeast, AtMost};

/// What a figure is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// That of the limit server in the same pair.
    Limit,
    /// That of the best durable peer in the same pair.
    Peers,
    /// Nothing: the figure itself is bounded.
    Own,
}

/// Which side of a value is good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    /// What it is.
    pub(crate) fn value(self) -> f64 {
        match self {
            AtMost(value) | AtLeast(value) => value,
        }
    }

    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(most) => write!(f, "≤ {most}"),
            AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) figure: &'static str,
    /// What the figure is, for people.
    pub(crate) label: &'static str,
    pub(crate) against: Against,
    /// What must hold, and what is hoped for.
    pub(crate) bounds: Option<(Bound, Bound)>,
}

const fn told(scenario: &'static str, figure: &'static str, label: &'static str) -> Row {
    Row {
        scenario,
        figure,
        label,
        against: Limit,
        bounds: None,
    }
}

const fn bound(
    (scenario, figure, label): (&'static str, &'static str, &'static str),
    against: Against,
    must: Bound,
    goal: Bound,
) -> Row {
    Row {
        scenario,
        figure,
        label,
        against,
        bounds: Some((must, goal)),
    }
}

/// Every row, in the table's order.
pub(crate) const ROWS: &[Row] = &[
    bound(("A", "p50_ms", "p50, ms"), Limit, AtMost(1.5), AtMost(1.25)),
    told("A", "p99_ms", "p99, ms"),
    told("A", "ops_s", "ops/s"),
    told("A", "cpu_us_op", "server CPU, µs/op"),
    bound(("B", "ops_s", "ops/s"), Limit, AtLeast(0.6), AtLeast(0.7)),
    bound(
        ("B", "ops_s", "ops/s, of the best peer"),
        Peers,
        AtLeast(1.5),
        AtLeast(2.0),
    ),
    told("B", "p50_ms", "p50, ms"),
    told("B", "p99_ms", "p99, ms"),
    told("B", "cpu_us_op", "server CPU, µs/op"),
    bound(("C", "ops_s", "ops/s"), Limit, AtLeast(0.45), AtLeast(0.6)),
    bound(
        ("C", "ops_s", "ops/s, of the best peer"),
        Peers,
        AtLeast(1.5),
        AtLeast(2.0),
    ),
    bound(("C", "p99_ms", "p99, ms"), Limit, AtMost(4.0), AtMost(3.0)),
    told("C", "p50_ms", "p50, ms"),
    told("C", "cpu_us_op", "server CPU, µs/op"),
    bound(
        ("D", "ops_s", "delivered/s"),
        Limit,
        AtLeast(0.7),
        AtLeast(0.8),
    ),
    bound(
        ("D", "p99_ms", "lag p99, ms"),
        Limit,
        AtMost(2.0),
        AtMost(1.5),
    ),
    told("D", "p50_ms", "lag p50, ms"),
    told("D", "appends_s", "appends/s"),
    bound(
        ("P", "p99_ms", "lag p99, ms"),
        Limit,
        AtMost(2.0),
        AtMost(1.5),
    ),
    told("P", "p50_ms", "lag p50, ms"),
    bound(
        ("R", "of_c", "time, of what C's rate implies"),
        Own,
        AtMost(1.5),
        AtMost(1.5),
    ),
    told("R", "seconds", "time, s"),
    told("R", "ops_s", "ops/s"),
    told("E", "ops_s", "one task, ops/s"),
    told("E", "p50_ms", "one task, p50, ms"),
    told("E", "p99_ms", "one task, p99, ms"),
    told("E", "many_ops_s", "many tasks, ops/s"),
    told("E", "many_p50_ms", "many tasks, p50, ms"),
    told("E", "many_p99_ms", "many tasks, p99, ms"),
    bound(
        ("E", "stream_percent", "token stream, % of a core"),
        Own,
        AtMost(3.0),
        AtMost(3.0),
    ),
    told(
        "E",
        "stream_p50_ms",
        "streamed tokens, until durable, p50, ms",
    ),
    told(
        "E",
        "stream_p99_ms",
        "streamed tokens, until durable, p99, ms",
    ),
    told(
        "E",
        "alone_percent",
        "the same, each token by itself, % of a core",
    ),
    told(
        "E",
        "alone_p99_ms",
        "tokens by themselves, until durable, p99, ms",
    ),
    told("E", "pace_percent", "the pace alone, % of a core"),
    told(
        "E",
        "floor_percent",
        "a synced block for each token, % of a core",
    ),
    bound(
        ("K", "p50_ms", "cold redeem and first byte, p50, ms"),
        Own,
        AtMost(2.0),
        AtMost(2.0),
    ),
    bound(
        ("K", "large_p50_ms", "large document, p50, ms"),
        Own,
        AtMost(100.0),
        AtMost(100.0),
    ),
    bound(
        ("N", "kib_share", "idle share, KiB"),
        Own,
        AtMost(2.0),
        AtMost(2.0),
    ),
    bound(
        ("N", "kib_session", "idle session, KiB"),
        Own,
        AtMost(32.0),
        AtMost(32.0),
    ),
    bound(("N", "start_s", "start, s"), Own, AtMost(1.0), AtMost(1.0)),
    bound(
        ("G", "growth_one", "append p50, most ops of least, 1 writer"),
        Own,
        AtMost(1.15),
        AtMost(1.15),
    ),
    bound(
        ("G", "growth_many", "append p50, many writers"),
        Own,
        AtMost(1.15),
        AtMost(1.15),
    ),
    bound(
        ("G", "growth_redeem", "redeem p50"),
        Own,
        AtMost(1.15),
        AtMost(1.15),
    ),
    told("H", "face_one_s", "face, 1 session, syncs/s"),
    told("H", "face_many_s", "face, many sessions, syncs/s"),
    told("H", "bridge_one_s", "bridge, 1 session, syncs/s"),
    told("H", "bridge_many_s", "bridge, many sessions, syncs/s"),
    bound(
        ("O", "goodput_of_peak", "goodput of the peak"),
        Own,
        AtLeast(0.9),
        AtLeast(0.9),
    ),
    told("O", "refused_share", "share of refused"),
    told("O", "refusal_p99_ms", "refusal p99, ms"),
    told(
        "O",
        "unsent_share",
        "share of unsent: 3000 of the writer waited",
    ),
    bound(
        ("O", "memory_of_start", "memory, of that at the peak"),
        Own,
        AtMost(2.0),
        AtMost(1.25),
    ),
    bound(
        ("O", "in_order", "acks in order"),
        Own,
        AtLeast(1.0),
        AtLeast(1.0),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_at_its_value_and_not_past_it() {
        assert!(AtMost(1.5).holds(1.5) && !AtMost(1.5).holds(1.501));
        assert!(AtLeast(0.6).holds(0.6) && !AtLeast(0.6).holds(0.599));
    }

    #[test]
    fn a_goal_is_no_easier_than_what_must_hold() {
        for row in ROWS {
            match row.bounds {
                Some((AtMost(must), AtMost(goal))) => assert!(goal <= must, "{row:?}"),
                Some((AtLeast(must), AtLeast(goal))) => assert!(goal >= must, "{row:?}"),
                Some(_) => panic!("{row:?} has bounds on both sides"),
                None => {}
            }
        }
    }
}
