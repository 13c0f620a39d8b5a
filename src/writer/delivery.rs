//! The delivering half of the writer: retries each batch until the store has it.
//!
//! A batch is in hand until each of its rows is stored or quarantined. It stays in hand while the store is away, and
//! after a panic of the writer.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

use super::backoff::Backoff;
use super::bisect::{Batch, Drift, Origin, Rejection};
use super::control::{Control, Orders, Stopped};
use super::finish::Rest;
use super::notices::{LossRows, Notices, Problem};
use super::reach::Reach;
use super::source::{Next, Source};
use super::waiting::Waiting;
use super::{WriterOptions, caught, unless};
use crate::queue::Queue;
use crate::row::Row;
use crate::store::{Attempt, Failure, InsertError, Store};

const PANICKED: &str = "the store panicked; correct the store, whose message is on stderr";

/// The first wait for a record that is counted but not yet in the queue: its thread is about to push it.
const ON_ITS_WAY: Duration = Duration::from_millis(1);
/// The longest wait for the remaining rows of a drain.
const ON_ITS_WAY_LIMIT: Duration = Duration::from_millis(250);
/// The number of rows that tells bad rows from drift.
const ENOUGH_ROWS: usize = 1000;
/// Failures that end when a batch is stored.
pub(super) const STORE_FAILURES: [Problem; 3] = [Problem::Retry, Problem::Hold, Problem::Drift];

pub(super) struct Delivery<'a, S> {
    pub(super) store: S,
    pub(super) source: &'a RefCell<Source>,
    queue: Arc<Queue>,
    pub(super) control: Arc<Control>,
    pub(super) notices: Rc<Notices>,
    flush_interval: Duration,
    /// The batch in delivery.
    pub(super) hand: Option<Batch>,
    drift: Drift,
    losses: LossRows,
    pub(super) waiting: Waiting,
    /// Whether the last batch of rows that do not wait was stored, at least in part.
    pub(super) takes_rows: bool,
    /// The last batch from the spool whose rows are all stored, quarantined or waiting.
    pub(super) done: Option<Origin>,
    backoff: Backoff,
    pub(super) reach: Reach,
    /// Whether a stop has already cut a wait short.
    has_hurried: bool,
    /// The number of the latest finished flush.
    pub(super) flushed: u64,
    /// The moment at which rows no longer wait for a larger batch.
    due: Instant,
}

impl<'a, S: Store> Delivery<'a, S> {
    pub(super) fn new(store: S, source: &'a RefCell<Source>, options: &WriterOptions) -> Self {
        let shared = source.borrow();
        Self {
            store,
            source,
            queue: shared.queue.clone(),
            control: shared.control.clone(),
            notices: shared.notices.clone(),
            flush_interval: options.flush_interval,
            hand: None,
            drift: Drift::default(),
            losses: LossRows::new(&options.constants),
            waiting: Waiting::new(options.reference_timeout),
            takes_rows: false,
            done: None,
            backoff: Backoff::default(),
            reach: Reach::default(),
            has_hurried: false,
            flushed: 0,
            due: Instant::now() + options.flush_interval,
        }
    }

    #[cfg(test)]
    pub(super) fn take(&mut self, rows: Vec<Row>) {
        self.hand = Some(Batch::new(rows, Origin::Queue));
    }

    /// Works until a stop.
    pub(super) async fn run(&mut self) {
        loop {
            let orders = self.control.orders();
            if self.round(orders).await.is_err() || orders.stop.is_some() {
                return;
            }
            self.reach().await;
            self.rest(orders).await;
        }
    }

    /// Removes the rows that are neither stored nor on disk.
    pub(super) fn take_rest(&mut self) -> Rest {
        let mut rest = Rest { rows: Vec::new(), about_losses: Vec::new() };
        self.source.borrow_mut().renew_if_gone().ok();
        if let Some(batch) = self.hand.take() {
            match batch.origin() {
                Origin::Ledger => rest.about_losses = batch.into_rows(),
                // These rows are copies.
                Origin::Waiting { .. } => {}
                origin if self.source.borrow().is_on_disk(origin) => {}
                _ => rest.rows = batch.into_rest(),
            }
        }
        rest.rows.extend(self.waiting.take_rest(|origin| self.source.borrow().is_on_disk(origin)));
        rest.about_losses.extend(self.losses.take_deferred().into_iter().flat_map(Batch::into_rows));
        rest.about_losses.extend(self.losses.make(&self.queue.account));
        rest
    }

