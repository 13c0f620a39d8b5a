//! Events kept in memory, for the tests of whoever instruments their code.
//!
//! Nothing is written anywhere, and everything is lost with the last clone.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Attempt, Failure, InsertError, Store};
use crate::Row;

/// A store that keeps events in memory. Clones share what they hold, so a test keeps one and gives the other away.
///
/// ```
/// use tracing_ledger::store::Memory;
///
/// let store = Memory::default();
/// let to_the_builder = store.clone();
/// // … the code under test runs …
/// # drop(to_the_builder);
/// assert!(store.rows().is_empty());
/// ```
#[derive(Clone, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    events: Vec<Row>,
    ids: HashSet<Uuid>,
    /// What the next inserts answer, last one first.
    failures: Vec<Failure>,
}

impl Memory {
    /// Every event stored so far, in the order it came.
    pub fn rows(&self) -> Vec<Row> {
        self.lock().events.clone()
    }

    /// Lets the next `inserts` inserts fail in that way, after those asked for before. They store nothing.
    pub fn fail_next(&self, failure: Failure, inserts: usize) {
        let failures = &mut self.lock().failures;
        failures.splice(0..0, std::iter::repeat_n(failure, inserts));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code runs under the lock that could leave the state half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, event: &Row, attempt: Attempt) {
        let is_new = self.ids.insert(event.id);
        if is_new || attempt == Attempt::First {
            self.events.push(event.clone());
        }
    }
}

impl Store for Memory {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        let mut inner = self.lock();
        if let Some(failure) = inner.failures.pop() {
            return Err(InsertError::new(failure, "this failure was asked for by Memory::fail_next"));
        }
        for event in batch {
            inner.keep(event, attempt);
        }
        Ok(())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("events", &self.lock().events.len()).finish_non_exhaustive()
    }
}
