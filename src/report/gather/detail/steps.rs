//! The rows of an event type by time, read once and in any order.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;

use super::by_time::{ByTime, Tally};
use crate::report::answer::Share;
use crate::report::detail::TimeStep;
use crate::report::observe::Observation;
use crate::report::samples::FewSamples;

/// More steps are no longer a picture, and too many lines of a table.
const MOST_STEPS: i64 = 100;
/// More outcomes of one step are counted together: an outcome may be any text.
const MOST_OUTCOMES: usize = 20;
const OTHER_OUTCOMES: &str = "(other outcomes)";

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Steps(ByTime<StepTally, MOST_STEPS>);

#[derive(Clone, Debug, Default)]
struct StepTally {
    calls: u64,
    succeeded: u64,
    failed: u64,
    outcomes: BTreeMap<String, u64>,
    durations: FewSamples,
}

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

impl Tally for StepTally {
    fn include(&mut self, other: &Self) {
        self.calls += other.calls;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.durations.extend(&other.durations);
        for (outcome, count) in &other.outcomes {
            self.outcome(outcome, *count);
        }
    }
}

impl StepTally {
    fn add(&mut self, row: &Observation<'_>) {
        self.calls += 1;
        self.succeeded += u64::from(row.success() == Some(true));
        self.failed += u64::from(row.success() == Some(false));
        self.durations.take(row.duration_ms());
        if let Some(outcome) = row.outcome() {
            self.outcome(outcome, 1);
        }
    }

    fn outcome(&mut self, outcome: &str, count: u64) {
        match self.outcomes.get_mut(outcome) {
            Some(known) => *known += count,
            None => {
                let outcome = if self.outcomes.len() < MOST_OUTCOMES { outcome } else { OTHER_OUTCOMES };
                *self.outcomes.entry(outcome.to_owned()).or_default() += count;
            }
        }
    }

    fn figures(self, from: Option<SystemTime>, to: Option<SystemTime>) -> TimeStep {
        let n = self.succeeded + self.failed;
        let approximate = self.durations.is_rounded();
        TimeStep {
            from,
            to,
            calls: self.calls,
            success: Share { n, rate: (n > 0).then(|| self.succeeded as f64 / n as f64) },
            outcomes: self.outcomes,
            duration_ms: self.durations.spread(),
            approximate,
        }
    }
}
