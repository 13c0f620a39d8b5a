//! Reads rows back from disk, in the order they came.

use std::io;

use super::Spool;
use super::damage;
use super::disk::{Disk, is_damage};
use super::format::frame_bytes;
use super::scan::{ScannedRecord, Scanner};
use super::segment;
use crate::error::Error;
use crate::row::Row;

/// Rows to be stored, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct SpooledRows {
    pub(crate) rows: Vec<Row>,
    /// An earlier process may have stored some of them.
    pub(crate) may_be_stored: bool,
    /// Records before, between or after these that can never be read again. A batch may be nothing else.
    pub(crate) lost: u64,
    /// The number to [`acknowledge`](Spool::acknowledge) once all rows are stored or quarantined.
    pub(crate) up_to: u64,
    bytes: usize,
}

impl SpooledRows {
    /// How many records these are, with those that are lost.
    pub(crate) fn records(&self) -> u64 {
        self.rows.len() as u64 + self.lost
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records() == 0
    }
}

/// Goes through one segment.
pub(super) struct SegmentReader<F> {
    pub(super) first: u64,
    scanner: Scanner<F>,
}

impl<D: Disk> Spool<D> {
    /// The next rows in order: up to `max_rows`, and no more once they take `max_bytes` on disk. Each is handed out once
    /// by a process.
    ///
    /// # Errors
    /// When a segment exists and cannot be opened, such as when the process has no file handle left. A later call may succeed,
    /// and nothing is lost. Records in a segment that can be opened but not read are lost, and counted.
    pub(crate) fn next_batch(&mut self, max_rows: usize, max_bytes: usize) -> Result<SpooledRows, Error> {
        let may_be_stored = self.cursor < self.replay_until;
        let mut batch = SpooledRows { may_be_stored, ..SpooledRows::default() };
        while self.cursor < self.next && batch.rows.len() < max_rows && batch.bytes < max_bytes {
            match self.step(&mut batch) {
                Ok(()) => {}
                // The rows so far are handed out; the failure returns with the next call.
                Err(_) if !batch.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        batch.up_to = self.cursor;
        Ok(batch)
    }

    /// Adds a row, or goes nearer to the next.
    fn step(&mut self, batch: &mut SpooledRows) -> Result<(), Error> {
        let (segment, end) = self.segment_at_cursor();
        let Some(first) = segment else {
            self.pass(batch, end);
            return Ok(());
        };
        let found = match self.open_reader(first) {
            Ok(reader) => reader.scanner.next(),
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_damage(&error) => Err(error),
            Err(error) => return Err(self.disk.failed("cannot open", &segment::name(first), error)),
        };
        match found {
            Ok(Some(found)) if found.sequence < end => self.take(batch, found),
            Ok(_) => self.finish_segment(batch, end),
            Err(error) => {
                self.give_up_segment(first, error);
                self.pass(batch, end);
            }
        }
        Ok(())
    }

    /// The segment that holds the next record, and where it ends. Without one: where the next begins.
    fn segment_at_cursor(&self) -> (Option<u64>, u64) {
        let after = self.segments.partition_point(|segment| segment.first <= self.cursor);
        let first = after.checked_sub(1).map(|place| self.segments[place].first);
        (first, self.segments.get(after).map_or(self.next, |segment| segment.first))
    }

    fn open_reader(&mut self, first: u64) -> io::Result<&mut SegmentReader<D::File>> {
        let reader = match self.reader.take().filter(|reader| reader.first == first) {
            Some(reader) => reader,
            None => {
                let file = self.disk.open(&segment::name(first))?;
                SegmentReader { first, scanner: Scanner::new(file, first..u64::MAX / 2) }
            }
        };
        Ok(self.reader.insert(reader))
    }

    fn take(&mut self, batch: &mut SpooledRows, found: ScannedRecord) {
        // Records before the cursor were acknowledged to an earlier process.
        if found.sequence < self.cursor {
            return;
        }
        if found.sequence > self.cursor {
            self.keep_damage(found.damage);
            self.pass(batch, found.sequence);
        }
        self.cursor += 1;
        batch.bytes += frame_bytes(&found.row);
        batch.rows.push(found.row);
    }

    /// Ends a segment that has no more records. Those that are missing up to `end` are lost.
    fn finish_segment(&mut self, batch: &mut SpooledRows, end: u64) {
        if self.cursor < end {
            let tail = self.reader.as_ref().map_or(0..0, |reader| reader.scanner.tail());
            self.keep_damage(tail);
        }
        self.pass(batch, end);
        self.reader = None;
    }

    /// The disk does not return the written bytes. The file is kept: a person may recover more.
    fn give_up_segment(&mut self, first: u64, error: io::Error) {
        self.reader = None;
        let what = "rows are lost, since this cannot be read:";
        self.note(self.disk.failed(what, &segment::name(first), error));
        for segment in self.segments.iter_mut().filter(|segment| segment.first == first) {
            segment.unreadable = true;
        }
    }

    /// Goes on to `sequence`: the records before it are lost.
    fn pass(&mut self, batch: &mut SpooledRows, sequence: u64) {
        batch.lost += sequence.saturating_sub(self.cursor);
        self.cursor = self.cursor.max(sequence);
    }

    fn keep_damage(&mut self, stretch: std::ops::Range<u64>) {
        let Some(reader) = &mut self.reader else { return };
        let (name, at) = (segment::name(reader.first), stretch.start);
        let kept = damage::keep(&self.disk, reader.scanner.file(), &name, stretch);
        self.note(match kept {
            Ok(()) => Error::spool(format!(
                "{} is damaged at byte {at}, and rows are lost: the damaged bytes are kept beside it as .damaged, see \
                 the kernel's log for the state of the disk",
                self.disk.path().join(name).display()
            )),
            Err(error) => self.disk.failed("cannot keep the damaged part of", &name, error),
        });
    }
}
