//! A figure with what its interval needs.

use std::sync::Arc;

use super::block_counts::BlockCounts;
use super::blocks::{Measurement, TimeBlocks, Variances};
use super::distributions::normal;
use super::quantile::{Ranked, least_to_decide, least_to_show};
use super::{ALPHA, Interval};

/// A share or a mean is not decided from fewer independent values.
const LEAST_TO_DECIDE: f64 = 20.0;

/// Fewer successes or failures do not show how much they come together.
const FEW: f64 = 20.0;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statistic {
    /// A quantile of the values, from 0 to 1.
    Quantile(f64, Arc<Ranked>),
    /// The share of the values that are 1; the others are 0.
    Rate,
    Mean,
}

/// An estimate from measurements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) kind: Statistic,
    pub(crate) value: f64,
    pub(crate) n: u64,
    pub(crate) variances: Variances,
    /// With fewer blocks of time nothing is decided.
    pub(crate) least_blocks: u32,
    /// How many measurements count as one independent value where few successes or failures do not show it: the mean number
    /// of measurements of a unit.
    pub(crate) unit_size: f64,
}

impl Estimate {
    /// The quantile of `ranked`, which has the values of the measurements.
    pub(crate) fn quantile(
        level: f64,
        ranked: &Arc<Ranked>,
        measurements: &[Measurement],
        blocks: TimeBlocks,
    ) -> Option<Self> {
        let value = ranked.quantile(level)?;
        let residual = |other: f64| f64::from(u8::from(other <= value)) - level;
        let variances = Variances::of(measurements, blocks, residual);
        let kind = Statistic::Quantile(level, Arc::clone(ranked));
        Some(Self { kind, value, n: ranked.len(), variances, least_blocks: blocks.least(), unit_size: 1.0 })
    }

    /// The quantile of `ranked`, which has the values that are counted.
    pub(crate) fn counted(level: f64, ranked: &Arc<Ranked>, counts: &BlockCounts) -> Option<Self> {
        let value = ranked.quantile(level)?;
        let variances = counts.variances(level, value);
        let kind = Statistic::Quantile(level, Arc::clone(ranked));
        let least_blocks = counts.time_blocks().least();
        Some(Self { kind, value, n: counts.n(), variances, least_blocks, unit_size: 1.0 })
    }

    pub(crate) fn rate(measurements: &[Measurement], blocks: TimeBlocks) -> Option<Self> {
        Some(Self { kind: Statistic::Rate, ..Self::mean(measurements, blocks)? })
    }

    /// The mean, as a ratio of the sum to the number in each block.
    pub(crate) fn mean(measurements: &[Measurement], blocks: TimeBlocks) -> Option<Self> {
        if measurements.is_empty() {
            return None;
        }
        let sum: f64 = measurements.iter().map(|measurement| measurement.value).sum();
        let value = sum / measurements.len() as f64;
        let variances = Variances::of(measurements, blocks, |other| other - value);
        let n = measurements.len() as u64;
        Some(Self {
            kind: Statistic::Mean,
            value,
            n,
            variances,
            least_blocks: blocks.least(),
            unit_size: 1.0,
        })
    }

    /// The number of independent values that would give an interval of this width. For a mean it is the number of
    /// measurements, as its interval needs no size.
    pub(crate) fn effective_size(&self, alpha: f64) -> f64 {
        let n = self.n as f64;
        match self.kind {
            Statistic::Quantile(level, _) => self.variances.effective_size(level * (1.0 - level), n, alpha),
            Statistic::Rate => {
                let most = if self.has_few() { n / self.unit_size } else { n };
                self.variances.effective_size(self.value * (1.0 - self.value), most, alpha)
            }
            Statistic::Mean if self.variances.half_width(alpha).is_finite() => n,
            Statistic::Mean => 0.0,
        }
    }

    /// The same next to another estimate: a share that has few successes or failures may have the design effect of the
    /// other one.
    pub(crate) fn beside(&self, other: &Self) -> Self {
        Self { unit_size: self.unit_size.max(other.design_effect()), ..self.clone() }
    }

    /// Whether a share has too few successes or failures to show a design effect.
    fn has_few(&self) -> bool {
        self.value.min(1.0 - self.value) * (self.n as f64) < FEW
    }

    /// How many measurements of a share count as one independent value.
    fn design_effect(&self) -> f64 {
        let Variances { units, times } = self.variances;
        let of_one = self.value * (1.0 - self.value);
        // Neither a mean nor a variance of one block gives a number.
        let effect = self.n as f64 * units.value.max(times.value) / of_one;
        if matches!(self.kind, Statistic::Rate) && effect.is_finite() { effect.max(1.0) } else { 1.0 }
    }

    /// The interval that covers the true value in all but `alpha` of cases.
    pub(crate) fn interval(&self, alpha: f64) -> Interval {
        let size = self.effective_size(alpha);
        match &self.kind {
            Statistic::Quantile(level, ranked) => {
                let Interval { lo, hi } = ranked.interval(*level, size, alpha);
                // The values of a file are rounded, and the estimate is not.
                Interval { lo: lo.min(self.value), hi: hi.max(self.value) }
            }
            Statistic::Rate => wilson(self.value, size, alpha),
            Statistic::Mean => {
                let half = self.variances.half_width(alpha);
                Interval { lo: self.value - half, hi: self.value + half }
            }
        }
    }

