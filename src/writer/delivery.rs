//! The delivering half of the writer: gets batches into the store, however often it takes.
//!
//! While the store is away the batch in hand waits. It is in hand until every row of it is stored or set aside,
//! and what it has in hand outlives a panic of its own.

use std::time::{Duration, Instant};

use tokio::task::yield_now;
use tokio::time::timeout_at;

use super::backoff::Backoff;
use super::batch::{Batch, Blame, Origin};
use super::control::Orders;
use super::drift::Drift;
use super::losses::Losses;
use super::notices::Kind;
use super::quarantine::Quarantine;
use super::shared::{Shared, Stopped, caught, unless};
use super::source::Next;
use crate::store::{Attempt, Failure, InsertError, Store};
use crate::{Row, stderr};

/// How soon to look again for a record that is counted in and not yet in the channel: its thread is between two
/// instructions.
pub(super) const ON_ITS_WAY: Duration = Duration::from_millis(1);
/// At least so many rows tell whether the schema has drifted, where there are as many.
const ENOUGH_ROWS: usize = 1000;
/// Trouble that the next stored batch ends.
const STORE_TROUBLE: [Kind; 3] = [Kind::Retry, Kind::Hold, Kind::Drift];

pub(super) struct Delivery<'a, S> {
    store: S,
    shared: &'a Shared,
    /// What is being delivered.
    hand: Option<Batch>,
    drift: Drift,
    aside: Quarantine,
    losses: Losses,
    backoff: Backoff,
    /// The orders that have already cut a wait between two tries short.
    heard: Orders,
    /// Rows went back to the spool, behind what was there, and belong to what is being drained.
    is_put_back: bool,
    /// The latest flush that is done.
    flushed: u64,
    /// When rows that wait for others have waited enough.
    due: Instant,
}

/// Rows that are only in memory when the writer ends.
pub(super) struct Leftovers {
    /// Rows on losses.
    pub(super) untold: Vec<Row>,
    /// Those of a batch in hand that went past the disk, or was on it until somebody removed the files.
    pub(super) unsaved: Vec<Row>,
}

impl<'a, S: Store> Delivery<'a, S> {
    pub(super) fn new(store: S, shared: &'a Shared) -> Self {
        let (hand, drift, aside, losses, backoff, heard, is_put_back, flushed) = Default::default();
        let due = Instant::now() + shared.options.flush_interval;
        Self { store, shared, hand, drift, aside, losses, backoff, heard, is_put_back, flushed, due }
    }

    #[cfg(test)]
    pub(super) fn take(&mut self, rows: Vec<Row>) {
        self.hand = Some(Batch::new(rows, Origin::Queue));
    }

    /// Works until it is stopped.
    pub(super) async fn run(&mut self) {
        loop {
            let orders = self.shared.control.orders();
            if self.round(orders).await.is_err() || orders.stop.is_some() {
                return;
            }
            self.rest(orders).await;
        }
    }

    /// What no store has and no disk.
    pub(super) fn take_leftovers(&mut self) -> Leftovers {
        self.shared.look();
        let (mut untold, mut unsaved) = (Vec::new(), Vec::new());
        match self.hand.take().map(|batch| (batch.origin(), batch)) {
            Some((Origin::Ledger, batch)) => untold = batch.into_rows(),
            Some((Origin::Queue, batch)) => unsaved = batch.into_rest(),
            Some((origin, batch)) if self.shared.is_in_memory_alone(origin) => unsaved = batch.into_rest(),
            _ => {}
        }
        unsaved.extend(self.aside.take_unsaved(self.shared));
        untold.extend(self.losses.take_put_off().into_iter().flat_map(Batch::into_rows));
        untold.extend(self.losses.take(&self.shared.queue.account));
        Leftovers { untold, unsaved }
    }

    async fn round(&mut self, orders: Orders) -> Result<(), Stopped> {
        let everything = orders.flushes > self.flushed || orders.stop.is_some() || Instant::now() >= self.due;
        self.drain(everything).await?;
        self.work_off_aside().await;
        if everything {
            self.due = Instant::now() + self.shared.options.flush_interval;
            if self.aside.trouble().is_none() {
                self.flushed = orders.flushes;
                self.shared.control.flushed(self.flushed);
            }
        }
        if orders.stop.is_some() || !self.losses.are_fresh() {
            self.tell_losses().await?;
        }
        Ok(())
    }

