//! Records on disk until the store has them, so that they survive the end of the process.
//!
//! # Promises
//!
//! - When [`Spool::append`] returns, the rows it took are in the page cache of the kernel: they survive SIGKILL,
//!   an abort and a panic, and [`Spool::open`] of the next process finds them. With a
//!   [`sync_interval`](SpoolOptions::sync_interval) they also survive the loss of power, all but those of the last
//!   interval.
//! - [`Spool::next_batch`] hands rows out in the order they came, each as it was, to the microsecond.
//! - Acknowledged rows are not handed out again by a later process, unless the acknowledgement
//!   is lost with the power; then the same rows come again with the same ids, marked as such.
//! - No damage keeps a spool from opening. Lost records are counted: exactly, if the numbers of their neighbours show
//!   how many; as one, if the end of the last segment is torn. Nothing that was
//!   not appended ever comes out.
//! - [`Spool::pending`] counts the records that were appended and not acknowledged. Each of them leaves the spool either as
//!   a row of a batch or in the [`lost`](SpooledRows::lost) of one.
//! - One thread owns it, and calls block for as long as the disk takes. Memory is bounded: one record, or 64 KiB, of
//!   the segment that is read, however long the backlog. Batches are the caller's.
//!
//! # When it is full
//!
//! The segments together stay within [`limit_bytes`](SpoolOptions::limit_bytes). Rows that would exceed it are not taken:
//! the newest rows stay with the caller, the writer leaves records in the queue, and the queue's
//! [`Overflow`](crate::Overflow) decides. Nothing on disk is ever dropped for something newer. Space comes back
//! with whole segments, an eighth of the limit at a time or 16 MiB. The files for people (see below) come on top.
//!
//! If the disk is full before the limit is reached, the same happens: acknowledged segments are deleted to make room.
//! The acknowledgement needs no new room, because its place is taken before the first record.
//!
//! # When somebody deletes it
//!
//! [`Spool::is_there`] notices it. The caller opens the directory again as a new generation, and counts the rows that
//! were only there as lost.
//!
//! # Files in the directory
//!
//! The spool makes the directory with mode 0700, and leaves the mode of an existing one. It refuses a directory of another user
//! than root, and one that others than the groups of this process may write to. Its files have mode 0600 in either case. No
//! symbolic link is followed, in place of the directory or in it.
//!
//! | file | content |
//! |---|---|
//! | `lock` | locked by the one process that owns the directory, and holds its process id |
//! | `00000000000000000042.segment1` | records from number 42 on |
//! | `acknowledged` | how far the store has them: see [`ack`] |
//! | `….damaged` | bytes that were no record, at most 64 files of 1 MiB or one segment |
//! | `quarantine.jsonl` | rows that the store rejects: see [`quarantine`] |
//! | `replay.jsonl` | the same lines, corrected, put there by a person: see [`replay`] |
//! | `replay.done-<time>.jsonl` | the same after it was taken in |
//!
//! Any other name is left alone.
//!
//! # A segment, version 1
//!
//! Frames, one after the other, and nothing else. Numbers are little-endian.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 4 | magic `FF 54 4C FE` |
//! | 4 | 4 | length of the payload, 38 to 4,194,304 |
//! | 8 | 8 | sequence number: one more than that of the frame before, below 2⁶³ |
//! | 16 | 4 | CRC-32C of bytes 4 to 15 and of the payload |
//! | 20 | | payload |
//!
//! The payload:
//!
//! | bytes | |
//! |---|---|
//! | 16 | `id` |
//! | 8 | `created_at`, signed microseconds since 1970-01-01T00:00:00Z |
//! | 1 | `severity`: 0 info, 1 warning, 2 error, 3 critical |
//! | 1 | bit 0: there is a `restaurant_id`; bit 1: there is a `booking_id`; the others are 0 |
//! | 0 or 16 | `restaurant_id` |
//! | 0 or 16 | `booking_id` |
//! | 4 + n | length and text of `source`, UTF-8 |
//! | 4 + n | length and text of `event_type`, UTF-8 |
//! | 4 + n | length and text of `context`, UTF-8 |
//!
//! A segment holds the numbers from the one in its name to the one in the next segment's: a frame beyond that is
//! what a failed write left behind, and is not read. A segment is closed once it has passed 16 MiB, or an eighth of
//! the limit. Every process begins a segment of its own.

