//! Promises about the whole process: the global subscriber, the metrics recorder, stderr. Each test runs in a process of its own.

#![expect(clippy::too_many_lines, reason = "the cases of a test are one table")]

mod asked_within_a_call;
mod beside_sqlx;
mod endings;
mod global_default;
mod leaves_others_alone;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "metrics")]
mod metrics_recorder_panics;
mod no_feedback;
mod stderr_in_hand;
mod store_notices;
mod volumes;
mod writer_records_nothing;
