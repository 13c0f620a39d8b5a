//! The background thread: takes records from the queue in batches and gets them into the store.
//!
//! The way of a row: [source](source) → [delivery](delivery) → [bisection](bisect) where the store rejects it →
//! [quarantine](quarantine) where it is rejected alone → [finish](finish). A row that refers to something that is not there
//! yet [waits](waiting) beside it. With a spool it goes [by way of the
//! disk](spooling). Beside that way are the [waits](backoff) between two tries and the [notices](notices) about failures.
//!
//! The thread has two halves, which take turns: one [delivers](delivery), the other [pumps](pump) records onto disk, where
//! there is a spool. So a store that is away, slow or hanging never keeps a record off the disk, as long as its `insert`
//! awaits and does not block. Without a spool the batch in hand waits for the store, and behind it the queue fills. With a
//! spool the disk fills first. Then the queue's [`Overflow`](crate::Overflow) decides.
//!
//! A row, with its id and time, is made once, and is tried until the store has it or has rejected it alone. No
//! failure of the store ends the thread, and no panic does, of the store or of the writer itself: it goes on with the batch
//! in hand.
//!
//! The thread runs a current-thread tokio runtime of its own, so that the host needs none. The ledger records nothing of
//! this thread, so that it never feeds itself. A flush or a stop reaches it at any time: while it waits for
//! records, between two tries, or with an insert that hangs.

mod backoff;
mod bisect;
mod control;
mod delivery;
mod finish;
#[cfg(all(test, ledger_loom))]
mod models;
mod notices;
mod pump;
mod quarantine;
mod reach;
mod source;
mod spooling;
mod waiting;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tokio::runtime::{self, Runtime};

use self::delivery::Delivery;
use self::finish::finish;
use self::notices::{Notices, Problem};
use self::pump::Pump;
use self::source::Source;
use crate::census::Census;
use crate::error::Error;
use crate::queue::Queue;
use crate::spool::Spool;
use crate::store::Store;
use crate::suppressed;

pub use self::control::Quarantined;
pub(crate) use self::control::{CENTURY, Control, Flush, QUARANTINE_KEPT, deadline_in};
pub(crate) use self::spooling::open_spool;

/// How long past a deadline the guard waits for a writer that keeps the deadline, so as to read its last counts. Only a
/// store that blocks the thread takes longer.
pub(crate) const LAST_STEPS: Duration = Duration::from_millis(50);
/// How soon the writer goes on after it has panicked.
const RESTART: Duration = Duration::from_millis(100);

/// How the writer batches.
#[derive(Debug)]
pub(crate) struct WriterOptions {
    /// Rows of a full batch.
    pub(crate) batch_size: usize,
    /// The longest that a record waits for its batch to fill.
    pub(crate) flush_interval: Duration,
    /// How long a row waits for the booking or restaurant that it refers to.
    pub(crate) reference_timeout: Duration,
    /// Constants of all rows, for those about losses.
    pub(crate) constants: Vec<(String, serde_json::Value)>,
}

/// Starts the thread. Returns its id, because the guard must not wait on that thread for itself.
///
/// # Errors
/// When the thread, or the runtime in it, cannot be started.
pub(crate) fn start<S: Store>(
    store: S,
    spool: Option<Spool>,
    queue: Arc<Queue>,
    control: Arc<Control>,
    options: WriterOptions,
    census: Arc<Census>,
) -> Result<ThreadId, Error> {
    let (ready, started) = crossbeam_channel::bounded(1);
    let thread = thread::Builder::new().name("tracing-ledger".to_owned()).spawn(move || {
        // Made first and dropped last: however the thread ends, no caller waits for it.
        let _end = EndOfThread { queue: queue.clone(), control: control.clone() };
        suppressed::suppress_this_thread();
        queue.route.take_thread();
        match runtime() {
            Ok(runtime) => {
                ready.send(Ok(())).ok();
                runtime.block_on(run(store, spool, queue, control, options, census));
                // Does not wait for a name lookup, which may hang on another thread.
                runtime.shutdown_background();
            }
            Err(error) => {
                ready.send(Err(error)).ok();
            }
        }
    });
    let failed = |error| {
        Error::config(
            "the writer's thread cannot be started: raise the limits of the process on threads and open files",
        )
        .caused_by(error)
    };
    let id = thread.map_err(failed)?.thread().id();
    // Without files for its drivers, tokio may panic, which drops the sender.
    let started = started.recv().unwrap_or_else(|_| Err(io::Error::other("the writer's thread panicked")));
    started.map(|()| id).map_err(failed)
}

