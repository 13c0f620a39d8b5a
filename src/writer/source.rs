//! Where batches come from: the queue, and by way of the spool where there is one.
//!
//! A record is out of the queue for good once it is taken: its row, with its id and time, is made then and never
//! again. With a spool it goes onto disk at once, and the batches are what comes off the disk. A spool that is full
//! leaves records in the queue; a disk that fails does too, except that their rows go to the store past it when
//! nothing on disk is before them: a spool costs no row that would be written without it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Batch, Origin};
use super::control::Control;
use crate::queue::chunk::Chunk;
use crate::queue::{Cause, Queue};
use crate::row::Anchor;
use crate::spool::{self, AppendError, Spool};
use crate::{Error, Row, stderr};

/// A batch takes in no more rows once those it has take that many bytes: in memory where they come from the queue, and on
/// disk where they come from the spool. Off the queue it is passed by what one step makes, off the disk by one row.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of records, give or take a chunk, that are made into rows before these are weighed: what a row takes shows only
/// then. As JSON a control character is six bytes, and the text of a row, which grows by doubling, may take eight for it.
const STEP_BYTES: usize = 256 * 1024;
/// Records taken ahead at once: a tenth of a millisecond's work, in which the store has to wait.
const AHEAD: usize = 100;
/// Records that go onto disk at once: a millisecond's work or two, in which the store has to wait.
const FILL: usize = 1000;
/// How soon a disk that fails is tried again.
const DISK_RETRY: Duration = Duration::from_millis(250);

/// Takes possession of a spool directory, and of what an earlier process left in it.
pub(crate) fn open_spool(dir: &Path, options: spool::Options, queue: &Queue) -> Result<Spool, Error> {
    let mut spool = Spool::open(dir, options)?;
    match spool.take_replay() {
        Ok(replayed) if replayed.taken + replayed.left > 0 => stderr::say(format_args!(
            "{} rows from replay.jsonl are on their way, and {} lines stay there: {}",
            replayed.taken,
            replayed.left,
            if replayed.left == 0 { "all is well".to_owned() } else { replayed.reasons.join("; ") }
        )),
        Ok(_) => {}
        Err(error) => stderr::say(format_args!("{error:#}")),
    }
    queue.account.inherit(spool.pending(), spool.torn().records);
    Ok(spool)
}

/// The way of the records up to the store.
pub(super) struct Source {
    queue: Arc<Queue>,
    control: Arc<Control>,
    batch_size: usize,
    spool: Option<Spool>,
    /// Rows that have left the queue and are not on disk yet.
    held: Vec<Row>,
    /// Without a spool: the beginning of the next batch, made while the store has the one before.
    ahead: Taken,
    /// With a spool: the same, read from it.
    read_ahead: spool::Batch,
    /// The disk failed, and is left alone until then.
    retry_at: Option<Instant>,
}

/// Rows that have left the queue. From here on their ids and times are fixed.
#[derive(Default)]
struct Taken {
    rows: Vec<Row>,
    /// What they take in memory, but for what is shared by many.
    bytes: usize,
}

impl Taken {
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

/// What there is to deliver.
pub(super) enum Next {
    Batch(Batch),
    /// Something is on its way.
    NotYet,
    Done,
}

impl Source {
    pub(super) fn new(
        queue: Arc<Queue>,
        control: Arc<Control>,
        batch_size: usize,
        spool: Option<Spool>,
    ) -> Self {
        let (held, ahead, read_ahead, retry_at) = Default::default();
        Self { queue, control, batch_size, spool, held, ahead, read_ahead, retry_at }
    }

    pub(super) fn spool(&mut self) -> Option<&mut Spool> {
        self.spool.as_mut()
    }

    /// Whether there is a batch worth writing in the spool, if there is one.
    pub(super) fn has_enough_on_disk(&self) -> Option<bool> {
        Some(self.spool.as_ref()?.waiting(&self.read_ahead) >= self.batch_size as u64)
    }

    /// Whether rows wait for the disk to take them.
    pub(super) fn is_held_up(&self) -> bool {
        !self.held.is_empty()
    }

    /// What there is now: all of it, or as many full batches as there are.
    pub(super) fn goal(&self, everything: bool) -> Goal {
        let end = self.spool.as_ref().filter(|_| !everything).map(Spool::end);
        Goal { everything, mark: self.queue.mark(), end }
    }

    /// The next batch up to the goal.
    pub(super) fn next(&mut self, goal: &mut Goal) -> Result<Next, Error> {
        let Some(spool) = &mut self.spool else { return Ok(self.next_of_queue(goal)) };
        if goal.end.is_none() && self.held.is_empty() && self.queue.is_past(goal.mark) {
            goal.end = Some(spool.end());
        }
        let is_done = goal.end.is_some_and(|end| spool.position(&self.read_ahead) >= end);
        if is_done || !(goal.everything || spool.waiting(&self.read_ahead) >= self.batch_size as u64) {
            return Ok(Next::Done);
        }
        if let Some(batch) = self.read()? {
            return Ok(Next::Batch(batch));
        }
        let past_the_disk = if self.retry_at.is_some() { std::mem::take(&mut self.held) } else { Vec::new() };
        Ok(Next::of_queue(past_the_disk))
    }

