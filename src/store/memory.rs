//! Rows in memory, for tests.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Attempt, Failure, InsertError, Store};
use crate::row::Row;

/// A store that keeps rows in memory, for tests of instrumented code.
///
/// Clones share their rows: a test keeps one and gives the other to the builder. The rows are gone with the last clone.
///
/// ```
/// use tracing_ledger::store::Memory;
///
/// let store = Memory::default();
/// let (layer, guard) = tracing_ledger::builder().build_with::<tracing_subscriber::Registry>(store.clone())?;
/// // … the code under test runs …
/// assert!(store.rows().is_empty());
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    rows: Vec<Row>,
    ids: HashSet<Uuid>,
    /// The failures of the next inserts, the last one first.
    failures: Vec<Failure>,
}

impl Memory {
    /// All stored rows, in the order in which they came.
    pub fn rows(&self) -> Vec<Row> {
        self.lock().rows.clone()
    }

    /// Makes the next `inserts` inserts fail, after the failures of earlier calls. Such an insert stores nothing.
    pub fn fail_next(&self, failure: Failure, inserts: usize) {
        let failures = &mut self.lock().failures;
        failures.splice(0..0, std::iter::repeat_n(failure, inserts));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code under the lock can leave the state half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, row: &Row, attempt: Attempt) {
        let is_new = self.ids.insert(row.id);
        if is_new || attempt == Attempt::First {
            self.rows.push(row.clone());
        }
    }
}

impl Store for Memory {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        let mut inner = self.lock();
        if let Some(failure) = inner.failures.pop() {
            return Err(InsertError::new(failure, "Memory::fail_next asked for this failure"));
        }
        for row in batch {
            inner.keep(row, attempt);
        }
        Ok(())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("rows", &self.lock().rows.len()).finish_non_exhaustive()
    }
}
