//! A story as types.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::report::answer::{is_zero, rfc3339};

/// The rows of one booking, trace, job or call, in order.
///
/// `Display` is a waterfall of characters, 80 columns wide.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Story {
    /// The id that was asked for.
    pub id: String,
    /// Where the rows have it: `booking_id`, `restaurant_id`, `id`, `trace_id`, `span_id`, or the key of the context.
    /// `None` if no row has it.
    pub found_as: Option<String>,
    /// Where it was looked for.
    pub tried: Vec<String>,
    /// When the first row began.
    #[serde(serialize_with = "rfc3339")]
    pub first: Option<SystemTime>,
    /// When the last row ended.
    #[serde(serialize_with = "rfc3339")]
    pub last: Option<SystemTime>,
    /// The rows, in the order of their beginning.
    pub rows: Vec<StoryRow>,
    /// The times between two attempts, in the order of their beginning.
    pub waits: Vec<Wait>,
    /// How it ended; `None` where several bookings have rows, where rows are left out, and where there is no row.
    pub ending: Option<Ending>,
    /// Later rows that are left out, because a story has at most 1,000 rows.
    pub left_out: u64,
}

/// One row of a story.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StoryRow {
    /// The row's id; `None` in a log.
    pub id: Option<String>,
    /// Whether the row is of a job, a call or an event.
    pub kind: RowKind,
    /// The event type.
    pub event_type: String,
    /// The column.
    pub source: Option<String>,
    /// The column.
    pub severity: Option<String>,
    /// The key `flow` of the context.
    pub flow: Option<String>,
    /// The column, else the key of the context.
    pub booking_id: Option<String>,
    /// The column, else the key of the context.
    pub restaurant_id: Option<String>,
    /// When it began: `created_at`, less the duration of a call or job. Where the clocks say that it began before the row
    /// around it, it is the beginning of that row.
    #[serde(serialize_with = "rfc3339")]
    pub start: Option<SystemTime>,
    /// When the call ended, or when the event happened.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: Option<SystemTime>,
    /// Milliseconds from the beginning of the story to `start`.
    pub offset_ms: Option<f64>,
    /// In milliseconds. That of an event is what the event reports about something that has ended.
    pub duration_ms: Option<f64>,
    /// Such as `error`.
    pub outcome: Option<String>,
    /// `None` where the outcome is unknown.
    pub success: Option<bool>,
    /// Why the call did not succeed.
    pub reason: Option<String>,
    /// The code found in the reason.
    pub reason_code: Option<String>,
    /// How a job ended.
    pub result: Option<String>,
    /// The number of the call among the attempts of its booking, in all flows, from 1.
    pub attempt: Option<u64>,
    /// The calls within a job, as its row counts them.
    pub calls: Option<f64>,
    /// The milliseconds of a job that were calls, as its row has them. The rest was waiting.
    pub calls_ms: Option<f64>,
    /// The place in [`Story::rows`] of the job or call around it.
    pub within: Option<usize>,
    /// The number of jobs that were open, where nothing tells which of them it is within. JSON has no such key where it is 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub open_jobs: u64,
    /// Whether it has the id of the row or span that was asked for.
    pub named: bool,
    /// The context.
    pub context: Option<Box<RawValue>>,
}

/// The kind of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowKind {
    /// A call whose rule has `collect`: it has other calls within it.
    Job,
    /// A call.
    Call,
    /// An event.
    Event,
}

/// The time from the end of an attempt that did not succeed to the next one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Wait {
    /// The place in [`Story::rows`] of the attempt before it.
    pub after: usize,
    /// The place of the attempt that follows.
    pub before: usize,
    /// Milliseconds from the beginning of the story.
    pub offset_ms: f64,
    /// In milliseconds.
    pub duration_ms: f64,
    /// Why the attempt before it did not succeed: the code of the reason, or else the outcome and the text of the reason, such
    /// as `error: pool exhausted`.
    pub reason: Option<String>,
}

/// The end of a story.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ending {
    /// The place in [`Story::rows`] of the row that says it.
    pub row: usize,
    /// The event type of that row.
    pub event_type: String,
    /// Its result, or else its outcome.
    pub result: Option<String>,
    /// How many attempts began before it.
    pub attempts: u64,
    /// Milliseconds from the beginning of the first call to this end.
    pub after_ms: Option<f64>,
}

impl Story {
    /// Whether no row has the id.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
