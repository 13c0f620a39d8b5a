//! The rows of the flows against the contract, to the letter.

use std::collections::BTreeSet;

use support::StoredRow;

const JOB: &str = "auto_assign";
const INLINE: &str = "bookings.inline_auto_assign";

/// Event type, source, severity and keys of every point event.
const POINTS: [(&str, &str, &str, &[&str]); 15] = [
    ("auto_assign.started", JOB, "info", &["status", "trigger"]),
    (
        "auto_assign.attempt",
        JOB,
        "info",
        &["attempt_index", "success", "reason", "reasonCode", "alternates", "trigger"],
    ),
    ("auto_assign.attempt_error", JOB, "warning", &["attempt_index", "error", "reasonCode", "trigger"]),
    ("auto_assign.succeeded", JOB, "info", &["attempt_index", "durationMs", "trigger"]),
    ("auto_assign.cutoff_skipped", JOB, "info", &["attempt_index", "cutoffMinutes"]),
    ("auto_assign.exited_already_confirmed", JOB, "info", &["attempt_index", "trigger"]),
    ("auto_assign.failed", JOB, "warning", &["attempts", "trigger", "hardStopReason"]),
    (
        "inline_auto_assign.quote_result",
        INLINE,
        "info",
        &["durationMs", "hasHold", "attemptId", "reason", "alternates"],
    ),
    ("inline_auto_assign.quote_error", INLINE, "warning", &["durationMs", "attemptId"]),
    ("inline_auto_assign.no_hold", INLINE, "info", &["reason", "alternates", "durationMs", "attemptId"]),
    ("inline_auto_assign.confirm_failed", INLINE, "error", &["attemptId", "holdId", "durationMs"]),
    ("inline_auto_assign.confirm_succeeded", INLINE, "info", &["attemptId", "holdId", "durationMs"]),
    (
        "inline_auto_assign.succeeded",
        INLINE,
        "info",
        &["holdId", "attemptId", "quoteDurationMs", "confirmDurationMs"],
    ),
    ("inline_auto_assign.timeout", INLINE, "warning", &["timeoutMs", "elapsedMs", "attemptId"]),
    ("inline_auto_assign.operation_aborted", INLINE, "warning", &["attemptId", "durationMs", "timeoutMs"]),
];

const QUOTE: &[&str] = &[
    "planner_duration_ms",
    "planner_success",
    "planner_reason",
    "planner_strategy",
    "trigger",
    "flow",
    "attempt_index",
    "outcome",
];
const SUMMARY: &[&str] =
    &["attemptsUsed", "maxAttempts", "result", "totalDurationMs", "trigger", "quoteDurationMs"];

/// The event types, oldest first.
pub(crate) fn types(rows: &[StoredRow]) -> Vec<&str> {
    rows.iter().map(|row| row.event_type.as_str()).collect()
}

/// The one row of that event type.
#[track_caller]
pub(crate) fn one(rows: &[StoredRow], event_type: &str) -> StoredRow {
    support::only(of(rows, event_type))
}

/// The rows of that event type.
pub(crate) fn of(rows: &[StoredRow], event_type: &str) -> Vec<StoredRow> {
    rows.iter().filter(|row| row.event_type == event_type).cloned().collect()
}

/// Panics unless the row is as the contract wants it.
#[track_caller]
pub(crate) fn check(row: &StoredRow) {
    assert!(row.restaurant_id.is_some(), "whose is {row:#?}");
    let keys: BTreeSet<_> = row.keys().into_iter().collect();
    let required = match row.event_type.as_str() {
        "auto_assign.quote" => QUOTE,
        "auto_assign.summary" => SUMMARY,
        event_type => return check_point(row, event_type, &keys),
    };
    assert_eq!(row.source, JOB);
    assert!(required.iter().all(|key| keys.contains(key)), "a key is missing in {row:#?}");
}

#[track_caller]
fn check_point(row: &StoredRow, event_type: &str, keys: &BTreeSet<&str>) {
    let point = POINTS.iter().find(|(name, ..)| *name == event_type);
    let (_, source, severity, expected) = point.unwrap_or_else(|| panic!("no such event: {row:#?}"));
    assert_eq!((row.source.as_str(), row.severity.as_str()), (*source, *severity), "{event_type}");
    assert_eq!(*keys, expected.iter().copied().collect(), "{event_type}");
}
