//! Three ways to report the account: lines on stderr, rows of the table, metrics.
//!
//! They do not use `tracing`: the ledger would record its own work.

#[cfg(feature = "metrics")]
mod metrics;
mod rows;
mod stderr;

pub(super) use self::rows::LossRows;
pub(super) use self::stderr::{Notices, Problem};
