//! Collects the measurements of one event type or group, and makes its figures.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::snapshot::{SavedFigure, SideFigures};
use crate::report::observe::Observation;
use crate::report::samples::Counts;
use crate::report::stats::HALVES_ALPHA;
use crate::report::stats::blocks::{Measurement, TimeAndUnit, TimeBlocks, days, period, unit_block};
use crate::report::stats::contrast::Contrast;
use crate::report::stats::estimate::Estimate;
use crate::report::stats::quantile::Ranked;

/// The quantiles of durations, with their names.
pub(super) const LEVELS: [(&str, f64); 4] = [(MEDIAN, 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];
pub(in crate::report) const MEDIAN: &str = "median";
pub(in crate::report) const SUCCESS: &str = "success";
pub(super) const ATTEMPTS: &str = "attempts.mean";

/// Memory is sixteen bytes for a duration, eight for a success, and some for a unit.
#[derive(Debug, Default)]
pub(super) struct EventTally {
    rows: u64,
    /// Those of no booking and of no trace: each is a unit of its own.
    alone: u64,
    units: Counts,
    durations: Vec<Measurement>,
    succeeded: Vec<TimeAndUnit>,
    failed: Vec<TimeAndUnit>,
    /// The calls that each row says it took.
    attempts: Vec<Measurement>,
    /// The calls of each booking, and its first one.
    bookings: HashMap<u64, (u64, i64)>,
}

impl EventTally {
    pub(super) fn add(&mut self, row: &Observation<'_>, at: i64, unit: u64) {
        self.rows += 1;
        if row.is_alone() {
            self.alone += 1;
        } else {
            self.units.add(unit);
        }
        let place = TimeAndUnit::new(at, unit_block(unit));
        let measurement = |value| Measurement { value, place };
        self.durations.extend(row.duration_ms().map(measurement));
        match row.success() {
            Some(true) => self.succeeded.push(place),
            Some(false) => self.failed.push(place),
            None => {}
        }
        self.attempts.extend(row.attempts().map(measurement));
        if row.booking().is_some() {
            let (calls, first) = self.bookings.entry(unit).or_insert((0, at));
            *calls += 1;
            *first = at.min(*first);
        }
    }

    /// How many days its durations or its successes are in.
    pub(super) fn days(&self) -> usize {
        let durations = self.durations.iter().map(|one| one.place.at());
        let successes = self.succeeded.iter().chain(&self.failed).map(|place| place.at());
        days(durations).max(days(successes))
    }

    pub(super) fn figures(
        self,
        event_type: String,
        by: Vec<Option<String>>,
        blocks: TimeBlocks,
    ) -> SideFigures {
        let Self { rows, alone, units, durations, succeeded, failed, attempts, bookings } = self;
        let (durations, mut figures) = quantiles(durations, blocks);
        let of = |value: f64| move |place: TimeAndUnit| Measurement { value, place };
        let mut successes: Vec<_> = succeeded.into_iter().map(of(1.0)).collect();
        successes.extend(failed.into_iter().map(of(0.0)));
        let units = alone + units.into_pairs().count() as u64;
        let unit_size = (rows as f64 / units as f64).max(1.0);
        figures.extend(figure_of(SUCCESS, successes, blocks, |all, blocks| {
            Some(Estimate { unit_size, ..Estimate::rate(all, blocks)? })
        }));
        let calls = bookings
            .iter()
            .map(|(&unit, &(calls, at))| of(calls as f64)(TimeAndUnit::new(at, unit_block(unit))));
        let attempts = if attempts.is_empty() { calls.collect() } else { attempts };
        figures.extend(figure_of(ATTEMPTS, attempts, blocks, Estimate::mean));
        SideFigures { event_type, by, rows, units, durations, figures }
    }
}

/// The durations in ascending order, and the figures of their quantiles.
fn quantiles(mut durations: Vec<Measurement>, blocks: TimeBlocks) -> (Arc<Ranked>, Vec<SavedFigure>) {
    let ranked = |all: &[Measurement]| Arc::new(Ranked::new(all.iter().map(|one| one.value).collect()));
    let whole = ranked(&durations);
    let odd = order(&mut durations, blocks);
    let halves = <[_; 2]>::from(durations.split_at(odd)).map(|half| (ranked(half), half));
    let mut figures = Vec::new();
    for (name, level) in LEVELS {
        let quantile = |ranked: &Arc<Ranked>, all: &[_]| Estimate::quantile(level, ranked, all, blocks);
        let parts = halves.each_ref().map(|(ranked, half)| quantile(ranked, half));
        figures.extend(figure(name, quantile(&whole, &durations), parts));
    }
    (whole, figures)
}

fn figure_of(
    name: &str,
    mut all: Vec<Measurement>,
    blocks: TimeBlocks,
    estimate: impl Fn(&[Measurement], TimeBlocks) -> Option<Estimate>,
) -> Option<SavedFigure> {
    let odd = order(&mut all, blocks);
    let halves = <[_; 2]>::from(all.split_at(odd)).map(|half| estimate(half, blocks));
    figure(name, estimate(&all, blocks), halves)
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

/// Moves the measurements of every other block of time before the others, and returns how many they are. The order of the
/// measurements does not depend on that in which rows were read, because the last digits of a sum depend on its order.
fn order(all: &mut [Measurement], blocks: TimeBlocks) -> usize {
    all.sort_unstable_by(|one, other| one.place.cmp(&other.place).then(one.value.total_cmp(&other.value)));
    let (first, last) = period(all);
    let block = |one: &Measurement| blocks.block(one.place.at(), first, last);
    let mut is_odd = BTreeMap::new();
    all.iter().for_each(|one| _ = is_odd.insert(block(one), false));
    is_odd.values_mut().enumerate().for_each(|(number, is_odd)| *is_odd = number % 2 == 1);
    let mut odd = 0;
    for place in 0..all.len() {
        if all.get(place).is_some_and(|one| is_odd.get(&block(one)) == Some(&true)) {
            all.swap(odd, place);
            odd += 1;
        }
    }
    odd
}