/// A runtime whose threads for blocking work are suppressed like the writer's: the ledger records nothing from them.
fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(suppressed::suppress_this_thread)
        .build()
}

/// Both halves, until the delivering one is stopped.
async fn run<S: Store>(
    store: S,
    spool: Option<Spool>,
    queue: Arc<Queue>,
    control: Arc<Control>,
    options: WriterOptions,
    census: Arc<Census>,
) {
    let notices = Rc::new(Notices::new(queue.clone()));
    let of_source = Arc::clone(&census);
    let source = Source::new(queue, control.clone(), notices.clone(), of_source, options.batch_size, spool);
    let source = RefCell::new(source);
    let mut delivery = Delivery::new(store, &source, &options);
    let mut pump = Pump::new(&source, census);
    let delivering = supervise(&control, &notices, async || delivery.run().await);
    let pumping = supervise(&control, &notices, async || pump.run().await);
    unless(delivering, pumping).await;
    // The store goes last: it may be slow to drop, or panic.
    finish(&source, delivery.take_rest()).await;
}

/// Begins the work again after a panic, until it comes to its end.
async fn supervise(control: &Control, notices: &Notices, mut work: impl AsyncFnMut()) {
    while caught(work()).await.is_err() {
        notices.say(
            Problem::Panic,
            format_args!(
                "the writer panicked and goes on with the rows it has in hand: please report the message of the \
                 panic, which stands above"
            ),
        );
        // In small steps, as an order may come.
        let until = Instant::now() + RESTART;
        while Instant::now() < until && control.check_deadline().is_ok() {
            tokio::time::sleep(RESTART / 10).await;
        }
    }
}

/// The work panicked. The panic hook has printed the message.
struct Panicked;

/// Runs work that may panic, and returns the panic as an error.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context).map(Ok)))
            .unwrap_or(Poll::Ready(Err(Panicked)))
    })
    .await
}

/// The result of `work`, or `None` when `end` comes first.
async fn unless<T>(work: impl Future<Output = T>, end: impl Future<Output = ()>) -> Option<T> {
    let (mut work, mut end) = (pin!(work), pin!(end));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Ends every wait for the thread, however it ended.
struct EndOfThread {
    queue: Arc<Queue>,
    control: Arc<Control>,
}

impl Drop for EndOfThread {
    fn drop(&mut self) {
        self.queue.close();
        self.control.finished();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Overflow;
    use crate::row::Row;
    use crate::store::Memory;

    #[test]
    fn after_a_panic_of_its_own_it_goes_on_with_what_it_has_in_hand() {
        let queue = Arc::new(Queue::new(100, Overflow::default(), 10));
        let (control, memory) = (Arc::<Control>::default(), Memory::default());
        let notices = Rc::new(Notices::new(queue.clone()));
        let source = Source::new(queue, control.clone(), notices.clone(), Census::of_nothing(), 10, None);
        let source = RefCell::new(source);
        control.ask_stop(Instant::now() + Duration::from_secs(60));
        let row = Row::new(std::time::SystemTime::now(), "test", "test");
        let minute = Duration::from_secs(60);
        let (flush_interval, reference_timeout) = (minute, minute);
        let options =
            WriterOptions { batch_size: 10, flush_interval, reference_timeout, constants: Vec::new() };
        let mut delivery = Delivery::new(memory.clone(), &source, &options);
        delivery.take(vec![row.clone()]);
        let mut panics = 2;
        let supervised = supervise(&control, &notices, async || {
            panics -= 1;
            assert!(panics < 0, "as the test wants");
            delivery.run().await;
        });
        runtime().expect("a runtime").block_on(supervised);
        assert_eq!(panics, -1);
        assert_eq!(memory.rows(), [row]);
    }
}
