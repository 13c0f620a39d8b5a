//! The progress of a report.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The progress of a report, for another thread that shows it: [`Question::progress`](super::Question::progress) takes a clone.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    rows: AtomicU64,
    /// 0 where it is unknown.
    expected: AtomicU64,
}

impl Progress {
    /// A progress without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rows that are read so far.
    pub fn rows(&self) -> u64 {
        self.0.rows.load(Relaxed)
    }

    /// About how many rows there are, as the databases estimate; `None` while this is unknown, and for SQLite and logs, which do
    /// not estimate.
    pub fn expected(&self) -> Option<u64> {
        Some(self.0.expected.load(Relaxed)).filter(|expected| *expected > 0)
    }

    pub(super) fn add_row(&self) {
        self.0.rows.fetch_add(1, Relaxed);
    }

    pub(super) fn expect(&self, rows: u64) {
        self.0.expected.store(rows, Relaxed);
    }
}
