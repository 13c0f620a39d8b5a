//! The event types and keys that reports read, as in docs/contract.md.

/// One row for every planner call.
pub(super) const QUOTE: &str = "auto_assign.quote";
pub(super) const PLANNER_STRATEGY: &str = "planner_strategy";
pub(super) const FLOW: &str = "flow";
pub(super) const TRIGGER: &str = "trigger";

/// One row for every job.
pub(super) const SUMMARY: &str = "auto_assign.summary";
