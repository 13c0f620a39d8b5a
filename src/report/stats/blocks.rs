//! Measurements in blocks that vary independently of each other, and the variance between the blocks.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::distributions::{normal, student};

/// Units (bookings, traces) are hashed to this many blocks. In simulations, these cover as well as the units themselves.
pub(crate) const UNIT_BLOCKS: u8 = 64;

/// The block of a unit.
pub(crate) fn unit_block(unit: u64) -> u8 {
    (unit % u64::from(UNIT_BLOCKS)) as u8
}

/// Microseconds.
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// One value of one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measurement {
    pub(crate) value: f64,
    pub(crate) place: TimeAndUnit,
}

/// A time and the block of a unit, in eight bytes: a comparison keeps those of every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimeAndUnit(i64);

impl TimeAndUnit {
    /// `at` is in microseconds since 1970, or the number of the run. A time before the year 828 or after 3111 is taken for the
    /// last one that fits. `unit` is below [`UNIT_BLOCKS`].
    pub(crate) fn new(at: i64, unit: u8) -> Self {
        Self(at.clamp(i64::MIN >> u8::BITS, i64::MAX >> u8::BITS) << u8::BITS | i64::from(unit))
    }

    pub(crate) fn at(self) -> i64 {
        self.0 >> u8::BITS
    }

    pub(crate) fn unit(self) -> u8 {
        self.0 as u8 % UNIT_BLOCKS
    }
}

/// How measurements are divided by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimeBlocks {
    /// Days of 24 hours, from the first measurement on: a date of which the window has only a part is no day.
    Days,
    /// Contiguous parts of equal length: for windows that have too few days.
    Parts,
    /// Runs of an experiment: `at` is the number of the run.
    Runs,
}

impl TimeBlocks {
    /// With fewer blocks nothing is decided.
    pub(crate) fn least(self) -> u32 {
        match self {
            Self::Days => 6,
            Self::Parts => 8,
            Self::Runs => 5,
        }
    }

    /// One of them, in a sentence.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Days => "day",
            Self::Parts => "part",
            Self::Runs => "run",
        }
    }

    /// The block of a moment in measurements from `first` to `last`.
    pub(crate) fn block(self, at: i64, first: i64, last: i64) -> i64 {
        match self {
            Self::Days => at.saturating_sub(first) / DAY,
            Self::Parts => {
                let parts = i64::from(self.least());
                let length = last.saturating_sub(first) / parts + 1;
                at.saturating_sub(first) / length
            }
            Self::Runs => at,
        }
    }
}

/// How many days the moments are in, as [`Variances`] count them.
pub(crate) fn days(moments: impl Iterator<Item = i64> + Clone) -> usize {
    let first = moments.clone().min().unwrap_or_default();
    let mut days = BTreeMap::<i64, (f64, u64)>::new();
    moments.for_each(|at| days.entry(TimeBlocks::Days.block(at, first, at)).or_default().1 += 1);
    join_rest(&mut days);
    days.len()
}

/// A window rarely ends with a whole day. A rest with fewer than half of the measurements of a day belongs to the day before.
fn join_rest(days: &mut BTreeMap<i64, (f64, u64)>) {
    let Some((day, (sum, count))) = days.pop_last() else { return };
    let others: u64 = days.values().map(|(_, count)| count).sum();
    let is_rest = 2 * count * (days.len() as u64) < others;
    match days.last_entry().filter(|_| is_rest) {
        Some(mut last) => last.get_mut().0 += sum,
        None => _ = days.insert(day, (sum, count)),
    }
}

/// The variance of an estimate, from the sums of its residuals in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variance {
    #[serde(deserialize_with = "number_or_null")]
    pub(crate) value: f64,
    pub(crate) blocks: u32,
}

/// One block has no variance: JSON has `null` for that.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Variance {
    /// The linearised variance of a ratio: `sums` has the residuals of each block, `n` counts all measurements.
    pub(super) fn of(sums: &[f64], blocks: u32, n: f64) -> Self {
        let count = sums.len() as f64;
        let mean = sums.iter().sum::<f64>() / count;
        let squares: f64 = sums.iter().map(|sum| (sum - mean).powi(2)).sum();
        Self { value: count / (count - 1.0) * squares / (n * n), blocks }
    }

    /// The bound of Student's t for this number of blocks.
    fn bound(self, alpha: f64) -> f64 {
        student(1.0 - alpha / 2.0, f64::from(self.blocks) - 1.0)
    }

    fn is_known(self) -> bool {
        self.blocks >= 2 && self.value.is_finite()
    }
}

/// The variance of one estimate by units and by time. The larger one counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variances {
    pub(crate) units: Variance,
    pub(crate) times: Variance,
}

