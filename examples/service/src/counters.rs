//! The service's own counters, to which the rows are compared. They know nothing of spans.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// How many calls of each name had each ending.
pub type Counts = BTreeMap<(String, String), u64>;

/// Counts calls by name and ending.
#[derive(Default)]
pub struct Counters(Mutex<State>);

#[derive(Default)]
struct State {
    ended: Counts,
    running: u64,
}

/// A call that runs. Dropped without an ending, it was cancelled, or it panicked.
pub struct Call<'a> {
    counters: &'a Counters,
    name: &'static str,
    ending: Option<String>,
}

impl Counters {
    /// A call that begins.
    pub fn begin(&self, name: &'static str) -> Call<'_> {
        self.state().running += 1;
        Call { counters: self, name, ending: None }
    }

    /// A moment without an ending of its own.
    pub fn add(&self, name: &'static str) {
        self.begin(name).end("-");
    }

    /// The calls that have ended.
    pub fn counts(&self) -> Counts {
        self.state().ended.clone()
    }

    /// How many calls have begun and not ended.
    pub fn running(&self) -> u64 {
        self.state().running
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call<'_> {
    /// The call ends like this.
    pub fn end(mut self, ending: impl Into<String>) {
        self.ending = Some(ending.into());
    }

    /// The call ends with this result.
    pub fn returns<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        self.end(if result.is_ok() { "ok" } else { "error" });
        result
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let dropped = if thread::panicking() { "panic" } else { "cancelled" };
        let ending = self.ending.take().unwrap_or_else(|| dropped.to_owned());
        let mut state = self.counters.state();
        *state.ended.entry((self.name.to_owned(), ending)).or_default() += 1;
        state.running -= 1;
    }
}