mod ack;
mod append;
mod damage;
mod directory;
mod disk;
mod format;
#[cfg(fuzzing)]
pub mod fuzzing;
mod look;
mod quarantine;
mod read;
mod recover;
mod replay;
mod scan;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::ack::Ack;
pub(crate) use self::append::AppendError;
use self::directory::Directory;
use self::disk::{Disk, DiskFile as _};
pub(crate) use self::look::look;
use self::read::SegmentReader;
pub(crate) use self::read::SpooledRows;
use self::segment::{Active, Frames, Segment};
use crate::error::Error;
use crate::row::Row;

/// The least that [`SpoolOptions::limit_bytes`] may be.
pub(crate) const SMALLEST_LIMIT: u64 = 64 * 1024;

/// A segment that has reached this size is closed.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Closed segments are deleted one by one, so a small spool has small ones.
const SEGMENTS_WITHIN_LIMIT: u64 = 8;

/// How the spool uses its disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpoolOptions {
    /// The most bytes that all segments take together, at least [`SMALLEST_LIMIT`].
    pub(crate) limit_bytes: u64,
    /// How often to make records survive a loss of power; without it they survive only the end of the process.
    pub(crate) sync_interval: Option<Duration>,
}

/// The spool of one process.
pub(crate) struct Spool<D: Disk = Directory> {
    disk: D,
    options: SpoolOptions,
    segment_bytes: u64,
    /// Every segment, oldest first.
    segments: VecDeque<Segment>,
    /// The last segment, while it takes more records.
    active: Option<Active<D::File>>,
    reader: Option<SegmentReader<D::File>>,
    frames: Frames,
    ack: Ack<D::File>,
    /// The number of the next record to be appended.
    next: u64,
    /// The number of the next record to be handed out.
    cursor: u64,
    /// Every record with a lower number is acknowledged.
    acknowledged: u64,
    /// Records with a lower number may have reached the store before this process began.
    replay_until: u64,
    /// Records that an earlier process was writing when it ended.
    torn: u64,
    synced_at: Instant,
    /// The first error that no call has returned.
    failure: Option<Error>,
}

impl Spool {
    /// Takes possession of the directory, which is created if it is missing, and of the records that an earlier process
    /// left in it.
    ///
    /// # Errors
    /// [`Error::is_spool`] when the directory cannot be used: another process has it, it is a link, it is another user's,
    /// others may write to it, or nothing can be written there. Damaged records and a full disk are no error.
    pub(crate) fn open(dir: &Path, options: SpoolOptions) -> Result<Self, Error> {
        Self::on(Directory::own(dir)?, options)
    }
}

impl<D: Disk> Spool<D> {
    /// The path of the spool, and how it uses its disk.
    pub(crate) fn place(&self) -> (PathBuf, SpoolOptions) {
        (self.disk.path().to_owned(), self.options)
    }

    /// Whether the files are where this process writes them. A file can be written after somebody has deleted it, and no
    /// process would ever find the rows.
    pub(crate) fn is_there(&self) -> bool {
        self.disk.is_owned() && self.active.as_ref().is_none_or(|active| active.file.is_linked())
    }

    /// How many records are on disk and not acknowledged.
    pub(crate) fn pending(&self) -> u64 {
        self.next - self.acknowledged
    }

    /// The numbers of the records that are still to be handed out.
    pub(crate) fn unread(&self) -> Range<u64> {
        self.cursor..self.next
    }

    /// How many records an earlier process was writing when it ended, as far as the bytes show. They are lost, and not
    /// part of [`pending`](Self::pending).
    pub(crate) fn torn(&self) -> u64 {
        self.torn
    }

