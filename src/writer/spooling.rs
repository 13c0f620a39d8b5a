//! The way of the rows onto disk, where there is a spool.
//!
//! A full spool leaves records in the queue. So does a disk that fails, but its rows go to the store past the disk: a spool
//! costs no row that would be written without it.
//!
//! Where somebody has removed the files, the spool goes on as a new generation. Rows in memory go there too. Rows that were
//! only on disk are counted as lost. Batches that the store has in hand belong to the old generation: an acknowledgement of
//! them is ignored.

use std::path::Path;
use std::time::{Duration, Instant};

use super::bisect::Origin;
use super::generation::Generation;
use super::notices::Notice;
use super::source::{MadeRows, Source};
use crate::error::Error;
use crate::queue::Queue;
use crate::row::Row;
use crate::spool::{AppendError, Remains, Spool, SpoolOptions};
use crate::stderr;

/// Records that go onto disk at once: a millisecond's work or two, in which the store has to wait.
const FILL: usize = 1000;
/// How soon a disk that fails is tried again.
const DISK_RETRY: Duration = Duration::from_millis(250);

/// Takes possession of a spool directory, and of the rows that an earlier process left in it.
pub(crate) fn open_spool(dir: &Path, options: SpoolOptions, queue: &Queue) -> Result<Spool, Error> {
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

impl Source {
    pub(super) fn has_spool(&self) -> bool {
        self.generation.is_some()
    }

    pub(super) fn spool(&self) -> Option<&Spool> {
        self.generation.as_ref()?.spool.as_ref()
    }

    fn spool_mut(&mut self) -> Option<&mut Spool> {
        self.generation.as_mut()?.spool.as_mut()
    }

    /// Whether rows wait for the disk to take them.
    pub(super) fn is_held_up(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gets some of the queue onto disk, as far as the disk takes it; whether to go on at once.
    pub(super) fn fill(&mut self) -> bool {
        if !self.has_spool() {
            return false;
        }
        let filled = self.try_fill();
        match &filled {
            Err(error) => self.notices.say(
                Notice::Disk,
                format_args!("rows stay in memory, as far as the queue has room: {error:#}"),
            ),
            // Rows that went past the disk do not show that it works.
            Ok(true) if !self.is_held_up() => {
                self.notices.say_recovered(&[Notice::Disk], "the spool takes rows again");
            }
            Ok(_) => {}
        }
        self.say_failure();
        filled.unwrap_or(false)
    }

    fn try_fill(&mut self) -> Result<bool, AppendError> {
        if self.held.is_empty() {
            let mut made = MadeRows::default();
            self.make(self.batch_size.min(FILL), &mut made);
            self.held = made.rows;
        }
        if self.held.is_empty() || self.is_resting() {
            return Ok(false);
        }
        self.append()?;
        Ok(true)
    }

    pub(super) fn is_resting(&self) -> bool {
        self.retry_at.is_some_and(|at| Instant::now() < at)
    }

    fn append(&mut self) -> Result<(), AppendError> {
        let mut appended = self.renew_if_gone().map_err(AppendError::Disk);
        if let (Ok(()), Some(Generation { spool: Some(spool), .. })) = (&appended, &mut self.generation) {
            let before = self.held.len();
            appended = spool.append(&mut self.held);
            self.queue.account.spool((before - self.held.len()) as u64);
        }
        self.retry_at = matches!(appended, Err(AppendError::Disk(_))).then(|| Instant::now() + DISK_RETRY);
        if let Err(error @ AppendError::TooLarge { .. }) = &appended {
            let row = self.held.remove(0);
            let reason = error.to_string();
            self.quarantine(row, reason, Origin::Queue);
            return Ok(());
        }
        appended
    }

    /// Begins a new generation where somebody has removed the files of this one.
    ///
    /// # Errors
    /// When the directory cannot be had again. Rows go past the disk until it can.
    pub(super) fn renew_if_gone(&mut self) -> Result<(), Error> {
        let Some(Generation { spool, dir, options, .. }) = &self.generation else { return Ok(()) };
        if spool.as_ref().is_some_and(Spool::is_there) {
            return Ok(());
        }
        let may_come_back = spool.as_ref().is_some_and(Spool::is_away);
        spool.iter().for_each(Spool::vacate);
        match Spool::renew(dir, *options) {
            Ok(new) => {
                self.retry_at = None;
                self.begin_generation(Some(new));
            }
            Err(error) => {
                self.retry_at = Some(Instant::now() + DISK_RETRY);
                if !may_come_back && spool.is_some() {
                    self.begin_generation(None);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn begin_generation(&mut self, new: Option<Spool>) {
        let Some(generation) = &mut self.generation else { return };
        let ahead = std::mem::take(&mut self.read_ahead);
        let old = generation.spool.as_mut().map(|old| old.remains(ahead, new.as_ref()));
        let (pending, torn) = new.as_ref().map_or((0, 0), |new| (new.pending(), new.torn().records));
        generation.number += 1;
        generation.spool = new;
        let is_first_sight = old.is_some();
        // Rows that were given up, and are there after all, are rows of an earlier process.
        let Remains { rows, lost, repeated } =
            old.unwrap_or_else(|| Remains { repeated: pending, ..Remains::default() });
        self.queue.account.recount_spooled(pending - repeated);
        self.queue.account.inherit(repeated, torn);
        if is_first_sight {
            self.notices.say_throttled(&Error::spool(format!(
                "files were removed from the spool directory {}, and {lost} rows that were only there are lost: keep \
                 every job that cleans up away from it",
                generation.dir.display()
            )));
        }
        self.lose_corrupt(lost);
        self.take_back(rows);
    }

    /// Takes rows that are not on disk, to get them there before all others.
    pub(super) fn take_back(&mut self, rows: Vec<Row>) {
        self.held.splice(0..0, rows);
        self.has_taken_back = true;
    }

    /// Whether the rows of a batch stay on disk until they are acknowledged.
    pub(super) fn is_on_disk(&self, origin: Origin) -> bool {
        let current = self.generation.as_ref().map(|generation| generation.number);
        match origin {
            Origin::Spool { generation, .. } => Some(generation) == current,
            Origin::Waiting { generation } => generation.is_some() && generation == current,
            Origin::Queue | Origin::Ledger => false,
        }
    }

    /// Rows of a batch are about to be counted as written or quarantined.
    pub(super) fn count_out(&self, origin: Origin, rows: usize) {
        if self.is_on_disk(origin) {
            self.queue.account.unspool(rows as u64);
        }
    }

    /// All rows of a batch are stored or quarantined.
    pub(super) fn acknowledge(&mut self, origin: Origin) {
        let mut done = self.renew_if_gone();
        if let (true, Origin::Spool { up_to, .. }) = (self.is_on_disk(origin), origin) {
            done = done.and_then(|()| self.spool_mut().map_or(Ok(()), |spool| spool.acknowledge(up_to)));
        }
        self.say_if_failed(done);
        self.say_failure();
    }

    /// Writes the row into `quarantine.jsonl`, where there is a spool.
    pub(super) fn write_quarantine(&mut self, row: &Row, reason: &str) -> Result<(), Error> {
        self.renew_if_gone()?;
        match &mut self.generation {
            None => Ok(()),
            Some(Generation { spool: Some(spool), .. }) => spool.quarantine(row, reason),
            Some(Generation { dir, .. }) => {
                Err(Error::spool(format!("the spool directory {} cannot be used", dir.display())))
            }
        }
    }

    /// When the disk is to be synced.
    pub(super) fn next_sync(&self) -> Option<Instant> {
        self.spool()?.next_sync()
    }

    /// Syncs the disk when that is due by then.
    pub(super) fn sync(&mut self, by: Instant) {
        let synced = self.spool_mut().map_or(Ok(()), |spool| spool.sync_if_due(by));
        self.say_if_failed(synced);
    }

    /// Gets rows that are only in memory onto disk, as far as the disk takes them. Rows about losses are in no account.
    pub(super) fn save(&mut self, rows: Vec<Row>, mut about_losses: Vec<Row>) {
        let renewed = self.renew_if_gone();
        self.say_if_failed(renewed);
        self.held.extend(rows);
        let saved = if self.is_held_up() { self.append() } else { Ok(()) };
        if let Err(error) = saved {
            self.notices
                .say(Notice::Disk, format_args!("{} rows are in memory alone: {error:#}", self.held.len()));
        }
        let saved = self.spool_mut().map_or(Ok(()), |spool| spool.append(&mut about_losses));
        if let Err(error) = saved {
            self.notices
                .say(Notice::LossRows, format_args!("could not save the ledger.loss rows: {error:#}"));
        }
        self.say_failure();
        if let Some(due) = self.next_sync() {
            self.sync(due);
        }
    }

    fn say_if_failed(&self, done: Result<(), Error>) {
        if let Err(error) = done {
            self.notices.say_throttled(&error);
        }
    }

    fn say_failure(&mut self) {
        if let Some(error) = self.spool_mut().and_then(Spool::take_failure) {
            self.notices.say_throttled(&error);
        }
    }
}
