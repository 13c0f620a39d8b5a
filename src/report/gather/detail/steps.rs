//! The rows of an event type by time, read once and in any order.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;

use super::by_time::{ByTime, StepData};
use crate::report::answer::Share;
use crate::report::detail::TimeStep;
use crate::report::gather::cell::{MOST_OUTCOMES, OTHER_OUTCOMES};
use crate::report::observe::Observation;
use crate::report::samples::FewSamples;

/// More steps are no longer a picture, and too many lines of a table.
const MOST_STEPS: i64 = 100;

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Steps(ByTime<StepTally, MOST_STEPS>);

#[derive(Clone, Debug, Default)]
struct StepTally {
    succeeded: ByOutcome,
    failed: ByOutcome,
    unknown: ByOutcome,
    durations: FewSamples,
}

/// How many rows have each outcome.
#[derive(Clone, Debug, Default)]
struct ByOutcome(BTreeMap<String, u64>);

impl Steps {
    pub(super) fn add(&mut self, row: &Observation<'_>) {
        if let Some(moment) = row.moment() {
            self.0.at(moment).add(row);
        }
    }

    /// The steps from the first row of the report to its last.
    pub(super) fn figures(self, window: (Timestamp, Timestamp)) -> Vec<TimeStep> {
        self.0.within(window).into_iter().map(|(tally, from, to)| tally.figures(from, to)).collect()
    }
}

impl StepData for StepTally {
    fn include(&mut self, other: &Self) {
        self.succeeded.include(&other.succeeded);
        self.failed.include(&other.failed);
        self.unknown.include(&other.unknown);
        self.durations.extend(&other.durations);
    }
}

impl StepTally {
    fn add(&mut self, row: &Observation<'_>) {
        let rows = match row.success() {
            Some(true) => &mut self.succeeded,
            Some(false) => &mut self.failed,
            None => &mut self.unknown,
        };
        rows.add(row.outcome().unwrap_or(TimeStep::NO_OUTCOME), 1);
        self.durations.take(row.duration_ms());
    }

    fn figures(self, from: Option<SystemTime>, to: Option<SystemTime>) -> TimeStep {
        let approximate = self.durations.is_rounded();
        let succeeded = self.succeeded.sum();
        let n = succeeded + self.failed.sum();
        let mut outcomes = BTreeMap::new();
        for (outcome, count) in
            [&self.succeeded, &self.failed, &self.unknown].into_iter().flat_map(|rows| &rows.0)
        {
            *outcomes.entry(outcome.clone()).or_default() += count;
        }
        outcomes.remove(TimeStep::NO_OUTCOME);
        TimeStep {
            from,
            to,
            calls: n + self.unknown.sum(),
            success: Share::of(succeeded, n),
            outcomes,
            succeeded: self.succeeded.0,
            failed: self.failed.0,
            unknown: self.unknown.0,
            duration_ms: self.durations.spread(),
            approximate,
        }
    }
}

impl ByOutcome {
    fn add(&mut self, outcome: &str, count: u64) {
        match self.0.get_mut(outcome) {
            Some(known) => *known += count,
            None => {
                let outcome = if self.0.len() < MOST_OUTCOMES { outcome } else { OTHER_OUTCOMES };
                *self.0.entry(outcome.to_owned()).or_default() += count;
            }
        }
    }

    fn include(&mut self, other: &Self) {
        other.0.iter().for_each(|(outcome, count)| self.add(outcome, *count));
    }

    fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}
