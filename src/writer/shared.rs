//! What both halves of the writer use. They take turns on one thread, so that nothing here is locked, and nothing
//! of it is held while one waits.

use std::cell::RefCell;
use std::fmt;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::timeout_at;

use super::Options;
use super::batch::{Batch, Origin};
use super::control::Control;
use super::delivery::{Leftovers, ON_ITS_WAY};
use super::notices::{Kind, Troubles};
use super::source::Source;
use crate::queue::Queue;
use crate::spool::Spool;
use crate::{Error, Row, stderr};

/// How long past the deadline of a stop records are got onto disk that were on their way into the queue.
const LAST_RECORDS: Duration = Duration::from_millis(20);

/// The deadline of a stop has passed: whatever is left stays unwritten.
pub(super) struct Stopped;

/// Something panicked; the panic hook has said what.
pub(super) struct Panicked;

pub(super) struct Shared {
    pub(super) queue: Arc<Queue>,
    pub(super) control: Arc<Control>,
    pub(super) options: Options,
    pub(super) has_spool: bool,
    pub(super) intake: RefCell<Source>,
    troubles: RefCell<Troubles>,
    #[cfg(feature = "metrics")]
    metrics: RefCell<super::metrics::Metrics>,
    /// Ends the waits of the delivering half: an order, or a batch.
    pub(super) pulse: Notify,
}

impl Shared {
    pub(super) fn new(
        queue: Arc<Queue>,
        control: Arc<Control>,
        spool: Option<Spool>,
        options: Options,
    ) -> Self {
        let has_spool = spool.is_some();
        let intake = Source::new(queue.clone(), control.clone(), options.batch_size, spool);
        Self {
            queue,
            control,
            options,
            has_spool,
            intake: RefCell::new(intake),
            troubles: RefCell::default(),
            #[cfg(feature = "metrics")]
            metrics: RefCell::default(),
            pulse: Notify::default(),
        }
    }

    /// Gets some of what is in the queue onto disk, as far as the disk takes it; whether to go on at once.
    pub(super) fn fill(&self) -> bool {
        if !self.has_spool {
            return false;
        }
        let filled = self.intake.borrow_mut().fill();
        match &filled {
            Err(error) => {
                self.say(
                    Kind::Disk,
                    format_args!("rows stay in memory, as far as the queue goes: {error:#}"),
                );
            }
            // What went past the disk says nothing of it.
            Ok(true) if !self.is_held_up() && self.over(&[Kind::Disk]) => {
                stderr::say(format_args!("the spool takes rows again"));
            }
            Ok(_) => {}
        }
        self.say_trouble_of_spool();
        filled.unwrap_or(false)
    }

    /// As [`fill`](Self::fill), until there is a batch worth writing on disk.
    pub(super) fn fill_batch(&self) {
        while self.fill() && self.intake.borrow().has_enough_on_disk() == Some(false) {}
    }

    fn fill_up_to(&self, mark: u64) {
        while self.fill() && !self.queue.is_past(mark) {}
    }

    /// Makes rows of the next batch, as far as it may, while the store has the one before. Never ends.
    pub(super) async fn run_ahead(&self) {
        while self.intake.borrow_mut().run_ahead() {
            // The store's turn.
            yield_now().await;
        }
        pending().await
    }

    /// Rows that came after those of a batch from there, to be dealt with together.
    pub(super) fn more(&self, origin: Origin) -> Option<Batch> {
        self.intake.borrow_mut().more(origin)
    }

    /// Whether a batch from there is in memory alone, though there is a spool: it went past the disk, or was on it until
    /// somebody removed the files.
    pub(super) fn belongs_on_disk(&self, origin: Origin) -> bool {
        self.is_in_memory_alone(origin) || (origin == Origin::Queue && self.has_spool)
    }

    /// Gets rows of such a batch onto disk behind all others, to be read again from there, as far as it takes them;
    /// whether it took any.
    pub(super) fn put_back(&self, rows: &mut Vec<Row>) -> bool {
        let before = rows.len();
        // What goes wrong here goes wrong for what comes after them too, and is said then.
        self.intake.borrow_mut().put_back(rows).ok();
        rows.len() < before
    }

    /// Whether rows wait for the disk to take them.
    pub(super) fn is_held_up(&self) -> bool {
        self.intake.borrow().is_held_up()
    }

    /// Whether a batch worth writing is waiting. When not, the record that makes one ends the next wait.
    pub(super) fn has_enough(&self) -> bool {
        self.intake.borrow().has_enough_on_disk().unwrap_or_else(|| !self.queue.gather())
    }

    pub(super) fn acknowledge(&self, up_to: u64) {
        let acknowledged = self.intake.borrow_mut().acknowledge(up_to);
        self.say_if_failed(acknowledged);
        self.say_trouble_of_spool();
    }

    /// Rows of a batch are about to be counted where they are now.
    pub(super) fn leave_spool(&self, origin: Origin, rows: usize) {
        if matches!(origin, Origin::Spool(_)) && !self.is_in_memory_alone(origin) {
            self.queue.account.unspool(rows as u64);
        }
    }

