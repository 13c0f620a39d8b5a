//! The rows of an event type by time, read once and in any order.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::report::answer::Share;
use crate::report::detail::TimeStep;
use crate::report::observe::Observation;
use crate::report::samples::FewSamples;

/// More steps are no longer a picture, and too many lines of a table.
const MOST_STEPS: i64 = 100;
/// More outcomes of one step are counted together: an outcome may be any text.
const MOST_OUTCOMES: usize = 20;
const OTHER_OUTCOMES: &str = "(other outcomes)";

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Weeks begin on Mondays; 1970-01-05 was the first.
const MONDAY: i64 = 4 * DAY;

/// The lengths of a step in seconds, each with the length of which it and all later ones are multiples: rows are counted by that
/// until the whole window is known. The last two thousand years fit.
const LENGTHS: [(i64, i64); 26] = [
    (1, 1),
    (2, 1),
    (5, 5),
    (10, 5),
    (15, 15),
    (30, 30),
    (MINUTE, MINUTE),
    (2 * MINUTE, MINUTE),
    (5 * MINUTE, 5 * MINUTE),
    (10 * MINUTE, 5 * MINUTE),
    (15 * MINUTE, 15 * MINUTE),
    (30 * MINUTE, 30 * MINUTE),
    (HOUR, HOUR),
    (2 * HOUR, HOUR),
    (3 * HOUR, 3 * HOUR),
    (6 * HOUR, 6 * HOUR),
    (12 * HOUR, 12 * HOUR),
    (DAY, DAY),
    (2 * DAY, DAY),
    (7 * DAY, 7 * DAY),
    (14 * DAY, 14 * DAY),
    (28 * DAY, 28 * DAY),
    (280 * DAY, 280 * DAY),
    (2_800 * DAY, 2_800 * DAY),
    (28_000 * DAY, 28_000 * DAY),
    (280_000 * DAY, 280_000 * DAY),
];

/// The counts so far.
#[derive(Debug)]
pub(super) struct Steps {
    /// The first and the last second of the rows.
    period: Option<(i64, i64)>,
    length: i64,
    /// By the number of the step.
    tallies: BTreeMap<i64, StepTally>,
}

#[derive(Clone, Debug, Default)]
struct StepTally {
    calls: u64,
    succeeded: u64,
    failed: u64,
    outcomes: BTreeMap<String, u64>,
    durations: FewSamples,
}

impl Default for Steps {
    fn default() -> Self {
        Self { period: None, length: 1, tallies: BTreeMap::new() }
    }
}

impl Steps {
    pub(super) fn add(&mut self, row: &Observation<'_>) {
        let Some(second) = row.moment().map(second) else { return };
        let (first, last) = self.period.unwrap_or((second, second));
        let period = (first.min(second), last.max(second));
        if self.period != Some(period) {
            self.period = Some(period);
            self.lengthen(length(period).1);
        }
        self.tallies.entry(number(second, self.length)).or_default().add(row);
    }

    /// Puts steps together, to a length of which the one so far is a part.
    fn lengthen(&mut self, length: i64) {
        if length <= self.length {
            return;
        }
        for (old, tally) in std::mem::take(&mut self.tallies) {
            let second = start(old, self.length);
            self.tallies.entry(number(second, length)).or_default().extend(&tally);
        }
        self.length = length;
    }

    /// The steps from the first row of the report to its last.
    pub(super) fn figures(mut self, window: (Timestamp, Timestamp)) -> Vec<TimeStep> {
        let (first, last) = (second(window.0), second(window.1));
        let (length, _) = length((first, last));
        self.lengthen(length);
        let step = |at: i64| {
            let tally = self.tallies.remove(&at).unwrap_or_default();
            tally.figures(moment(start(at, length)), moment(start(at + 1, length)))
        };
        (number(first, length)..=number(last, length)).map(step).collect()
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

    fn extend(&mut self, other: &Self) {
        self.calls += other.calls;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.durations.extend(&other.durations);
        for (outcome, count) in &other.outcomes {
            self.outcome(outcome, *count);
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

/// The shortest length with few enough steps, and the length of which all from it on are multiples.
fn length((first, last): (i64, i64)) -> (i64, i64) {
    let fits = |(length, _): &&(i64, i64)| number(last, *length) - number(first, *length) < MOST_STEPS;
    let longest = LENGTHS.last().copied().unwrap_or((DAY, DAY));
    LENGTHS.iter().find(fits).copied().unwrap_or(longest)
}

fn number(second: i64, length: i64) -> i64 {
    (second - origin(length)).div_euclid(length)
}

fn start(number: i64, length: i64) -> i64 {
    number * length + origin(length)
}

fn origin(length: i64) -> i64 {
    if length < 7 * DAY { 0 } else { MONDAY }
}

fn second(moment: Timestamp) -> i64 {
    moment.as_microsecond().div_euclid(1_000_000)
}

fn moment(second: i64) -> Option<SystemTime> {
    Timestamp::from_second(second).ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_a_multiple_of_the_one_that_rows_are_counted_by() {
        for (place, (length, part)) in LENGTHS.iter().enumerate() {
            assert_eq!(length % part, 0);
            for (longer, later) in &LENGTHS[place..] {
                assert!(longer % part == 0 && later >= part, "{longer} s after {length} s");
                assert_eq!((origin(*longer) - origin(*part)) % part, 0);
            }
        }
    }

    #[test]
    fn the_shortest_length_is_taken_that_gives_a_hundred_steps() {
        let lengths = [99, 100, 199, 200, 3_600, 7 * DAY, 366 * DAY].map(|last| length((0, last)).0);
        assert_eq!(lengths, [1, 2, 2, 5, MINUTE, 2 * HOUR, 7 * DAY]);
        let (first, last) = (second(Timestamp::MIN), second(Timestamp::MAX));
        assert!(number(last, length((first, last)).0) - number(first, length((first, last)).0) < MOST_STEPS);
    }
}
