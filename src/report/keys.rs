//! The event types and keys that reports read, as in docs/contract.md.

/// One row for every planner call.
pub(super) const QUOTE: &str = "auto_assign.quote";
pub(super) const PLANNER_DURATION_MS: &str = "planner_duration_ms";
pub(super) const PLANNER_SUCCESS: &str = "planner_success";
pub(super) const PLANNER_REASON_CATEGORY: &str = "planner_reason_category";
pub(super) const PLANNER_REASON_CODE: &str = "planner_reason_code";
pub(super) const PLANNER_STRATEGY: &str = "planner_strategy";
pub(super) const FLOW: &str = "flow";
pub(super) const TRIGGER: &str = "trigger";
/// In the context only if it is no uuid; otherwise it is a column.
pub(super) const BOOKING_ID: &str = "booking_id";

/// One row for every job.
pub(super) const SUMMARY: &str = "auto_assign.summary";
pub(super) const RESULT: &str = "result";
pub(super) const ATTEMPTS_USED: &str = "attemptsUsed";
pub(super) const TOTAL_DURATION_MS: &str = "totalDurationMs";
