#![doc = include_str!("../README.md")]

mod alarm;
mod builder;
mod bystander;
mod error;
mod event;
mod guard;
mod layer;
mod open;
mod panic_message;
mod queue;
mod record;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod report;
mod rules;
mod spool;
pub mod store;
mod sync;
mod visible;
mod writer;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use spool::fuzzing as segment;

pub use builder::{
    Builder, DEFAULT_BATCH_SIZE, DEFAULT_FLUSH_INTERVAL, DEFAULT_OVERFLOW, DEFAULT_QUEUE_CAPACITY,
    DEFAULT_SPOOL_LIMIT, builder, layer,
};
pub use error::Error;
pub use event::{Event, Severity};
pub use guard::{DROP_TIMEOUT, Guard};
pub use layer::LedgerLayer;
pub use queue::{Dropped, MAX_QUEUE_BYTES, Overflow, Refused, Stats};
pub use rules::{Redact, Rule, Rules, Silent};
pub use writer::QUARANTINE_KEPT;
