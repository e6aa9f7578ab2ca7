//! What a run measured, as one line of JSON for each scenario and subject.

use std::time::Duration;

use serde::Serialize;

/// Latencies of calls, and how many ops they carried.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    latencies: Vec<Duration>,
    ops: u64,
    elapsed: Duration,
}

impl Samples {
    /// One call of `ops` ops that took `latency`.
    pub(crate) fn add(&mut self, latency: Duration, ops: u64) {
        self.latencies.push(latency);
        self.ops += ops;
    }

    /// The time that all of it took.
    pub(crate) fn end(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.latencies.len()
    }

    /// How the latencies are spread.
    pub(crate) fn spread(&self) -> Spread {
        Spread::of(self.latencies.iter().map(as_ms).collect())
    }

    /// Ops in a second.
    pub(crate) fn ops_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let ops = self.ops as f64;
        ops / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// How many ops there were.
    pub(crate) fn ops(&self) -> u64 {
        self.ops
    }

    /// Each latency.
    pub(crate) fn times_ms(&self) -> Vec<f64> {
        self.latencies.iter().map(as_ms).collect()
    }

    /// What others measured at the same time.
    pub(crate) fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.ops += other.ops;
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

/// How times are spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Spread {
    /// Of these times, in milliseconds; zeros if there are none.
    pub(crate) fn of(mut times_ms: Vec<f64>) -> Self {
        times_ms.sort_unstable_by(f64::total_cmp);
        let ms = |share: f64| {
            let time = times_ms.get(rank(times_ms.len(), share));
            time.map_or(0.0, |ms| round(*ms))
        };
        Self {
            p50_ms: ms(0.50),
            p99_ms: ms(0.99),
            max_ms: ms(1.0),
        }
    }

    /// Milliseconds that half of them did not exceed.
    pub(crate) fn p50_ms(&self) -> f64 {
        self.p50_ms
    }

    /// The longest.
    pub(crate) fn max_ms(&self) -> f64 {
        self.max_ms
    }

    /// Milliseconds that 99 of 100 did not exceed.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.p99_ms
    }
}

/// What was measured on which machine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    commit: String,
    hardware: String,
}

impl Machine {
    /// This machine, and the commit that is checked out.
    pub(crate) fn here() -> Self {
        Self {
            commit: option_env!("SHARE_COMMIT").map_or_else(commit, ToOwned::to_owned),
            hardware: hardware(),
        }
    }

    pub(crate) fn commit(&self) -> &str {
        &self.commit
    }

    pub(crate) fn hardware(&self) -> &str {
        &self.hardware
    }
}

/// What a scenario found.
#[derive(Debug)]
pub(crate) struct Found<L> {
    /// Goes to stdout, a line of JSON for each.
    pub(crate) lines: Vec<L>,
    /// What follows from the lines, for people; goes to stderr.
    pub(crate) verdict: Option<String>,
}

/// Milliseconds.
pub(crate) fn as_ms(latency: &Duration) -> f64 {
    latency.as_secs_f64() * 1000.0
}

/// To three digits behind the point.
pub(crate) fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The index of the smallest sample that is at least as large as `share` of them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a rank within a list that fits in memory"
)]
fn rank(len: usize, share: f64) -> usize {
    ((len as f64 * share).ceil() as usize).clamp(1, len.max(1)) - 1
}

fn commit() -> String {
    let asked = std::process::Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    let hash = asked.ok().filter(|answer| answer.status.success());
    hash.map_or_else(
        || "unknown".to_owned(),
        |hash| String::from_utf8_lossy(&hash.stdout).trim().to_owned(),
    )
}

fn hardware() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "{cores} cores, {}",
        model.map_or("unknown processor", |(_, name)| name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_nearest_rank_method() {
        assert_eq!(
            [rank(100, 0.5), rank(100, 0.99), rank(100, 1.0)],
            [49, 98, 99]
        );
        assert_eq!([rank(1, 0.5), rank(0, 0.5), rank(3, 0.5)], [0, 0, 1]);
    }

    #[test]
    fn a_spread_is_of_times_in_any_order_and_some_are_negative() {
        let spread = Spread::of(vec![3.0, -1.5, 2.0004]);
        let expected = Spread {
            p50_ms: 2.0,
            p99_ms: 3.0,
            max_ms: 3.0,
        };
        assert_eq!(spread, expected);
    }
}