    /// The next batch off the disk, where there is one.
    fn read(&mut self) -> Result<Option<Batch>, Error> {
        let Some(spool) = &mut self.spool else { return Ok(None) };
        spool.read_on(&mut self.read_ahead, self.batch_size, BATCH_BYTES)?;
        let batch = std::mem::take(&mut self.read_ahead);
        if spool.keeps(batch.up_to) {
            self.queue.account.unspool(batch.lost);
        }
        self.lose_corrupt(batch.lost);
        Ok((!batch.is_empty()).then(|| Batch::from_spool(batch)))
    }

    /// Rows that came after those of a batch from there, where they are of the same origin.
    pub(super) fn more(&mut self, origin: Origin) -> Option<Batch> {
        match origin {
            // What goes wrong here goes wrong again when the next batch is wanted, and is said then.
            Origin::Spool(_) => self.read().ok().flatten(),
            Origin::Queue if self.spool.is_none() => match self.next_of_queue(&self.goal(true)) {
                Next::Batch(batch) => Some(batch),
                Next::NotYet | Next::Done => None,
            },
            Origin::Queue | Origin::Ledger => None,
        }
    }

    fn next_of_queue(&mut self, goal: &Goal) -> Next {
        let is_over = self.queue.is_past(goal.mark) || !(goal.everything || self.queue.has_enough());
        if self.ahead.rows.is_empty() && is_over {
            return Next::Done;
        }
        let mut taken = std::mem::take(&mut self.ahead);
        self.take(self.batch_size, &mut taken);
        Next::of_queue(taken.rows)
    }

    /// Makes some more of the next batch while the store has the one before; `false` when that is all there is to
    /// do.
    pub(super) fn run_ahead(&mut self) -> bool {
        if let Some(spool) = &mut self.spool {
            let before = self.read_ahead.len();
            let rows = self.batch_size.min(before + AHEAD);
            // What goes wrong here goes wrong again when the batch is wanted, and is said then.
            return spool.read_on(&mut self.read_ahead, rows, BATCH_BYTES).is_ok()
                && self.read_ahead.len() > before;
        }
        let rows = self.batch_size.min(self.ahead.rows.len() + AHEAD);
        if !self.queue.may_run_ahead() {
            return false;
        }
        let mut taken = std::mem::take(&mut self.ahead);
        let before = taken.rows.len();
        self.take(rows, &mut taken);
        self.ahead = taken;
        self.ahead.rows.len() > before
    }

    /// Takes records out of the queue until there are so many rows, or they take [`BATCH_BYTES`].
    fn take(&self, rows: usize, taken: &mut Taken) {
        let anchor = Anchor::now();
        let mut rows = rows - taken.rows.len();
        while taken.bytes < BATCH_BYTES {
            let step = STEP_BYTES.min(BATCH_BYTES - taken.bytes);
            let mut bytes = 0;
            for chunk in self.queue.take(rows, step) {
                rows = rows.saturating_sub(chunk.len());
                bytes += chunk.bytes();
                self.make(&chunk, anchor, taken);
                self.queue.recycle(chunk);
            }
            // It was not the step that ended it: the rows are complete, or the queue is empty.
            if bytes < step {
                break;
            }
        }
    }

    /// Makes the rows of a chunk's records.
    fn make(&self, chunk: &Chunk, anchor: Anchor, taken: &mut Taken) {
        for (head, values) in chunk.iter() {
            // Only records that a rule makes a row of are queued. A panic would be a bug, and costs one row.
            let made = catch_unwind(AssertUnwindSafe(|| Row::from_record(head, values, anchor)));
            match made {
                Ok(Some(row)) => taken.push(row),
                Ok(None) | Err(_) => self.lose_corrupt(1),
            }
        }
    }

    fn lose_corrupt(&self, records: u64) {
        if records > 0 {
            self.queue.account.lose(Cause::Corrupt, records);
        }
    }

    /// Gets some of what is in the queue onto disk, where there is a spool, as far as the disk takes it; whether to
    /// go on at once.
    pub(super) fn fill(&mut self) -> Result<bool, AppendError> {
        if self.spool.is_none() {
            return Ok(false);
        }
        if self.held.is_empty() {
            let mut taken = Taken::default();
            self.take(self.batch_size.min(FILL), &mut taken);
            self.held = taken.rows;
        }
        let is_resting = self.retry_at.is_some_and(|at| Instant::now() < at);
        if self.held.is_empty() || is_resting {
            return Ok(false);
        }
        self.append()?;
        Ok(true)
    }

