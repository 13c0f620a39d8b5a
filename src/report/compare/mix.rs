//! Whether the sides are made of the same kinds of calls: a change of the mix changes every figure.

use std::collections::{BTreeMap, BTreeSet};

use super::by_event_type;
use super::compared::Compared;
use super::snapshot::Snapshot;
use crate::report::gather::cell::MOST_CELLS;
use crate::report::grid::NONE;
use crate::report::key::OTHER_GROUPS;
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

/// The keys that rows are grouped by, with their values, but for hours and days, which differ between the sides anyway.
pub(super) fn by_keys<'a>(
    keys: &'a [String],
    values: &'a [Option<String>],
) -> impl Iterator<Item = (&'a String, &'a str)> {
    let of = keys.iter().zip(values).map(|(key, value)| (key, value.as_deref().unwrap_or(NONE)));
    of.filter(|(key, _)| !matches!(key.as_str(), "hour" | "day"))
}

pub(super) fn count(mix: &mut BTreeMap<String, BTreeMap<String, u64>>, key: &str, value: &str) {
    let is_full = mix.get(key).is_some_and(|values| values.len() >= MOST_CELLS);
    match mix.get_mut(key).and_then(|values| values.get_mut(value)) {
        Some(count) => *count += 1,
        None => {
            let value = if is_full { OTHER_GROUPS } else { value };
            *mix.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default() += 1;
        }
    }
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

/// The shares of all values of the event types and keys that both sides have.
pub(super) fn shares(before: &Snapshot, after: &Snapshot) -> Vec<MixShare> {
    let mut shares = Vec::new();
    for (event_type, keys) in &before.mix {
        let Some(others) = after.mix.get(event_type) else { continue };
        for (key, values) in keys {
            let Some(others) = others.get(key) else { continue };
            let sides = [values, others];
            let sums = sides.map(|side| side.values().sum::<u64>());
            let values: BTreeSet<_> = sides.iter().flat_map(|values| values.keys()).collect();
            if values.iter().all(|value| *value == NONE) {
                continue;
            }
            for value in values {
                let share = |side: usize| {
                    let count = sides[side].get(value).copied().unwrap_or_default();
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

/// The change of a metric at the mix before.
pub(super) struct AtMix {
    pub(super) change: f64,
    pub(super) within: Interval,
    /// The share of the calls before that are in groups of both sides.
    pub(super) covered: f64,
}

/// The change of a metric if each group had kept its share of the rows before. By Simpson's paradox the whole may change
/// where no group does. `None` without groups on both sides.
pub(super) fn at_the_mix_before(compared: &Compared, event_type: &str, metric: &str) -> Option<AtMix> {
    let own = compared.pairs.iter().filter(|pair| pair.event_type == event_type && pair.metric == metric);
    let own = || own.clone().filter(|pair| !pair.by.is_empty());
    let groups: Vec<_> = own().filter_map(|pair| pair.contrast()).collect();
    let sum: f64 = groups.iter().map(|group| group.before.n as f64).sum();
    let all: f64 = own().filter_map(|pair| pair.before.as_ref()).map(|before| before.n as f64).sum();
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
    Some(AtMix { change, within: Interval { lo: change - lo, hi: change + hi }, covered: sum / all })
}
