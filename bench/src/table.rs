//! The table of a run, in Markdown.

use std::fmt::Write;

use crate::pairs::{Ratio, median};
use crate::record::Record;
use crate::targets::{Against, Bound, ROWS, Row};

/// Those that share is compared with as its peers.
const PEERS: [&str; 2] = ["redis", "postgres"];
/// The columns of absolute figures.
const COLUMNS: [&str; 5] = ["share", "limit", "redis", "postgres", "disk"];

/// What was measured, with the bounds beside it: the median of each subject, and the median of the pairs'
/// ratios with the least and the most of them.
pub(crate) fn table(records: &[Record]) -> String {
    let mut text =
        "| | figure | share | limit | redis | postgres | disk | ratio (spread) | must | goal | |\n\
                    |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n"
            .to_owned();
    for row in ROWS {
        let of_row = |subject: &str| values(records, row, subject);
        if of_row("share").is_empty() && of_row("limit").is_empty() {
            continue;
        }
        let _ = write!(text, "| {} | {} |", row.scenario, row.label);
        for subject in COLUMNS {
            let mut values: Vec<f64> = of_row(subject).iter().map(|(_, value)| *value).collect();
            let value = median(&mut values).map_or_else(String::new, number);
            let _ = write!(text, " {value} |");
        }
        let ratio = ratio(records, row);
        let words = ratio.map_or_else(String::new, |it| {
            format!("{:.2} ({:.2}–{:.2})", it.median, it.least, it.most)
        });
        let [must, goal] = match row.bounds {
            None => [String::new(), String::new()],
            Some((must, goal)) => [must, goal].map(|bound| bound.to_string()),
        };
        let verdict = verdict(row.bounds, ratio);
        // Writing to a string can't fail.
        let _ = writeln!(text, " {words} | {must} | {goal} | {verdict} |");
    }
    text
}

fn verdict(bounds: Option<(Bound, Bound)>, ratio: Option<Ratio>) -> &'static str {
    match (bounds, ratio) {
        (Some((_, goal)), Some(ratio)) if goal.holds(ratio.median) => "goal",
        (Some((must, _)), Some(ratio)) if must.holds(ratio.median) => "holds",
        (Some(_), Some(_)) => "**missed**",
        _ => "",
    }
}

fn ratio(records: &[Record], row: &Row) -> Option<Ratio> {
    let ours = values(records, row, "share");
    match row.against {
        Against::Limit => Ratio::of(&ours, &values(records, row, "limit")),
        Against::Own => Ratio::over(ours.iter().map(|(_, value)| *value).collect()),
        Against::Peers => {
            let best = ours.iter().filter_map(|(pair, _)| {
                let theirs = PEERS.iter().flat_map(|peer| values(records, row, peer));
                let of_pair = theirs.filter(|(of, _)| of == pair).map(|(_, value)| value);
                Some((*pair, of_pair.max_by(f64::total_cmp)?))
            });
            Ratio::of(&ours, &best.collect::<Vec<_>>())
        }
    }
}

fn values(records: &[Record], row: &Row, subject: &str) -> Vec<(usize, f64)> {
    let records = records
        .iter()
        .filter(|record| record.scenario == row.scenario);
    let records = records.filter(|record| record.subject == subject);
    records
        .filter_map(|record| Some((record.pair, *record.figures.get(row.figure)?)))
        .collect()
}

/// With so many digits as one looks at.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => thousands(&format!("{value:.0}")),
    }
}

/// With a comma before every three digits.
fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(subject: &'static str, pair: usize, ops_s: f64) -> Record {
        Record::new("B", subject, pair).figure("ops_s", ops_s)
    }

    #[test]
    fn a_row_has_medians_ratios_bounds_and_what_follows() {
        let records = [
            record("share", 1, 30_000.0),
            record("limit", 1, 50_000.0),
            record("redis", 1, 16_000.0),
            record("postgres", 1, 20_000.0),
            record("share", 2, 28_000.0),
            record("limit", 2, 40_000.0),
            record("redis", 2, 10_000.0),
            record("disk", 0, 90_000.0),
        ];
        let table = table(&records);
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| B | ops/s | 29,000 | 45,000 | 13,000 | 20,000 | 90,000 | 0.65 (0.60–0.70) | ≥ 0.6 | ≥ 0.7 | holds |",
                "| B | ops/s, of the best peer | 29,000 | 45,000 | 13,000 | 20,000 | 90,000 | 2.15 (1.50–2.80) | ≥ 1.5 | ≥ 2 | goal |",
            ]
        );
    }

    #[test]
    fn what_misses_its_bound_is_said_and_what_has_no_partner_is_not_judged() {
        let missed = table(&[record("share", 1, 1.0), record("limit", 1, 2.0)]);
        assert!(
            missed.contains("| 0.50 (0.50–0.50) | ≥ 0.6 | ≥ 0.7 | **missed** |"),
            "{missed}"
        );
        let alone = table(&[record("share", 1, 1.0)]);
        assert!(alone.contains("|  | ≥ 0.6 | ≥ 0.7 |  |"), "{alone}");
    }

    #[test]
    fn a_figure_that_is_bounded_itself_needs_no_limit_server() {
        let records = [Record::new("N", "share", 1).figure("start_s", 0.8)];
        assert!(table(&records).contains("| 0.80 (0.80–0.80) | ≤ 1 | ≤ 1 | goal |"));
    }

    #[test]
    fn numbers_have_commas_and_few_digits() {
        let numbers = [0.0, 0.123, 12.34, 999.6, 47_012.0, 1_234_567.0, -1000.0].map(number);
        assert_eq!(
            numbers,
            [
                "0",
                "0.12",
                "12.3",
                "1,000",
                "47,012",
                "1,234,567",
                "-1,000"
            ]
        );
    }
}
