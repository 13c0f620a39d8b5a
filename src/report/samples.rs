//! Numbers and their exact percentiles.

use super::Spread;

/// The values of one figure. All are kept, 8 bytes each, because percentiles are exact.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    /// Adds the value, if it is a finite number.
    pub(super) fn take(&mut self, value: Option<f64>) {
        self.0.extend(value.filter(|value| value.is_finite()));
    }

    pub(super) fn spread(mut self) -> Spread {
        self.0.sort_unstable_by(f64::total_cmp);
        Spread {
            n: self.0.len() as u64,
            median: percentile(&self.0, 0.5),
            p95: percentile(&self.0, 0.95),
            p99: percentile(&self.0, 0.99),
            max: self.0.last().copied(),
        }
    }
}

/// As PostgreSQL's [`percentile_cont`]: "a value corresponding to the specified fraction within the ordered
/// set of aggregated argument values", interpolating linearly between the two values next to it.
///
/// [`percentile_cont`]: https://www.postgresql.org/docs/current/functions-aggregate.html#FUNCTIONS-ORDEREDSET-TABLE
fn percentile(sorted: &[f64], fraction: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = fraction * last as f64;
    let below = sorted.get(position.floor() as usize)?;
    let above = sorted.get(position.ceil() as usize)?;
    Some(below + position.fract() * (above - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> Spread {
        Samples(values.to_vec()).spread()
    }

    #[test]
    fn percentiles_between_two_values_are_interpolated() {
        let four = spread(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!((four.n, four.median, four.max), (4, Some(2.5), Some(4.0)));
        assert_eq!(percentile(&[0.0, 10.0], 0.95), Some(9.5));
    }

    #[test]
    fn a_single_value_is_every_percentile() {
        let one = spread(&[7.0]);
        assert_eq!([one.median, one.p95, one.p99, one.max], [Some(7.0); 4]);
    }

    #[test]
    fn without_values_there_are_no_percentiles() {
        let none = spread(&[]);
        assert_eq!((none.n, none.median, none.max), (0, None, None));
    }

    #[test]
    fn values_that_are_no_finite_number_are_skipped() {
        let mut samples = Samples::default();
        for value in [None, Some(f64::NAN), Some(f64::INFINITY), Some(1.0)] {
            samples.take(value);
        }
        assert_eq!(samples.spread().n, 1);
    }
}