impl Variances {
    /// `residual` is what a value adds to the estimate: its distance from the estimate, or an indicator's.
    pub(crate) fn of(
        measurements: &[Measurement],
        blocks: TimeBlocks,
        residual: impl Fn(f64) -> f64,
    ) -> Self {
        let (first, last) = period(measurements);
        let mut units = [0.0; UNIT_BLOCKS as usize];
        let mut used = [false; UNIT_BLOCKS as usize];
        let mut times = BTreeMap::<i64, (f64, u64)>::new();
        for measurement in measurements {
            let residual = residual(measurement.value);
            let unit = usize::from(measurement.place.unit());
            units[unit] += residual;
            used[unit] = true;
            let time = times.entry(blocks.block(measurement.place.at(), first, last)).or_default();
            *time = (time.0 + residual, time.1 + 1);
        }
        if blocks == TimeBlocks::Days {
            join_rest(&mut times);
        }
        let n = measurements.len() as f64;
        let used = used.into_iter().filter(|used| *used).count();
        let times: Vec<f64> = times.into_values().map(|(sum, _)| sum).collect();
        Self {
            units: Variance::of(&units, used as u32, n),
            times: Variance::of(&times, times.len() as u32, n),
        }
    }

    /// As many independent values of variance `of_one` would give an interval of this width; at most `n`. Zero where
    /// a variance is not known.
    pub(crate) fn effective_size(self, of_one: f64, n: f64, alpha: f64) -> f64 {
        let z = normal(1.0 - alpha / 2.0);
        let size = |variance: Variance| {
            if !variance.is_known() {
                return 0.0;
            }
            let size = if variance.value > 0.0 { (of_one / variance.value).min(n) } else { n };
            size * (z / variance.bound(alpha)).powi(2)
        };
        size(self.units).min(size(self.times))
    }

    /// Half the width of a symmetric interval.
    pub(crate) fn half_width(self, alpha: f64) -> f64 {
        let half = |variance: Variance| {
            if variance.is_known() { variance.bound(alpha) * variance.value.sqrt() } else { f64::INFINITY }
        };
        half(self.units).max(half(self.times))
    }
}

/// The first and the last moment.
pub(crate) fn period(measurements: &[Measurement]) -> (i64, i64) {
    let at = measurements.iter().map(|measurement| measurement.place.at());
    (at.clone().min().unwrap_or_default(), at.max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(value: f64, day: i64, unit: u8) -> Measurement {
        Measurement { value, place: TimeAndUnit::new(day * DAY, unit) }
    }

    #[test]
    fn the_larger_variance_counts() {
        // Both days have the same mean, and the units differ.
        let by_units: Vec<_> =
            (0..128).map(|i| measurement(f64::from(i % 2), i64::from(i / 64), (i % 64) as u8)).collect();
        let variances = Variances::of(&by_units, TimeBlocks::Days, |value| value - 0.5);
        assert!(variances.units.value > 0.0 && variances.times.value == 0.0, "{variances:?}");
        // The days differ, and no unit does.
        let by_days = (0..128).map(|i| measurement(f64::from(i / 64), i64::from(i / 64), (i % 64) as u8));
        let by_days: Vec<_> = by_days.collect();
        let variances = Variances::of(&by_days, TimeBlocks::Days, |value| value - 0.5);
        assert_eq!((variances.units.value, variances.times.blocks), (0.0, 2));
        assert!(variances.effective_size(0.25, 128.0, 0.05) < 0.1);
        assert!(variances.half_width(0.05) > 1.0);
    }

    /// By hand: the sums are 1 and -1, so the variance is 2 · 2 / 4².
    #[test]
    fn the_variance_is_that_of_the_formula() {
        let four: Vec<_> = [0.0, 0.0, 1.0, 1.0].into_iter().zip([0, 0, 1, 1]).collect();
        let four: Vec<_> = four.into_iter().map(|(value, day)| measurement(value, day, 0)).collect();
        let variances = Variances::of(&four, TimeBlocks::Days, |value| value - 0.5);
        assert_eq!(variances.times, Variance { value: 0.25, blocks: 2 });
    }

    #[test]
    fn a_place_keeps_its_time_and_unit() {
        for at in [0, 1, -1, 1_790_000_000_123_456, -30_000_000_000_000_000] {
            for unit in [0, 1, UNIT_BLOCKS - 1] {
                let place = TimeAndUnit::new(at, unit);
                assert_eq!((place.at(), place.unit()), (at, unit));
            }
        }
        let (first, last) = (TimeAndUnit::new(i64::MIN, 7), TimeAndUnit::new(i64::MAX, 7));
        assert!(first.at() < -36_000_000_000_000_000 && last.at() > 36_000_000_000_000_000);
        assert_eq!([first.unit(), last.unit()], [7, 7]);
    }

    #[test]
    fn one_block_shows_nothing() {
        let one_day = [measurement(1.0, 0, 0), measurement(2.0, 0, 1)];
        let variances = Variances::of(&one_day, TimeBlocks::Days, |value| value - 1.5);
        assert_eq!(variances.effective_size(1.0, 2.0, 0.05), 0.0);
        assert_eq!(variances.half_width(0.05), f64::INFINITY);
    }

    #[test]
    fn a_short_window_has_eight_parts() {
        let parts: Vec<_> = (0..16).map(|at| TimeBlocks::Parts.block(at, 0, 15)).collect();
        assert_eq!(parts, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]);
    }
}
