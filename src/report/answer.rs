//! What the baseline says, typed.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::store::time;

/// How planner calls and jobs went in a stretch of time.
///
/// `Display` is a text of aligned tables. Figures that rest on no sample are `None`, `–` in text and `null` in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Baseline {
    /// Rows before this moment were left out; `None`: all rows count.
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
    /// Planner calls by the flow that made them, most frequent first; so are the other lists.
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
    /// Rows whose context is no JSON object; they count as calls and jobs, and nowhere else.
    pub unreadable: u64,
}

/// Planner calls, as many rows as there are.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Calls {
    /// How many.
    pub count: u64,
    /// Which part succeeded.
    pub success: Share,
    /// `planner_duration_ms`, in milliseconds.
    pub duration_ms: Spread,
}

/// Planner calls that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CallGroup {
    /// What they have in common; `None` where the rows do not say.
    pub name: Option<String>,
    /// The calls.
    #[serde(flatten)]
    pub calls: Calls,
}

/// A part of a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// How many rows say whether they belong to it.
    pub n: u64,
    /// From 0 to 1.
    pub rate: Option<f64>,
}

/// Where values lie. Percentiles are exact, and interpolated linearly as PostgreSQL's [`percentile_cont`] does.
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
    /// How many bookings took that many calls, in the order of attempts.
    pub histogram: Vec<AttemptsBar>,
    /// Planner calls that name no booking; they count nowhere in here.
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
    /// `hard`, `transient`, `unknown`; `None` where the rows do not say.
    pub category: Option<String>,
    /// Such as `hard.no_capacity`; `None` where the rows do not say.
    pub code: Option<String>,
    /// How many calls.
    pub count: u64,
}

/// Jobs that ended alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JobGroup {
    /// `succeeded`, `cutoff`, …; `None` where the rows do not say.
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
