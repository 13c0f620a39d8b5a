//! The watching half of the writer: goes on whatever the store does.
//!
//! With a spool it gets records onto disk: [`TICK`] after the last time at the latest, and at once when a batch is
//! full, or when one comes after a while of silence. It takes note of orders for the delivering half, says what is
//! lost, and syncs the disk. While it runs and while the delivering half does, nothing else does: a disk that takes
//! long to answer holds up both.

use std::time::{Duration, Instant};

use tokio::task::yield_now;
use tokio::time::timeout_at;

use super::shared::Shared;

/// How long a record waits for others on its way to the disk. Half of what is promised, so that a busy machine
/// keeps the promise too.
const TICK: Duration = Duration::from_millis(10);
/// After so many ticks without a record the next one wakes the thread, and no tick does: a service that is idle
/// is left alone.
const QUIET_TICKS: u32 = 50;
/// How often to look around all the same.
const LOOK_AROUND: Duration = Duration::from_secs(1);

pub(super) struct Pump<'a> {
    shared: &'a Shared,
    /// Records accepted at the last look.
    seen: u64,
    /// Looks in a row that found none.
    quiet: u32,
}

impl<'a> Pump<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        Self { shared, seen: 0, quiet: 0 }
    }

    /// Works for as long as it is let.
    pub(super) async fn run(&mut self) {
        loop {
            let is_woken = self.wait().await;
            self.fill().await;
            self.shared.sync(Instant::now());
            if is_woken || (self.shared.has_spool && self.shared.has_enough()) {
                self.shared.pulse.notify_one();
            }
            // Last, as it may run code of others.
            self.shared.report();
            // A queue that is never empty must not keep the store waiting.
            yield_now().await;
        }
    }

    /// Gets onto disk what is in the queue now. The store has its turn again and again.
    async fn fill(&self) {
        // A mark has every thread's chunk sent, and one that is nearly empty takes as much memory as a full one: not where
        // nothing is taken.
        if !self.shared.has_spool || (self.shared.is_held_up() && !self.shared.fill()) {
            return;
        }
        let mark = self.shared.queue.mark();
        while self.shared.fill() && !self.shared.queue.is_past(mark) {
            yield_now().await;
        }
    }

    /// Waits for records, an order or the tick; whether somebody called.
    async fn wait(&mut self) -> bool {
        let accepted = self.shared.queue.account.accepted();
        self.quiet = if accepted == self.seen { self.quiet.saturating_add(1) } else { 0 };
        self.seen = accepted;
        let until = Instant::now() + self.patience();
        let until = self.shared.next_sync().map_or(until, |sync| sync.min(until));
        timeout_at(until.into(), self.shared.queue.woken()).await.is_ok()
    }

    /// How long to wait at most. Has the right record end the wait earlier.
    fn patience(&self) -> Duration {
        let Shared { queue, has_spool, .. } = self.shared;
        if !has_spool {
            return LOOK_AROUND;
        }
        let is_quiet = self.quiet >= QUIET_TICKS;
        match is_quiet {
            _ if self.shared.is_held_up() => TICK,
            true if queue.listen() => LOOK_AROUND,
            false if queue.gather() => TICK,
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use tracing_subscriber::prelude::*;

    use super::super::{Options, open_spool};
    use super::*;
    use crate::queue::Queue;
    use crate::spool::{self, SMALLEST_LIMIT};
    use crate::{LedgerLayer, Overflow, Rules};

    /// Looks after each of so many records, with a spool in that directory that is soon full; the account.
    fn look_after_each(records: u32, dir: Option<&Path>) -> crate::Stats {
        let queue = Arc::new(Queue::new(65_536, Overflow::default(), 50));
        let limits = spool::Options { limit_bytes: SMALLEST_LIMIT, sync_interval: None };
        let spool = dir.map(|dir| open_spool(dir, limits, &queue).expect("it can be opened"));
        let options = Options { batch_size: 50, flush_interval: Duration::from_secs(60) };
        let shared = Shared::new(queue.clone(), Arc::default(), spool, options);
        let watch = Pump::new(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let layer =
            LedgerLayer::new(Rules::builtin(), tracing_subscriber::filter::LevelFilter::TRACE, queue.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for number in 0..records {
                tracing::info!(name: "auto_assign.started", target: "test", number);
                runtime.block_on(watch.fill());
            }
        });
        assert_eq!(shared.is_held_up(), dir.is_some());
        queue.account.stats()
    }

    #[test]
    fn records_that_nobody_takes_are_packed_as_tightly_as_if_nobody_looked() {
        let stats = look_after_each(65_536, None);
        assert_eq!(stats.accepted, 65_536, "{stats}");
    }

    #[test]
    fn so_they_are_behind_a_full_spool() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stats = look_after_each(20_000, Some(&folder.path().join("spool")));
        assert_eq!(stats.accepted, 20_000, "{stats}");
    }
}
