//! The way of the rows onto disk, where there is a spool.
//!
//! A full spool leaves records in the queue. So does a disk that fails, but its rows go to the store past the disk: a spool
//! costs no row that would be written without it.
//!
//! Where somebody has removed the files, the spool goes on as a new generation. Rows that were only there are counted as
//! lost. The batch in hand belongs to the old generation: an acknowledgement of its rows is ignored.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use super::bisect::Origin;
use super::notices::Problem;
use super::source::{MadeRows, Source};
use crate::error::Error;
use crate::notice::{self, NoticeKind};
use crate::queue::Queue;
use crate::row::Row;
use crate::spool::{AppendError, Spool, SpoolOptions};

/// Records that go onto disk at once: a millisecond's work or two, in which the store has to wait.
const FILL: usize = 1000;
/// How soon a disk that fails is tried again.
const DISK_RETRY: Duration = Duration::from_millis(250);

/// Takes possession of a spool directory, and of the rows that an earlier process left in it.
pub(crate) fn open_spool(dir: &Path, options: SpoolOptions, queue: &Queue) -> Result<Spool, Error> {
    let mut spool = Spool::open(dir, options)?;
    match spool.take_replay() {
        Ok(replayed) if replayed.taken + replayed.left > 0 => notice::say(
            NoticeKind::Spool,
            format_args!(
                "replay.jsonl was read: {} of its rows are sent again, and {} of its lines stay there{}",
                replayed.taken,
                replayed.left,
                replayed.reasons.iter().map(|reason| format!("; {reason}")).collect::<String>()
            ),
        ),
        Ok(_) => {}
        Err(error) => notice::say(NoticeKind::Spool, format_args!("{error:#}")),
    }
    queue.account.inherit(spool.pending(), spool.torn());
    Ok(spool)
}

impl Source {
    pub(super) fn has_spool(&self) -> bool {
        self.place.is_some()
    }

    /// The numbers of the rows on disk that are still to be delivered.
    pub(super) fn unread(&self) -> Range<u64> {
        let unread = self.spool.as_ref().map_or(0..0, Spool::unread);
        unread.start - self.read_ahead.records()..unread.end
    }

    /// Whether rows wait for the disk to take them.
    pub(super) fn has_unspooled(&self) -> bool {
        !self.unspooled.is_empty()
    }

    /// Gets some of the queue onto disk, as far as the disk takes it. Returns whether to go on at once.
    pub(super) fn fill(&mut self) -> bool {
        if !self.has_spool() {
            return false;
        }
        let filled = self.try_fill();
        match &filled {
            Err(error) => self.notices.say(
                Problem::Disk,
                format_args!("rows stay in memory, as far as the queue has room: {error:#}"),
            ),
            // Rows that went past the disk do not show that it works.
            Ok(true) if !self.has_unspooled() => {
                self.notices.say_recovered(&[Problem::Disk], "the spool takes rows again");
            }
            Ok(_) => {}
        }
        self.say_failure();
        filled.unwrap_or(false)
    }

