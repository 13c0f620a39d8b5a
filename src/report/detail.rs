//! The parts of an answer that only JSON and a page have: each event type over time, and single calls.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::{Share, Spread, rfc3339};

/// More about the rows of one event type, where [`Question::detail`](super::Question::detail) asks for it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Detail {
    /// The durations by size, from the shortest to the longest, without a gap between 0 and the longest: at most 200 bars.
    pub histogram: Vec<DurationBar>,
    /// The rows by time, in equal steps from the first row of the report to its last: at most 100 steps. Those without a
    /// row are there too.
    pub over_time: Vec<TimeStep>,
    /// The versions that made the rows, by the time of their first row: the context's `version`, or else
    /// `service.version`. Empty if no row has one.
    pub versions: Vec<VersionRows>,
    /// The moments at which another version took over, in their order. Hosts that run several versions all the time make
    /// none.
    pub deploys: Vec<Deploy>,
    /// The longest calls, the longest first: at most 100.
    pub slowest: Vec<ListedCall>,
    /// The last calls that failed, the newest first: at most 100.
    pub failed: Vec<ListedCall>,
}

/// One bar of a histogram of durations. The edges of bars are preferred numbers, about 20 for each power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DurationBar {
    /// The least duration that counts, in milliseconds.
    pub from: f64,
    /// Durations below this count, in milliseconds. In the bar of durations that are not above 0, it is 0 and counts too.
    pub to: f64,
    /// How many calls.
    pub n: u64,
}

/// The rows of one step of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TimeStep {
    /// The first moment, a multiple of the step's length in UTC.
    #[serde(serialize_with = "rfc3339")]
    pub from: Option<SystemTime>,
    /// The end, which does not belong to the step.
    #[serde(serialize_with = "rfc3339")]
    pub to: Option<SystemTime>,
    /// How many rows.
    pub calls: u64,
    /// The share that succeeded.
    pub success: Share,
    /// How many rows have each outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// How many of the rows that succeeded have each outcome, or [`NO_OUTCOME`](Self::NO_OUTCOME). Each row is in one of
    /// `succeeded`, `failed` and `unknown`.
    pub succeeded: BTreeMap<String, u64>,
    /// The same of the rows that did not succeed.
    pub failed: BTreeMap<String, u64>,
    /// The same of the rows that do not say whether they succeeded.
    pub unknown: BTreeMap<String, u64>,
    /// In milliseconds.
    pub duration_ms: Spread,
    /// Whether the percentiles are within 0.4 % of the exact ones, and not exact. It saves memory where a step has many
    /// durations.
    pub approximate: bool,
}

impl TimeStep {
    /// The key of rows without an outcome.
    pub const NO_OUTCOME: &str = "(no outcome)";
}

/// The rows that one version of a service made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VersionRows {
    /// The version.
    pub version: String,
    /// `created_at` of its first row.
    #[serde(serialize_with = "rfc3339")]
    pub first: Option<SystemTime>,
    /// `created_at` of its last row.
    #[serde(serialize_with = "rfc3339")]
    pub last: Option<SystemTime>,
    /// How many rows.
    pub calls: u64,
}

/// The moment at which most rows of an event type began to be made by another version, which may be an older one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Deploy {
    /// `created_at` of the first row of the version after, or of the last one of the version before where rows of both lie
    /// too close together to be told apart.
    #[serde(serialize_with = "rfc3339")]
    pub at: Option<SystemTime>,
    /// The version that made most rows before.
    pub from: String,
    /// The version that made most rows after.
    pub to: String,
}

/// One row of a list of calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ListedCall {
    /// The row's id; `None` in a log.
    pub id: Option<String>,
    /// When the call ended.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: Option<SystemTime>,
    /// In milliseconds.
    pub duration_ms: Option<f64>,
    /// Such as `error`.
    pub outcome: Option<String>,
    /// `None` where the outcome is unknown.
    pub success: Option<bool>,
    /// Why the call did not succeed.
    pub reason: Option<String>,
    /// The column.
    pub source: Option<String>,
    /// The column.
    pub severity: Option<String>,
    /// The column, else the key of the context.
    pub booking_id: Option<String>,
    /// The column, else the key of the context.
    pub restaurant_id: Option<String>,
    /// The context. Texts of more than 2,000 characters are cut, and of a context above 16 KiB the last keys are left out:
    /// `_truncated` is true then. A number that no `f64` holds is a text.
    pub context: Map<String, Value>,
}

/// The losses, as the rows of `ledger.loss` count them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Losses {
    /// How many rows of `ledger.loss` there are.
    pub rows: u64,
    /// How many records or rows are lost.
    pub lost: u64,
    /// How many are lost for each cause.
    pub by: BTreeMap<String, u64>,
}

/// More causes are counted together, as other programs may write such rows.
const MOST_CAUSES: usize = 20;
const OTHER_CAUSES: &str = "(other causes)";

impl Losses {
    /// Counts a row of `ledger.loss`.
    pub(super) fn add(&mut self, cause: Option<&str>, count: u64) {
        self.rows += 1;
        self.lost = self.lost.saturating_add(count);
        let cause = cause.unwrap_or("unknown");
        let is_new = self.by.len() >= MOST_CAUSES && !self.by.contains_key(cause);
        let sum = self.by.entry(if is_new { OTHER_CAUSES } else { cause }.to_owned()).or_default();
        *sum = sum.saturating_add(count);
    }
}
