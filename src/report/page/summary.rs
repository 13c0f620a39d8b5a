//! The answer of a comparison in sentences.

use maud::{Markup, html};

use super::show::foreign;
use super::verdict::{judgement, result, shown};
use crate::report::compare::compared::{Compared, GateLine, Pair, interval as gate_interval};
use crate::report::compare::render::why;
use crate::report::compare::words::{amount, range, result_word, value, values};
use crate::report::grid::NONE;
use crate::report::stats::ALPHA;
use crate::report::stats::contrast::Judgement;
use crate::report::stats::estimate::Estimate;
use crate::report::stats::gates::GateResult;

/// More lines are left out.
const MOST_LINES: usize = 40;

/// The answer in sentences: the gates, and each figure that is better or worse.
pub(super) fn summary(compared: &Compared) -> Markup {
    let totals = || compared.pairs.iter().filter(|pair| pair.by.is_empty());
    let changed = [Judgement::Worse, Judgement::Better]
        .into_iter()
        .flat_map(|kind| totals().filter(move |pair| pair.judgement() == kind));
    let changed = changed.map(|pair| {
        html! { li data-of=(foreign(&pair.event_type)) { (judgement(pair.judgement())) " " (change_in_words(pair)) } }
    });
    let lines: Vec<_> = gate_lines(&compared.gates).into_iter().chain(changed).collect();
    html! {
        ul {
            @if compared.gates.len() > 1 { li { (gates_in_words(&compared.gates)) } }
            @for line in lines.iter().take(MOST_LINES) { (line) }
            @if lines.len() > MOST_LINES { li { (lines.len() - MOST_LINES) " more are in the JSON." } }
            @let same: Vec<_> = totals().filter(|pair| pair.judgement() == Judgement::NoDifferenceShown).collect();
            @for figures in same.chunk_by(|one, other| one.event_type == other.event_type) {
                li data-of=(foreign(&figures[0].event_type)) {
                    (judgement(Judgement::NoDifferenceShown)) " " (names(figures))
                }
            }
            @let open = totals().filter(|pair| pair.judgement() == Judgement::NotEnoughData).count();
            @if open > 0 { li { (judgement(Judgement::NotEnoughData)) " for " (open) " of " (totals().count()) " figures" } }
        }
    }
}

/// Of those that do not hold. Gates without an answer for the same reason have one line.
fn gate_lines(gates: &[GateLine]) -> Vec<Markup> {
    let all = worst_first(gates).into_iter().map(|(_, gate)| gate);
    let open: Vec<_> = all.filter(|gate| gate.result != GateResult::Holds).collect();
    let key = |gate: &GateLine| (gate.result, gate.spec.text.clone(), why(gate));
    let alike = open.chunk_by(|one, other| key(one) == key(other));
    let line = |gates: &[&GateLine]| {
        let (first, n) = (gates[0], gates.len());
        html! {
            @if n == 1 {
                li data-of=(foreign(&first.pair.event_type)) { (result(first.result, None)) " " (gate_in_words(first)) }
            } @else {
                li { (result(first.result, None)) " " (first.spec.text) " of " (n) " event types: " (why(first)) }
            }
        }
    };
    alike.map(line).collect()
}

const WORST_FIRST: [GateResult; 4] =
    [GateResult::Broken, GateResult::NoAnswer, GateResult::Undecided, GateResult::Holds];

/// Each gate with its place in the JSON.
pub(super) fn worst_first(gates: &[GateLine]) -> Vec<(usize, &GateLine)> {
    let mut gates: Vec<_> = gates.iter().enumerate().collect();
    gates.sort_by_key(|(_, gate)| WORST_FIRST.iter().position(|result| *result == gate.result));
    gates
}

fn gates_in_words(gates: &[GateLine]) -> String {
    let counts = WORST_FIRST.map(|result| {
        let count = gates.iter().filter(|gate| gate.result == result).count();
        let word = match (result, count) {
            (GateResult::Holds, 2..) => "hold",
            _ => result_word(result),
        };
        (count > 0).then(|| format!("{count} {word}"))
    });
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    format!("Gates: {}.", counts.join(", "))
}

/// Such as `median of orders.create: 36.4 ms → 71.7 ms (+97.0 %, 95 % interval +79.4% to +117.5%)`.
fn change_in_words(pair: &Pair) -> String {
    format!("{} of {}: {}", pair.metric, foreign(&pair.event_type), both_in_words(pair))
}

/// Such as `p95<=+10% of orders.create: 35.3 ms → 55.2 ms (+56.2 %, 95 % interval +34.1% to +70.0%)`. A limit of the side after
/// itself needs no side before.
fn gate_in_words(gate: &GateLine) -> String {
    let (metric, within, why) = (&gate.pair.metric, gate_interval(gate, ALPHA), why(gate));
    let (mut figures, range) = match &gate.pair.after {
        _ if gate.spec.is_change => (both_in_words(&gate.pair), range(metric, within)),
        Some(after) => (value(metric, after.value), values(metric, within)),
        None => (NONE.to_owned(), String::new()),
    };
    if !gate.spec.is_change && within.is_bounded() {
        figures += &format!(" (95 % interval {range})");
    }
    // The reason begins with the interval, if it is known.
    let more = why.strip_prefix(&range).filter(|_| within.is_bounded()).unwrap_or(&why);
    let more = more.trim_start_matches(", ");
    let end = if more.is_empty() { String::new() } else { format!("; {more}") };
    format!("{} of {}: {figures}{end}", gate.spec.text, foreign(&gate.pair.event_type))
}

/// Before, after and the change.
fn both_in_words(pair: &Pair) -> String {
    let side = |side: &Option<Estimate>| match side {
        Some(side) => value(&pair.metric, side.value),
        None => NONE.to_owned(),
    };
    let change = match shown(pair) {
        Some((change, within)) => {
            format!(" ({}, 95 % interval {})", amount(&pair.metric, change), range(&pair.metric, within))
        }
        None => String::new(),
    };
    format!("{} → {}{change}", side(&pair.before), side(&pair.after))
}

/// Of figures of one event type.
fn names(figures: &[&Pair]) -> String {
    let names: Vec<_> = figures.iter().map(|pair| pair.metric.as_str()).collect();
    format!("{} of {}", names.join(", "), foreign(&figures[0].event_type))
}
