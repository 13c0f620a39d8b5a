//! The difference of two estimates.

use super::distributions::normal;
use super::estimate::{Estimate, Kind};
use super::{ALPHA, Interval, POWER};

/// From the estimate before to the one after. The scale is the difference of shares, and the logarithm of the ratio for
/// quantiles and means, so that zero is no change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) before: &'a Estimate,
    pub(crate) after: &'a Estimate,
}

/// What a change amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Better,
    Worse,
    NoDifferenceShown,
    NotEnoughData,
}

impl Change<'_> {
    pub(crate) fn estimate(self) -> f64 {
        self.scale(self.after.value) - self.scale(self.before.value)
    }

    pub(crate) fn interval(self, alpha: f64) -> Interval {
        let [before, after] = [self.before, self.after]
            .map(|side| (self.scale(side.value), side.interval(alpha).map(|end| self.scale(end))));
        let lo = (before.0 - before.1.hi).hypot(after.0 - after.1.lo);
        let hi = (before.0 - before.1.lo).hypot(after.0 - after.1.hi);
        let change = after.0 - before.0;
        if change.is_finite() && !lo.is_nan() && !hi.is_nan() {
            Interval { lo: change - lo, hi: change + hi }
        } else {
            Interval::EVERYTHING
        }
    }

    fn scale(self, value: f64) -> f64 {
        match self.before.kind {
            Kind::Rate => value,
            Kind::Quantile(..) | Kind::Mean => value.max(0.0).ln(),
        }
    }

    /// Whether both sides suffice to decide, by their effective sizes and their blocks of time.
    pub(crate) fn can_decide(self, least_blocks: u32) -> bool {
        [self.before, self.after].into_iter().all(|side| {
            side.effective_size(ALPHA) >= side.least_to_decide()
                && side.variances.times.blocks >= least_blocks
        })
    }

    /// `lower_is_better` is true for durations and attempts.
    pub(crate) fn verdict(self, least_blocks: u32, lower_is_better: bool) -> Verdict {
        let interval = self.interval(ALPHA);
        match () {
            () if !self.can_decide(least_blocks) => Verdict::NotEnoughData,
            () if interval.lo > 0.0 => {
                if lower_is_better {
                    Verdict::Worse
                } else {
                    Verdict::Better
                }
            }
            () if interval.hi < 0.0 => {
                if lower_is_better {
                    Verdict::Better
                } else {
                    Verdict::Worse
                }
            }
            () => Verdict::NoDifferenceShown,
        }
    }

    /// The smallest change that this much data shows with a probability of [`POWER`].
    pub(crate) fn least_to_show(self) -> f64 {
        let interval = self.interval(ALPHA);
        let error = (interval.hi - interval.lo) / (2.0 * normal(1.0 - ALPHA / 2.0));
        error * (normal(1.0 - ALPHA / 2.0) + normal(POWER))
    }

    /// How many measurements a side would show, with a probability of [`POWER`], that no change is within `limit`.
    pub(crate) fn needed(self, limit: f64) -> f64 {
        self.before.n.min(self.after.n) as f64 * (self.least_to_show() / limit).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::{Measurement, TimeBlocks};
    use super::super::quantile::Ranked;
    use super::*;
    use std::sync::Arc;

    const DAY: i64 = 86_400_000_000;

    fn rate(hits: usize, n: usize) -> Estimate {
        let value = |i: usize| f64::from(u8::from(i * hits % n < hits));
        let each = |i: usize| Measurement { value: value(i), at: (i % 7) as i64 * DAY, unit: (i % 64) as u8 };
        Estimate::rate(&(0..n).map(each).collect::<Vec<_>>(), TimeBlocks::Days).expect("values")
    }

    fn median(scale: f64, n: usize) -> Estimate {
        let value = |i: usize| scale * (1.0 + (i * 37 % n) as f64 / n as f64);
        let each = |i: usize| Measurement { value: value(i), at: (i % 7) as i64 * DAY, unit: (i % 64) as u8 };
        let all: Vec<_> = (0..n).map(each).collect();
        let ranked = Arc::new(Ranked::new(all.iter().map(|one| one.value).collect()));
        Estimate::quantile(0.5, &ranked, &all, TimeBlocks::Days).expect("values")
    }

    #[test]
    fn direction_and_size_make_the_verdict() {
        let (slow, fast, few) = (median(2.0, 1000), median(1.0, 1000), median(2.0, 12));
        let verdict = |before, after| Change { before, after }.verdict(6, true);
        assert_eq!(verdict(&fast, &slow), Verdict::Worse);
        assert_eq!(verdict(&slow, &fast), Verdict::Better);
        assert_eq!(verdict(&slow, &slow), Verdict::NoDifferenceShown);
        assert_eq!(verdict(&fast, &few), Verdict::NotEnoughData);
        let change = Change { before: &rate(500, 1000), after: &rate(900, 1000) };
        assert_eq!(change.verdict(6, false), Verdict::Better);
        assert_eq!(change.verdict(8, false), Verdict::NotEnoughData, "there are seven days");
    }

    #[test]
    fn a_ratio_is_that_of_the_values() {
        let change = Change { before: &median(1.0, 1001), after: &median(2.0, 1001) };
        assert!((change.estimate().exp() - 2.0).abs() < 1e-12);
        let interval = change.interval(0.05);
        assert!(
            interval.lo < 2.0_f64.ln() && 2.0_f64.ln() < interval.hi && interval.is_bounded(),
            "{interval:?}"
        );
    }

    #[test]
    fn four_times_the_data_shows_half_the_change() {
        let small = Change { before: &rate(500, 1000), after: &rate(500, 1000) };
        assert!((small.needed(small.least_to_show()) - 1000.0).abs() < 1e-6);
        assert!((small.needed(small.least_to_show() / 2.0) - 4000.0).abs() < 1e-6);
    }
}
