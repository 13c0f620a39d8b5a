//! Whether the sides are made of the same kinds of calls: a change of the mix changes every figure.

use std::collections::BTreeSet;

use super::by_event_type;
use super::compared::Compared;
use super::snapshot::Snapshot;
use crate::report::stats::{ALPHA, Interval};
use crate::rules::Rules;

/// The share of a value has moved if it differs by more.
pub(super) const MOVED: f64 = 0.05;

/// The keys by which the rules group rows: these tell kinds of calls apart.
pub(super) fn keys(rules: &Rules) -> Vec<String> {
    let keys: BTreeSet<_> =
        by_event_type(rules).flat_map(|(_, rule)| rule.report_by.iter().cloned()).collect();
    keys.into_iter().collect()
}

/// The share of one value on both sides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MixShare {
    pub(super) event_type: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) before: f64,
    pub(super) after: f64,
}

impl MixShare {
    pub(super) fn has_moved(&self) -> bool {
        (self.after - self.before).abs() > MOVED
    }
}

/// Of the event types that both sides have.
pub(super) fn shares(before: &Snapshot, after: &Snapshot) -> Vec<MixShare> {
    let mut shares = Vec::new();
    for (event_type, keys) in &before.mix {
        let Some(others) = after.mix.get(event_type) else { continue };
        for key in keys.keys().chain(others.keys()).collect::<BTreeSet<_>>() {
            let sides = [keys.get(key), others.get(key)];
            let sums = sides.map(|side| side.map_or(0, |values| values.values().sum::<u64>()));
            let values: BTreeSet<_> = sides.iter().flatten().flat_map(|values| values.keys()).collect();
            for value in values {
                let share = |side: usize| {
                    let count = sides[side].and_then(|values| values.get(value)).copied().unwrap_or_default();
                    count as f64 / (sums[side] as f64).max(1.0)
                };
                shares.push(MixShare {
                    event_type: event_type.clone(),
                    key: key.clone(),
                    value: value.clone(),
                    before: share(0),
                    after: share(1),
                });
            }
        }
    }
    shares
}

/// The change of a metric if each group had kept its share of the rows before: after Simpson's paradox, a sum may move
/// where no group does. `None` without groups on both sides.
pub(super) fn at_the_mix_before(
    compared: &Compared,
    event_type: &str,
    metric: &str,
) -> Option<(f64, Interval)> {
    let own = compared.pairs.iter().filter(|pair| pair.event_type == event_type && pair.metric == metric);
    let groups: Vec<_> = own.filter(|pair| !pair.by.is_empty()).filter_map(|pair| pair.contrast()).collect();
    let sum: f64 = groups.iter().map(|group| group.before.n as f64).sum();
    if groups.is_empty() {
        return None;
    }
    let (mut change, mut lo, mut hi) = (0.0, 0.0_f64, 0.0_f64);
    for group in groups {
        let weight = group.before.n as f64 / sum;
        let interval = group.interval(ALPHA);
        change += weight * group.estimate();
        lo = lo.hypot(weight * (group.estimate() - interval.lo));
        hi = hi.hypot(weight * (interval.hi - group.estimate()));
    }
    Some((change, Interval { lo: change - lo, hi: change + hi }))
}
