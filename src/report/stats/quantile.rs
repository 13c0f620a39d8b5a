//! Values in ascending order, and the interval of a quantile between two of them.

use super::Interval;
use super::distributions::beta;

/// Values in ascending order, each with the number of values up to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ranked(Vec<(f64, u64)>);

impl Ranked {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let equal = values.chunk_by(|one, other| one.total_cmp(other).is_eq());
        Self::from_counts(equal.filter_map(|equal| Some((*equal.first()?, equal.len() as u64))))
    }

    /// From values with their counts, in ascending order.
    pub(crate) fn from_counts(counts: impl IntoIterator<Item = (f64, u64)>) -> Self {
        let sum = |sum: &mut u64, (value, count)| {
            *sum += count;
            Some((value, *sum))
        };
        Self(counts.into_iter().scan(0, sum).collect())
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.last().map_or(0, |(_, rank)| *rank)
    }

    /// The values with their counts.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (f64, u64)> {
        let each = |before: &mut u64, &(value, last): &(f64, u64)| {
            let count = last - *before;
            *before = last;
            Some((value, count))
        };
        self.0.iter().scan(0, each)
    }

    /// The value of a rank, the lowest being 1.
    fn at(&self, rank: u64) -> Option<f64> {
        let place = self.0.partition_point(|(_, last)| *last < rank);
        if rank == 0 { None } else { self.0.get(place).map(|(value, _)| *value) }
    }

    /// As PostgreSQL's `percentile_cont`.
    pub(crate) fn quantile(&self, level: f64) -> Option<f64> {
        let position = level * self.len().checked_sub(1)? as f64;
        let below = self.at(position.floor() as u64 + 1)?;
        let above = self.at(position.ceil() as u64 + 1)?;
        Some(below + position.fract() * (above - below))
    }

    /// The interval of a quantile, from an effective sample size. With the true size it is that of the exact binomial test.
    pub(crate) fn interval(&self, level: f64, size: f64, alpha: f64) -> Interval {
        if size <= 0.0 {
            return Interval::EVERYTHING;
        }
        let (below, above) = (size * level, size * (1.0 - level));
        let n = self.len() as f64;
        let lowest = (beta(alpha / 2.0, below, above + 1.0) * n).floor() as u64;
        let highest = (beta(1.0 - alpha / 2.0, below + 1.0, above) * n).floor() as u64 + 1;
        Interval {
            lo: self.at(lowest).unwrap_or(f64::NEG_INFINITY),
            hi: self.at(highest).unwrap_or(f64::INFINITY),
        }
    }
}

/// The effective sample size from which an interval is shown: both of its ends are values then.
pub(crate) fn least_to_show(level: f64) -> f64 {
    (super::ALPHA / 2.0).ln() / level.max(1.0 - level).ln()
}

/// The effective sample size from which a change is decided: ten values lie beyond the quantile.
pub(crate) fn least_to_decide(level: f64) -> f64 {
    10.0 / (1.0 - level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(n: u32) -> Ranked {
        Ranked::new((1..=n).map(f64::from).collect())
    }

    /// Clopper and Pearson's limits, as R's `binom.test` gives them: 0.398 to 0.602 for 50 of 100, 0.935 to 0.963 for 950
    /// of 1,000.
    #[test]
    fn the_ranks_are_those_of_the_binomial_test() {
        assert_eq!(up_to(100).interval(0.5, 100.0, 0.05), Interval { lo: 39.0, hi: 61.0 });
        assert_eq!(up_to(1000).interval(0.95, 1000.0, 0.05), Interval { lo: 934.0, hi: 963.0 });
    }

    #[test]
    fn below_the_floor_an_end_is_unknown() {
        assert_eq!(least_to_show(0.5).ceil(), 6.0);
        assert_eq!((least_to_show(0.95).ceil(), least_to_show(0.99).ceil()), (72.0, 368.0));
        assert_eq!((least_to_decide(0.95).round(), least_to_decide(0.99).round()), (200.0, 1000.0));
        assert!(!up_to(5).interval(0.5, 5.0, 0.05).is_bounded());
        assert!(up_to(73).interval(0.95, 73.0, 0.05).is_bounded());
        assert!(!up_to(1000).interval(0.95, 0.0, 0.05).is_bounded());
    }

    #[test]
    fn counted_values_are_as_many_single_ones() {
        let counted = Ranked::from_counts([(1.0, 2), (3.0, 1), (8.0, 3)]);
        let single = Ranked::new(vec![8.0, 1.0, 8.0, 3.0, 1.0, 8.0]);
        for level in [0.0, 0.1, 0.3, 0.5, 0.95, 1.0] {
            assert_eq!(counted.quantile(level), single.quantile(level));
        }
        assert_eq!(Ranked::default().quantile(0.5), None);
    }
}
