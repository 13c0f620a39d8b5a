//! The guard's orders to the writer, and the writer's answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::row::Row;
use crate::sync::{Condvar, Mutex, MutexGuard, Notify};

/// The number of quarantined rows that are kept in memory: the latest ones.
pub(crate) const QUARANTINE_KEPT: usize = 100;

/// A row that the database rejected, and the reason.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Quarantined {
    /// The row that was rejected.
    pub row: Row,
    /// The database's error message.
    pub reason: String,
}

/// The guard's orders and the writer's progress. No lock is held while either works.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    progress: Condvar,
    /// Ends a wait of the delivering half.
    wake: Notify,
}

/// The deadline of a stop has passed. The remaining rows stay unwritten.
pub(crate) struct Stopped;

#[derive(Default)]
struct State {
    orders: Orders,
    /// The number of the latest finished flush.
    flushed: u64,
    finished: bool,
    /// The store's last error, until it stores rows again.
    failure: Option<String>,
    quarantine: VecDeque<Quarantined>,
}

/// The guard's orders to the writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// The number of flushes that were requested so far.
    pub(crate) flushes: u64,
    /// The deadline of a stop: the writer writes what it can until then, and ends.
    pub(crate) stop: Option<Instant>,
}

/// The result of waiting for a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    Done,
    /// The deadline passed first.
    Late,
    /// The writer ended before it finished the flush.
    NoWriter,
}

impl Control {
    /// Requests a flush. Returns its number, for [`wait_for_flush`](Self::wait_for_flush).
    pub(crate) fn ask_flush(&self) -> u64 {
        let mut state = self.lock();
        state.orders.flushes += 1;
        state.orders.flushes
    }

    /// Orders the writer to end by the deadline.
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
        let mut state = self.lock();
        self.progress.wait_while_for(&mut state, |state| unmet(state), remaining);
        state
    }

    pub(crate) fn orders(&self) -> Orders {
        self.lock().orders
    }

    /// Notes that every flush up to `number` is finished.
    pub(crate) fn flushed(&self, number: u64) {
        self.lock().flushed = number;
        self.progress.notify_all();
    }

    /// Notes that the writer has ended.
    pub(crate) fn finished(&self) {
        self.lock().finished = true;
        self.progress.notify_all();
    }

    pub(crate) fn set_failure(&self, failure: Option<String>) {
        self.lock().failure = failure;
    }

    /// The error that keeps the writer from writing.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Ends the current wait of the delivering half, or else its next one.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until `until` or for a [`wake`](Self::wake). Returns whether the wake came first.
    pub(crate) async fn woken_by(&self, until: Instant) -> bool {
        timeout_at(until.into(), self.wake.notified()).await.is_ok()
    }

    pub(crate) fn check_deadline(&self) -> Result<(), Stopped> {
        let deadline = self.orders().stop;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) { Err(Stopped) } else { Ok(()) }
    }

    /// Ends when the deadline of a stop passes, even if the stop is ordered later.
    pub(crate) async fn deadline(&self) {
        loop {
            match self.orders().stop {
                None => self.wake.notified().await,
                Some(deadline) if !self.woken_by(deadline).await => return,
                Some(_) => {}
            }
        }
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
        self.state.lock()
    }
}

/// A duration that outlasts every process and that can be added to an `Instant`.
pub(crate) const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The moment after `duration`, or after a century if that is sooner.
pub(crate) fn deadline_in(duration: Duration) -> Instant {
    let now = Instant::now();
    now + duration.min(CENTURY)
}