    async fn round(&mut self, orders: Orders) -> Result<(), Stopped> {
        let everything = orders.flushes > self.flushed || orders.stop.is_some() || Instant::now() >= self.due;
        self.drain(everything).await?;
        self.retry_waiting(orders).await?;
        if everything {
            self.due = Instant::now() + self.flush_interval;
            if let Some(reason) = self.waiting.endless() {
                // A flush is late, by its own timeout and with this reason.
                self.control.set_failure(Some(reason.to_owned()));
            } else {
                self.flushed = orders.flushes;
                self.control.flushed(self.flushed);
            }
        }
        if orders.stop.is_some() || !self.losses.are_fresh() {
            self.write_losses().await?;
        }
        Ok(())
    }

    /// Writes the rows that are there now: all of them, or only full batches. Later rows are left for the next round,
    /// so that orders are obeyed under any load.
    async fn drain(&mut self, everything: bool) -> Result<(), Stopped> {
        self.deliver().await?;
        let mut goal = self.source.borrow().goal(everything);
        let mut patience = ON_ITS_WAY;
        loop {
            self.control.check_deadline()?;
            self.source.borrow_mut().fill_batch();
            let next = self.source.borrow_mut().next(&mut goal);
            match next {
                Ok(Next::Done) => return Ok(()),
                Ok(Next::NotYet) => {
                    tokio::time::sleep(patience).await;
                    patience = (2 * patience).min(ON_ITS_WAY_LIMIT);
                }
                Ok(Next::Batch(batch)) => {
                    patience = ON_ITS_WAY;
                    self.hand = Some(batch);
                    self.deliver().await?;
                    // The pumping half has to run even if the store never waits.
                    yield_now().await;
                }
                Err(error) => {
                    self.notices.say(Problem::Spool, format_args!("{error:#}"));
                    self.pause().await;
                }
            }
        }
    }

    /// Writes rows about losses.
    async fn write_losses(&mut self) -> Result<(), Stopped> {
        if let Some(rows) = self.losses.take_deferred() {
            self.hand = Some(rows);
            self.deliver().await?;
        }
        if self.losses.are_deferred() {
            return Ok(());
        }
        let rows = self.losses.make(&self.queue.account);
        if !rows.is_empty() {
            self.hand = Some(Batch::new(rows, Origin::Ledger));
            self.deliver().await?;
        }
        Ok(())
    }

    /// Delivers the batch in hand until each of its rows is stored or quarantined.
    pub(super) async fn deliver(&mut self) -> Result<(), Stopped> {
        while self.try_next().await? {
            self.widen();
        }
        self.settle().await;
        Ok(())
    }

    /// If each remaining row was rejected alone, takes in later rows. These tell bad rows from drift, and good rows
    /// do not wait behind a few bad ones. If the later rows come from the spool, the rows in hand are first put on
    /// disk.
    fn widen(&mut self) {
        let mut source = self.source.borrow_mut();
        let enough = source.batch_size.max(ENOUGH_ROWS);
        let may_join = |batch: &Batch| batch.is_stuck() && batch.has_room(enough);
        let Some(batch) = self.hand.take_if(|batch| may_join(batch)) else {
            return;
        };
        let origin = batch.origin();
        let is_copy = matches!(origin, Origin::Ledger | Origin::Waiting { .. });
        if !is_copy && source.has_spool() && !source.is_on_disk(origin) {
            source.take_back(batch.into_rest());
        } else {
            self.hand = Some(match source.more(origin) {
                Some(more) => batch.join(more),
                None => batch,
            });
        }
    }

    /// Returns `false` if no piece is left.
    async fn try_next(&mut self) -> Result<bool, Stopped> {
        let Some((rows, attempt)) = self.hand.as_mut().and_then(Batch::next) else { return Ok(false) };
        self.reach.has_row();
        match insert(&mut self.store, self.source, &self.control, rows, attempt).await? {
            Ok(()) => self.stored(),
            Err(error) => self.failed(&error).await,
        }
        Ok(true)
    }

    fn stored(&mut self) {
        let Some(batch) = &mut self.hand else { return };
        let origin = batch.origin();
        if matches!(origin, Origin::Waiting { .. }) {
            self.waiting.remove(batch.piece());
        } else {
            self.takes_rows = true;
        }
        let rows = batch.stored();
        self.source.borrow().count_out(origin, rows);
        if origin == Origin::Ledger {
            self.notices.end(&[Problem::LossRows]);
        } else {
            self.queue.account.write(rows);
        }
        self.backoff.reset();
        self.control.set_failure(None);
        self.notices.say_recovered(&STORE_FAILURES, "rows are being written again");
    }

