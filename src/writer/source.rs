//! Where batches come from: the queue, and by way of the spool where there is one.
//!
//! A record that is taken out of the queue becomes a row at once, with its id and time, and never again. With a spool the
//! row goes onto disk, and batches are read from there: see [`spooling`](super::spooling).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::bisect::{Batch, Origin};
use super::control::Control;
use super::notices::Notices;
use crate::census::Census;
use crate::error::Error;
use crate::queue::chunk::Chunk;
use crate::queue::{Cause, Queue};
use crate::row::{Anchor, Row};
use crate::spool::{Spool, SpoolOptions, SpooledRows};

/// A batch takes no more rows once its rows have this many bytes: in memory if they come from the queue, on disk if
/// they come from the spool. A batch from the queue exceeds it by one step at most, a batch from the disk by one row.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of records, give or take a chunk, that become rows before the rows are weighed. A control character of one
/// byte becomes six bytes of JSON, and may occupy eight, because the text grows by doubling.
const STEP_BYTES: usize = 256 * 1024;
/// Rows made ahead at once: a tenth of a millisecond's work, in which the store has to wait.
const AHEAD: usize = 100;

/// The way of the records up to the store. Both halves of the writer share it and take turns on one thread.
pub(super) struct Source {
    pub(super) queue: Arc<Queue>,
    pub(super) control: Arc<Control>,
    pub(super) notices: Rc<Notices>,
    census: Arc<Census>,
    pub(super) batch_size: usize,
    /// Where rows go onto disk, if anywhere.
    pub(super) place: Option<(PathBuf, SpoolOptions)>,
    /// `None` without a place, and while the directory cannot be opened again.
    pub(super) spool: Option<Spool>,
    /// Grows each time that somebody removes the files of the spool.
    pub(super) generation: u64,
    /// With a spool: rows that are not on disk.
    pub(super) unspooled: Vec<Row>,
    /// Without a spool: the beginning of the next batch, made while the store has the one before.
    ahead: MadeRows,
    /// With a spool: the next batch, read while the store has the one before.
    pub(super) read_ahead: SpooledRows,
    /// The disk failed, and is not tried before this moment.
    pub(super) retry_at: Option<Instant>,
    /// Rows are about to get other numbers on disk, so a running drain has to determine its end again.
    pub(super) has_moved: bool,
}

/// Rows made of records.
#[derive(Default)]
pub(super) struct MadeRows {
    pub(super) rows: Vec<Row>,
    /// The memory they take, without the texts that many of them share.
    bytes: usize,
}

impl MadeRows {
    fn push(&mut self, row: Row) {
        self.bytes += size_of::<Row>() + row.context.capacity();
        self.rows.push(row);
    }
}

/// How far a drain goes.
pub(super) struct Goal {
    /// Not only full batches.
    everything: bool,
    /// Of the queue.
    mark: u64,
    /// Of the spool, once everything up to the mark is in it.
    end: Option<u64>,
}

/// The next rows to deliver.
pub(super) enum Next {
    Batch(Batch),
    /// A record is on its way.
    NotYet,
    Done,
}

impl Source {
    pub(super) fn new(
        queue: Arc<Queue>,
        control: Arc<Control>,
        notices: Rc<Notices>,
        census: Arc<Census>,
        batch_size: usize,
        spool: Option<Spool>,
    ) -> Self {
        let (unspooled, ahead, read_ahead, retry_at) = Default::default();
        Self {
            queue,
            control,
            notices,
            census,
            batch_size,
            place: spool.as_ref().map(Spool::place),
            spool,
            generation: 1,
            unspooled,
            ahead,
            read_ahead,
            retry_at,
            has_moved: false,
        }
    }

    /// Whether a batch worth writing is waiting. When not, the record that completes one ends the next wait.
    pub(super) fn has_enough(&self) -> bool {
        if self.has_spool() { self.has_enough_on_disk() } else { !self.queue.gather() }
    }

    fn has_enough_on_disk(&self) -> bool {
        let unread = self.unread();
        unread.end - unread.start >= self.batch_size as u64
    }

    /// Fills the spool until it has a batch worth writing.
    pub(super) fn fill_batch(&mut self) {
        while self.fill() && !self.has_enough_on_disk() {}
    }

    /// The rows there are now: all of them, or as many full batches as there are.
    pub(super) fn goal(&self, everything: bool) -> Goal {
        let end = (self.has_spool() && !everything).then(|| self.unread().end);
        Goal { everything, mark: self.queue.mark(), end }
    }

