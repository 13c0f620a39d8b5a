//! Two sides, figure by figure, and the gates on them.

use std::collections::BTreeMap;

use super::gate::GateSpec;
use super::snapshot::{SideFigures, Snapshot};
use crate::error::Error;
use crate::report::answer::too_many_unknown;
use crate::report::compare::tally::SUCCESS;
use crate::report::log::UnreadLines;
use crate::report::stats::contrast::{Contrast, Judgement};
use crate::report::stats::estimate::Estimate;
use crate::report::stats::gates::{GateResult, Limit, results};
use crate::report::stats::{ALPHA, Interval};

/// The sides, their figures next to each other, and what the gates say.
///
/// `Display` is a text of aligned tables; `{:#}` adds colours for a terminal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Compared {
    pub(in crate::report) before: Snapshot,
    pub(in crate::report) after: Snapshot,
    pub(in crate::report) pairs: Vec<Pair>,
    pub(in crate::report) gates: Vec<GateLine>,
}

/// One figure on both sides.
#[derive(Clone, Debug)]
pub(in crate::report) struct Pair {
    pub(in crate::report) event_type: String,
    pub(in crate::report) by: Vec<Option<String>>,
    pub(in crate::report) metric: String,
    pub(in crate::report) before: Option<Estimate>,
    pub(in crate::report) after: Option<Estimate>,
    /// Whether the side before differs from itself: every other day, part or run from the rest.
    pub(super) unsteady: bool,
    /// The share of calls on each side whose success is not known, where it is too large for a decision.
    pub(super) unknown: [Option<f64>; 2],
}

/// A gate on one event type.
#[derive(Clone, Debug)]
pub(in crate::report) struct GateLine {
    pub(in crate::report) spec: GateSpec,
    pub(in crate::report) pair: Pair,
    pub(in crate::report) result: GateResult,
}

impl Pair {
    /// Of a metric that no event type has.
    fn without_values(metric: &str) -> Self {
        Self {
            event_type: "(no event type)".to_owned(),
            by: Vec::new(),
            metric: metric.to_owned(),
            before: None,
            after: None,
            unsteady: false,
            unknown: [None; 2],
        }
    }

    pub(in crate::report) fn contrast(&self) -> Option<Contrast<'_>> {
        Some(Contrast { before: self.before.as_ref()?, after: self.after.as_ref()? })
    }

    /// Whether no change of it can be decided, however many calls there are.
    fn decides_nothing(&self) -> bool {
        self.unsteady || self.unknown.iter().any(Option::is_some)
    }

    pub(in crate::report) fn judgement(&self) -> Judgement {
        match self.contrast() {
            Some(_) if self.decides_nothing() => Judgement::NotEnoughData,
            Some(contrast) => contrast.judgement(self.metric != SUCCESS),
            None => Judgement::NotEnoughData,
        }
    }
}

impl Compared {
    pub(super) fn new(before: Snapshot, after: Snapshot, specs: &[GateSpec]) -> Result<Self, Error> {
        let pairs = pairs(&before, &after);
        let mut gates: Vec<_> = specs.iter().flat_map(|spec| lines(spec, &pairs)).collect();
        if !gates.is_empty() && !gates.iter().any(GateLine::has_values) {
            let GateSpec { metric, is_change, .. } = &gates[0].spec;
            let sides = if *is_change { "on both sides" } else { "after" };
            return Err(Error::config(format!(
                "no event type has {metric} {sides}: its gate says nothing; see --event"
            )));
        }
        decide(&mut gates);
        Ok(Self { before, after, pairs, gates })
    }

    /// The lines of logs that could not be read, of both sides.
    pub fn unread_lines(&self) -> UnreadLines {
        let mut unread = self.before.unread.clone();
        unread.extend(self.after.unread.clone());
        unread
    }

    /// Whether all gates hold: broken if one is, else no answer if one has none, else undecided if one is. Without gates
    /// they hold.
    pub fn result(&self) -> GateResult {
        let worst = [GateResult::Broken, GateResult::NoAnswer, GateResult::Undecided];
        let any = |result: &GateResult| self.gates.iter().any(|gated| gated.result == *result);
        worst.into_iter().find(any).unwrap_or(GateResult::Holds)
    }

    /// The keys to group by that no row of either side has.
    pub fn keys_of_no_row(&self) -> impl Iterator<Item = &str> {
        let after: Vec<_> = self.after.keys_of_no_row().collect();
        self.before.keys_of_no_row().filter(move |key| after.contains(key))
    }
}

