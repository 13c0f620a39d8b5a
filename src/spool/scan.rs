//! Reads the records of one segment, whatever state its bytes are in, in flat memory.

use std::io;
use std::ops::Range;

use super::disk::{DiskFile, read_some};
use super::format::{HEADER_BYTES, Header, MAGIC};
use crate::row::Row;

/// How much is read at once; records larger than that make the buffer as large as they are.
const CHUNK_BYTES: usize = 64 * 1024;

/// A record found in a segment.
#[derive(Debug)]
pub(super) struct ScannedRecord {
    pub(super) sequence: u64,
    pub(super) row: Row,
    /// The bytes between it and the record before that are no record.
    pub(super) damage: Range<u64>,
}

/// Goes through a segment from its start, record by record.
///
/// Bytes that are not a frame are stepped over to the next one that is: its magic, a length and a sequence number
/// that can be, and its checksum.
pub(super) struct Scanner<F> {
    file: F,
    /// The sequence numbers that may still come: they only grow within a segment, and the next segment takes over
    /// where its name says.
    sequences: Range<u64>,
    /// Where the last good record ends.
    good: u64,
    /// Where to look next.
    at: u64,
    /// Bytes of the file, from `base`.
    buffer: Vec<u8>,
    base: u64,
    /// Starts of frames that were none, since the last good record.
    broken: u64,
}

impl<F: DiskFile> Scanner<F> {
    /// A scanner of the segment that holds these sequence numbers.
    pub(super) fn new(file: F, sequences: Range<u64>) -> Self {
        Self { file, sequences, good: 0, at: 0, buffer: Vec::new(), base: 0, broken: 0 }
    }

    /// The next good record; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<ScannedRecord>> {
        loop {
            let Some(header) = self.next_header()? else { return Ok(None) };
            match self.row(header)? {
                Some(row) => return Ok(Some(self.found(header, row))),
                None => self.step_over(),
            }
        }
    }

    /// The rest of the file, which holds no record: set once [`next`](Self::next) has found none.
    pub(super) fn tail(&self) -> Range<u64> {
        self.good..self.base + self.buffer.len() as u64
    }

    /// How many records the tail was meant to hold, as far as one can see: at least one, unless it is empty.
    pub(super) fn tail_records(&self) -> u64 {
        if self.tail().is_empty() { 0 } else { self.broken.max(1) }
    }

    /// The lowest sequence number that no record before this point has.
    pub(super) fn next_sequence(&self) -> u64 {
        self.sequences.start
    }

    pub(super) fn file(&mut self) -> &mut F {
        &mut self.file
    }

    /// Finds the next bytes that can be a header, from `at` on, and moves there.
    fn next_header(&mut self) -> io::Result<Option<Header>> {
        loop {
            let bytes = self.bytes(HEADER_BYTES)?;
            if let Some(header) = Header::parse(bytes)
                && self.sequences.contains(&header.sequence)
            {
                return Ok(Some(header));
            }
            if self.bytes(HEADER_BYTES)?.len() < MAGIC.len() {
                return Ok(None);
            }
            self.step_over();
            self.seek_magic()?;
        }
    }

    /// Moves to the next magic, or to the end of the file.
    fn seek_magic(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.bytes(CHUNK_BYTES)?;
            let end = bytes.len();
            match bytes.windows(MAGIC.len()).position(|window| window == MAGIC) {
                Some(place) => {
                    self.at += place as u64;
                    return Ok(());
                }
                None if end < CHUNK_BYTES => {
                    self.at += end.saturating_sub(MAGIC.len() - 1) as u64;
                    return Ok(());
                }
                None => self.at += (end - (MAGIC.len() - 1)) as u64,
            }
        }
    }

    /// The row under the header at `at`, if the whole row is there and unharmed.
    fn row(&mut self, header: Header) -> io::Result<Option<Row>> {
        let frame = self.bytes(HEADER_BYTES + header.length)?;
        let payload = frame.get(HEADER_BYTES..HEADER_BYTES + header.length);
        Ok(payload.and_then(|payload| header.row(payload)))
    }

    fn found(&mut self, header: Header, row: Row) -> ScannedRecord {
        let damage = self.good..self.at;
        self.at += (HEADER_BYTES + header.length) as u64;
        self.good = self.at;
        self.broken = 0;
        self.sequences.start = header.sequence + 1;
        ScannedRecord { sequence: header.sequence, row, damage }
    }

    /// There is no frame at `at`, though there may have been one.
    fn step_over(&mut self) {
        let offset = (self.at - self.base) as usize;
        let looked_like_one = self.buffer.get(offset..).is_some_and(|bytes| bytes.starts_with(&MAGIC));
        self.broken += u64::from(looked_like_one);
        self.at += 1;
    }

    /// The bytes at `at`: as many as asked for, or fewer at the end of the file, or more.
    fn bytes(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let offset = (self.at - self.base) as usize;
        if self.buffer.len().saturating_sub(offset) < wanted {
            self.buffer.drain(..offset.min(self.buffer.len()));
            self.base = self.at;
            let missing = (wanted - self.buffer.len()).max(CHUNK_BYTES);
            read_some(&mut self.file, &mut self.buffer, self.base, missing)?;
        }
        let offset = (self.at - self.base) as usize;
        Ok(self.buffer.get(offset..).unwrap_or_default())
    }
}