    /// The next batch up to the goal.
    pub(super) fn next(&mut self, goal: &mut Goal) -> Result<Next, Error> {
        if !self.has_spool() {
            return Ok(self.next_of_queue(goal));
        }
        if !self.is_resting() {
            // A failure returns with the next rows for the disk, and is reported then.
            self.renew_if_gone().ok();
        }
        if std::mem::take(&mut self.has_moved) {
            goal.end = None;
        }
        let unread = self.unread();
        if goal.end.is_none() && self.unspooled.is_empty() && self.queue.is_past(goal.mark) {
            goal.end = Some(unread.end);
        }
        if goal.end.is_some_and(|end| unread.start >= end) || !(goal.everything || self.has_enough_on_disk())
        {
            return Ok(Next::Done);
        }
        if let Some(batch) = self.read()? {
            return Ok(Next::Batch(batch));
        }
        let past_the_disk =
            if self.retry_at.is_some() { std::mem::take(&mut self.unspooled) } else { Vec::new() };
        Ok(Next::of_queue(past_the_disk))
    }

    /// The next batch off the disk, where there is one.
    fn read(&mut self) -> Result<Option<Batch>, Error> {
        let Some(spool) = &mut self.spool else { return Ok(None) };
        let mut batch = std::mem::take(&mut self.read_ahead);
        if batch.is_empty() {
            batch = spool.next_batch(self.batch_size, BATCH_BYTES)?;
        }
        self.queue.account.unspool(batch.lost);
        self.lose_corrupt(batch.lost);
        Ok((!batch.is_empty()).then(|| Batch::from_spool(batch, self.generation)))
    }

    /// The next rows of the same origin, if there are any.
    pub(super) fn more(&mut self, origin: Origin) -> Option<Batch> {
        match origin {
            // A failure returns with the next batch, and is reported then.
            Origin::Spool { .. } => self.read().ok().flatten(),
            Origin::Queue => match self.next_of_queue(&self.goal(true)) {
                Next::Batch(batch) => Some(batch),
                Next::NotYet | Next::Done => None,
            },
            Origin::Ledger | Origin::Waiting { .. } => None,
        }
    }

    fn next_of_queue(&mut self, goal: &Goal) -> Next {
        let is_over = self.queue.is_past(goal.mark) || !(goal.everything || self.queue.has_enough());
        if self.ahead.rows.is_empty() && is_over {
            return Next::Done;
        }
        let mut made = std::mem::take(&mut self.ahead);
        self.make(self.batch_size, &mut made);
        Next::of_queue(made.rows)
    }

    /// Makes some more of the next batch while the store has the one before; `false` when there is no more to make.
    pub(super) fn run_ahead(&mut self) -> bool {
        if self.has_spool() {
            self.read_ahead();
            return false;
        }
        if !self.queue.may_run_ahead() {
            return false;
        }
        let rows = self.batch_size.min(self.ahead.rows.len() + AHEAD);
        let mut made = std::mem::take(&mut self.ahead);
        let before = made.rows.len();
        self.make(rows, &mut made);
        self.ahead = made;
        self.ahead.rows.len() > before
    }

    /// Reads the next batch off the disk, where there is a full one.
    fn read_ahead(&mut self) {
        let is_wanted = self.read_ahead.is_empty() && self.has_enough_on_disk();
        if let Some(spool) = self.spool.as_mut().filter(|_| is_wanted) {
            // A failure returns when the batch is wanted, and is reported then.
            self.read_ahead = spool.next_batch(self.batch_size, BATCH_BYTES).unwrap_or_default();
        }
    }

    /// Takes records out of the queue until there are so many rows, or they take [`BATCH_BYTES`].
    pub(super) fn make(&self, rows: usize, made: &mut MadeRows) {
        let anchor = Anchor::now();
        let mut rows = rows - made.rows.len();
        while made.bytes < BATCH_BYTES {
            let step = STEP_BYTES.min(BATCH_BYTES - made.bytes);
            let mut bytes = 0;
            let chunks = self.queue.take(rows, step);
            // Between the end of these calls and their judgement.
            self.census.follow_filters();
            for chunk in chunks {
                rows = rows.saturating_sub(chunk.len());
                bytes += chunk.bytes();
                self.make_rows(&chunk, anchor, made);
                self.queue.recycle(chunk);
            }
            // Fewer bytes than a step: the batch is full, or the queue is empty.
            if bytes < step {
                break;
            }
        }
    }

    fn make_rows(&self, chunk: &Chunk, anchor: Anchor, made: &mut MadeRows) {
        for (head, values) in chunk.iter() {
            // A rule makes a row of every record in the queue. A panic would be a bug, and costs one row.
            match catch_unwind(AssertUnwindSafe(|| Row::from_record(head, values, anchor))) {
                Ok(Some(row)) => made.push(row),
                Ok(None) | Err(_) => self.lose_corrupt(1),
            }
        }
    }

    pub(super) fn lose_corrupt(&self, records: u64) {
        if records > 0 {
            self.queue.account.lose(Cause::Corrupt, records);
        }
    }
}

impl Next {
    fn of_queue(rows: Vec<Row>) -> Self {
        if rows.is_empty() { Self::NotYet } else { Self::Batch(Batch::new(rows, Origin::Queue)) }
    }
}