    /// The first error since the last call that no other call has returned.
    pub(crate) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Quarantines the row, so that a person can read, correct and replay it. It still has to be
    /// acknowledged with its batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn quarantine(&mut self, row: &Row, reason: &str) -> Result<(), Error> {
        quarantine::add(&self.disk, row, reason)
    }

    /// Notes on disk that all rows up to [`SpooledRows::up_to`] are stored or quarantined.
    ///
    /// # Errors
    /// When it cannot be written down: the same rows may be sent again by the next process. The next
    /// acknowledgement tries again.
    pub(crate) fn acknowledge(&mut self, up_to: u64) -> Result<(), Error> {
        self.acknowledged = self.acknowledged.max(up_to.min(self.cursor));
        self.write_acknowledged()?;
        self.remove_acknowledged()
    }

    /// Writes the acknowledgement, unless the disk has it already.
    fn write_acknowledged(&mut self) -> Result<(), Error> {
        if self.ack.kept().unwrap_or(0) < self.acknowledged {
            self.ack.write(&self.disk, self.acknowledged).map_err(|error| self.unacknowledged(error))?;
        }
        Ok(())
    }

    /// Deletes segments that are wholly acknowledged, but for the active one. The acknowledgement is made to survive
    /// a power loss first: without it, the deleted records would count as lost.
    fn remove_acknowledged(&mut self) -> Result<(), Error> {
        while let Some(segment) = self.acknowledged_segment() {
            self.ack.sync(&self.disk).map_err(|error| self.unacknowledged(error))?;
            // All its rows were handed out, and an open file keeps its place on the disk.
            self.reader.take_if(|reader| reader.first == segment.first);
            let removed = if segment.unreadable {
                damage::retire(&self.disk, &segment.name())
            } else {
                self.disk.remove(&segment.name())
            };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.disk.failed("cannot delete", &segment.name(), error));
                }
                _ => {
                    self.segments.pop_front();
                }
            }
        }
        Ok(())
    }

    fn acknowledged_segment(&self) -> Option<Segment> {
        let is_closed = self.segments.len() > 1 || self.active.is_none();
        let segment = self.segments.front().filter(|_| is_closed)?;
        let end = self.segments.get(1).map_or(self.next, |next| next.first);
        (end <= self.ack.kept()?).then(|| segment.clone())
    }

    fn unacknowledged(&self, error: io::Error) -> Error {
        let what = "rows that are stored may be sent again, since this cannot be written:";
        self.disk.failed(what, ack::NAME, error)
    }

    /// When the next [`sync_if_due`](Self::sync_if_due) has something to do.
    pub(crate) fn next_sync(&self) -> Option<Instant> {
        let is_dirty = self.active.as_ref().is_some_and(|active| active.dirty);
        self.options.sync_interval.filter(|_| is_dirty).map(|interval| self.synced_at + interval)
    }

    /// Makes the appended records survive a power loss, when an interval has passed since the last time.
    ///
    /// # Errors
    /// When the disk cannot do it: the records since the last time survive the end of the process alone. The segment is
    /// closed, since the kernel forgets the bytes that it could not write, and later calls begin afresh.
    pub(crate) fn sync_if_due(&mut self, now: Instant) -> Result<(), Error> {
        if self.next_sync().is_some_and(|due| now >= due) {
            self.synced_at = now;
            self.sync_active()?;
        }
        Ok(())
    }

    fn sync_active(&mut self) -> Result<(), Error> {
        let Some(active) = self.active.as_mut().filter(|active| active.dirty) else { return Ok(()) };
        let synced = active.sync(&self.disk);
        if synced.is_err() {
            self.active = None;
        }
        synced.map_err(|error| {
            let name = self.segments.back().map(Segment::name).unwrap_or_default();
            self.disk.failed("rows would not survive a power loss, cannot sync", &name, error)
        })
    }

    /// Keeps the first failure for [`take_failure`](Self::take_failure).
    fn note(&mut self, failure: Error) {
        self.failure.get_or_insert(failure);
    }
}