/// A gate on every event type that has its metric, or else one that has no answer.
fn lines(spec: &GateSpec, pairs: &[Pair]) -> Vec<GateLine> {
    let line = |pair: Pair| GateLine { spec: spec.clone(), pair, result: GateResult::Undecided };
    let own = pairs.iter().filter(|pair| pair.by.is_empty() && pair.metric == spec.metric);
    let own: Vec<_> = own.cloned().map(line).collect();
    if own.is_empty() { vec![line(Pair::without_values(&spec.metric))] } else { own }
}

fn decide(gates: &mut [GateLine]) {
    let limits: Vec<(Limit, _)> =
        gates.iter().map(|gated| (gated.spec.limit, |alpha| interval(gated, alpha))).collect();
    let results = results(&limits);
    for (gated, result) in gates.iter_mut().zip(results) {
        gated.result = if gated.has_values() { result } else { GateResult::NoAnswer };
    }
}

/// The interval that the limit is held against. Without enough data it includes everything.
pub(in crate::report) fn interval(gated: &GateLine, alpha: f64) -> Interval {
    let Pair { before, after, unsteady, unknown, .. } = &gated.pair;
    let needed = if gated.spec.is_change { &unknown[..] } else { &unknown[1..] };
    let decided = match (before, after) {
        _ if needed.iter().any(Option::is_some) => None,
        (_, Some(after)) if !gated.spec.is_change && after.can_decide() => Some(after.interval(alpha)),
        (Some(before), Some(after)) if gated.spec.is_change && !unsteady => {
            let contrast = Contrast { before, after };
            contrast.can_decide().then(|| contrast.interval(alpha))
        }
        _ => None,
    };
    decided.unwrap_or(Interval::EVERYTHING)
}

impl GateLine {
    /// Whether each side that the limit needs has values.
    fn has_values(&self) -> bool {
        self.pair.after.is_some() && (self.pair.before.is_some() || !self.spec.is_change)
    }

    /// The measurements a side needs so that an undecided limit holds, with no change, four times out of five. `None` where
    /// more measurements are not the answer.
    pub(in crate::report) fn needed(&self) -> Option<f64> {
        let contrast = self.pair.contrast().filter(|contrast| contrast.is_known())?;
        let sides = [contrast.before, contrast.after];
        let (allows_no_change, limit) = match self.spec.limit {
            Limit::AtMost(limit) => (limit > 0.0, limit),
            Limit::AtLeast(limit) => (limit < 0.0, limit),
        };
        let is_open =
            self.result == GateResult::Undecided && self.spec.is_change && !self.pair.decides_nothing();
        if !is_open || !allows_no_change || !sides.iter().all(|side| side.has_enough_blocks()) {
            return None;
        }
        let n = sides[0].n.min(sides[1].n) as f64;
        Some(contrast.needed(limit)).filter(|needed| needed.is_finite() && *needed > n)
    }
}

fn pairs(before: &Snapshot, after: &Snapshot) -> Vec<Pair> {
    let mut groups: BTreeMap<_, [Option<&SideFigures>; 2]> = BTreeMap::new();
    for (place, side) in [before, after].into_iter().enumerate() {
        for event in &side.events {
            groups.entry((&event.event_type, &event.by)).or_default()[place] = Some(event);
        }
    }
    let mut pairs = Vec::new();
    for ((event_type, by), [first, second]) in groups {
        for metric in super::gate::metrics() {
            let estimate = |side: Option<&SideFigures>, of: &Snapshot| {
                side.and_then(|event| event.estimate(metric, of.blocks))
            };
            let sides = (estimate(first, before), estimate(second, after));
            if sides.0.is_some() || sides.1.is_some() {
                let figure = first.and_then(|event| event.figure(metric));
                pairs.push(Pair {
                    event_type: event_type.clone(),
                    by: by.clone(),
                    metric: metric.to_owned(),
                    before: sides.0,
                    after: sides.1,
                    unsteady: figure.is_some_and(|figure| figure.differs_from_itself()),
                    unknown: [first, second].map(|side| unknown(side, metric)),
                });
            }
        }
    }
    pairs
}

/// The share of the rows whose success is not known, where it is too large for a decision.
fn unknown(side: Option<&SideFigures>, metric: &str) -> Option<f64> {
    let event = side.filter(|_| metric == SUCCESS)?;
    too_many_unknown(event.figure(metric)?.n, event.rows)
}

/// How many of the judgements say better or worse by chance alone.
pub(super) fn by_chance(pairs: &[Pair]) -> f64 {
    pairs.iter().filter(|pair| pair.judgement() != Judgement::NotEnoughData).count() as f64 * ALPHA
}
