//! Collects the measurements of one event type or group, and makes its figures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::snapshot::{SavedFigure, SideFigures};
use crate::report::observe::Observation;
use crate::report::stats::HALVES_ALPHA;
use crate::report::stats::blocks::{Measurement, TimeBlocks, unit_block};
use crate::report::stats::contrast::Contrast;
use crate::report::stats::estimate::Estimate;
use crate::report::stats::quantile::Ranked;

/// The quantiles of durations, with their names.
pub(super) const LEVELS: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];
pub(in crate::report) const SUCCESS: &str = "success";
pub(super) const ATTEMPTS: &str = "attempts.mean";

#[derive(Debug, Default)]
pub(super) struct EventTally {
    rows: u64,
    units: HashSet<u64>,
    durations: Vec<Measurement>,
    successes: Vec<Measurement>,
    /// The calls that each row says it took.
    attempts: Vec<Measurement>,
    /// The calls of each booking, and its first one.
    bookings: HashMap<u64, (u64, i64)>,
}

impl EventTally {
    pub(super) fn add(&mut self, row: &Observation<'_>, at: i64, unit: u64) {
        self.rows += 1;
        self.units.insert(unit);
        let measurement = |value| Measurement { value, at, unit: unit_block(unit) };
        self.durations.extend(row.duration_ms().map(measurement));
        self.successes.extend(row.success().map(|success| measurement(f64::from(u8::from(success)))));
        self.attempts.extend(row.attempts().map(measurement));
        if row.booking().is_some() {
            let (calls, first) = self.bookings.entry(unit).or_insert((0, at));
            *calls += 1;
            *first = at.min(*first);
        }
    }

    pub(super) fn figures(
        self,
        event_type: String,
        by: Vec<Option<String>>,
        blocks: TimeBlocks,
    ) -> SideFigures {
        let values = self.durations.iter().map(|one| one.value).collect();
        let durations = Arc::new(Ranked::new(values));
        let mut figures = Vec::new();
        for (name, level) in LEVELS {
            let quantile = |ranked: &Arc<Ranked>, all: &[_]| Estimate::quantile(level, ranked, all, blocks);
            let own = |all: &[Measurement]| {
                quantile(&Arc::new(Ranked::new(all.iter().map(|one| one.value).collect())), all)
            };
            let estimate = quantile(&durations, &self.durations);
            figures.extend(figure(name, estimate, halves(&self.durations, blocks).map(|half| own(&half))));
        }
        let successes = &self.successes;
        let rate = |all: &[Measurement]| Estimate::rate(all, blocks);
        figures.extend(figure(SUCCESS, rate(successes), halves(successes, blocks).map(|half| rate(&half))));
        let calls = self.bookings.iter().map(|(&unit, &(calls, at))| Measurement {
            value: calls as f64,
            at,
            unit: unit_block(unit),
        });
        let attempts = if self.attempts.is_empty() { calls.collect() } else { self.attempts };
        let mean = |all: &[Measurement]| Estimate::mean(all, blocks);
        figures.extend(figure(ATTEMPTS, mean(&attempts), halves(&attempts, blocks).map(|half| mean(&half))));
        SideFigures { event_type, by, rows: self.rows, units: self.units.len() as u64, durations, figures }
    }
}

fn figure(name: &str, whole: Option<Estimate>, halves: [Option<Estimate>; 2]) -> Option<SavedFigure> {
    let Estimate { value, n, variances, .. } = whole?;
    let halves = match &halves {
        [Some(odd), Some(even)] => Some(Contrast { before: odd, after: even }.interval(HALVES_ALPHA)),
        _ => None,
    };
    let halves = halves.filter(|interval| interval.is_bounded()).map(|interval| [interval.lo, interval.hi]);
    Some(SavedFigure { metric: name.to_owned(), value, n, variances, halves })
}

/// Every other block of time, and the rest.
fn halves(all: &[Measurement], blocks: TimeBlocks) -> [Vec<Measurement>; 2] {
    let at = all.iter().map(|one| one.at);
    let (first, last) = (at.clone().min().unwrap_or_default(), at.max().unwrap_or_default());
    let place = |one: &Measurement| blocks.block(one.at, first, last);
    let mut order = BTreeMap::new();
    all.iter().for_each(|one| _ = order.insert(place(one), false));
    order.values_mut().enumerate().for_each(|(number, odd)| *odd = number % 2 == 1);
    let (odd, even) = all.iter().partition(|one| order.get(&place(one)).copied().unwrap_or_default());
    [odd, even]
}
