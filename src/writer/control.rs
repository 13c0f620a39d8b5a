//! What the guard asks of the writer, and what it hears back.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::Row;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// The most quarantined rows that are kept for inspection: the latest.
pub(crate) const QUARANTINE_KEPT: usize = 100;

/// A row that the store will never take, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Quarantined {
    /// The row as it was to be written.
    pub row: Row,
    /// The reason, in the store's words.
    pub reason: String,
}

/// Both directions in one place: orders down, progress up. No lock is held across any work.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    progress: Condvar,
}

#[derive(Default)]
struct State {
    orders: Orders,
    /// The latest flush that is done.
    flushed: u64,
    finished: bool,
    /// What the store last said, as long as nothing has gone through since.
    trouble: Option<String>,
    quarantine: VecDeque<Quarantined>,
}

/// What the writer is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Flushes asked for so far.
    pub(crate) flushes: u64,
    /// Write what there is until then, and end.
    pub(crate) stop: Option<Instant>,
}

/// What came of waiting for a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    Done,
    /// The deadline came first.
    Late,
    /// The writer ended without doing it.
    NoWriter,
}

impl Control {
    /// Asks for a flush; its number, for [`wait_for_flush`](Self::wait_for_flush).
    pub(crate) fn ask_flush(&self) -> u64 {
        let mut state = self.lock();
        state.orders.flushes += 1;
        state.orders.flushes
    }

    /// Asks the writer to end, at the latest then.
    pub(crate) fn ask_stop(&self, deadline: Instant) {
        self.lock().orders.stop = Some(deadline);
    }

    pub(crate) fn wait_for_flush(&self, number: u64, deadline: Instant) -> Flush {
        let state = self.wait_while(deadline, |state| state.flushed < number && !state.finished);
        match () {
            () if state.flushed >= number => Flush::Done,
            () if state.finished => Flush::NoWriter,
            () => Flush::Late,
        }
    }

    /// Whether the writer ended by the deadline.
    pub(crate) fn wait_for_end(&self, deadline: Instant) -> bool {
        self.wait_while(deadline, |state| !state.finished).finished
    }

    fn wait_while(&self, deadline: Instant, unmet: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let waited = self.progress.wait_timeout_while(self.lock(), remaining, |state| unmet(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn orders(&self) -> Orders {
        self.lock().orders
    }

    /// Says that every flush up to that number is done.
    pub(crate) fn flushed(&self, number: u64) {
        self.lock().flushed = number;
        self.progress.notify_all();
    }

    /// Says that the writer has ended.
    pub(crate) fn finished(&self) {
        self.lock().finished = true;
        self.progress.notify_all();
    }

    pub(crate) fn set_trouble(&self, trouble: Option<String>) {
        self.lock().trouble = trouble;
    }

    /// What keeps the writer from writing, in the store's words.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    pub(crate) fn quarantine(&self, row: Row, reason: String) {
        let kept = &mut self.lock().quarantine;
        if kept.len() == QUARANTINE_KEPT {
            kept.pop_front();
        }
        kept.push_back(Quarantined { row, reason });
    }

    pub(crate) fn quarantined(&self) -> Vec<Quarantined> {
        self.lock().quarantine.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody lives to see the end of it, and a clock can still be that far ahead.
pub(crate) const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The moment that far from now, or in a century.
pub(crate) fn deadline_in(duration: Duration) -> Instant {
    let now = Instant::now();
    now + duration.min(CENTURY)
}
