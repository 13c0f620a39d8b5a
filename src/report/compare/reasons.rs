//! Why a gate has its result, and why a figure has no change.

use std::collections::BTreeMap;

use super::compared::{Compared, GateLine, Pair, interval};
use super::words::{Line, foreign, own, range, values};
use crate::report::stats::blocks::TimeBlocks;
use crate::report::stats::contrast::Judgement;
use crate::report::stats::estimate::Estimate;
use crate::report::stats::gates::{GateResult, Limit};
use crate::report::stats::{ALPHA, Interval};

/// The interval on which the result of a gate rests, or the data that is missing.
pub(in crate::report) fn why(gated: &GateLine) -> String {
    let interval = interval(gated, ALPHA);
    if interval == Interval::EVERYTHING {
        return missing(&gated.pair, gated.spec.is_change);
    }
    of_interval(gated, interval)
}

/// Why a figure has no verdict; `None` if it has one.
pub(super) fn why_undecided(pair: &Pair) -> Option<String> {
    (pair.judgement() == Judgement::NotEnoughData).then(|| missing(pair, true))
}

/// Why nothing can be decided about a change, or about the value after.
fn missing(pair: &Pair, is_change: bool) -> String {
    let reasons = too_few(pair, is_change);
    if !reasons.is_empty() {
        return reasons.join("; ");
    }
    if let Some(unknown) = unknown(pair) {
        return unknown;
    }
    match no_ratio(pair) {
        Some(no_ratio) => format!("{no_ratio}: write a limit for the value after"),
        None if pair.unsteady => "your own baseline differs from itself".to_owned(),
        None => "the interval before and the interval after reach 0: no ratio".to_owned(),
    }
}

fn of_interval(gated: &GateLine, interval: Interval) -> String {
    let metric = &gated.pair.metric;
    let within = if gated.spec.is_change { range(metric, interval) } else { values(metric, interval) };
    let remark = match gated.spec.limit {
        _ if gated.result != GateResult::Undecided => "",
        limit if limit.breaks(interval) => ", not enough to be broken among several gates",
        Limit::AtLeast(1.0) if !gated.spec.is_change => {
            ", and no number of calls shows 100%: write a lower limit"
        }
        _ if interval.hi.is_infinite() => ", because the interval before reaches 0",
        _ => "",
    };
    within + remark
}

fn too_few(pair: &Pair, is_change: bool) -> Vec<String> {
    let sides = match pair.contrast().filter(|_| is_change) {
        Some(contrast) => contrast.sides().map(Some),
        None => [pair.before.clone(), pair.after.clone()],
    };
    let has_parts = sides.iter().flatten().any(|side| side.least_blocks == TimeBlocks::Parts.least());
    let sides = ["before", "after"].into_iter().zip(&sides);
    let needed = sides.filter(|(name, _)| is_change || *name == "after");
    let reason = |(name, side): (&str, &Option<Estimate>)| match side {
        None => Some(format!("no values {name}")),
        Some(side) if !side.has_enough_blocks() => {
            let blocks = side.variances.times.blocks;
            let needed = needed_blocks(side);
            let by_parts = if has_parts && needed == "days" {
                " (read both sides with --accept-short-window to decide by parts)"
            } else {
                ""
            };
            Some(format!("{blocks} of {} {needed} {name}{by_parts}", side.least_blocks))
        }
        Some(side) if !side.can_decide() => {
            let (size, least) = (side.effective_size(ALPHA), side.least_to_decide());
            Some(format!("{size:.0} of {least:.0} independent values {name}"))
        }
        Some(_) => None,
    };
    needed.filter_map(reason).collect()
}

/// The blocks of time that a side has too few of.
fn needed_blocks(side: &Estimate) -> &'static str {
    match side.least_blocks {
        least if least == TimeBlocks::Days.least() => "days",
        least if least == TimeBlocks::Parts.least() => "parts",
        _ => "runs",
    }
}

/// How many calls have no known success, if they are too many for a share to say something.
fn unknown(pair: &Pair) -> Option<String> {
    let sides = ["before", "after"].into_iter().zip(pair.unknown);
    let text =
        |(name, share): (_, Option<f64>)| Some(format!("of {:.0}% of the calls {name}", share? * 100.0));
    let sides: Vec<_> = sides.filter_map(text).collect();
    (!sides.is_empty()).then(|| format!("the success {} is not known", sides.join(" and ")))
}

/// On whole event types.
pub(super) fn unknown_lines(compared: &Compared) -> Vec<Line> {
    let pairs = compared.pairs.iter().filter(|pair| pair.by.is_empty());
    let line = |pair: &Pair| {
        let unknown = unknown(pair)?;
        let remedy = "These calls are in no share: record it, or write silent in their rule.";
        Some(vec![own("Of ".to_owned()), foreign(&pair.event_type), own(format!(", {unknown}. {remedy}"))])
    };
    pairs.filter_map(line).collect()
}

/// Which side has no value above 0. `None` if the change is known.
fn no_ratio(pair: &Pair) -> Option<String> {
    let contrast = pair.contrast().filter(|contrast| !contrast.is_known())?;
    let sides = [("before", contrast.before.value), ("after", contrast.after.value)];
    let (name, value) = sides.into_iter().find(|(_, value)| *value <= 0.0)?;
    let is = if value < 0.0 { "below 0" } else { "0" };
    Some(format!("the value {name} is {is}, which has no ratio"))
}

/// On the figures of whole event types.
pub(super) fn no_ratio_lines(compared: &Compared) -> Vec<Line> {
    let mut metrics: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for pair in compared.pairs.iter().filter(|pair| pair.by.is_empty()) {
        if let Some(reason) = no_ratio(pair) {
            metrics.entry((&pair.event_type, reason)).or_default().push(&pair.metric);
        }
    }
    let line = |((event_type, reason), metrics): ((&String, String), Vec<&str>)| {
        let of = own(format!("No change of {} of ", metrics.join(", ")));
        let remedy = "A gate on the value after, such as p95<=800ms, can decide.";
        vec![of, foreign(event_type), own(format!(" is shown: {reason}. {remedy}"))]
    };
    metrics.into_iter().map(line).collect()
}