    /// Writes what there is now: all of it, or as many full batches as there are. What comes in meanwhile is left
    /// for the next time, so that orders are heard under any load.
    async fn drain(&mut self, everything: bool) -> Result<(), Stopped> {
        self.deliver().await?;
        let mut goal = self.shared.intake.borrow().goal(everything);
        loop {
            self.shared.check_deadline()?;
            if std::mem::take(&mut self.is_put_back) {
                goal = self.shared.intake.borrow().goal(everything);
            }
            self.shared.fill_batch();
            let next = self.shared.intake.borrow_mut().next(&mut goal);
            match next {
                Ok(Next::Done) => return Ok(()),
                Ok(Next::NotYet) => {
                    // What is set aside may be what keeps the spool full.
                    self.work_off_aside().await;
                    tokio::time::sleep(ON_ITS_WAY).await;
                }
                Ok(Next::Batch(batch)) => {
                    self.hand = Some(batch);
                    self.deliver().await?;
                    // A store that never waits must not keep the queue waiting.
                    yield_now().await;
                }
                Err(error) => {
                    self.shared.say(Kind::Spool, format_args!("{error:#}"));
                    self.pause().await;
                }
            }
        }
    }

    /// Writes rows on what was lost.
    async fn tell_losses(&mut self) -> Result<(), Stopped> {
        if let Some(rows) = self.losses.take_put_off() {
            self.hand = Some(rows);
            self.deliver().await?;
        }
        if self.losses.are_put_off() {
            return Ok(());
        }
        let rows = self.losses.take(&self.shared.queue.account);
        if !rows.is_empty() {
            self.hand = Some(Batch::new(rows, Origin::Ledger));
            self.deliver().await?;
        }
        Ok(())
    }

    /// Gets every row of the batch in hand into the store, or out of the way.
    async fn deliver(&mut self) -> Result<(), Stopped> {
        while self.try_next().await? {
            self.widen();
        }
        self.settle().await
    }

    /// Where everything that is left was refused, takes in what came after it: by that it shows whether it is the
    /// schema, and rows that are well do not wait behind a few bad ones. Rows that were to come by way of the disk, and are
    /// in memory alone, go there for that: what came after them is there too.
    fn widen(&mut self) {
        let enough = self.shared.options.batch_size.max(ENOUGH_ROWS);
        let Some(batch) = self.hand.as_mut().filter(|batch| batch.is_stuck() && batch.has_room(enough))
        else {
            return;
        };
        if self.shared.belongs_on_disk(batch.origin()) {
            let mut rest = batch.take_rest();
            self.is_put_back |= self.shared.put_back(&mut rest);
            batch.restore_rest(rest);
        } else if let Some(more) = self.shared.more(batch.origin()) {
            self.hand = self.hand.take().map(|batch| batch.join(more));
        }
    }

    /// Tries the next piece; `false` when there is nothing left to try.
    async fn try_next(&mut self) -> Result<bool, Stopped> {
        let Some((rows, attempt)) = self.hand.as_mut().and_then(Batch::next) else { return Ok(false) };
        match insert(&mut self.store, self.shared, rows, attempt).await? {
            Ok(()) => self.stored(),
            Err(error) => self.failed(&error).await,
        }
        Ok(true)
    }

    fn stored(&mut self) {
        let Some(batch) = &mut self.hand else { return };
        let (origin, rows) = (batch.origin(), batch.stored());
        self.shared.leave_spool(origin, rows);
        if origin == Origin::Ledger {
            self.shared.over(&[Kind::Untold]);
        } else {
            self.shared.queue.account.write(rows);
        }
        self.backoff.reset();
        self.shared.control.set_trouble(self.aside.trouble().map(|error| format!("{error:#}")));
        if self.shared.over(&STORE_TROUBLE) {
            stderr::say(format_args!("rows are being written again"));
        }
    }

    /// Decides what to try next, and waits where nothing can be done but wait.
    async fn failed(&mut self, error: &InsertError) {
        if matches!(error.failure(), Failure::Hold | Failure::Quarantine)
            && let Some(rows) = self.hand.take_if(|batch| batch.origin() == Origin::Ledger)
        {
            return self.put_off(rows, error);
        }
        let Some(batch) = &mut self.hand else { return };
        let (kind, what) = match error.failure() {
            Failure::Quarantine if batch.blame(error, &self.drift) == Blame::Narrowed => return,
            Failure::Halve if batch.halve() => return,
            Failure::Quarantine => (
                Kind::Drift,
                "more than a tenth of the rows is refused, as after a change of the schema; rows are kept until \
                 the table takes them again",
            ),
            Failure::Hold => (Kind::Hold, "the database needs a person; rows are kept until it takes them"),
            Failure::Retry | Failure::Halve => {
                (Kind::Retry, "the database cannot be written; rows are kept and tried again")
            }
        };
        self.shared.say(kind, format_args!("{what}: {error}"));
        self.shared.control.set_trouble(Some(error.to_string()));
        self.pause().await;
    }

    /// Lets go of rows on losses: whatever is wrong with these may be right with all others.
    fn put_off(&mut self, rows: Batch, error: &InsertError) {
        self.shared
            .say(Kind::Untold, format_args!("rows on losses are kept until the table takes them: {error}"));
        self.losses.put_off(rows);
    }

