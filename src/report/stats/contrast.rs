//! The difference of two estimates.

use super::distributions::normal;
use super::estimate::{Estimate, Statistic, wilson};
use super::{ALPHA, Interval, POWER};

/// From the estimate before to the one after. The scale is the difference of shares, and the logarithm of the ratio for
/// quantiles and means, so that zero is no change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contrast<'a> {
    pub(crate) before: &'a Estimate,
    pub(crate) after: &'a Estimate,
}

/// The judgement on a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Better,
    Worse,
    NoDifferenceShown,
    NotEnoughData,
}

impl Contrast<'_> {
    pub(crate) fn estimate(self) -> f64 {
        self.scale(self.after.value) - self.scale(self.before.value)
    }

    pub(crate) fn interval(self, alpha: f64) -> Interval {
        let [before, after] = self
            .sides()
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
            Statistic::Rate => value,
            Statistic::Quantile(..) | Statistic::Mean => value.max(0.0).ln(),
        }
    }

    /// Both estimates, each as it counts next to the other one.
    pub(crate) fn sides(self) -> [Estimate; 2] {
        [self.before.beside(self.after), self.after.beside(self.before)]
    }

    pub(crate) fn can_decide(self) -> bool {
        self.sides().iter().all(Estimate::can_decide)
    }

    /// `lower_is_better` is true for durations and attempts.
    pub(crate) fn judgement(self, lower_is_better: bool) -> Judgement {
        let interval = self.interval(ALPHA);
        if !self.can_decide() {
            return Judgement::NotEnoughData;
        }
        match (interval.lo > 0.0, interval.hi < 0.0) {
            (true, _) if lower_is_better => Judgement::Worse,
            (true, _) => Judgement::Better,
            (_, true) if lower_is_better => Judgement::Better,
            (_, true) => Judgement::Worse,
            _ => Judgement::NoDifferenceShown,
        }
    }

    /// The smallest change that this much data shows with a probability of [`POWER`].
    pub(crate) fn least_to_show(self) -> f64 {
        let interval = self.interval(ALPHA);
        let error = (interval.hi - interval.lo) / (2.0 * normal(1.0 - ALPHA / 2.0));
        error * (normal(1.0 - ALPHA / 2.0) + normal(POWER))
    }

    /// How many measurements a side would show, with a probability of [`POWER`], that no change is within `limit`. Infinite
    /// if no number does.
    pub(crate) fn needed(self, limit: f64) -> f64 {
        let sides = self.sides();
        let to_decide = |side: &Estimate| side.n as f64 * side.least_to_decide() / side.effective_size(ALPHA);
        let least = sides.iter().map(to_decide).fold(0.0, f64::max);
        let quantile = normal(1.0 - ALPHA / 2.0);
        // A change that is shown so often is this much larger than half the interval.
        let half = limit.abs() * quantile / (quantile + normal(POWER));
        least.max(match self.before.kind {
            Statistic::Rate => needed_of_rates(&sides, half),
            Statistic::Quantile(..) | Statistic::Mean => {
                let squares = sides.iter().map(|side| {
                    let interval = side.interval(ALPHA).map(|end| self.scale(end));
                    side.n as f64 * ((interval.hi - interval.lo) / 2.0).powi(2)
                });
                squares.sum::<f64>() / half.powi(2)
            }
        })
    }
}

/// How many measurements a side have an interval of the difference that ends at `-half`, if both have the same share. Few
/// failures have an interval from one side, which the square root of the number does not tell.
fn needed_of_rates(sides: &[Estimate; 2], half: f64) -> f64 {
    let [before, after] = sides.each_ref().map(|side| side.n as f64);
    let pooled = (sides[0].value * before + sides[1].value * after) / (before + after);
    let each = sides.each_ref().map(|side| side.effective_size(ALPHA) / side.n as f64);
    let suffices = |n: f64| {
        let [before, after] = each.map(|each| wilson(pooled, n * each, ALPHA));
        (before.hi - pooled).hypot(pooled - after.lo) <= half
    };
    let (mut few, mut many) = (0.0, 1e12);
    if !suffices(many) {
        return f64::INFINITY;
    }
    while many - few > 1e-9 * many {
        let middle = f64::midpoint(few, many);
        if suffices(middle) { many = middle } else { few = middle }
    }
    many
}

