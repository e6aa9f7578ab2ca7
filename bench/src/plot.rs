//! A picture of each scenario, as SVG.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::path::Path;

use crate::pairs::median;
use crate::record::Record;
use crate::table::number;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// Around the curves.
const MARGIN: f64 = 60.0;
/// Points of a curve.
const POINTS: u32 = 200;
/// Each subject has its colour in every picture.
const COLOURS: [(&str, &str); 5] = [
    ("share", "#d62728"),
    ("limit", "#1f77b4"),
    ("redis", "#ff7f0e"),
    ("postgres", "#2ca02c"),
    ("disk", "#7f7f7f"),
];

/// Draws each scenario that has samples to `SCENARIO.svg` in `folder`.
///
/// # Errors
///
/// As the file system fails.
pub(crate) fn draw(folder: &Path, records: &[Record]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let scenarios: BTreeSet<_> = records.iter().map(|record| &record.scenario).collect();
    for scenario in scenarios {
        let of_it: Vec<_> = records
            .iter()
            .filter(|it| &it.scenario == scenario)
            .collect();
        if let Some(picture) = picture(scenario, &of_it) {
            std::fs::write(folder.join(format!("{scenario}.svg")), picture)?;
        }
    }
    Ok(())
}

/// How the times of each subject are distributed: which part of them, upwards, took how long at most,
/// to the right.
fn picture(scenario: &str, records: &[&Record]) -> Option<String> {
    let curves: Vec<_> = COLOURS
        .into_iter()
        .filter_map(|(subject, colour)| Curve::of(subject, colour, records))
        .collect();
    let times = || {
        curves
            .iter()
            .flat_map(|curve| &curve.times_ms)
            .copied()
            .filter(|ms| *ms > 0.0)
    };
    let least = times().min_by(f64::total_cmp)?.log10().floor();
    let most = times()
        .max_by(f64::total_cmp)?
        .log10()
        .ceil()
        .max(least + 1.0);
    let x = |ms: f64| {
        let place = (ms.max(1e-6).log10() - least) / (most - least);
        MARGIN + place.clamp(0.0, 1.0) * (WIDTH - 2.0 * MARGIN)
    };
    let y = |part: f64| HEIGHT - MARGIN - part * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"30\" font-size=\"16\">{scenario}: part of the calls that took at most so many \
         ms</text>\n"
    );
    // Writing to a string can't fail, here and below.
    let mut power = least;
    while power <= most {
        let ms = 10_f64.powf(power);
        let at = x(ms);
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {:.1}V{:.1}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{}</text>",
            y(0.0),
            y(1.0),
            y(0.0) + 18.0,
            ms
        );
        power += 1.0;
    }
    for part in [0.0, 0.5, 0.99] {
        let at = y(part);
        let _ = writeln!(
            svg,
            "<path d=\"M{MARGIN} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{at:.1}\" \
             text-anchor=\"end\">{part}</text>",
            WIDTH - MARGIN,
            MARGIN - 6.0
        );
    }
    for (index, curve) in (0_u32..).zip(&curves) {
        let _ = writeln!(svg, "{}", curve.path(x, y));
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{}\">{}</text>",
            MARGIN + 8.0,
            y(1.0) + 16.0 + 16.0 * f64::from(index),
            curve.colour,
            curve.label
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The times of one subject, in order.
struct Curve {
    times_ms: Vec<f64>,
    colour: &'static str,
    label: String,
}

impl Curve {
    fn of(subject: &str, colour: &'static str, records: &[&Record]) -> Option<Self> {
        let of_it = || records.iter().filter(|record| record.subject == subject);
        let mut times_ms: Vec<f64> = of_it().flat_map(|it| it.samples_ms()).copied().collect();
        let p50 = median(&mut times_ms)?;
        let mut rates: Vec<_> = of_it()
            .filter_map(|it| it.figures.get("ops_s").copied())
            .collect();
        let rate =
            median(&mut rates).map_or_else(String::new, |rate| format!(", {}/s", number(rate)));
        Some(Self {
            times_ms,
            colour,
            label: format!("{subject}: p50 {} ms{rate}", number(p50)),
        })
    }

    fn path(&self, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
        let mut path = String::new();
        for point in 0..=POINTS {
            let part = f64::from(point) / f64::from(POINTS);
            let index = (self.times_ms.len() - 1) * point as usize / POINTS as usize;
            let letter = if point == 0 { 'M' } else { 'L' };
            // Writing to a string can't fail.
            let _ = write!(
                path,
                "{letter}{:.1} {:.1}",
                x(self.times_ms[index]),
                y(part)
            );
        }
        format!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>",
            self.colour
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_curve_and_a_label_for_each_subject() {
        let record = |subject, times| Record::new("A", subject, 1).times(times);
        let records = [
            record("share", vec![1.0, 2.0, 4.0]),
            record("limit", vec![0.5, 0.0]),
        ];
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path(), &records).unwrap();
        let svg = std::fs::read_to_string(folder.path().join("A.svg")).unwrap();
        assert!(
            svg.contains("share: p50 2.00 ms") && svg.contains("limit: p50 0.25 ms"),
            "{svg}"
        );
        assert_eq!(svg.matches("stroke-width").count(), 2);
    }

    #[test]
    fn what_has_no_samples_has_no_picture() {
        let folder = tempfile::tempdir().unwrap();
        draw(
            folder.path(),
            &[Record::new("N", "share", 1).figure("start_s", 1.0)],
        )
        .unwrap();
        assert!(!folder.path().join("N.svg").exists());
    }
}
