//! Groups that are worse behind a gate that holds: gates are on whole event types.

use super::compared::{Compared, GateLine, Pair};
use super::render::group;
use super::words::{Line, foreign, own};
use crate::report::stats::contrast::Judgement;
use crate::report::stats::gates::GateResult;

/// More groups are counted only.
const MOST_GROUPS: usize = 5;

pub(super) fn worse_group_lines(compared: &Compared) -> Vec<Line> {
    let held = compared.gates.iter().filter(|gated| gated.result == GateResult::Holds);
    held.filter_map(|gated| line(gated, &worse_groups(compared, gated))).collect()
}

/// The groups whose figure is worse where the gate on the whole event type holds.
fn worse_groups<'a>(compared: &'a Compared, gated: &GateLine) -> Vec<&'a Pair> {
    let whole = &gated.pair;
    let own = compared.pairs.iter().filter(|pair| pair.event_type == whole.event_type && !pair.by.is_empty());
    own.filter(|pair| pair.metric == whole.metric && pair.judgement() == Judgement::Worse).collect()
}

fn line(gated: &GateLine, groups: &[&Pair]) -> Option<Line> {
    let metric = &gated.pair.metric;
    if groups.is_empty() {
        return None;
    }
    let mut line = vec![own("The gate "), foreign(&gated.spec.text), own(" holds for all rows of ")];
    line.push(foreign(&gated.pair.event_type));
    line.push(own(format!(", but {metric} is worse in {} of its groups: ", groups.len())));
    for (number, pair) in groups.iter().take(MOST_GROUPS).enumerate() {
        line.extend((number > 0).then(|| own("; ")));
        line.push(foreign(group(pair)));
    }
    line.extend((groups.len() > MOST_GROUPS).then(|| own("; …")));
    line.push(own(". To gate a group, select it with --where."));
    Some(line)
}