#[cfg(test)]
mod tests {
    use super::super::blocks::{Measurement, TimeAndUnit, TimeBlocks};
    use super::super::quantile::Ranked;
    use super::*;
    use std::sync::Arc;

    const DAY: i64 = 86_400_000_000;

    fn rate(hits: usize, n: usize) -> Estimate {
        let value = |i: usize| f64::from(u8::from(i * hits % n < hits));
        let each = |i: usize| Measurement {
            value: value(i),
            place: TimeAndUnit::new((i % 7) as i64 * DAY, (i % 64) as u8),
        };
        Estimate::rate(&(0..n).map(each).collect::<Vec<_>>(), TimeBlocks::Days).expect("values")
    }

    fn median(scale: f64, n: usize) -> Estimate {
        let value = |i: usize| scale * (1.0 + (i * 37 % n) as f64 / n as f64);
        let each = |i: usize| Measurement {
            value: value(i),
            place: TimeAndUnit::new((i % 7) as i64 * DAY, (i % 64) as u8),
        };
        let all: Vec<_> = (0..n).map(each).collect();
        let ranked = Arc::new(Ranked::new(all.iter().map(|one| one.value).collect()));
        Estimate::quantile(0.5, &ranked, &all, TimeBlocks::Days).expect("values")
    }

    #[test]
    fn direction_and_size_make_the_judgement() {
        let (slow, fast, few) = (median(2.0, 1000), median(1.0, 1000), median(2.0, 12));
        let judgement = |before, after| Contrast { before, after }.judgement(true);
        assert_eq!(judgement(&fast, &slow), Judgement::Worse);
        assert_eq!(judgement(&slow, &fast), Judgement::Better);
        assert_eq!(judgement(&slow, &slow), Judgement::NoDifferenceShown);
        assert_eq!(judgement(&fast, &few), Judgement::NotEnoughData);
        let change = Contrast { before: &rate(500, 1000), after: &rate(900, 1000) };
        assert_eq!(change.judgement(false), Judgement::Better);
    }

    #[test]
    fn a_ratio_is_that_of_the_values() {
        let change = Contrast { before: &median(1.0, 1001), after: &median(2.0, 1001) };
        assert!((change.estimate().exp() - 2.0).abs() < 1e-12);
        let interval = change.interval(0.05);
        assert!(
            interval.lo < 2.0_f64.ln() && 2.0_f64.ln() < interval.hi && interval.is_bounded(),
            "{interval:?}"
        );
    }

    /// Half the width of Wilson's interval of a half is the square root of z² / 4 (n + z²).
    #[test]
    fn four_times_the_data_shows_half_the_change() {
        let small = Contrast { before: &rate(500, 1000), after: &rate(500, 1000) };
        let square = 1.959_964_f64.powi(2) * 1000.0 / small.before.effective_size(ALPHA);
        let needed = |limit| small.needed(limit);
        assert!((needed(small.least_to_show()) - 1000.0).abs() < 1e-3);
        assert!((needed(small.least_to_show() / 2.0) - (4000.0 + 3.0 * square)).abs() < 1e-2);
        let (fast, slow) = (median(1.0, 1000), median(1.0, 1000));
        let medians = Contrast { before: &fast, after: &slow };
        assert!((medians.needed(medians.least_to_show()) / 1000.0 - 1.0).abs() < 0.01);
        assert!((medians.needed(medians.least_to_show() / 2.0) / 4000.0 - 1.0).abs() < 0.01);
    }

    #[test]
    fn few_failures_need_as_many_measurements_as_their_own_interval_says() {
        let all = rate(200, 200);
        let contrast = Contrast { before: &all, after: &all };
        let needed = contrast.needed(-0.01).round() as usize;
        let holds = |n| {
            let all = rate(n, n);
            let lo = Contrast { before: &all, after: &all }.interval(ALPHA).lo;
            lo >= -0.01 * 1.96 / (1.96 + 0.8416)
        };
        assert!(holds(needed + 5) && !holds(needed - 5), "{needed}");
        assert_eq!(contrast.needed(0.0), f64::INFINITY);
    }

    /// However wide the limit is, a change is decided only from enough values.
    #[test]
    fn the_number_to_decide_is_needed_at_least() {
        let few = median(1.0, 30);
        let needed = Contrast { before: &few, after: &few }.needed(100.0);
        assert!((needed - 30.0 * 20.0 / few.effective_size(ALPHA)).abs() < 1e-6, "{needed}");
    }
}
