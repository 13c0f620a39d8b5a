//! The background thread: takes records from the queue in batches and gets them into the store.
//!
//! It has two halves, which take turns: one [delivers](delivery), the other [watches](pump) and, where there is a
//! spool, gets every record onto disk. So a store that is away, slow or hanging never keeps a record off the disk,
//! as long as its `insert` awaits and does not block. Without a spool the batch in hand waits for the store, and
//! behind it the queue fills; with one the disk fills first. What happens then is the queue's
//! [`Overflow`](crate::Overflow).
//!
//! A row, with its id and time, is made once, and is tried until the store has it or has refused it all alone. No
//! failure of the store ends the thread, and no panic, be it the store's or the writer's own: it goes on with what
//! it has in hand.
//!
//! The thread runs a current-thread tokio runtime of its own, so that the host needs none, and what it emits is
//! not recorded, so that it never feeds itself. A flush or a stop reaches it at any time: while it waits for
//! records, between two tries, or with an insert that hangs.

mod backoff;
mod batch;
mod control;
mod delivery;
mod drift;
mod losses;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(all(test, ledger_loom))]
mod models;
mod notices;
mod pump;
mod quarantine;
mod shared;
mod source;

use std::io;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tokio::runtime::{self, Runtime};

use self::delivery::Delivery;
use self::notices::Kind;
use self::pump::Pump;
use self::shared::{Shared, caught, unless};
use crate::Error;
use crate::queue::{self, Queue};
use crate::spool::Spool;
use crate::store::Store;

pub use self::control::Quarantined;
pub(crate) use self::control::{CENTURY, Control, Flush, QUARANTINE_KEPT, deadline_in};
pub(crate) use self::source::open_spool;

/// How long the guard waits past a deadline for a writer that keeps it, so as to read its last counts. Only a
/// store that blocks the thread takes longer.
pub(crate) const LAST_STEPS: Duration = Duration::from_millis(50);
/// How soon it goes on after a panic of its own.
const RESTART: Duration = Duration::from_millis(100);

/// How the writer batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Rows of a full batch.
    pub(crate) batch_size: usize,
    /// The longest that a record waits for its batch to fill.
    pub(crate) flush_interval: Duration,
}

/// Starts the thread; its id, for the guard, which must not wait for it from within.
pub(crate) fn start<S: Store>(
    store: S,
    spool: Option<Spool>,
    queue: Arc<Queue>,
    control: Arc<Control>,
    options: Options,
) -> Result<ThreadId, Error> {
    let (ready, started) = crossbeam_channel::bounded(1);
    let thread = thread::Builder::new().name("tracing-ledger".to_owned()).spawn(move || {
        // The first thing made and the last thing dropped: whatever ends the thread, nobody waits for it.
        let _end = End { queue: queue.clone(), control: control.clone() };
        queue::suppress_this_thread();
        match runtime() {
            Ok(runtime) => {
                ready.send(Ok(())).ok();
                runtime.block_on(run(store, &Shared::new(queue, control, spool, options)));
                // Not waiting for a name lookup that hangs on a thread of its own.
                runtime.shutdown_background();
            }
            Err(error) => {
                ready.send(Err(error)).ok();
            }
        }
    });
    let failed = |error| {
        Error::config("the writer's thread cannot be started: see the limits of the process").caused_by(error)
    };
    let id = thread.map_err(failed)?.thread().id();
    match started.recv() {
        Ok(Err(error)) => Err(failed(error)),
        Ok(Ok(())) | Err(_) => Ok(id),
    }
}

/// A runtime whose threads for blocking work are as mute as the writer's own.
fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().on_thread_start(queue::suppress_this_thread).build()
}

/// Both halves, until the delivering one is stopped.
async fn run<S: Store>(store: S, shared: &Shared) {
    let (mut delivery, mut pump) = (Delivery::new(store, shared), Pump::new(shared));
    let delivering = supervise(shared, async || delivery.run().await);
    let watching = supervise(shared, async || pump.run().await);
    unless(delivering, watching).await;
    // The store goes last: it may be slow to drop, or panic.
    shared.finish(delivery.take_leftovers()).await;
}

/// Begins the work again after a panic, until it comes to its end.
async fn supervise(shared: &Shared, mut work: impl AsyncFnMut()) {
    while caught(work()).await.is_err() {
        shared.say(
            Kind::Panic,
            format_args!(
                "the writer panicked and goes on with the rows it has in hand: please report the message of the \
                 panic, which stands above"
            ),
        );
        // In small steps, as an order may come.
        let until = Instant::now() + RESTART;
        while Instant::now() < until && shared.check_deadline().is_ok() {
            tokio::time::sleep(RESTART / 10).await;
        }
    }
}

/// Tells everybody that the thread is gone, however it went.
struct End {
    queue: Arc<Queue>,
    control: Arc<Control>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.queue.close();
        self.control.finished();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;
    use crate::{Overflow, Row};

    fn shared() -> Shared {
        let queue = Arc::new(Queue::new(100, Overflow::default(), 10));
        let options = Options { batch_size: 10, flush_interval: Duration::from_secs(60) };
        Shared::new(queue, Arc::default(), None, options)
    }

    #[test]
    fn after_a_panic_of_its_own_it_goes_on_with_what_it_has_in_hand() {
        let (shared, memory) = (shared(), Memory::default());
        shared.control.ask_stop(Instant::now() + Duration::from_secs(60));
        let row = Row::new(std::time::SystemTime::now(), "test", "test");
        let mut delivery = Delivery::new(memory.clone(), &shared);
        delivery.take(vec![row.clone()]);
        let mut panics = 2;
        let supervised = supervise(&shared, async || {
            panics -= 1;
            assert!(panics < 0, "as the test wants");
            delivery.run().await;
        });
        runtime().expect("a runtime").block_on(supervised);
        assert_eq!(panics, -1);
        assert_eq!(memory.rows(), [row]);
    }
}
