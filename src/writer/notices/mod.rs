//! Three ways to report the account: lines on stderr, rows of the table, metrics.
//!
//! None of them goes through `tracing`: the ledger would feed itself.

#[cfg(feature = "metrics")]
mod metrics;
mod rows;
mod stderr;

pub(super) use self::rows::LossRows;
pub(super) use self::stderr::{Notice, Notices};