    fn append(&mut self) -> Result<(), AppendError> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let appended = put(spool, &mut self.held, &self.queue);
        self.retry_at = matches!(appended, Err(AppendError::Disk(_))).then(|| Instant::now() + DISK_RETRY);
        match appended {
            Err(error @ AppendError::TooLarge { .. }) => {
                self.set_aside_first(&error);
                Ok(())
            }
            appended => appended,
        }
    }

    /// The first of the held rows will never fit.
    fn set_aside_first(&mut self, why: &AppendError) {
        let (row, reason) = (self.held.remove(0), why.to_string());
        if let Err(error) = self.quarantine(&row, &reason) {
            stderr::say(format_args!("{error:#}"));
        }
        self.control.quarantine(row, reason);
        self.queue.account.lose(Cause::Quarantined, 1);
    }

    /// Writes the row into the file for people, where there is a spool.
    pub(super) fn quarantine(&mut self, row: &Row, reason: &str) -> Result<(), Error> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let kept = spool.quarantine(row, reason);
        self.recount();
        kept
    }

    pub(super) fn acknowledge(&mut self, up_to: u64) -> Result<(), Error> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let acknowledged = spool.acknowledge(up_to);
        self.recount();
        acknowledged
    }

    /// Looks whether the files are still there, which is otherwise noticed when something is written.
    pub(super) fn look(&mut self) -> Result<(), Error> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let noticed = spool.notice_removal();
        self.recount();
        noticed
    }

    fn recount(&mut self) {
        if let Some(on_disk) = self.spool.as_mut().and_then(Spool::take_recount) {
            self.queue.account.recount_spooled(on_disk);
        }
    }

    /// Gets onto disk what went past it, or was there until somebody removed the files, and is still in memory: for
    /// the next process.
    pub(super) fn save(&mut self, mut rows: Vec<Row>) -> Result<(), AppendError> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        if !self.read_ahead.is_empty() && !spool.keeps(self.read_ahead.up_to) {
            rows.append(&mut self.read_ahead.rows);
        }
        let saved = put(spool, &mut rows, &self.queue);
        spool.forget_gone(saved.is_ok());
        self.recount();
        saved
    }

    /// Gets rows that were out already onto disk under new numbers, as far as it takes them.
    pub(super) fn put_back(&mut self, rows: &mut Vec<Row>) -> Result<(), AppendError> {
        self.spool.as_mut().map_or(Ok(()), |spool| put(spool, rows, &self.queue))
    }

    /// Keeps rows of the ledger's own for the next process, as far as there is room. They are in no account of this
    /// one.
    pub(super) fn leave(&mut self, mut rows: Vec<Row>) -> Result<(), AppendError> {
        self.spool.as_mut().map_or(Ok(()), |spool| spool.append(&mut rows))
    }
}

/// Gets rows onto disk as far as it takes them, and counts them there.
fn put(spool: &mut Spool, rows: &mut Vec<Row>, queue: &Queue) -> Result<(), AppendError> {
    let before = rows.len();
    let appended = spool.append(rows);
    match spool.take_recount() {
        Some(on_disk) => queue.account.recount_spooled(on_disk),
        None => queue.account.spool((before - rows.len()) as u64),
    }
    appended
}

impl Next {
    fn of_queue(rows: Vec<Row>) -> Self {
        if rows.is_empty() { Self::NotYet } else { Self::Batch(Batch::new(rows, Origin::Queue)) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use crate::Overflow;

    const OPTIONS: spool::Options = spool::Options { limit_bytes: 1 << 20, sync_interval: None };

    fn rows(count: usize) -> Vec<Row> {
        (0..count).map(|_| Row::new(SystemTime::now(), "test", "test")).collect()
    }

    fn intake(dir: &Path) -> Source {
        let queue = Arc::new(Queue::new(100, Overflow::default(), 10));
        let spool = open_spool(dir, OPTIONS, &queue).expect("it can be opened");
        Source::new(queue, Arc::default(), 100, Some(spool))
    }

    #[test]
    fn a_loss_that_is_read_ahead_of_a_removal_is_taken_off_the_disk_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("spool");
        let mut spool = Spool::open(&dir, OPTIONS).expect("it can be opened");
        spool.append(&mut rows(3)).expect("there is room");
        drop(spool);
        let segment = dir.join("00000000000000000001.segment1");
        let mut bytes = fs::read(&segment).expect("it is there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&segment, bytes).expect("it can be written");

        let mut intake = intake(&dir);
        intake.held = rows(1);
        intake.append().expect("there is room");
        assert!(intake.run_ahead() && intake.read_ahead.lost == 1);
        fs::remove_dir_all(&dir).expect("it is ours");
        intake.held = rows(2);
        intake.append().expect("it is made again");
        assert_eq!(intake.queue.account.stats().spooled, 2);
        let mut goal = intake.goal(true);
        assert!(matches!(intake.next(&mut goal), Ok(Next::Batch(_))));
        assert_eq!(intake.queue.account.stats().spooled, 2);
    }
}
