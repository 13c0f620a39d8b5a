//! The pumping half of the writer: goes on whatever the store does.
//!
//! With a spool it gets records onto disk: [`TICK`] after the last time at the latest, and at once when a batch is
//! full, or when a record comes after a while of silence. It wakes the delivering half for orders, reports losses, and syncs
//! the disk. The two halves share a thread: a disk that takes long to answer delays both.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::yield_now;
use tokio::time::timeout_at;

use super::control::Control;
use super::notices::Notices;
use super::source::Source;
use crate::census::Census;
use crate::queue::Queue;

/// How long a record waits for others on its way to the disk. Half of the promised time, so that a busy machine
/// keeps the promise too.
const TICK: Duration = Duration::from_millis(10);
/// After so many ticks without a record the next record wakes the thread, and no tick does: an idle service is left alone.
const QUIET_TICKS: u32 = 50;
/// The longest wait, so that losses are reported soon.
const LOOK_AROUND: Duration = Duration::from_secs(1);

pub(super) struct Pump<'a> {
    source: &'a RefCell<Source>,
    queue: Arc<Queue>,
    control: Arc<Control>,
    notices: Rc<Notices>,
    census: Arc<Census>,
    has_spool: bool,
    /// Records accepted at the last look.
    seen: u64,
    /// Looks in a row that found none.
    quiet: u32,
}

impl<'a> Pump<'a> {
    pub(super) fn new(source: &'a RefCell<Source>, census: Arc<Census>) -> Self {
        let shared = source.borrow();
        let (queue, control, notices) =
            (shared.queue.clone(), shared.control.clone(), shared.notices.clone());
        let has_spool = shared.has_spool();
        Self { source, queue, control, notices, census, has_spool, seen: 0, quiet: 0 }
    }

    /// Works until it is dropped.
    pub(super) async fn run(&mut self) {
        loop {
            if self.wait().await {
                // First, so that an order reaches the other half even if a panic ends this round.
                self.control.wake();
            }
            self.fill().await;
            self.source.borrow_mut().sync(Instant::now());
            if self.has_spool && self.source.borrow().has_enough() {
                self.control.wake();
            }
            // Last, as it may run code of the host.
            self.notices.report();
            self.census.look(&self.queue.route);
            // A queue that is never empty must not keep the store waiting.
            yield_now().await;
        }
    }

    /// Gets onto disk what is in the queue now. The store has its turn again and again.
    async fn fill(&self) {
        // A mark sends every thread's chunk, and a chunk that is nearly empty takes as much memory as a full one. So no
        // mark is taken while the disk takes nothing.
        if !self.has_spool || (self.has_unspooled() && !self.fill_some()) {
            return;
        }
        let mark = self.queue.mark();
        while self.fill_some() && !self.queue.is_past(mark) {
            yield_now().await;
        }
    }

    fn fill_some(&self) -> bool {
        self.source.borrow_mut().fill()
    }

    fn has_unspooled(&self) -> bool {
        self.source.borrow().has_unspooled()
    }

    /// Waits for records, an order or the tick. Returns whether the wait was cut short.
    async fn wait(&mut self) -> bool {
        let accepted = self.queue.account.accepted();
        self.quiet = if accepted == self.seen { self.quiet.saturating_add(1) } else { 0 };
        self.seen = accepted;
        let until = Instant::now() + self.patience();
        let until = self.source.borrow().next_sync().map_or(until, |sync| sync.min(until));
        timeout_at(until.into(), self.queue.woken()).await.is_ok()
    }

    /// How long to wait at most. Makes the right record end the wait earlier.
    fn patience(&self) -> Duration {
        if !self.has_spool {
            return LOOK_AROUND;
        }
        let is_quiet = self.quiet >= QUIET_TICKS;
        match is_quiet {
            _ if self.has_unspooled() => TICK,
            true if self.queue.listen() => LOOK_AROUND,
            false if self.queue.gather() => TICK,
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use tracing_subscriber::prelude::*;

    use super::super::open_spool;
    use super::*;
    use crate::layer::LedgerLayer;
    use crate::queue::{Overflow, Queue, Stats};
    use crate::rules::Rules;
    use crate::spool::{self, SMALLEST_LIMIT};

    /// Looks after each of so many records, with a spool in that directory that is soon full; the account.
    fn look_after_each(records: u32, dir: Option<&Path>) -> Stats {
        let queue = Arc::new(Queue::new(65_536, Overflow::default(), 50));
        let limits = spool::SpoolOptions { limit_bytes: SMALLEST_LIMIT, sync_interval: None };
        let spool = dir.map(|dir| open_spool(dir, limits, &queue).expect("it can be opened"));
        let notices = Rc::new(Notices::new(queue.clone()));
        let census = Census::of_nothing();
        let source = Source::new(queue.clone(), Arc::default(), notices, Arc::clone(&census), 50, spool);
        let source = RefCell::new(source);
        let pump = Pump::new(&source, census);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let layer =
            LedgerLayer::new(Rules::builtin(), tracing_subscriber::filter::LevelFilter::TRACE, queue.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for number in 0..records {
                tracing::info!(name: "auto_assign.started", target: "test", number);
                runtime.block_on(pump.fill());
            }
        });
        assert_eq!(pump.has_unspooled(), dir.is_some());
        queue.account.stats()
    }

    #[test]
    fn records_that_nobody_takes_are_packed_as_tightly_as_if_nobody_looked() {
        let stats = look_after_each(65_536, None);
        assert_eq!(stats.accepted, 65_536, "{stats}");
    }

    #[test]
    fn records_behind_a_full_spool_are_packed_as_tightly() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stats = look_after_each(20_000, Some(&folder.path().join("spool")));
        assert_eq!(stats.accepted, 20_000, "{stats}");
    }
}
