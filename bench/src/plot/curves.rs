//! How the times of a scenario's calls are distributed.

use std::fmt::Write;

use super::{HEIGHT, MARGIN, WIDTH, opening};
use crate::pairs::median;
use crate::record::Record;
use crate::table::number;

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

/// How the times of each subject are distributed: which part of them, upwards, took how long at most,
/// to the right.
pub(super) fn picture(scenario: &str, records: &[&Record]) -> Option<String> {
    // The disk alone says nothing of a scenario.
    records
        .iter()
        .find(|it| it.subject != "disk" && !it.samples_ms().is_empty())?;
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
    let mut svg = opening(&format!(
        "{scenario}: part of the calls that took at most so many ms"
    ));
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
