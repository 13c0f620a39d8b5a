//! The figures that a table shows, and the lines about rows without a group.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::compared::{Compared, Pair};
use super::snapshot::Snapshot;
use super::words::{Line, own};
use crate::report::gather::cell::MOST_CELLS;
use crate::report::stats::contrast::Judgement;
use crate::report::stats::gates::GateResult;

/// A comment on a pull request holds no more. JSON and CSV have all groups.
const MOST_GROUPS: usize = 50;

/// A comment on a pull request holds 65,536 characters on GitHub. JSON and CSV have all event types.
const MOST_EVENT_TYPES: usize = 50;
/// The rank of an event type without a change and without a broken gate.
const QUIET: u8 = 2;

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

/// The event types that a comment on a pull request shows, if it cannot show all: first those with a broken gate, then those
/// with a change. Also the line that counts the others.
pub(super) fn loudest(compared: &Compared) -> Option<(BTreeSet<&str>, Line)> {
    let mut ranks = BTreeMap::new();
    for pair in &compared.pairs {
        let is_quiet = matches!(pair.judgement(), Judgement::NoDifferenceShown | Judgement::NotEnoughData);
        let rank = ranks.entry(pair.event_type.as_str()).or_insert(QUIET);
        *rank = (*rank).min(if is_quiet { QUIET } else { QUIET - 1 });
    }
    let broken = compared.gates.iter().filter(|gated| gated.result == GateResult::Broken);
    broken.for_each(|gated| _ = ranks.insert(&gated.pair.event_type, 0));
    if ranks.len() <= MOST_EVENT_TYPES {
        return None;
    }
    let mut ranks: Vec<_> = ranks.into_iter().collect();
    ranks.sort_by_key(|(_, rank)| *rank);
    let others = ranks.split_off(MOST_EVENT_TYPES);
    let loud = others.iter().filter(|(_, rank)| *rank < QUIET).count();
    let line = own(format!(
        "{} more event types are left out here: {loud} with a change or a broken gate. JSON and CSV have all.",
        others.len()
    ));
    Some((ranks.into_iter().map(|(event_type, _)| event_type).collect(), vec![line]))
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
