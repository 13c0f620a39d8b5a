//! Decides whether limits hold, are broken, or cannot be decided.

use super::ALPHA;
use super::Interval;

/// How far rounding may take a figure, relative to its limit: a figure that is equal to the limit keeps it.
const ROUNDING: f64 = 1e-9;

/// Whether a figure keeps its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GateResult {
    /// The whole interval keeps the limit.
    Holds,
    /// No value of the interval keeps the limit.
    Broken,
    /// The interval includes the limit, or the data does not suffice.
    Undecided,
    /// A side that the limit needs has no values.
    NoAnswer,
}

/// A limit from one side, on the scale of the interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    /// Whether the whole interval keeps the limit.
    fn holds(self, interval: Interval) -> bool {
        match self {
            Self::AtMost(limit) => interval.hi <= limit + rounding(limit),
            Self::AtLeast(limit) => interval.lo >= limit - rounding(limit),
        }
    }

    /// Whether no value of the interval keeps the limit.
    pub(crate) fn breaks(self, interval: Interval) -> bool {
        match self {
            Self::AtMost(limit) => interval.lo > limit + rounding(limit),
            Self::AtLeast(limit) => interval.hi < limit - rounding(limit),
        }
    }

    /// The smallest `alpha` whose interval breaks the limit: the p-value of the two-sided test against it.
    pub(crate) fn p_value(self, interval: impl Fn(f64) -> Interval) -> f64 {
        let (mut below, mut above) = (1e-8_f64.ln(), 1.0_f64.ln());
        if self.breaks(interval(below.exp())) {
            return below.exp();
        }
        for _ in 0..30 {
            let middle = f64::midpoint(below, above);
            if self.breaks(interval(middle.exp())) { above = middle } else { below = middle }
        }
        above.exp()
    }
}

fn rounding(limit: f64) -> f64 {
    ROUNDING * limit.abs().max(1.0)
}

/// The results of several limits. All hold if each does: that needs no correction. Broken ones are adjusted for
/// their number, after Holm, "A simple sequentially rejective multiple test procedure" (1979).
pub(crate) fn results<F: Fn(f64) -> Interval>(limits: &[(Limit, F)]) -> Vec<GateResult> {
    let values: Vec<f64> = limits.iter().map(|(limit, interval)| limit.p_value(interval)).collect();
    let broken = holm(&values);
    let each = limits.iter().zip(broken).map(|((limit, interval), broken)| match () {
        () if broken => GateResult::Broken,
        () if limit.holds(interval(ALPHA)) => GateResult::Holds,
        () => GateResult::Undecided,
    });
    each.collect()
}

/// Which of the p-values are small enough, given their number.
fn holm(values: &[f64]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&left, &right| values[left].total_cmp(&values[right]));
    let mut small = vec![false; values.len()];
    for (place, &index) in order.iter().enumerate() {
        if values[index] > ALPHA / (values.len() - place) as f64 {
            break;
        }
        small[index] = true;
    }
    small
}

#[cfg(test)]
mod tests {
    use super::super::distributions::normal;
    use super::*;

    /// The interval of a normal estimate with standard error 1.
    fn around(value: f64) -> impl Fn(f64) -> Interval {
        move |alpha| Interval { lo: value - normal(1.0 - alpha / 2.0), hi: value + normal(1.0 - alpha / 2.0) }
    }

    #[test]
    fn a_limit_holds_is_broken_or_is_undecided() {
        let held = |value, limit| results(&[(limit, around(value))])[0];
        assert_eq!(held(0.0, Limit::AtMost(2.0)), GateResult::Holds);
        assert_eq!(held(0.0, Limit::AtMost(1.9)), GateResult::Undecided);
        assert_eq!(held(4.0, Limit::AtMost(2.0)), GateResult::Broken);
        assert_eq!(held(0.0, Limit::AtLeast(-2.0)), GateResult::Holds);
        assert_eq!(held(-4.0, Limit::AtLeast(-2.0)), GateResult::Broken);
        // The ratio of 5.5 to 5 is 1.1, but not to the last digit of its logarithm.
        let point = (5.5_f64 / 5.0).ln();
        let met = |limit| results(&[(limit, move |_| Interval { lo: point, hi: point })])[0];
        assert_eq!(met(Limit::AtMost(1.1_f64.ln())), GateResult::Holds);
        assert_eq!(met(Limit::AtLeast(1.1_f64.ln())), GateResult::Holds);
        let unknown = |_| Interval::EVERYTHING;
        assert_eq!(results(&[(Limit::AtMost(1.0), unknown)]), [GateResult::Undecided]);
    }

    #[test]
    fn the_p_value_is_that_of_the_normal_test() {
        assert!((Limit::AtMost(0.0).p_value(around(1.959_964)) - 0.05).abs() < 1e-5);
        assert!((Limit::AtLeast(0.0).p_value(around(-2.575_829)) - 0.01).abs() < 1e-5);
    }

    /// The bounds are 0.05 / 4, 0.05 / 3 and 0.05 / 2; 0.03 is above the third.
    #[test]
    fn several_broken_limits_are_adjusted() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [true, false, false, true]);
        assert_eq!(holm(&[]), [false; 0]);
        // Alone it is broken; among ten it is not.
        let ten: Vec<_> =
            (0..10).map(|i| (Limit::AtMost(0.0), around(if i == 0 { 2.2 } else { 0.0 }))).collect();
        assert_eq!(results(&ten[..1]), [GateResult::Broken]);
        assert_eq!(results(&ten)[0], GateResult::Undecided);
    }
}
