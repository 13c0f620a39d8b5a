//! Tallies of equal steps of time, of rows that come in any order.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Weeks begin on Mondays; 1970-01-05 was the first.
const MONDAY: i64 = 4 * DAY;

/// The lengths of a step in seconds. Beside each is a length that divides it and all longer ones: rows are counted in
/// steps of that length until the whole window is known. The longest is enough for all times that jiff has.
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

/// The counts of one step.
pub(super) trait StepData: Default {
    /// Adds the counts of another step.
    fn include(&mut self, other: &Self);
}

/// At most about twice `MOST` tallies, by the number of the step.
#[derive(Debug)]
pub(super) struct ByTime<T, const MOST: i64> {
    /// The first and the last second of the rows.
    period: Option<(i64, i64)>,
    length: i64,
    tallies: BTreeMap<i64, T>,
}

impl<T, const MOST: i64> Default for ByTime<T, MOST> {
    fn default() -> Self {
        Self { period: None, length: 1, tallies: BTreeMap::new() }
    }
}

impl<T: StepData, const MOST: i64> ByTime<T, MOST> {
    /// The tally for a row of this moment.
    pub(super) fn at(&mut self, moment: Timestamp) -> &mut T {
        let second = second(moment);
        let (first, last) = self.period.unwrap_or((second, second));
        let period = (first.min(second), last.max(second));
        if self.period != Some(period) {
            self.period = Some(period);
            self.lengthen(length(period, MOST).1);
        }
        self.tallies.entry(number(second, self.length)).or_default()
    }

    /// Puts steps together, to a multiple of their length so far.
    fn lengthen(&mut self, length: i64) {
        if length <= self.length {
            return;
        }
        for (old, tally) in std::mem::take(&mut self.tallies) {
            let second = start(old, self.length);
            self.tallies.entry(number(second, length)).or_default().include(&tally);
        }
        self.length = length;
    }

    /// The tallies of the steps from the first moment to the last, also of those without a row, with both ends of each.
    pub(super) fn within(
        mut self,
        window: (Timestamp, Timestamp),
    ) -> Vec<(T, Option<SystemTime>, Option<SystemTime>)> {
        let (first, last) = (second(window.0), second(window.1));
        let (length, _) = length((first, last), MOST);
        self.lengthen(length);
        let step = |at: i64| {
            let tally = self.tallies.remove(&at).unwrap_or_default();
            (tally, moment(start(at, length)), moment(start(at + 1, length)))
        };
        (number(first, length)..=number(last, length)).map(step).collect()
    }

    /// The tallies of the steps that have rows.
    pub(super) fn with_rows(mut self) -> Vec<T> {
        if let Some(period) = self.period {
            self.lengthen(length(period, MOST).0);
        }
        self.tallies.into_values().collect()
    }
}

/// The shortest length with few enough steps, and the length that divides it and all longer ones.
fn length((first, last): (i64, i64), most: i64) -> (i64, i64) {
    let fits = |(length, _): &&(i64, i64)| number(last, *length) - number(first, *length) < most;
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

    const MOST: i64 = 100;

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
    fn the_shortest_length_is_taken_that_gives_few_enough_steps() {
        let lengths = [99, 100, 199, 200, 3_600, 7 * DAY, 366 * DAY].map(|last| length((0, last), MOST).0);
        assert_eq!(lengths, [1, 2, 2, 5, MINUTE, 2 * HOUR, 7 * DAY]);
        let (first, last) = (second(Timestamp::MIN), second(Timestamp::MAX));
        let length = length((first, last), MOST).0;
        assert!(number(last, length) - number(first, length) < MOST);
    }
}
