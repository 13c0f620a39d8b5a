//! Appends rows to the disk, and makes room for them.

use std::error::Error as StdError;
use std::fmt;

use super::Spool;
use super::disk::{Disk, is_full};
use super::format::{FRAME_LIMIT, frame_bytes};
use super::segment::{self, Active, Segment};
use crate::error::Error;
use crate::row::Row;

/// Why rows are not on disk.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// The limit is reached. Acknowledged records make room.
    Full { limit_bytes: u64 },
    /// The first row left is larger than a record can be, or than the whole spool. It never fits, so the caller has to take it
    /// out.
    TooLarge { bytes: usize, limit_bytes: u64 },
    /// The disk does not take it.
    Disk(Error),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit_bytes } => write!(
                f,
                "the spool is full with {limit_bytes} bytes: bring the database back, or raise spool_limit"
            ),
            Self::TooLarge { bytes, limit_bytes } => write!(
                f,
                "a row of {bytes} bytes is too large for the spool, which takes {limit_bytes}: record less in one \
                 span, or raise spool_limit"
            ),
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl<D: Disk> Spool<D> {
    /// Writes rows to disk, from the first on, and takes them out of `rows`. The rows that are left there are
    /// not on disk, and still the caller's.
    ///
    /// # Errors
    /// When rows are left. The next call may succeed.
    pub(crate) fn append(&mut self, rows: &mut Vec<Row>) -> Result<(), AppendError> {
        while let Some(first) = rows.first() {
            self.make_room(frame_bytes(first))?;
            let (records, done) = self.append_some(rows);
            rows.drain(..records);
            self.next += records as u64;
            if let Err(error) = done {
                self.free_disk(error).map_err(AppendError::Disk)?;
            }
        }
        Ok(())
    }

    /// Empties a spool whose records are all acknowledged, so that a large one finds room: segments end by their size,
    /// which a small spool may never reach.
    fn make_room(&mut self, bytes: usize) -> Result<(), AppendError> {
        let limit_bytes = self.options.limit_bytes;
        let largest = limit_bytes.min(FRAME_LIMIT as u64);
        if bytes as u64 > largest {
            return Err(AppendError::TooLarge { bytes, limit_bytes: largest });
        }
        if bytes as u64 > self.room() && self.acknowledged == self.next {
            self.remove_stored().map_err(AppendError::Disk)?;
        }
        if bytes as u64 > self.room() { Err(AppendError::Full { limit_bytes }) } else { Ok(()) }
    }

    /// One write of as many rows as it may take; how many are on disk now.
    fn append_some(&mut self, rows: &[Row]) -> (usize, Result<(), Error>) {
        if let Err(error) = self.roll() {
            return (0, Err(error));
        }
        let room = self.room();
        let (Some(active), Some(segment)) = (&mut self.active, self.segments.back_mut()) else {
            return (0, Err(Error::spool("there is no segment to write to")));
        };
        let enough = self.segment_bytes.saturating_sub(active.bytes);
        self.frames.encode(rows, self.next, room, enough);
        let (records, done) = active.append(&self.frames);
        segment.bytes = active.bytes;
        let name = segment.name();
        if active.broken {
            self.close();
        }
        (records, done.map_err(|error| self.disk.failed("cannot write to", &name, error)))
    }

    /// Makes room where it is the disk that is full.
    ///
    /// # Errors
    /// The given error, where the disk is not full or no room could be made.
    fn free_disk(&mut self, error: Error) -> Result<(), Error> {
        let before = self.room();
        let is_of_full_disk = error.source().and_then(<dyn StdError>::downcast_ref).is_some_and(is_full);
        // This ends, as there is less to delete each time.
        if is_of_full_disk && self.remove_stored().is_ok() && self.room() > before {
            return Ok(());
        }
        Err(error)
    }

    /// Deletes the acknowledged segments, and the active one if every record is acknowledged.
    fn remove_stored(&mut self) -> Result<(), Error> {
        if self.acknowledged == self.next {
            self.close();
        }
        // The earlier try may have failed.
        self.write_acknowledged()?;
        self.remove_acknowledged()
    }

    /// How many bytes there are to the limit.
    fn room(&self) -> u64 {
        let taken: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        self.options.limit_bytes.saturating_sub(taken)
    }

    /// Ensures that there is an active segment with room.
    fn roll(&mut self) -> Result<(), Error> {
        if self.active.as_ref().is_some_and(|active| active.bytes >= self.segment_bytes) {
            self.close();
        }
        if self.active.is_some() {
            return Ok(());
        }
        if let Err(error) = self.ack.reserve(&self.disk) {
            let (is_full, failure) = (is_full(&error), self.unacknowledged(error));
            // Without the acknowledgement no segment could ever be deleted.
            if is_full {
                return Err(failure);
            }
            self.note(failure);
        }
        let name = segment::name(self.next);
        let file = self.disk.create(&name).map_err(|error| self.disk.failed("cannot make", &name, error))?;
        self.active = Some(Active::new(file));
        self.segments.push_back(Segment::new(self.next, 0));
        Ok(())
    }

    /// Adds nothing more to the active segment.
    fn close(&mut self) {
        if self.options.sync_interval.is_some()
            && let Err(error) = self.sync_active()
        {
            self.note(error);
        }
        self.active = None;
        // The next one would have the same name, and takes its place.
        self.segments.pop_back_if(|segment| segment.bytes == 0);
    }
}
