//! tracing-ledger

mod error;
mod event;
mod layer;
mod panic_message;
mod queue;
mod record;
mod rules;
pub mod store;

pub use error::Error;
pub use event::{Event, Severity};
pub use layer::LedgerLayer;
pub use rules::{Rule, Rules, Silent};
