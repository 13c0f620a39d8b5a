//! The figures of the last minutes.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use super::kept::KeptRow;
use crate::report::answer::Report;
use crate::report::gather::CLOCKS;
use crate::report::observe::Questions;
use crate::store::read::LOSS;

/// More failures of one event type are not in the view.
const MOST_FAILURES: usize = 50;
/// A shorter silence says nothing.
const LEAST_SILENCE: Duration = Duration::from_secs(15);
/// A silence of so many times the mean time between two rows is no chance.
const GAPS: u32 = 10;

/// The last minutes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LiveView {
    /// The report of the window.
    pub report: Report,
    /// The reports of twelve equal parts of the window, one after the other.
    pub over_time: Vec<Report>,
    /// The calls that did not succeed, the newest first: at most 50 of each event type.
    pub failures: Vec<LiveFailure>,
    /// How many records or rows are lost, by cause: the sums of the rows of `ledger.loss`.
    pub losses: BTreeMap<String, u64>,
    /// `created_at` of the last row that was ever seen, up to now.
    pub last: Option<SystemTime>,
    /// How many rows are later than now by more than a second, because their clock is wrong. No figure counts them.
    pub later: u64,
    /// The time of the last row, if the silence since then is longer than 15 s and ten times the mean time between two rows.
    pub silent_since: Option<SystemTime>,
    /// Whether the window is shorter than it should be, because it has too many rows.
    pub is_cut: bool,
}

/// One call that did not succeed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LiveFailure {
    /// When it ended.
    pub created_at: Option<SystemTime>,
    /// The event type.
    pub event_type: String,
    /// Why: the code of the reason, or else the outcome and the text of the reason, such as `error: pool exhausted`.
    pub reason: Option<String>,
    /// In milliseconds.
    pub duration_ms: Option<f64>,
    /// The column, else the key of the context.
    pub booking_id: Option<String>,
}

pub(super) type Period = (SystemTime, SystemTime);

fn within(
    rows: &[KeptRow],
    (since, until): Period,
) -> impl DoubleEndedIterator<Item = (SystemTime, &KeptRow)> {
    let rows = rows.iter().filter_map(|row| Some((row.created_at()?, row)));
    rows.filter(move |(at, _)| *at >= since && *at < until)
}

pub(super) fn failures(rows: &[KeptRow], questions: &Questions, period: Period) -> Vec<LiveFailure> {
    let failure = |(at, row): (SystemTime, &KeptRow)| {
        row.reading(|reading| {
            let seen = questions.observe(reading);
            (seen.success() == Some(false)).then(|| LiveFailure {
                created_at: Some(at),
                event_type: row.event_type().to_owned(),
                reason: seen.why(),
                duration_ms: seen.duration_ms(),
                booking_id: seen.booking().map(str::to_owned),
            })
        })
    };
    let mut failures: Vec<_> = within(rows, period).filter_map(failure).collect();
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.created_at));
    let mut counts: HashMap<String, usize> = HashMap::new();
    failures.retain(|failure| {
        let count = counts.entry(failure.event_type.clone()).or_default();
        *count += 1;
        *count <= MOST_FAILURES
    });
    failures
}

/// `created_at` of the last row up to this moment.
pub(super) fn last(rows: &[KeptRow], until: SystemTime) -> Option<SystemTime> {
    rows.iter().filter_map(KeptRow::created_at).filter(|at| *at <= until).max()
}

/// How many rows are later. The clocks of two machines differ a little.
pub(super) fn later(rows: &[KeptRow], until: SystemTime) -> u64 {
    rows.iter().filter_map(KeptRow::created_at).filter(|at| *at > until + CLOCKS).count() as u64
}

pub(super) fn losses(rows: &[KeptRow], cause: usize, count: usize, period: Period) -> BTreeMap<String, u64> {
    let mut losses = BTreeMap::new();
    for (_, row) in within(rows, period).filter(|(_, row)| row.event_type() == LOSS) {
        let lost: u64 = row.text(count).and_then(|count| count.parse().ok()).unwrap_or_default();
        *losses.entry(row.text(cause).unwrap_or("unknown").to_owned()).or_default() += lost;
    }
    losses
}

/// Rows of many callers come at random, so that a gap of ten mean times is once in 22,000.
pub(super) fn silent_since(
    report: &Report,
    last: Option<SystemTime>,
    until: SystemTime,
) -> Option<SystemTime> {
    let last = last?;
    let silence = until.duration_since(last).ok()?;
    let rows: u64 = report.events.iter().map(|event| event.figures.calls).sum();
    let period = report.window.first.and_then(|first| report.window.last?.duration_since(first).ok());
    let gap = match (u32::try_from(rows).unwrap_or(u32::MAX), period) {
        // The only row tells nothing of the time between two.
        (1, _) => return None,
        (rows, Some(period)) => period / rows.saturating_sub(1).max(1),
        (_, None) => Duration::ZERO,
    };
    (silence > LEAST_SILENCE.max(gap * GAPS)).then_some(last)
}
