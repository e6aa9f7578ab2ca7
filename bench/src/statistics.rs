//! Whether two samples of times come from one distribution.
//!
//! Two tests, neither of which asks how the times are distributed: Mann–Whitney's sees that one is
//! larger than the other more often than not, Kolmogorov–Smirnov's that the shapes differ. The order
//! of the tries is random, so what else happens on the machine falls on both alike.

use std::fmt;

use serde::Serialize;

use crate::report::round;

/// How a sample compares to another one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// The median less the other's.
    median_difference_us: f64,
    /// The effect's size: how often a time of it is longer than one of the other, ties half. 0.5:
    /// no effect.
    auc: f64,
    /// How likely such an `auc` is, or one further off, if there is no difference.
    mann_whitney_p: f64,
    /// The largest distance of the two distributions.
    kolmogorov_smirnov: f64,
    /// As above.
    kolmogorov_smirnov_p: f64,
}

impl Comparison {
    /// Compares `sample` to `other`; both in milliseconds, and neither empty.
    pub(crate) fn of(sample: &[f64], other: &[f64]) -> Self {
        let [sample, other] = [sorted(sample), sorted(other)];
        let walked = walk(&sample, &other);
        let [n, m] = [count(sample.len()), count(other.len())];
        let auc = walked.above / (n * m);
        // Of the normal distribution that the effect has where there is none, corrected for ties.
        let all = n + m;
        let ties = walked.ties / (all * (all - 1.0));
        let deviation = ((all + 1.0 - ties) / (12.0 * n * m)).sqrt();
        let z = (auc - 0.5).abs() / deviation;
        Self {
            median_difference_us: round((median(&sample) - median(&other)) * 1000.0),
            auc: (auc * 10_000.0).round() / 10_000.0,
            // Nothing deviates where all times are the same.
            mann_whitney_p: if deviation > 0.0 {
                libm::erfc(z / std::f64::consts::SQRT_2)
            } else {
                1.0
            },
            kolmogorov_smirnov: round(walked.distance),
            kolmogorov_smirnov_p: kolmogorov(walked.distance * (n * m / all).sqrt()),
        }
    }

    /// Whether a difference was seen, where `comparisons` were made: at 1 % for all of them and both
    /// tests together (Bonferroni).
    pub(crate) fn differs(&self, comparisons: usize) -> bool {
        let least = self.mann_whitney_p.min(self.kolmogorov_smirnov_p);
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let tests = 2.0 * comparisons as f64;
        least * tests < 0.01
    }

    /// How far the effect is from none.
    pub(crate) fn effect(&self) -> f64 {
        (self.auc - 0.5).abs()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the median differs by {} us, effect {:.4}, p {:.1e} and {:.1e}",
            self.median_difference_us,
            self.effect(),
            self.mann_whitney_p,
            self.kolmogorov_smirnov_p
        )
    }
}

/// What both tests ask of two samples.
struct Walked {
    /// Pairs in which the sample's time is the longer one, those with the same time half.
    above: f64,
    /// The sum of t³ - t over all groups of t same times.
    ties: f64,
    /// The largest distance between the distributions.
    distance: f64,
}

/// Goes through two sorted samples side by side.
fn walk(sample: &[f64], other: &[f64]) -> Walked {
    let (mut above, mut ties, mut distance) = (0.0, 0.0, 0.0_f64);
    let (mut at, mut other_at) = (0, 0);
    while let Some(time) = least(sample.get(at), other.get(other_at)) {
        let same = |times: &[f64]| times.iter().take_while(|it| **it <= time).count();
        let [here, there] = [same(&sample[at..]), same(&other[other_at..])];
        above += count(here) * (count(other_at) + count(there) / 2.0);
        let group = count(here + there);
        ties += group.powi(3) - group;
        (at, other_at) = (at + here, other_at + there);
        let shares = count(at) / count(sample.len()) - count(other_at) / count(other.len());
        distance = distance.max(shares.abs());
    }
    Walked {
        above,
        ties,
        distance,
    }
}

fn least(one: Option<&f64>, other: Option<&f64>) -> Option<f64> {
    let both = one.into_iter().chain(other).copied();
    both.min_by(f64::total_cmp)
}

/// How likely a distance is at least `x` by Kolmogorov's limit: twice the sum of -(-1)^k exp(-2k²x²).
fn kolmogorov(x: f64) -> f64 {
    // Below this it is 1 to all digits that matter, and the sum needs too many terms.
    if x < 0.2 {
        return 1.0;
    }
    let terms = (1..=20).map(|k| {
        let term = (-2.0 * f64::from(k * k) * x * x).exp();
        if k % 2 == 1 { term } else { -term }
    });
    (2.0 * terms.sum::<f64>()).clamp(0.0, 1.0)
}

fn sorted(sample: &[f64]) -> Vec<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "samples fit in memory")]
fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred(from: u32) -> Vec<f64> {
        (from..from + 100).map(f64::from).collect()
    }

    #[test]
    fn what_is_always_longer_differs_by_the_largest_effect() {
        let compared = Comparison::of(&hundred(1000), &hundred(0));
        assert_eq!(
            (compared.auc, compared.kolmogorov_smirnov),
            (1.0, 1.0),
            "{compared:?}"
        );
        assert!((compared.median_difference_us - 1_000_000.0).abs() < 0.001);
        assert!(compared.differs(1000));
    }

    #[test]
    fn what_is_shorter_has_an_effect_below_the_half() {
        // 1 beats nothing, 3 beats one of two: 1 of 4 pairs.
        let compared = Comparison::of(&[1.0, 3.0], &[2.0, 4.0]);
        assert!((compared.auc - 0.25).abs() < 1e-9, "{compared:?}");
        assert!(!compared.differs(1));
    }

    #[test]
    fn a_sample_does_not_differ_from_itself() {
        let compared = Comparison::of(&hundred(0), &hundred(0));
        assert_eq!(
            (compared.auc, compared.kolmogorov_smirnov),
            (0.5, 0.0),
            "{compared:?}"
        );
        assert!(!compared.differs(1));
    }

    #[test]
    fn the_tests_have_the_levels_of_their_tables() {
        // The 5 % points of the normal distribution and of Kolmogorov's.
        let normal = libm::erfc(1.959_964 / std::f64::consts::SQRT_2);
        assert!((normal - 0.05).abs() < 1e-6, "{normal}");
        assert!((kolmogorov(1.358_1) - 0.05).abs() < 1e-4);
        assert!((kolmogorov(0.2) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn mann_whitneys_p_is_that_of_an_example() {
        // U = 17 of 20, mean 10, variance 5 * 4 * 10 / 12: z = 1.7146, p = 0.0864.
        let male = [19.0, 22.0, 16.0, 29.0, 24.0];
        let female = [20.0, 11.0, 17.0, 12.0];
        let compared = Comparison::of(&male, &female);
        assert!((compared.auc - 0.85).abs() < 1e-9, "{compared:?}");
        assert!((compared.mann_whitney_p - 0.0864).abs() < 1e-3);
    }
}
