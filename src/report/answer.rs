//! The answers as types.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::detail::{Detail, Losses};
use crate::store::time;

/// Figures on the rows of a period.
///
/// `Display` is a text of aligned tables; `{:#}` adds colours for a terminal. Figures without samples are `None`, `–` in text and `null` in JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The period.
    pub window: Window,
    /// Every event type, most frequent first, as in the other lists.
    pub events: Vec<EventFigures>,
    /// The event types whose rule has `collect`: each row is a job, and has calls within it.
    pub jobs: Vec<JobFigures>,
    /// How many calls a booking took, by the event type of the calls, in all flows together.
    pub attempts: BTreeMap<String, Attempts>,
    /// Rows that cannot be read in full. One whose context is no JSON object counts as a row and in no other figure. One
    /// whose `created_at` is no time counts in any period.
    pub unreadable: u64,
    /// Rows that are later than now by more than a second, because a clock is wrong. They count in each figure but
    /// `rows_per_hour`. JSON has no such key where it is 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub later: u64,
    /// The losses in the window, by the rows of `ledger.loss`. The event types and conditions of the question do not select
    /// them. `None` without [`Question::detail`](super::Question::detail).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub losses: Option<Losses>,
    /// How far the answer comes from a rollup; `None` if it comes from rows alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollup: Option<RolledUp>,
}

/// How far an answer comes from a rollup, and how exact it is. Its counts are exact.
///
/// `Display` is the same in sentences.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RolledUp {
    /// The hours before this moment are rolled up. Later rows were read one by one.
    #[serde(serialize_with = "rfc3339")]
    pub until: Option<SystemTime>,
    /// The run that rolled them up. Rows that came later into these hours count once a run looks at these hours.
    #[serde(serialize_with = "rfc3339")]
    pub at: Option<SystemTime>,
    /// No percentile of a duration is further from the exact one than this share.
    pub error_bound: f64,
    /// The rows that were read one by one.
    pub rows_read: u64,
    /// Sentences on what is missing or wider than it was asked for.
    pub notes: Vec<String>,
}

/// A period, and the rows in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Window {
    /// Earlier rows are left out; `None` leaves out none.
    #[serde(serialize_with = "rfc3339")]
    pub since: Option<SystemTime>,
    /// Rows of this moment and later ones are left out; `None` leaves out none.
    #[serde(serialize_with = "rfc3339")]
    pub until: Option<SystemTime>,
    /// `created_at` of the first row that counts.
    #[serde(serialize_with = "rfc3339")]
    pub first: Option<SystemTime>,
    /// `created_at` of the last row that counts.
    #[serde(serialize_with = "rfc3339")]
    pub last: Option<SystemTime>,
}

/// The rows of one event type.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventFigures {
    /// The event type.
    pub event_type: String,
    /// All its rows.
    #[serde(flatten)]
    pub figures: Figures,
    /// Its rows in groups.
    pub groups: Vec<GroupFigures>,
    /// More about its rows; `None` without [`Question::detail`](super::Question::detail).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
}

/// Rows that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GroupFigures {
    /// The common values by key; `None` for rows without one. An object is written `key=value, …` in the order of its keys.
    #[serde(serialize_with = "as_map")]
    pub by: Vec<(String, Option<String>)>,
    /// The rows.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures on rows; each is one call, or one event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// The source of the rows; `None` if they have several.
    pub source: Option<String>,
    /// How many rows.
    pub calls: u64,
    /// The share that succeeded.
    pub success: Share,
    /// How many rows have each outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// In milliseconds.
    pub duration_ms: Spread,
    /// Rows for each hour of the window, or else of the time from the first row of the report to the last. `None` if that is shorter
    /// than 10 s. Where rows are later than now, it is of the others, up to the last of them.
    pub rows_per_hour: Option<f64>,
    /// `created_at` of the last row.
    #[serde(serialize_with = "rfc3339")]
    pub last: Option<SystemTime>,
    /// Why calls did not succeed.
    pub reasons: Vec<Reason>,
}

/// The share of calls whose success is not known, where it is so large that the known ones say nothing about all.
pub(super) fn too_many_unknown(known: u64, calls: u64) -> Option<f64> {
    let share = 1.0 - known as f64 / calls.max(1) as f64;
    Some(share).filter(|share| *share > 0.05)
}

/// A part of a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// The number of rows that count, such as those with a known outcome.
    pub n: u64,
    /// From 0 to 1.
    pub rate: Option<f64>,
}

