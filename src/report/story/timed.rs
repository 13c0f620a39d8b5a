//! A row of a story with its place in time.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::answer::{RowKind, StoryRow};
use super::find::IdPlace;
use super::found::FoundRow;
use crate::report::keys::by_event_type;
use crate::report::question::{JobRule, Question};

/// A row with its place in time.
pub(super) struct Timed {
    pub(super) row: FoundRow,
    pub(super) kind: RowKind,
    pub(super) start: Option<Timestamp>,
    /// The values of the keys that calls inherit from their job.
    pub(super) inherited: Vec<(String, Value)>,
    /// The place of the row around it.
    pub(super) within: Option<usize>,
    /// The jobs that it may be within, if they are several.
    pub(super) open_jobs: u64,
    pub(super) attempt: Option<u64>,
}

impl Timed {
    pub(super) fn new(question: &Question, jobs: &[JobRule], row: FoundRow) -> Self {
        let rules = question.known_rules();
        let is_call = |row: &FoundRow| {
            row.outcome.is_some() || by_event_type(&rules).any(|(event_type, _)| event_type == row.event_type)
        };
        let kind = if jobs.iter().any(|job| job.is_job(&row.event_type)) {
            RowKind::Job
        } else if is_call(&row) {
            RowKind::Call
        } else {
            RowKind::Event
        };
        // The duration in an event belongs to something else.
        let duration = row.duration_ms.filter(|_| kind != RowKind::Event);
        let start = row.moment.and_then(|end| start(end, duration));
        let inherited = inherited(jobs, &row);
        Self { row, kind, start, inherited, within: None, open_jobs: 0, attempt: None }
    }

    pub(super) fn key(&self) -> (bool, Option<Timestamp>, bool, Option<Timestamp>, &Option<String>) {
        (self.start.is_none(), self.start, self.kind == RowKind::Event, self.row.moment, &self.row.id)
    }

    pub(super) fn into_row(self, first: Option<Timestamp>, found_as: Option<&(IdPlace, String)>) -> StoryRow {
        let Self { row, kind, start, within, open_jobs, attempt, .. } = self;
        let named = match found_as {
            Some((IdPlace::Row, id)) => row.id.as_ref() == Some(id),
            Some((IdPlace::Span, id)) => row.span_id.as_ref() == Some(id) && kind != RowKind::Event,
            _ => false,
        };
        StoryRow {
            offset_ms: first.zip(start).map(|(first, start)| milliseconds(first, start)),
            start: start.map(Into::into),
            created_at: row.moment.map(Into::into),
            context: row.context.and_then(raw),
            id: row.id,
            event_type: row.event_type,
            source: row.source,
            severity: row.severity,
            flow: row.flow,
            booking_id: row.booking_id,
            restaurant_id: row.restaurant_id,
            duration_ms: row.duration_ms,
            outcome: row.outcome,
            success: row.success,
            reason: row.reason,
            reason_code: row.reason_code,
            result: row.result,
            calls: row.calls,
            calls_ms: row.calls_ms,
            kind,
            attempt,
            within,
            open_jobs,
            named,
        }
    }
}

/// A context that is no JSON is its text.
fn raw(context: String) -> Option<Box<RawValue>> {
    RawValue::from_string(context.clone()).or_else(|_| to_raw_value(&context)).ok()
}

/// To the microsecond, as `created_at` is.
fn start(end: Timestamp, duration_ms: Option<f64>) -> Option<Timestamp> {
    let microseconds = (duration_ms.unwrap_or_default().max(0.0) * 1000.0).round();
    // No call takes so long.
    if microseconds > 1e18 {
        return Some(end);
    }
    let duration = SignedDuration::from_micros(microseconds as i64);
    Some(end.checked_sub(duration).unwrap_or(end))
}

pub(super) fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_micros() as f64 / 1000.0
}

/// The keys of the row that the calls of a job inherit, such as `trigger`. Those that are `null` tell nothing.
fn inherited(jobs: &[JobRule], row: &FoundRow) -> Vec<(String, Value)> {
    let mut keys = jobs.iter().flat_map(|job| &job.inherited).peekable();
    if keys.peek().is_none() {
        return Vec::new();
    }
    let context = row.context.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let mut context: HashMap<String, Value> = context.unwrap_or_default();
    let known = keys.filter_map(|key| context.remove_entry(key));
    known.filter(|(_, value)| !value.is_null()).collect()
}
