//! Stores that cost nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Failure, InsertError, Store};

/// Counts the rows and discards them.
#[derive(Clone, Debug, Default)]
pub struct Discard {
    /// The number of rows so far.
    pub count: Arc<AtomicU64>,
}

impl Store for Discard {
    async fn insert(&mut self, batch: &[Row], _: Attempt) -> Result<(), InsertError> {
        self.count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Takes no row.
pub struct Dead;

impl Store for Dead {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        Err(InsertError::new(Failure::Retry, "there is no database"))
    }
}