    /// Lets go of the batch, and sets aside what of it the store will never take.
    async fn settle(&mut self) -> Result<(), Stopped> {
        let Some(batch) = self.hand.take() else { return Ok(()) };
        if batch.origin() != Origin::Ledger {
            self.drift.note(batch.len(), batch.refused());
        }
        self.aside.take(batch);
        self.work_off_aside().await;
        while self.aside.is_full() {
            self.shared.check_deadline()?;
            self.wait_until(self.aside.retry_at().unwrap_or_else(Instant::now)).await;
            self.work_off_aside().await;
        }
        Ok(())
    }

    /// Sets rows aside, when their file is to be tried, and says what is in the way. Not with a batch in hand, whose
    /// trouble comes first.
    async fn work_off_aside(&mut self) {
        let was_in_trouble = self.aside.trouble().is_some();
        self.aside.work_off(self.shared).await;
        if was_in_trouble || self.aside.trouble().is_some() {
            self.shared.control.set_trouble(self.aside.trouble().map(|error| format!("{error:#}")));
        }
    }

    /// Waits before the store is tried again.
    async fn pause(&mut self) {
        let until = Instant::now() + self.backoff.next();
        self.wait_until(until).await;
    }

    /// A new order cuts the wait short: whoever asks wants to know now.
    async fn wait_until(&mut self, until: Instant) {
        loop {
            let orders = self.shared.control.orders();
            if orders != self.heard {
                self.heard = orders;
                self.backoff.reset();
                return;
            }
            let until = orders.stop.map_or(until, |deadline| deadline.min(until));
            if timeout_at(until.into(), self.shared.pulse.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Waits for enough records, an order that came after these, the tick, or the time to try the file for rows that
    /// are set aside. A flush that waits for that file does not wait more often.
    async fn rest(&self, orders: Orders) {
        let until = self.aside.retry_at().map_or(self.due, |retry_at| retry_at.min(self.due));
        if self.shared.control.orders() == orders && !self.shared.has_enough() {
            timeout_at(until.into(), self.shared.pulse.notified()).await.ok();
        }
    }
}

/// One try, for as long as it takes or until the deadline of a stop.
///
/// A panic of the store is a failure that may pass. Its text is not passed on: the panic hook has printed it, and it
/// is not known to be free of secrets.
async fn insert<S: Store>(
    store: &mut S,
    shared: &Shared,
    rows: &[Row],
    attempt: Attempt,
) -> Result<Result<(), InsertError>, Stopped> {
    shared.check_deadline()?;
    // Boxed, as every future around it holds it twice, and a driver's futures are large.
    let insert = caught(Box::pin(async { store.insert(rows, attempt).await }));
    let insert = unless(insert, shared.run_ahead());
    let inserted = unless(insert, shared.deadline()).await.flatten().ok_or(Stopped)?;
    Ok(inserted.unwrap_or_else(|_| Err(InsertError::new(Failure::Retry, "the store panicked"))))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::super::{Options, open_spool};
    use super::*;
    use crate::queue::Queue;
    use crate::{Overflow, spool};

    /// Refuses everything.
    struct Never;

    impl Store for Never {
        async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
            Err(InsertError::new(Failure::Quarantine, "no"))
        }
    }

    #[test]
    fn while_rows_wait_for_their_file_a_look_for_others_is_never_far() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("spool");
        let queue = Arc::new(Queue::new(100, Overflow::default(), 10));
        let limits = spool::Options { limit_bytes: 1 << 20, sync_interval: None };
        let spool = open_spool(&dir, limits, &queue).expect("it can be opened");
        fs::create_dir(dir.join("quarantine.jsonl")).expect("it is not there yet");
        let options = Options { batch_size: 10, flush_interval: Duration::from_secs(60) };
        let shared = Shared::new(queue, Arc::default(), Some(spool), options);
        shared.put_back(&mut vec![Row::new(SystemTime::now(), "test", "test")]);
        let mut delivery = Delivery::new(Never, &shared);
        // As after a long outage: most of the waits that are to come would be seconds.
        delivery.backoff = (0..20).fold(Backoff::default(), |mut backoff, _| {
            backoff.next();
            backoff
        });

        shared.control.ask_flush();
        let started = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            for _ in 0..2 {
                let orders = shared.control.orders();
                assert!(delivery.round(orders).await.is_ok());
                delivery.rest(orders).await;
            }
        });
        assert!(delivery.aside.trouble().is_some() && delivery.flushed == 0);
        let took = started.elapsed();
        assert!(took > Duration::from_millis(1500), "a flush that waits does not spin: {took:?}");
        assert!(took < Duration::from_secs(10), "nor does it wait for the store: {took:?}");
    }
}
