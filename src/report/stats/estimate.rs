//! A figure with what its interval needs.

use std::sync::Arc;

use super::block_counts::BlockCounts;
use super::blocks::{Measurement, TimeBlocks, Variances};
use super::distributions::normal;
use super::quantile::{Ranked, least_to_decide, least_to_show};
use super::{ALPHA, Interval};

/// A share or a mean is not decided from fewer independent values.
const LEAST_TO_DECIDE: f64 = 20.0;

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
        Some(Self { kind, value, n: ranked.len(), variances, least_blocks: blocks.least() })
    }

    /// The quantile of `ranked`, which has the values that are counted.
    pub(crate) fn counted(level: f64, ranked: &Arc<Ranked>, counts: &BlockCounts) -> Option<Self> {
        let value = ranked.quantile(level)?;
        let variances = counts.variances(level, value);
        let kind = Statistic::Quantile(level, Arc::clone(ranked));
        Some(Self { kind, value, n: counts.n(), variances, least_blocks: counts.time_blocks().least() })
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
        Some(Self { kind: Statistic::Mean, value, n, variances, least_blocks: blocks.least() })
    }

    /// The number of independent values that would give an interval of this width. For a mean it is the number of
    /// measurements, as its interval needs no size.
    pub(crate) fn effective_size(&self, alpha: f64) -> f64 {
        let n = self.n as f64;
        match self.kind {
            Statistic::Quantile(level, _) => self.variances.effective_size(level * (1.0 - level), n, alpha),
            Statistic::Rate if self.value <= 0.0 || self.value >= 1.0 => {
                // No block differs from another, so each may be one value.
                n.min(f64::from(self.variances.units.blocks))
            }
            Statistic::Rate => self.variances.effective_size(self.value * (1.0 - self.value), n, alpha),
            Statistic::Mean if self.variances.half_width(alpha).is_finite() => n,
            Statistic::Mean => 0.0,
        }
    }

    /// The interval that covers the true value in all but `alpha` of cases.
    pub(crate) fn interval(&self, alpha: f64) -> Interval {
        let size = self.effective_size(alpha);
        match &self.kind {
            Statistic::Quantile(level, ranked) => ranked.interval(*level, size, alpha),
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
fn wilson(rate: f64, n: f64, alpha: f64) -> Interval {
    if n <= 0.0 {
        return Interval { lo: 0.0, hi: 1.0 };
    }
    let z = normal(1.0 - alpha / 2.0);
    let scale = 1.0 + z * z / n;
    let center = (rate + z * z / (2.0 * n)) / scale;
    let half = z / scale * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    Interval { lo: (center - half).max(0.0), hi: (center + half).min(1.0) }
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
    fn a_share_of_all_rests_on_the_units() {
        let alike: Vec<_> = (0..100)
            .map(|i| Measurement {
                value: 1.0,
                place: TimeAndUnit::new(i * 86_400_000_000 / 10, (i % 4) as u8),
            })
            .collect();
        let rate = Estimate::rate(&alike, TimeBlocks::Days).expect("values");
        assert_eq!((rate.value, rate.effective_size(0.05)), (1.0, 4.0));
    }

    #[test]
    fn without_values_there_is_no_estimate() {
        assert_eq!(Estimate::mean(&[], TimeBlocks::Days), None);
        let none = Arc::new(Ranked::default());
        assert_eq!(Estimate::quantile(0.5, &none, &[], TimeBlocks::Days), None);
    }
}
