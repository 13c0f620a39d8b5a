#![doc = include_str!("../README.md")]

mod builder;
mod error;
mod escape;
mod guard;
mod layer;
mod queue;
mod record;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod report;
mod row;
mod rules;
mod severity;
mod spool;
mod stderr;
pub mod store;
mod sync;
mod writer;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use spool::fuzzing as segment;

pub use builder::{
    Builder, DEFAULT_BATCH_SIZE, DEFAULT_FLUSH_INTERVAL, DEFAULT_OVERFLOW, DEFAULT_QUEUE_CAPACITY,
    DEFAULT_SPOOL_LIMIT, builder, layer,
};
pub use error::Error;
pub use guard::{DROP_TIMEOUT, Guard};
pub use layer::LedgerLayer;
pub use queue::{Dropped, MAX_QUEUE_BYTES, Overflow, Refused, Stats};
pub use row::Row;
pub use rules::{Redact, Rule, Rules, Silent};
pub use severity::Severity;
pub use writer::QUARANTINE_KEPT;
