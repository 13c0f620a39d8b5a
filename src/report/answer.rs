//! The answers as types.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::store::time;

/// Figures on planner calls and jobs in a period.
///
/// `Display` is a text of aligned tables. Figures without samples are `None`, `–` in text and `null` in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Baseline {
    /// Earlier rows are left out; `None` leaves out none.
    #[serde(serialize_with = "rfc3339")]
    pub since: Option<SystemTime>,
    /// `created_at` of the first row that counts.
    #[serde(serialize_with = "rfc3339")]
    pub first: Option<SystemTime>,
    /// `created_at` of the last row that counts.
    #[serde(serialize_with = "rfc3339")]
    pub last: Option<SystemTime>,
    /// All planner calls.
    pub calls: Calls,
    /// Planner calls by the flow that made them, most frequent first, as in the other lists.
    pub by_flow: Vec<CallGroup>,
    /// Planner calls by what triggered the flow.
    pub by_trigger: Vec<CallGroup>,
    /// Planner calls by strategy, written `key=value, …` in the order of the keys.
    pub by_strategy: Vec<CallGroup>,
    /// How many planner calls a booking took.
    pub attempts: Attempts,
    /// Why planner calls did not succeed.
    pub reasons: Vec<Reason>,
    /// Jobs by their result.
    pub jobs: Vec<JobGroup>,
    /// Rows that cannot be read in full. One whose context is no JSON object counts as a call or job and in no other
    /// figure. One whose `created_at` is no time counts in any period.
    pub unreadable: u64,
}

/// Planner calls; each row is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// The share that succeeded.
    pub success: Share,
    /// `planner_duration_ms`, in milliseconds.
    pub duration_ms: Spread,
}

/// Planner calls that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CallGroup {
    /// The common value; `None` for rows without it.
    pub name: Option<String>,
    /// The calls.
    #[serde(flatten)]
    pub calls: Calls,
}

/// A part of a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// The number of rows that count: those with a known outcome.
    pub n: u64,
    /// From 0 to 1.
    pub rate: Option<f64>,
}

/// The distribution of values. Percentiles are exact, and interpolated linearly as PostgreSQL's [`percentile_cont`] does.
///
/// [`percentile_cont`]: https://www.postgresql.org/docs/current/functions-aggregate.html#FUNCTIONS-ORDEREDSET-TABLE
#[derive(Clone, Debug, PartialEq, Serialize)]
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
}

/// Planner calls for each booking, in both flows together.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Attempts {
    /// Calls for a booking; `n` is the number of bookings.
    pub per_booking: Spread,
    /// Bookings by their number of calls, in ascending order.
    pub histogram: Vec<AttemptsBar>,
    /// Planner calls that name no booking. They are in neither of the other figures.
    pub calls_without_booking: u64,
}

/// One bar of the histogram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AttemptsBar {
    /// This many planner calls …
    pub attempts: u64,
    /// … were made for this many bookings.
    pub bookings: u64,
}

/// Planner calls that did not succeed for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// `hard`, `transient`, `unknown`; `None` for rows without it.
    pub category: Option<String>,
    /// Such as `hard.no_capacity`; `None` for rows without it.
    pub code: Option<String>,
    /// How many calls.
    pub count: u64,
}

/// Jobs that ended alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobGroup {
    /// `succeeded`, `cutoff`, …; `None` for rows without it.
    pub result: Option<String>,
    /// How many.
    pub count: u64,
    /// `attemptsUsed`: planner calls within the job.
    pub attempts_used: Spread,
    /// `totalDurationMs`, in milliseconds.
    pub total_duration_ms: Spread,
}

impl Baseline {
    /// Whether no row counted.
    pub fn is_empty(&self) -> bool {
        self.calls.count == 0 && self.jobs.is_empty()
    }
}

fn rfc3339<S: Serializer>(moment: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    moment_text(*moment).serialize(serializer)
}

pub(super) fn moment_text(moment: Option<SystemTime>) -> Option<String> {
    moment.and_then(time::microseconds).map(time::text)
}
