//! The intervals of percentiles.

use std::sync::Arc;

use crate::report::answer::Intervals;
use crate::report::samples::Sorted;
use crate::report::stats::ALPHA;
use crate::report::stats::block_counts::BlockCounts;
use crate::report::stats::estimate::Estimate;
use crate::report::stats::quantile::Ranked;

/// The intervals that hold the percentiles of the durations; `None` where too few are known for each of them.
pub(super) fn intervals(durations: &Sorted, counts: &BlockCounts) -> Option<Intervals> {
    let ranked = Arc::new(Ranked::from_counts(durations.bars()));
    let of = |level| {
        let estimate = Estimate::counted(level, &ranked, counts)?;
        let interval = estimate.can_show().then(|| estimate.interval(ALPHA))?;
        Some((interval.lo, interval.hi))
    };
    let intervals = Intervals { median: of(0.5), p95: of(0.95), p99: of(0.99) };
    (intervals != Intervals::default()).then_some(intervals)
}