/// The distribution of values. Percentiles are exact, and interpolated linearly as PostgreSQL's [`percentile_cont`] does.
///
/// [`percentile_cont`]: https://www.postgresql.org/docs/current/functions-aggregate.html#FUNCTIONS-ORDEREDSET-TABLE
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spread {
    /// How many rows have the value.
    pub n: u64,
    /// Half of them are at most this.
    pub median: Option<f64>,
    /// 95 in 100 are at most this.
    pub p95: Option<f64>,
    /// 99 in 100 are at most this.
    pub p99: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
    /// The intervals that hold the true percentiles with 95 % confidence; `None` where they are not computed.
    pub interval: Option<Intervals>,
}

/// The confidence intervals of a [`Spread`]: the lower and the upper end, `None` for too few samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Intervals {
    /// Of the median.
    pub median: Option<(f64, f64)>,
    /// Of the 95th percentile.
    pub p95: Option<(f64, f64)>,
    /// Of the 99th percentile.
    pub p99: Option<(f64, f64)>,
}

/// Calls that did not succeed for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// Such as `hard`; `None` for rows without it.
    pub category: Option<String>,
    /// Such as `hard.no_capacity`, or else the text of the reason or the error, cut to 200 characters; `None` for rows without
    /// any.
    pub code: Option<String>,
    /// How many calls.
    pub count: u64,
}

/// Calls for each booking, in all flows together.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Attempts {
    /// Calls for a booking; `n` is the number of bookings.
    pub per_booking: Spread,
    /// Bookings by their number of calls, in ascending order.
    pub histogram: Vec<AttemptsBar>,
    /// Calls that name no booking. They are in neither of the other figures.
    pub calls_without_booking: u64,
}

/// One bar of a histogram of attempts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AttemptsBar {
    /// This many calls …
    pub attempts: f64,
    /// … were made for this many bookings, or by this many jobs.
    pub count: u64,
    /// The share of bookings or jobs with at most as many calls.
    pub cumulative: f64,
}

/// The jobs of one event type.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobFigures {
    /// The event type.
    pub event_type: String,
    /// The event type of the calls.
    pub of: String,
    /// How many jobs.
    pub jobs: u64,
    /// Jobs by their result.
    pub results: Vec<ResultFigures>,
    /// Calls within a job.
    pub attempts: JobAttempts,
    /// The share of all jobs' time that was calls. The rest was waiting. `n` is the number of jobs that have both times.
    pub calls_share: Share,
    /// Flows that try before a job does, such as one within a request.
    pub flows: Vec<FlowFigures>,
}

/// Jobs that ended alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ResultFigures {
    /// `succeeded`, `cutoff`, …; `None` for rows without it.
    pub result: Option<String>,
    /// How many.
    pub count: u64,
    /// Calls within a job.
    pub attempts: Spread,
    /// In milliseconds.
    pub duration_ms: Spread,
}

/// The distribution of calls within a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobAttempts {
    /// How many jobs have the figure.
    pub n: u64,
    /// The average.
    pub mean: Option<f64>,
    /// Half of the jobs have at most this many.
    pub median: Option<f64>,
    /// 90 in 100 jobs have at most this many.
    pub p90: Option<f64>,
    /// The most.
    pub max: Option<f64>,
    /// Jobs by their number of calls, in ascending order.
    pub histogram: Vec<AttemptsBar>,
}

/// A flow whose events have the names `FLOW.timeout` and `FLOW.succeeded`, and the jobs that went on where it failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FlowFigures {
    /// The part of the event types before the last dot.
    pub flow: String,
    /// The share of timeouts among timeouts and successes.
    pub timeouts: Share,
    /// The share of bookings that a job took over, among those for which the flow did not succeed: the job began at
    /// most five minutes after an event of the flow.
    pub handed_over: Share,
}

impl Report {
    /// Whether no row counted.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The rows of an event type.
    pub fn event(&self, event_type: &str) -> Option<&EventFigures> {
        self.events.iter().find(|event| event.event_type == event_type)
    }
}

impl Share {
    /// So many of `n`.
    pub(super) fn of(part: u64, n: u64) -> Self {
        Self { n, rate: (n > 0).then(|| part as f64 / n as f64) }
    }
}

impl GroupFigures {
    /// The keys of the common values.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.by.iter().map(|(key, _)| key.as_str())
    }
}

impl EventFigures {
    /// The groups by this one key.
    pub fn groups_by<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a GroupFigures> {
        self.groups.iter().filter(move |group| matches!(group.by.as_slice(), [(name, _)] if name == key))
    }
}

fn as_map<S: Serializer>(by: &[(String, Option<String>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(by.iter().map(|(key, value)| (key, value)))
}

pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}

pub(super) fn rfc3339<S: Serializer>(moment: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    moment_text(*moment).serialize(serializer)
}

pub(super) fn moment_text(moment: Option<SystemTime>) -> Option<String> {
    moment.and_then(time::microseconds).map(time::text)
}
