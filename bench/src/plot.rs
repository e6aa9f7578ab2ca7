//! A picture of each scenario, as SVG.

mod bars;
mod curves;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::record::Record;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// Around what is drawn.
const MARGIN: f64 = 60.0;

/// Draws each scenario to `SCENARIO.svg` in `folder`: curves where ours has samples, else bars.
///
/// # Errors
///
/// As the file system fails.
pub(crate) fn draw(folder: &Path, records: &[Record]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let scenarios: BTreeSet<_> = records.iter().map(|record| &record.scenario).collect();
    for scenario in scenarios {
        let of_it = records.iter().filter(|record| &record.scenario == scenario);
        let of_it: Vec<_> = of_it.collect();
        let picture = match curves::picture(scenario, &of_it) {
            Some(picture) => Some(picture),
            None => bars::picture(scenario, &of_it),
        };
        if let Some(picture) = picture {
            std::fs::write(folder.join(format!("{scenario}.svg")), picture)?;
        }
    }
    Ok(())
}

/// The beginning of a picture.
fn opening(title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"30\" font-size=\"16\">{title}</text>\n"
    )
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
    fn what_has_no_samples_has_a_bar_for_each_bound() {
        let folder = tempfile::tempdir().unwrap();
        draw(
            folder.path(),
            &[Record::new("N", "share", 1).figure("start_s", 1.0)],
        )
        .unwrap();
        let svg = std::fs::read_to_string(folder.path().join("N.svg")).unwrap();
        assert!(svg.contains("start, s: 1.00 (≤ 1)"), "{svg}");
    }
}
