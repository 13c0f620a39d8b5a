//! Rows that are alike in everything that a report groups by.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;

use super::interval::intervals;
use crate::outcome::Outcome;
use crate::report::answer::{Figures, Reason, Share, Spread, Window};
use crate::report::key::{OTHER_GROUPS, write_key};
use crate::report::observe::Observation;
use crate::report::samples::{Samples, Sorted};
use crate::report::stats::block_counts::BlockCounts;
use crate::report::stats::blocks::unit_block;
use crate::report::why::short;

/// The rows of further groups are one group: a key may be different in every row.
pub(in crate::report) const MOST_CELLS: usize = 10_000;

/// More reasons of one cell are counted together: a reason may be any text.
const MOST_REASONS: usize = 1000;
const OTHER_REASONS: &str = "(other reasons)";
/// More outcomes are counted together, except for the words of the ledger: there are few, but other services may write any text.
pub(in crate::report) const MOST_OUTCOMES: usize = 20;
pub(in crate::report) const OTHER_OUTCOMES: &str = "(other outcomes)";

#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Cell {
    pub(in crate::report) event_type: String,
    by: Vec<Option<String>>,
    /// The sources: none, one, or two of several, because a figure needs only to know that there are several.
    pub(in crate::report) sources: Vec<String>,
    pub(in crate::report) count: u64,
    /// Of them, those that are later than now or have no time: they are in no rate.
    pub(super) out_of_time: u64,
    pub(in crate::report) succeeded: u64,
    pub(in crate::report) failed: u64,
    pub(in crate::report) outcomes: BTreeMap<String, u64>,
    pub(in crate::report) reasons: BTreeMap<(Option<String>, Option<String>), u64>,
    pub(in crate::report) durations: Samples,
    /// The durations again, for their intervals.
    pub(in crate::report) blocks: BlockCounts,
    pub(in crate::report) last: Option<Timestamp>,
}

impl Cell {
    pub(in crate::report) fn new(row: &Observation<'_>) -> Self {
        let by = row.raw_by().map(|value| value.map(|value| value.into_owned())).collect();
        Self::of(row.event_type(), by)
    }

    /// Without rows.
    pub(in crate::report) fn of(event_type: &str, by: Vec<Option<String>>) -> Self {
        Self { event_type: event_type.to_owned(), by, ..Self::default() }
    }

    /// The cell for the rows of further groups, which are grouped by `places` values.
    pub(in crate::report) fn of_others(event_type: &str, places: usize) -> Self {
        Self::of(event_type, vec![Some(OTHER_GROUPS.to_owned()); places])
    }

    pub(in crate::report) fn event_type(&self) -> &str {
        &self.event_type
    }

    /// How many values its rows are grouped by.
    pub(super) fn places(&self) -> usize {
        self.by.len()
    }

    pub(in crate::report) fn by(&self, place: usize) -> Option<&str> {
        self.by.get(place)?.as_deref()
    }

    /// The key of its rows.
    pub(in crate::report) fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        write_key(&mut key, &self.event_type, self.by.iter().map(Option::as_ref));
        key
    }

    pub(in crate::report) fn add(&mut self, row: &Observation<'_>) {
        self.count += 1;
        self.last = self.last.max(row.moment());
        self.durations.take(row.duration_ms());
        if let (Some(duration), Some(moment)) = (row.duration_ms(), row.moment()) {
            self.blocks.add(duration, moment.as_microsecond(), unit_block(row.unit()));
        }
        if let Some(source) = row.source() {
            self.source(source);
        }
        if let Some(outcome) = row.outcome() {
            self.outcome(outcome, 1);
        }
        match row.success() {
            Some(true) => self.succeeded += 1,
            Some(false) => {
                self.failed += 1;
                let code = row.reason_code().map(str::to_owned).or_else(|| row.reason().map(short));
                self.reason((row.reason_category().map(str::to_owned), code), 1);
            }
            // A call of unknown outcome has no success, and is no failure either.
            None => {}
        }
    }

    pub(in crate::report) fn source(&mut self, source: &str) {
        if self.sources.len() < 2 && !self.sources.iter().any(|known| known == source) {
            self.sources.push(source.to_owned());
        }
    }

    pub(in crate::report) fn outcome(&mut self, outcome: &str, count: u64) {
        if let Some(known) = self.outcomes.get_mut(outcome) {
            *known += count;
            return;
        }
        let has_place = self.outcomes.len() < MOST_OUTCOMES || Outcome::from_word(outcome).is_some();
        let outcome = if has_place { outcome } else { OTHER_OUTCOMES };
        *self.outcomes.entry(outcome.to_owned()).or_default() += count;
    }

    pub(in crate::report) fn reason(&mut self, reason: (Option<String>, Option<String>), count: u64) {
        let is_new = self.reasons.len() >= MOST_REASONS && !self.reasons.contains_key(&reason);
        let reason = if is_new { (None, Some(OTHER_REASONS.to_owned())) } else { reason };
        *self.reasons.entry(reason).or_default() += count;
    }

    pub(super) fn together<'a>(cells: impl IntoIterator<Item = &'a Self>) -> Self {
        cells.into_iter().fold(Self::default(), |mut all, cell| {
            all.count += cell.count;
            all.out_of_time += cell.out_of_time;
            all.succeeded += cell.succeeded;
            all.failed += cell.failed;
            all.last = all.last.max(cell.last);
            all.durations.extend(&cell.durations);
            all.blocks.extend(&cell.blocks);
            cell.sources.iter().for_each(|source| all.source(source));
            for (outcome, count) in &cell.outcomes {
                all.outcome(outcome, *count);
            }
            for (reason, count) in &cell.reasons {
                all.reason(reason.clone(), *count);
            }
            all
        })
    }

    pub(super) fn figures(self, window: &Window) -> Figures {
        self.figures_and_durations(window).0
    }

    pub(super) fn figures_and_durations(mut self, window: &Window) -> (Figures, Sorted) {
        let durations = self.durations.into_sorted();
        let spread = durations.spread();
        let figures = Figures {
            source: if self.sources.len() == 1 { self.sources.pop() } else { None },
            calls: self.count,
            success: Share::of(self.succeeded, self.succeeded + self.failed),
            outcomes: self.outcomes,
            duration_ms: Spread { interval: intervals(&durations, &self.blocks), ..spread },
            rows_per_hour: hours(window).map(|hours| (self.count - self.out_of_time) as f64 / hours),
            last: self.last.map(SystemTime::from),
            reasons: reasons(self.reasons),
        };
        (figures, durations)
    }
}

/// In seconds. A rate of a shorter time is no rate of an hour.
const SHORTEST_WINDOW: f64 = 10.0;

/// The length of the window; `None` if it has none, or is too short to tell how many rows an hour has.
fn hours(window: &Window) -> Option<f64> {
    let (from, to) = (window.since.or(window.first)?, window.until.or(window.last)?);
    let seconds = to.duration_since(from).ok()?.as_secs_f64();
    (seconds >= SHORTEST_WINDOW).then_some(seconds / 3600.0)
}

fn reasons(reasons: BTreeMap<(Option<String>, Option<String>), u64>) -> Vec<Reason> {
    let mut reasons: Vec<_> =
        reasons.into_iter().map(|((category, code), count)| Reason { category, code, count }).collect();
    reasons.sort_by_key(|reason| Reverse(reason.count));
    reasons
}
