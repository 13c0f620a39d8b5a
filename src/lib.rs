//! tracing-ledger

mod alarm;
mod builder;
mod error;
mod event;
mod guard;
mod layer;
mod panic_message;
mod queue;
mod record;
mod rules;
mod spool;
pub mod store;
mod writer;

pub use builder::{
    Builder, DEFAULT_BATCH_SIZE, DEFAULT_FLUSH_INTERVAL, DEFAULT_OVERFLOW, DEFAULT_QUEUE_CAPACITY, builder,
    layer,
};
pub use error::Error;
pub use event::{Event, Severity};
pub use guard::{DROP_TIMEOUT, Guard};
pub use layer::LedgerLayer;
pub use queue::{Dropped, Overflow, RECORD_LIMIT, Refused, Stats};
pub use rules::{Rule, Rules, Silent};
pub use writer::QUARANTINE_KEPT;