    fn try_fill(&mut self) -> Result<bool, AppendError> {
        if self.unspooled.is_empty() {
            let mut made = MadeRows::default();
            self.make(self.batch_size.min(FILL), &mut made);
            self.unspooled = made.rows;
        }
        if self.unspooled.is_empty() || self.is_resting() {
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
        if let (Ok(()), Some(spool)) = (&appended, &mut self.spool) {
            let before = self.unspooled.len();
            appended = spool.append(&mut self.unspooled);
            self.queue.account.spool((before - self.unspooled.len()) as u64);
        }
        self.retry_at = matches!(appended, Err(AppendError::Disk(_))).then(|| Instant::now() + DISK_RETRY);
        if let Err(error @ AppendError::TooLarge { .. }) = &appended {
            let row = self.unspooled.remove(0);
            let reason = error.to_string();
            self.quarantine(row, reason, Origin::Queue);
            return Ok(());
        }
        appended
    }

    /// Opens the directory again, as a new generation, where somebody has removed the files.
    ///
    /// # Errors
    /// When it cannot be opened. Rows go past the disk until it can.
    pub(super) fn renew_if_gone(&mut self) -> Result<(), Error> {
        if self.spool.as_ref().is_some_and(Spool::is_there) {
            return Ok(());
        }
        let Some((dir, options)) = self.place.clone() else { return Ok(()) };
        // Its lock goes with it.
        let unread = self.spool.is_some().then(|| self.unread());
        (self.spool, self.read_ahead) = Default::default();
        let opened = Spool::open(&dir, options);
        let (found, torn) = opened.as_ref().map_or((0..0, 0), |new| (new.unread(), new.torn()));
        self.retry_at = opened.is_err().then(|| Instant::now() + DISK_RETRY);
        let lost = self.recount(unread.clone().unwrap_or_default(), &found, torn);
        if unread.is_some() {
            self.generation += 1;
            self.has_moved = true;
            self.notices.say_throttled(&Error::spool(format!(
                "files were removed from the spool directory {}, and {lost} rows that were only there are lost: keep \
                 every job that cleans up away from it",
                dir.display()
            )));
        }
        self.spool = Some(opened?);
        Ok(())
    }

    /// Returns how many unread rows are lost. The new generation continues the numbers of the segments that are left,
    /// so an unread number that it lacks is lost. Any other row counts as inherited: it is in hand, or an earlier
    /// process left it.
    fn recount(&self, unread: Range<u64>, found: &Range<u64>, torn: u64) -> u64 {
        let kept = unread.end.min(found.end).saturating_sub(unread.start.max(found.start));
        let lost = unread.end - unread.start - kept;
        self.queue.account.recount_spooled(kept);
        self.queue.account.inherit(found.end - found.start - kept, torn);
        self.lose_corrupt(lost);
        lost
    }

    /// Takes rows that are not on disk, to get them there before all others.
    pub(super) fn take_back(&mut self, rows: Vec<Row>) {
        self.unspooled.splice(0..0, rows);
        self.has_moved = true;
    }

    /// Whether the rows of a batch stay on disk until they are acknowledged.
    pub(super) fn is_on_disk(&self, origin: Origin) -> bool {
        match origin {
            Origin::Spool { generation, .. } => generation == self.generation,
            Origin::Waiting { generation } => generation == Some(self.generation),
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
            done = done.and_then(|()| self.spool.as_mut().map_or(Ok(()), |spool| spool.acknowledge(up_to)));
        }
        self.say_if_failed(done);
        self.say_failure();
    }

    /// Writes the row into `quarantine.jsonl`, where there is a spool.
    pub(super) fn write_quarantine(&mut self, row: &Row, reason: &str) -> Result<(), Error> {
        self.renew_if_gone()?;
        self.spool.as_mut().map_or(Ok(()), |spool| spool.quarantine(row, reason))
    }

    /// When the disk is to be synced.
    pub(super) fn next_sync(&self) -> Option<Instant> {
        self.spool.as_ref()?.next_sync()
    }

    /// Syncs the disk when that is due by then.
    pub(super) fn sync(&mut self, by: Instant) {
        let synced = self.spool.as_mut().map_or(Ok(()), |spool| spool.sync_if_due(by));
        self.say_if_failed(synced);
    }

    /// Gets rows that are only in memory onto disk, as far as the disk takes them. Rows about losses are in no account.
    pub(super) fn save(&mut self, rows: Vec<Row>, mut about_losses: Vec<Row>) {
        let renewed = self.renew_if_gone();
        self.say_if_failed(renewed);
        self.unspooled.extend(rows);
        let saved = if self.has_unspooled() { self.append() } else { Ok(()) };
        if let Err(error) = saved {
            self.notices.say(
                Problem::Disk,
                format_args!(
                    "the spool cannot be written, so {} rows are lost when the process ends: {error:#}",
                    self.unspooled.len()
                ),
            );
        }
        let saved = self.spool.as_mut().map_or(Ok(()), |spool| spool.append(&mut about_losses));
        if let Err(error) = saved {
            self.notices
                .say(Problem::LossRows, format_args!("could not save the ledger.loss rows: {error:#}"));
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
        if let Some(error) = self.spool.as_mut().and_then(Spool::take_failure) {
            self.notices.say_throttled(&error);
        }
    }
}
