//! Decides from two samples whether a figure changed, and says when they are too small to tell.
//!
//! Calls of one booking resemble each other, and so do calls of one day. Formulas for independent values then give intervals
//! that are too narrow, so each estimate here counts with an effective sample size: it is as sure as one of so many independent
//! values.
//!
//! - A quantile has the interval between two order statistics, after Woodruff, "Confidence intervals for medians and other
//!   position measures" (1952). Their ranks come from the effective sample size in the Clopper-Pearson formula, after Korn
//!   and Graubard, "Confidence intervals for proportions with small expected number of positive counts" (1998).
//! - Two intervals give that of their ratio or difference, after Zou and Donner, "Construction of confidence limits about
//!   effect measures" (2008). For shares this is method 10 of Newcombe, "Interval estimation for the difference between
//!   independent proportions" (1998).
//! - Few blocks are compared with Student's t, after Ibragimov and Müller, "t-statistic based correlation and heterogeneity
//!   robust inference" (2010).

pub(crate) mod block_counts;
pub(crate) mod blocks;
pub(crate) mod contrast;
mod distributions;
pub(crate) mod estimate;
pub(crate) mod gates;
pub(crate) mod quantile;
#[cfg(test)]
#[expect(clippy::print_stdout, reason = "it prints the tables of docs/baseline.md")]
mod simulation;
mod sizes;
mod times;

/// The share of intervals that do not cover the true value.
pub(crate) const ALPHA: f64 = 0.05;

/// The same for a window against itself, where each of its figures is checked.
pub(crate) const HALVES_ALPHA: f64 = 0.01;

/// The probability with which a change of the size that is printed would have been shown.
pub(crate) const POWER: f64 = 0.8;

/// A range of values, ends included. An end without enough data is infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) lo: f64,
    pub(crate) hi: f64,
}

impl Interval {
    pub(crate) const EVERYTHING: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    pub(crate) fn is_bounded(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }

    fn map(self, each: impl Fn(f64) -> f64) -> Self {
        Self { lo: each(self.lo), hi: each(self.hi) }
    }
}
