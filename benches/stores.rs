//! Stores that cost nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Failure, InsertError, Store};

/// Counts what it is given and throws it away.
#[derive(Clone, Debug, Default)]
pub struct Discard {
    /// How much it was given.
    pub count: Arc<AtomicU64>,
}

impl Store for Discard {
    async fn insert(&mut self, batch: &[Row], _: Attempt) -> Result<(), InsertError> {
        self.count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Takes nothing.
pub struct Dead;

impl Store for Dead {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        Err(InsertError::new(Failure::Retry, "there is no database"))
    }
}
