//! The background thread: takes records from the queue in batches and gets them into the store.
//!
//! A record is out of the queue for good once it is taken: its event, with its id and time, is made then and
//! never again, and is tried until the store has it or has refused it all alone. While the store is away the
//! batch in hand waits, and behind it the queue fills; what happens then is the queue's
//! [`Overflow`](crate::Overflow). A failure of the store, a panic included, never ends the thread.
//!
//! The thread runs a current-thread tokio runtime of its own, so that the host needs none, and what it emits is
//! not recorded, so that it never feeds itself. A flush or a stop reaches it at any time: while it waits for
//! records, between two tries, or with an insert that hangs.

mod backoff;
mod batch;
mod control;
mod trouble;

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tokio::runtime::{self, Runtime};
use tokio::time::timeout_at;

use self::backoff::Backoff;
use self::batch::{Batch, Blame};
use self::control::Orders;
use self::trouble::{Kind, Troubles};
use crate::event::Anchor;
use crate::queue::{self, Queue};
use crate::store::{Attempt, Failure, InsertError, Store};
use crate::{Error, Event, alarm};

pub use self::control::QUARANTINE_KEPT;
pub(crate) use self::control::{Control, Flush, deadline_in};

/// The most bytes of records in one batch, give or take one record.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How soon to look again for a record that is counted in and not yet in the channel: its thread is between two
/// instructions.
const ON_ITS_WAY: Duration = Duration::from_millis(1);
/// How long the guard waits past a deadline for a writer that keeps it, so as to read its last counts. Only a
/// store that blocks the thread takes longer.
pub(crate) const LAST_STEPS: Duration = Duration::from_millis(50);
/// Trouble that the next stored batch ends.
const STORE_TROUBLE: [Kind; 3] = [Kind::Retry, Kind::Hold, Kind::Drift];

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
    queue: Arc<Queue>,
    control: Arc<Control>,
    options: Options,
) -> Result<ThreadId, Error> {
    let (ready, started) = crossbeam_channel::bounded(1);
    let thread = thread::Builder::new().name("tracing-ledger".to_owned()).spawn(move || {
        // The first thing made and the last thing dropped: whatever ends the thread, nobody waits for it.
        let _end = End { queue: queue.clone(), control: control.clone() };
        queue::mute_this_thread();
        match runtime() {
            Ok(runtime) => {
                ready.send(Ok(())).ok();
                runtime.block_on(Writer::new(store, queue, control, options).run());
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
    runtime::Builder::new_current_thread().enable_all().on_thread_start(queue::mute_this_thread).build()
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

/// The deadline of a stop has passed: whatever is left stays unwritten.
struct Stopped;

/// What lives on the thread.
struct Writer<S> {
    store: S,
    queue: Arc<Queue>,
    control: Arc<Control>,
    options: Options,
    backoff: Backoff,
    troubles: Troubles,
    /// The orders that have already cut a wait between two tries short.
    heard: Orders,
}

impl<S: Store> Writer<S> {
    fn new(store: S, queue: Arc<Queue>, control: Arc<Control>, options: Options) -> Self {
        let (backoff, troubles, heard) = Default::default();
        Self { store, queue, control, options, backoff, troubles, heard }
    }

    /// Works until it is stopped.
    async fn run(mut self) {
        let mut flushed = 0;
        let mut due = Instant::now() + self.options.flush_interval;
        loop {
            let orders = self.control.orders();
            let everything = orders.flushes > flushed || orders.stop.is_some() || Instant::now() >= due;
            let stopped = self.drain(everything).await.is_err();
            self.say_losses();
            if stopped || orders.stop.is_some() {
                return;
            }
            if everything {
                flushed = orders.flushes;
                self.control.flushed(flushed);
                due = Instant::now() + self.options.flush_interval;
            }
            self.rest(flushed, due).await;
        }
    }

    /// Writes what is in the queue now: all of it, or as many full batches as there are. What comes in meanwhile
    /// is left for the next time, so that orders are heard under any load.
    async fn drain(&mut self, everything: bool) -> Result<(), Stopped> {
        let mark = self.queue.accepted();
        while !self.queue.is_past(mark) && (everything || self.queue.has_enough()) {
            self.check_deadline()?;
            let events = self.collect();
            if events.is_empty() {
                tokio::time::sleep(ON_ITS_WAY).await;
            } else {
                self.deliver(Batch::new(events)).await?;
            }
        }
        Ok(())
    }

    /// The next batch. From here on the ids and times of its events are fixed.
    fn collect(&self) -> Vec<Event> {
        let anchor = Anchor::now();
        let mut events = Vec::new();
        for chunk in self.queue.take(self.options.batch_size, BATCH_BYTES) {
            // Only records that a rule makes a row of are pushed: none falls out here.
            events.extend(chunk.iter().filter_map(|(head, values)| Event::from_record(head, values, anchor)));
            self.queue.recycle(chunk);
        }
        events
    }

    /// Gets every event of the batch into the store, or out of the way.
    async fn deliver(&mut self, mut batch: Batch) -> Result<(), Stopped> {
        while let Some((events, attempt)) = batch.next() {
            match self.insert(events, attempt).await? {
                Ok(()) => {
                    self.queue.count_written(batch.stored());
                    self.recover();
                }
                Err(error) => self.fail(&mut batch, &error).await,
            }
        }
        self.quarantine(batch);
        Ok(())
    }

    /// One try, for as long as it takes or until the deadline of a stop.
    async fn insert(
        &mut self,
        events: &[Event],
        attempt: Attempt,
    ) -> Result<Result<(), InsertError>, Stopped> {
        self.check_deadline()?;
        let insert = caught(async { self.store.insert(events, attempt).await });
        unless(insert, deadline(&self.queue, &self.control)).await.ok_or(Stopped)
    }

    /// Decides what to try next, and waits where nothing can be done but wait.
    async fn fail(&mut self, batch: &mut Batch, error: &InsertError) {
        let (kind, what) = match error.failure() {
            Failure::Quarantine if batch.blame(error) == Blame::Narrowed => return,
            Failure::Halve if batch.halve() => return,
            Failure::Quarantine => (
                Kind::Drift,
                "more than a tenth of a batch is refused, as after a change of the schema; rows are kept until \
                 the table takes them again",
            ),
            Failure::Hold => (Kind::Hold, "the database needs a person; rows are kept until it takes them"),
            Failure::Retry | Failure::Halve => {
                (Kind::Retry, "the database cannot be written; rows are kept and tried again")
            }
        };
        if self.troubles.raise(kind) {
            alarm::say(format_args!("{what}: {error}"));
        }
        self.control.set_trouble(Some(error.to_string()));
        self.say_losses();
        self.pause().await;
    }

    fn recover(&mut self) {
        self.backoff.reset();
        self.control.set_trouble(None);
        if self.troubles.over(&STORE_TROUBLE) {
            alarm::say(format_args!("rows are being written again"));
        }
    }

    fn quarantine(&mut self, batch: Batch) {
        let (poison, reason) = batch.into_poison();
        let rows = poison.len();
        if rows == 0 {
            return;
        }
        self.control.quarantine(poison);
        self.queue.count_quarantined(rows);
        if self.troubles.raise(Kind::Quarantine) {
            alarm::say(format_args!(
                "{rows} rows can never be stored and are set aside, see Guard::quarantined: {reason}"
            ));
        }
    }

    /// Waits before the next try. A new order cuts it short: whoever asks wants to know now.
    async fn pause(&mut self) {
        let until = Instant::now() + self.backoff.next();
        loop {
            let orders = self.control.orders();
            if orders != self.heard {
                self.heard = orders;
                self.backoff.reset();
                return;
            }
            let until = orders.stop.map_or(until, |deadline| deadline.min(until));
            if timeout_at(until.into(), self.queue.woken()).await.is_err() {
                return;
            }
        }
    }

    /// Waits for enough records, an order or the tick.
    async fn rest(&self, flushed: u64, due: Instant) {
        let orders = self.control.orders();
        if orders.flushes == flushed && orders.stop.is_none() && self.queue.gather() {
            timeout_at(due.into(), self.queue.woken()).await.ok();
        }
    }

    fn check_deadline(&self) -> Result<(), Stopped> {
        let deadline = self.control.orders().stop;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) { Err(Stopped) } else { Ok(()) }
    }

    fn say_losses(&mut self) {
        for line in self.troubles.losses(self.queue.stats(), self.queue.is_full()) {
            alarm::say(format_args!("{line}"));
        }
    }
}

/// Ends when the deadline of a stop passes, whenever that stop is asked for.
async fn deadline(queue: &Queue, control: &Control) {
    loop {
        match control.orders().stop {
            None => queue.woken().await,
            Some(deadline) if timeout_at(deadline.into(), queue.woken()).await.is_err() => return,
            Some(_) => {}
        }
    }
}

/// A panic of the store as a failure that may pass. Its text is not passed on: the panic hook has printed it, and
/// it is not known to be free of secrets.
async fn caught(insert: impl Future<Output = Result<(), InsertError>>) -> Result<(), InsertError> {
    let mut insert = pin!(insert);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| insert.as_mut().poll(context)))
            .unwrap_or_else(|_| Poll::Ready(Err(InsertError::new(Failure::Retry, "the store panicked"))))
    })
    .await
}

/// What `work` comes to, or `None` when `end` comes first.
async fn unless<T>(work: impl Future<Output = T>, end: impl Future<Output = ()>) -> Option<T> {
    let (mut work, mut end) = (pin!(work), pin!(end));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}
