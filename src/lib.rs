//! tracing-ledger

mod error;
mod event;
mod record;
mod rules;
pub mod store;

pub use error::Error;
pub use event::{Event, Severity};
pub use rules::{Rule, Rules, Silent};
