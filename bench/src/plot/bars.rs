//! Figures that are no times of calls, each beside its bound.

use std::fmt::Write;

use super::{HEIGHT, MARGIN, WIDTH, opening};
use crate::pairs::median;
use crate::record::Record;
use crate::table::number;
use crate::targets::{Against, ROWS};

/// From one bar to the next.
const STEP: f64 = 48.0;

/// A bar for each figure that is bounded itself; a line where each must end, or begin.
pub(super) fn picture(scenario: &str, records: &[&Record]) -> Option<String> {
    let rows = ROWS
        .iter()
        .filter(|row| row.scenario == scenario && row.against == Against::Own);
    let bars: Vec<_> = rows
        .filter_map(|row| {
            let (must, _) = row.bounds?;
            let ours = records.iter().filter(|record| record.subject == "share");
            let mut values: Vec<_> = ours
                .filter_map(|record| record.figures.get(row.figure).copied())
                .collect();
            Some((row.label, median(&mut values)?, must))
        })
        .collect();
    if bars.is_empty() {
        return None;
    }
    let mut svg = opening(&format!("{scenario}: figures beside their bounds"));
    // The bound lies in the middle; what is more than twice as much ends at the edge.
    let half = (WIDTH - 2.0 * MARGIN) / 2.0;
    for (index, (label, value, must)) in (0_u32..).zip(&bars) {
        let y = MARGIN + STEP * f64::from(index);
        let long = (value / must.value()).clamp(0.0, 2.0) * half;
        let colour = if must.holds(*value) {
            "#2ca02c"
        } else {
            "#d62728"
        };
        // Writing to a string can't fail.
        let _ = writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{:.1}\">{label}: {} ({must})</text>\
             <rect x=\"{MARGIN}\" y=\"{:.1}\" width=\"{long:.1}\" height=\"14\" fill=\"{colour}\"/>",
            y,
            number(*value),
            y + 6.0
        );
    }
    let middle = MARGIN + half;
    let _ = writeln!(
        svg,
        "<path d=\"M{middle:.1} {:.1}V{:.1}\" stroke=\"black\"/>\n</svg>",
        MARGIN - 12.0,
        HEIGHT - MARGIN
    );
    Some(svg)
}