    /// Looks whether the files of the spool are still there.
    pub(super) fn look(&self) {
        let looked = self.intake.borrow_mut().look();
        self.say_if_failed(looked);
    }

    /// Whether a batch was on disk until somebody removed the files.
    pub(super) fn is_in_memory_alone(&self, origin: Origin) -> bool {
        let mut intake = self.intake.borrow_mut();
        matches!((origin, intake.spool()), (Origin::Spool(up_to), Some(spool)) if !spool.keeps(up_to))
    }

    /// When the disk is to be synced.
    pub(super) fn next_sync(&self) -> Option<Instant> {
        self.intake.borrow_mut().spool()?.next_sync()
    }

    /// Syncs the disk when that is due by then.
    pub(super) fn sync(&self, by: Instant) {
        let synced = self.with_spool(|spool| spool.sync_if_due(by));
        self.say_if_failed(synced);
    }

    fn with_spool(&self, work: impl FnOnce(&mut Spool) -> Result<(), Error>) -> Result<(), Error> {
        self.intake.borrow_mut().spool().map_or(Ok(()), work)
    }

    fn say_if_failed(&self, done: Result<(), Error>) {
        if let Err(error) = done {
            self.say_now_and_then(&error);
        }
    }

    fn say_trouble_of_spool(&self) {
        let trouble = self.intake.borrow_mut().spool().and_then(Spool::take_trouble);
        if let Some(error) = trouble {
            self.say_now_and_then(&error);
        }
    }

    /// What nothing ever ends is said as often as the first of its kind may be.
    pub(super) fn say_now_and_then(&self, error: &Error) {
        self.say(Kind::Spool, format_args!("{error:#}"));
        self.over(&[Kind::Spool]);
    }

    /// Gets everything that is left onto disk, where there is one, and draws the line.
    pub(super) async fn finish(&self, leftovers: Leftovers) {
        if self.has_spool {
            self.finish_spool(leftovers).await;
        }
        #[cfg(feature = "metrics")]
        self.metrics.borrow().tell(&self.queue.account.stats(), self.queue.capacity());
    }

    async fn finish_spool(&self, Leftovers { untold, unsaved }: Leftovers) {
        let mark = self.queue.mark();
        let until =
            self.control.orders().stop.unwrap_or_else(Instant::now).max(Instant::now()) + LAST_RECORDS;
        self.fill_up_to(mark);
        while !self.queue.is_past(mark) && !self.is_held_up() && Instant::now() < until {
            tokio::time::sleep(ON_ITS_WAY).await;
            self.fill_up_to(mark);
        }
        let saved = self.intake.borrow_mut().save(unsaved);
        if let Err(error) = saved {
            self.say(
                Kind::Disk,
                format_args!("rows in hand that are not on disk are in memory alone: {error:#}"),
            );
        }
        self.say_trouble_of_spool();
        let left = self.intake.borrow_mut().leave(untold);
        if let Err(error) = left {
            self.say(Kind::Disk, format_args!("rows on losses are lost themselves: {error:#}"));
        }
        if let Some(due) = self.next_sync() {
            self.sync(due);
        }
    }

    /// Says it, unless it was said not long ago.
    pub(super) fn say(&self, kind: Kind, what: fmt::Arguments<'_>) {
        if self.troubles.borrow_mut().raise(kind) {
            stderr::say(what);
        }
    }

    /// Whether to say that trouble of these kinds is over.
    pub(super) fn over(&self, kinds: &[Kind]) -> bool {
        self.troubles.borrow_mut().over(kinds)
    }

    /// Says what has changed in the account, where somebody listens.
    pub(super) fn report(&self) {
        #[cfg(feature = "metrics")]
        self.metrics.borrow_mut().tell_if_due(&self.queue.account.stats(), self.queue.capacity());
        for line in self.troubles.borrow_mut().losses(self.queue.account.stats(), self.queue.is_full()) {
            stderr::say(format_args!("{line}"));
        }
    }

    pub(super) fn check_deadline(&self) -> Result<(), Stopped> {
        let deadline = self.control.orders().stop;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) { Err(Stopped) } else { Ok(()) }
    }

    /// Ends when the deadline of a stop passes, whenever that stop is asked for.
    pub(super) async fn deadline(&self) {
        loop {
            match self.control.orders().stop {
                None => self.pulse.notified().await,
                Some(deadline) if timeout_at(deadline.into(), self.pulse.notified()).await.is_err() => return,
                Some(_) => {}
            }
        }
    }
}

/// Work that may panic, with the panic kept in it.
pub(super) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context).map(Ok)))
            .unwrap_or(Poll::Ready(Err(Panicked)))
    })
    .await
}

/// What `work` comes to, or `None` when `end` comes first.
pub(super) async fn unless<T>(work: impl Future<Output = T>, end: impl Future<Output = ()>) -> Option<T> {
    let (mut work, mut end) = (pin!(work), pin!(end));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}