    /// Whether the interval may be shown.
    pub(crate) fn can_show(&self) -> bool {
        let least = match self.kind {
            Statistic::Quantile(level, _) => least_to_show(level),
            Statistic::Rate | Statistic::Mean => 1.0,
        };
        self.effective_size(ALPHA) >= least && self.interval(ALPHA).is_bounded()
    }

    /// Whether its effective size and its blocks of time suffice to decide.
    pub(crate) fn can_decide(&self) -> bool {
        self.effective_size(ALPHA) >= self.least_to_decide() && self.has_enough_blocks()
    }

    pub(crate) fn has_enough_blocks(&self) -> bool {
        self.variances.times.blocks >= self.least_blocks
    }

    /// The effective size from which a change is decided.
    pub(crate) fn least_to_decide(&self) -> f64 {
        match self.kind {
            Statistic::Quantile(level, _) => least_to_decide(level),
            Statistic::Rate | Statistic::Mean => LEAST_TO_DECIDE,
        }
    }
}

/// The interval of a share by Wilson's score, as Newcombe (1998) uses it.
pub(super) fn wilson(rate: f64, n: f64, alpha: f64) -> Interval {
    if n <= 0.0 {
        return Interval { lo: 0.0, hi: 1.0 };
    }
    let z = normal(1.0 - alpha / 2.0);
    let scale = 1.0 + z * z / n;
    let center = (rate + z * z / (2.0 * n)) / scale;
    let half = z / scale * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    // The ends of a share of all or of none are 1 and 0, from which rounding must not move them.
    Interval { lo: (center - half).max(0.0).min(rate), hi: (center + half).min(1.0).max(rate) }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::TimeAndUnit;
    use super::*;

    /// Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
    #[test]
    fn wilson_limits_are_the_published_ones() {
        for (hits, n, lo, hi) in
            [(81.0, 263.0, 0.2553, 0.3662), (15.0, 148.0, 0.0624, 0.1605), (0.0, 20.0, 0.0, 0.1611)]
        {
            let interval = wilson(hits / n, n, 0.05);
            assert!((interval.lo - lo).abs() < 5e-5 && (interval.hi - hi).abs() < 5e-5, "{interval:?}");
        }
    }

    #[test]
    fn the_interval_of_all_ends_at_1_and_that_of_none_at_0() {
        for n in 1..5000 {
            let n = f64::from(n) * 1.37;
            assert_eq!((wilson(1.0, n, 0.05).hi, wilson(0.0, n, 0.05).lo), (1.0, 0.0), "{n}");
        }
    }

    /// Two calls of each of 35,000 bookings on seven days; Student's t of 6 degrees of freedom is 2.447.
    #[test]
    fn a_share_of_all_rests_on_the_bookings() {
        let place = |i: i64| TimeAndUnit::new(i % 7 * 86_400_000_000, (i / 2 % 64) as u8);
        let alike: Vec<_> = (0..70_000).map(|i| Measurement { value: 1.0, place: place(i) }).collect();
        let rate = Estimate::rate(&alike, TimeBlocks::Days).expect("values");
        let rate = Estimate { unit_size: 2.0, ..rate };
        assert_eq!(rate.value, 1.0);
        assert!((rate.effective_size(0.05) - 35_000.0 * (1.96_f64 / 2.447).powi(2)).abs() < 20.0);
        // Wilson: z² / (n + z²).
        assert!((rate.interval(0.05).lo - 0.999_829).abs() < 1e-6, "{:?}", rate.interval(0.05));
    }

    #[test]
    fn a_share_of_all_has_the_design_effect_of_the_other_side() {
        let of = |fails: fn(i64) -> bool| {
            let each = |i: i64| Measurement {
                value: f64::from(u8::from(!fails(i))),
                place: TimeAndUnit::new(i * 7 / 7000 * 86_400_000_000, (i % 64) as u8),
            };
            Estimate::rate(&(0..7000).map(each).collect::<Vec<_>>(), TimeBlocks::Days).expect("values")
        };
        let (all, one_day, scattered) =
            (of(|_| false), of(|i| (1000..1100).contains(&i)), of(|i| i % 71 == 0));
        let size = |other| all.beside(other).effective_size(0.05);
        assert_eq!(size(&all), all.effective_size(0.05));
        assert!(
            size(&one_day) < 50.0 && size(&scattered) > 3000.0,
            "{} {}",
            size(&one_day),
            size(&scattered)
        );
    }

    #[test]
    fn without_values_there_is_no_estimate() {
        assert_eq!(Estimate::mean(&[], TimeBlocks::Days), None);
        let none = Arc::new(Ranked::default());
        assert_eq!(Estimate::quantile(0.5, &none, &[], TimeBlocks::Days), None);
    }
}
