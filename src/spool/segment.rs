//! One file of records: its name, and how records are added to it.

use std::io;

use super::disk::{Disk, DiskFile, is_full, write_all};
use super::format::{FRAME_LIMIT, encode, frame_bytes};
use crate::row::Row;

/// The end of a segment's name, after the number. It names the format: each version has its own extension, and leaves the
/// files of others alone.
const EXTENSION: &str = ".segment1";
const DIGITS: usize = 20;
/// The most bytes that are encoded before they are written, give or take one record.
const WRITE_BYTES: u64 = 1024 * 1024;

/// A segment on disk, open or not.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The sequence number of its first record, from its name.
    pub(super) first: u64,
    /// Its size.
    pub(super) bytes: u64,
    /// A part could not be read. So the segment is kept for a person once it is acknowledged.
    pub(super) unreadable: bool,
}

impl Segment {
    pub(super) fn new(first: u64, bytes: u64) -> Self {
        Self { first, bytes, unreadable: false }
    }

    pub(super) fn name(&self) -> String {
        name(self.first)
    }
}

/// Zero-padded, so that names sort as numbers do.
pub(super) fn name(first: u64) -> String {
    format!("{first:0DIGITS$}{EXTENSION}")
}

/// The number in the name of a segment; `None` for any other file.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(EXTENSION).filter(|digits| digits.len() == DIGITS)?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    // Half the range is never reached, and nothing that is added to it overflows.
    (number <= u64::MAX / 2).then_some(number)
}

/// Records encoded and ready to be written at once.
#[derive(Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Frames {
    /// Encodes rows from the front, numbered from `sequence`, as many as fit into `room` bytes. Once there are
    /// `enough` bytes, or as many as are written at once, it is left at that.
    pub(super) fn encode(&mut self, rows: &[Row], sequence: u64, room: u64, enough: u64) {
        self.bytes.clear();
        self.bytes.shrink_to(WRITE_BYTES as usize);
        self.ends.clear();
        for (row, sequence) in rows.iter().zip(sequence..) {
            let frame = frame_bytes(row);
            let is_enough = self.bytes.len() as u64 >= enough.min(WRITE_BYTES);
            if is_enough || frame > FRAME_LIMIT || (self.bytes.len() + frame) as u64 > room {
                return;
            }
            encode(&mut self.bytes, sequence, row);
            self.ends.push(self.bytes.len());
        }
    }

    /// The number of whole frames in the first `bytes` bytes, and the end of the last of these frames.
    fn whole(&self, bytes: usize) -> (usize, usize) {
        let frames = self.ends.partition_point(|end| *end <= bytes);
        (frames, frames.checked_sub(1).map_or(0, |last| self.ends[last]))
    }
}

/// The segment that records are added to.
pub(super) struct Active<F> {
    pub(super) file: F,
    /// Where the last good record ends: everything behind it is to be overwritten.
    pub(super) bytes: u64,
    /// Something was written since the last sync.
    pub(super) dirty: bool,
    /// Its file cannot be trusted any more.
    pub(super) broken: bool,
}

impl<F: DiskFile> Active<F> {
    pub(super) fn new(file: F) -> Self {
        Self { file, bytes: 0, dirty: false, broken: false }
    }

    /// Writes the frames; how many are written whole, and the error that kept the others out.
    ///
    /// A frame that is written in part is cut off again.
    pub(super) fn append(&mut self, frames: &Frames) -> (usize, io::Result<()>) {
        let (written, done) = write_all(&mut self.file, &frames.bytes, self.bytes);
        let (records, bytes) = frames.whole(written);
        self.bytes += bytes as u64;
        self.dirty |= records > 0;
        if let Err(error) = &done {
            let cut = self.file.set_bytes(self.bytes);
            // The same file can take more once there is space again.
            self.broken = cut.is_err() || !is_full(error);
        }
        (records, done)
    }

    /// Makes the records survive a power loss, with the name of their file.
    pub(super) fn sync(&mut self, disk: &impl Disk) -> io::Result<()> {
        disk.sync()?;
        self.file.sync()?;
        self.dirty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_segments_are_names_of_segments() {
        assert_eq!(name(42), "00000000000000000042.segment1");
        assert_eq!(number(&name(42)), Some(42));
        for other in [
            "42.segment1",
            "00000000000000000042.segment2",
            "+0000000000000000042.segment1",
            "18446744073709551615.segment1",
            "99999999999999999999.segment1",
            "0000000000000000004é.segment1",
            "lock",
            "",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
