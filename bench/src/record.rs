//! What one subject did in one scenario, as it is written down.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::{Machine, Samples, round};

/// Samples that are kept of a record; of more, every so manieth is.
const SAMPLES_MAX: usize = 100_000;

/// The figures of one subject in one scenario and pair.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) scenario: String,
    pub(crate) subject: &'static str,
    /// Which of the pairs it belongs to, from 1. The disk's limit is taken before the first one and after
    /// the last one.
    pub(crate) pair: usize,
    pub(crate) figures: BTreeMap<&'static str, f64>,
    pub(crate) parameters: BTreeMap<&'static str, u64>,
    samples_ms: Vec<f64>,
    /// One of so many was kept.
    every: usize,
}

impl Record {
    pub(crate) fn new(scenario: &str, subject: &'static str, pair: usize) -> Self {
        Self {
            scenario: scenario.to_owned(),
            subject,
            pair,
            ..Self::default()
        }
    }

    /// With a figure.
    pub(crate) fn figure(mut self, name: &'static str, value: f64) -> Self {
        self.figures.insert(name, round(value));
        self
    }

    /// With a size of what was asked for.
    pub(crate) fn parameter(mut self, name: &'static str, value: u64) -> Self {
        self.parameters.insert(name, value);
        self
    }

    /// With the rate and the spread of these samples, which are kept.
    pub(crate) fn samples(self, samples: &Samples) -> Self {
        self.figure("ops_s", samples.ops_s().round())
            .times(samples.times_ms())
    }

    /// With the spread of these times, which are kept.
    pub(crate) fn times(mut self, times_ms: Vec<f64>) -> Self {
        let spread = crate::report::Spread::of(times_ms.clone());
        self.every = times_ms.len().div_ceil(SAMPLES_MAX).max(1);
        self.samples_ms = times_ms
            .into_iter()
            .step_by(self.every)
            .map(round)
            .collect();
        self.figure("p50_ms", spread.p50_ms())
            .figure("p99_ms", spread.p99_ms())
            .figure("max_ms", spread.max_ms())
    }

    /// The record as a line.
    pub(crate) fn line(&self, machine: &Machine) -> Value {
        let mut line = Map::new();
        line.insert("scenario".into(), self.scenario.clone().into());
        line.insert("subject".into(), self.subject.into());
        line.insert("pair".into(), self.pair.into());
        line.extend(
            self.figures
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        );
        line.extend(
            self.parameters
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        );
        line.insert("commit".into(), machine.commit().into());
        line.insert("hardware".into(), machine.hardware().into());
        line.into()
    }

    /// Its raw samples, if it has any.
    pub(crate) fn raw(&self) -> Option<Raw<'_>> {
        (!self.samples_ms.is_empty()).then_some(Raw {
            scenario: &self.scenario,
            subject: self.subject,
            pair: self.pair,
            every: self.every,
            samples_ms: &self.samples_ms,
        })
    }

    pub(crate) fn samples_ms(&self) -> &[f64] {
        &self.samples_ms
    }
}

/// Raw samples as a line.
#[derive(Debug, Serialize)]
pub(crate) struct Raw<'a> {
    scenario: &'a str,
    subject: &'a str,
    pair: usize,
    every: usize,
    samples_ms: &'a [f64],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_samples_so_many_are_kept_and_the_spread_is_of_all() {
        let times = (0..250_001_u32).map(f64::from).collect();
        let record = Record::new("B", "share", 1).times(times);
        assert_eq!((record.every, record.samples_ms.len()), (3, 83_334));
        assert_eq!(record.figures["p50_ms"], 125_000.0);
        assert_eq!(record.figures["max_ms"], 250_000.0);
    }

    #[test]
    fn a_line_has_figures_and_parameters_beside_each_other() {
        let record = Record::new("A", "limit", 2)
            .figure("ops_s", 10.0)
            .parameter("writers", 1);
        let line = record.line(&Machine::here());
        assert_eq!((&line["scenario"], &line["pair"]), (&"A".into(), &2.into()));
        assert_eq!(
            (&line["ops_s"], &line["writers"]),
            (&10.0.into(), &1.into())
        );
        assert!(line["commit"].is_string() && line["hardware"].is_string());
    }
}