    /// Decides what to try next. Waits if the failure has to pass by itself or someone has to fix the database.
    async fn failed(&mut self, error: &InsertError) {
        let is_rejected = !matches!(error.failure(), Failure::Retry | Failure::Halve);
        if is_rejected && let Some(rows) = self.hand.take_if(|batch| batch.origin() == Origin::Ledger) {
            return self.hold_losses(rows, error);
        }
        if self.let_wait(error) {
            return;
        }
        let Some(batch) = &mut self.hand else { return };
        let (notice, what) = match error.failure() {
            Failure::Quarantine | Failure::Reject | Failure::Reference { .. }
                if batch.reject(error, &self.drift) == Rejection::Row =>
            {
                return;
            }
            Failure::Halve if batch.halve() => return,
            Failure::Quarantine | Failure::Reject | Failure::Reference { .. } => (
                Problem::Drift,
                "the database rejects too many rows; rows are kept until it takes them again",
            ),
            Failure::Hold | Failure::Wait => {
                (Problem::Hold, "the database rejects writes until someone fixes it; rows are kept")
            }
            Failure::Retry | Failure::Halve => {
                // Others may be stored that this piece keeps waiting.
                batch.put_last();
                (Problem::Retry, "the database cannot be written; rows are kept and tried again")
            }
        };
        self.notices.say(notice, format_args!("{what}: {error}"));
        self.control.set_failure(Some(error.to_string()));
        // A batch of waiting rows is not retried here, because it would hold up other rows.
        let waits = |batch: &mut Batch| matches!(batch.origin(), Origin::Waiting { .. });
        if !is_rejected || self.hand.take_if(waits).is_none() {
            self.takes_rows = false;
            self.pause().await;
        }
    }

    /// Keeps rows about losses for later, because the table may still take other rows.
    fn hold_losses(&mut self, rows: Batch, error: &InsertError) {
        self.notices.say(
            Problem::LossRows,
            format_args!("the ledger.loss rows are kept until the table takes them: {error}"),
        );
        self.losses.defer(rows);
    }

    /// Quarantines the rejected rows of the batch in hand, and ends its delivery.
    async fn settle(&mut self) {
        let Some(batch) = &self.hand else { return };
        let origin = batch.origin();
        if !matches!(origin, Origin::Ledger | Origin::Waiting { .. }) {
            self.drift.note(batch.len(), batch.rejected());
        }
        while let Some((row, reason)) = self.hand.as_mut().and_then(Batch::pop_rejected) {
            self.waiting.remove(std::slice::from_ref(&row));
            self.source.borrow_mut().quarantine(row, reason, origin);
            // Each quarantined row waits for the disk to sync. Records on their way to the disk need not wait for all
            // of these rows.
            yield_now().await;
        }
        self.hand = None;
        self.acknowledge(origin);
    }

    /// Waits before the next try. A flush shortens the wait, and a stop ends one wait.
    async fn pause(&mut self) {
        let (wait, started) = (self.backoff.next(), Instant::now());
        loop {
            let orders = self.control.orders();
            if orders.stop.is_some() && !std::mem::replace(&mut self.has_hurried, true) {
                return;
            }
            let wait = if orders.flushes > self.flushed { wait.hurried } else { wait.usual };
            let until = orders.stop.map_or(started + wait, |deadline| deadline.min(started + wait));
            if !self.control.woken_by(until).await {
                return;
            }
        }
    }

    /// Waits for enough rows, for an order newer than `orders`, or for the flush interval.
    async fn rest(&self, orders: Orders) {
        if self.control.orders() == orders && !self.source.borrow().has_enough() {
            let until =
                [self.waiting.next(), self.reach.at()].into_iter().flatten().fold(self.due, Instant::min);
            self.control.woken_by(until).await;
        }
    }
}

/// One try, which ends with the store's answer or at the deadline of a stop.
///
/// A panic of the store counts as a failure that may pass. The panic's message may hold secrets, and the panic hook has
/// printed it, so it is not passed on.
async fn insert<S: Store>(
    store: &mut S,
    source: &RefCell<Source>,
    control: &Control,
    rows: &[Row],
    attempt: Attempt,
) -> Result<Result<(), InsertError>, Stopped> {
    control.check_deadline()?;
    // Boxed, because each enclosing future holds it twice and the futures of a driver are large.
    let insert = caught(Box::pin(async { store.insert(rows, attempt).await }));
    let insert = unless(insert, run_ahead(source));
    let inserted = unless(insert, control.deadline()).await.flatten().ok_or(Stopped)?;
    Ok(inserted.unwrap_or_else(|_| Err(InsertError::new(Failure::Retry, PANICKED))))
}

/// Makes rows of the next batch while the store has the current one. Never ends.
async fn run_ahead(source: &RefCell<Source>) {
    while source.borrow_mut().run_ahead() {
        // Lets the store run.
        yield_now().await;
    }
    std::future::pending().await
}
