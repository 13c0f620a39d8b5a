#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!("tracing-ledger runs on Unix only: its spool and its fork check need what other systems lack");

mod builder;
mod bystander;
mod error;
mod escape;
mod guard;
mod layer;
mod queue;
mod record;
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
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

pub use builder::{Builder, builder, layer};
pub use error::Error;
pub use guard::{Guard, Handle};
pub use layer::LedgerLayer;
pub use queue::{Dropped, Overflow, Refused, Stats};
pub use row::Row;
pub use rules::{Redact, Rule, Rules, Silent};
pub use severity::Severity;
pub use writer::Quarantined;
