//! The figures that a table shows, and the lines about rows without a group.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::compared::{Compared, Pair};
use super::snapshot::Snapshot;
use super::words::{Line, own};
use crate::report::gather::cell::MOST_CELLS;

/// A comment on a pull request holds no more. JSON and CSV have all groups.
const MOST_GROUPS: usize = 50;

/// The figures of whole event types, and those of the groups with the most rows, in their order.
pub(super) fn shown(compared: &Compared) -> Vec<&Pair> {
    let mut rows: BTreeMap<_, u64> = BTreeMap::new();
    for group in [&compared.before, &compared.after].into_iter().flat_map(Snapshot::groups) {
        *rows.entry((&group.event_type, &group.by)).or_default() += group.rows;
    }
    let mut groups: Vec<_> = rows.into_iter().collect();
    groups.sort_by_key(|(_, rows)| Reverse(*rows));
    let largest: BTreeSet<_> = groups.into_iter().take(MOST_GROUPS).map(|(key, _)| key).collect();
    let is_shown = |pair: &&Pair| pair.by.is_empty() || largest.contains(&(&pair.event_type, &pair.by));
    compared.pairs.iter().filter(is_shown).collect()
}

pub(super) fn title(compared: &Compared) -> String {
    let sides = [&compared.before, &compared.after];
    let groups: BTreeSet<_> =
        sides.into_iter().flat_map(Snapshot::groups).map(|group| (&group.event_type, &group.by)).collect();
    match groups.len() {
        0..=MOST_GROUPS => "Figures".to_owned(),
        all => format!("Figures (of the {MOST_GROUPS} largest of {all} groups; JSON and CSV have all)"),
    }
}

/// The lines about rows that are in no group.
pub(super) fn ungrouped_lines(compared: &Compared) -> Vec<Line> {
    let sides = [("before", &compared.before), ("after", &compared.after)];
    let sides = sides.into_iter().filter(|(_, side)| side.ungrouped > 0);
    let line = |(name, side): (_, &Snapshot)| {
        let Snapshot { ungrouped, .. } = side;
        let rows = if *ungrouped == 1 { "row is" } else { "rows are" };
        vec![own(format!(
            "Of the side {name}, {ungrouped} {rows} in no group, because a side has at most {MOST_CELLS} groups: group by a \
             key with fewer values."
        ))]
    };
    sides.map(line).collect()
}
