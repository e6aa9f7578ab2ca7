//! Ratios of what was measured in pairs: both of a pair ran one right after the other, so what else the
//! machine did falls on both.

/// The ratios of all pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Ratio {
    /// Of `ours` to `theirs`, each value with the number of its pair; of pairs that have both.
    pub(crate) fn of(ours: &[(usize, f64)], theirs: &[(usize, f64)]) -> Option<Self> {
        let ratios = ours.iter().filter_map(|(pair, own)| {
            let (_, other) = theirs.iter().find(|(of, _)| of == pair)?;
            (*other > 0.0).then(|| own / other)
        });
        Self::over(ratios.collect())
    }

    /// The middle and the spread of these.
    pub(crate) fn over(mut values: Vec<f64>) -> Option<Self> {
        let median = median(&mut values)?;
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self {
            median,
            least,
            most,
        })
    }
}

/// The middle one, or between the two in the middle; sorts them.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(values[middle - 1], upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_pairs_ratios_and_not_of_their_medians() {
        // The machine is ten times slower in the third pair; the ratios are 0.5, 0.5, 0.8.
        let ours = [(1, 50.0), (2, 60.0), (3, 8.0)];
        let theirs = [(1, 100.0), (2, 120.0), (3, 10.0)];
        let expected = Ratio {
            median: 0.5,
            least: 0.5,
            most: 0.8,
        };
        assert_eq!(Ratio::of(&ours, &theirs), Some(expected));
    }

    #[test]
    fn who_has_no_partner_does_not_count() {
        let ratio = Ratio::of(&[(1, 3.0), (2, 9.0)], &[(2, 3.0), (4, 1.0)]).unwrap();
        assert_eq!((ratio.least, ratio.median, ratio.most), (3.0, 3.0, 3.0));
        assert_eq!(Ratio::of(&[(1, 3.0)], &[(2, 3.0)]), None);
        assert_eq!(Ratio::of(&[(1, 3.0)], &[(1, 0.0)]), None);
    }

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }
}
