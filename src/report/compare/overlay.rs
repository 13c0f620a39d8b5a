//! The durations of both sides in the same buckets.

use std::collections::BTreeMap;

use serde::Serialize;

use super::snapshot::{SideFigures, Snapshot};
use crate::report::preferred::{self, edge};
use crate::report::stats::quantile::Ranked;

/// The durations of one event type on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::report) struct Overlay {
    pub(in crate::report) event_type: String,
    /// From the shortest duration to the longest, without a gap.
    pub(in crate::report) buckets: Vec<OverlayBucket>,
}

/// How many calls took from one duration to less than another, in milliseconds; those not above 0 have a bucket of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(in crate::report) struct OverlayBucket {
    pub(in crate::report) from: f64,
    pub(in crate::report) to: f64,
    pub(in crate::report) before: u64,
    pub(in crate::report) after: u64,
}

/// Of the event types that both sides have, in the order of their names.
pub(in crate::report) fn overlays(before: &Snapshot, after: &Snapshot) -> Vec<Overlay> {
    let totals = |side: &Snapshot| {
        let totals = side.events.iter().filter(|event| event.by.is_empty());
        totals.map(|event| (event.event_type.clone(), event.clone())).collect::<BTreeMap<_, SideFigures>>()
    };
    let after = totals(after);
    let both = totals(before).into_iter().filter_map(|(name, before)| {
        let buckets = buckets(&before.durations, &after.get(&name)?.durations);
        (!buckets.is_empty()).then_some(Overlay { event_type: name, buckets })
    });
    both.collect()
}

fn buckets(before: &Ranked, after: &Ranked) -> Vec<OverlayBucket> {
    let mut counts = BTreeMap::<Option<i32>, [u64; 2]>::new();
    for (side, ranked) in [before, after].into_iter().enumerate() {
        ranked.counts().for_each(|(value, count)| counts.entry(place(value)).or_default()[side] += count);
    }
    let mut buckets = Vec::new();
    if let Some([before, after]) = counts.remove(&None) {
        buckets.push(OverlayBucket { from: 0.0, to: 0.0, before, after });
    }
    let ends = counts.keys().next().copied().flatten().zip(counts.keys().next_back().copied().flatten());
    let places = ends.into_iter().flat_map(|(first, last)| first..=last);
    buckets.extend(places.map(|place| {
        let [before, after] = counts.get(&Some(place)).copied().unwrap_or_default();
        OverlayBucket { from: edge(place), to: edge(place + 1), before, after }
    }));
    buckets
}

/// The number of the bucket of a duration; `None` if it is not above 0.
fn place(value: f64) -> Option<i32> {
    if value <= 0.0 {
        return None;
    }
    // No clock is finer than this, and no call is shorter.
    let value = value.max(1e-6);
    Some(preferred::place(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_between_the_edges_of_its_bucket() {
        for number in 1..200_000 {
            let value = f64::from(number) * 0.013;
            let place = place(value).expect("above 0");
            assert!(edge(place) <= value && value < edge(place + 1), "{value}");
        }
        assert_eq!([-20, -5, 0, 1, 19, 20].map(edge), [0.1, 0.56, 1.0, 1.12, 9.0, 10.0]);
    }

    #[test]
    fn both_sides_have_the_same_buckets() {
        let (before, after) = (Ranked::new(vec![0.0, 1.05, 1.06]), Ranked::new(vec![1.3, 1.05]));
        let bucket = |from, to, before, after| OverlayBucket { from, to, before, after };
        assert_eq!(
            buckets(&before, &after),
            [
                bucket(0.0, 0.0, 1, 0),
                bucket(1.0, 1.12, 2, 1),
                bucket(1.12, 1.25, 0, 0),
                bucket(1.25, 1.4, 0, 1)
            ]
        );
    }
}
