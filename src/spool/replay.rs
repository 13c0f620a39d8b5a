//! Rows that a person has corrected, on their way back.
//!
//! Lines of [`quarantine.jsonl`](super::quarantine), corrected and put into `replay.jsonl` beside it, are taken in by
//! the next process that opens the spool. `id` and `created_at` stay as they are, so that a row that is there
//! already does not become two. When all is taken in, the file is renamed to `replay.done-<time>.jsonl`; lines that
//! are still wrong, or that the spool has no room for, are in a new `replay.jsonl`. A crash in between takes the
//! same lines in again, which the ids absorb.

use std::io::{self, BufRead as _, BufReader, Read};

use jiff::Timestamp;

use super::disk::{Disk, DiskFile, failed, write_all};
use super::format::{PAYLOAD_LIMIT, frame_bytes};
use super::{Spool, quarantine};
use crate::error::Error;
use crate::row::Row;

const NAME: &str = "replay.jsonl";
/// The new `replay.jsonl` while it is being written.
const LEFT: &str = "replay.left";
/// How many lines are taken in at once.
const CHUNK_LINES: usize = 256;
/// Longer than any line that the ledger writes: a context of the largest size fits, with every byte escaped.
const LINE_LIMIT: u64 = 32 * 1024 * 1024;
/// How many wrong lines are named.
const NAMED_LINES: usize = 10;

/// The fate of the lines of `replay.jsonl`.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Rows that are in the spool now.
    pub(crate) taken: u64,
    /// Lines that stay in `replay.jsonl`.
    pub(crate) left: u64,
    /// Why, for the first of them.
    pub(crate) reasons: Vec<String>,
}

impl Replayed {
    fn leave(&mut self, line: u64, reason: &dyn std::fmt::Display) {
        self.left += 1;
        if self.reasons.len() < NAMED_LINES {
            self.reasons.push(format!("line {line} of {NAME}: {reason}"));
        }
    }
}

/// A line on its way in, with its number and its row.
struct ReplayLine {
    number: u64,
    bytes: Vec<u8>,
}

impl<D: Disk> Spool<D> {
    /// Takes in `replay.jsonl`, if there is one. Call it before anything is appended.
    ///
    /// # Errors
    /// When the file cannot be read, or the lines that stay cannot be written. Then the file stays as it is, and the next
    /// process takes in all of its lines again.
    pub(crate) fn take_replay(&mut self) -> Result<Replayed, Error> {
        let taken = self.try_take_replay();
        // The first try of these rows was that of another process.
        self.replay_until = self.next;
        taken.map_err(|error| failed("cannot replay all of", &self.disk.path().join(NAME), error))
    }

    fn try_take_replay(&mut self) -> io::Result<Replayed> {
        let Some(file) = self.replay_file()? else { return Ok(Replayed::default()) };
        let start = self.next;
        let mut file = ReplayFile {
            lines: BufReader::new(From0 { file, offset: 0 }),
            number: 0,
            left: None,
            replayed: Replayed::default(),
        };
        while file.take_chunk(self)? {}
        let ReplayFile { left, replayed, .. } = file;
        // All of them: those that are full were closed on the way.
        self.sync_segments(start)?;
        self.put_away(left)?;
        Ok(replayed)
    }

    fn replay_file(&self) -> io::Result<Option<D::File>> {
        match self.disk.open(NAME) {
            // A crash came between the two renames.
            Err(error) if error.kind() == io::ErrorKind::NotFound => match self.disk.rename(LEFT, NAME) {
                Ok(()) => self.disk.open(NAME).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            opened => opened.map(Some),
        }
    }

    fn put_away(&self, left: Option<LeftLines<D::File>>) -> io::Result<()> {
        let done = format!("replay.done-{:.6}.jsonl", Timestamp::now()).replace(':', "");
        if let Some(mut left) = left {
            left.file.sync()?;
            self.disk.rename(NAME, &done)?;
            self.disk.rename(LEFT, NAME)
        } else {
            self.disk.rename(NAME, &done)
        }
    }
}

/// The lines that are not taken in.
struct LeftLines<F> {
    file: F,
    bytes: u64,
}

/// Goes through the file once.
struct ReplayFile<F> {
    lines: BufReader<From0<F>>,
    number: u64,
    left: Option<LeftLines<F>>,
    replayed: Replayed,
}

impl<F: DiskFile> ReplayFile<F> {
    /// Takes in the next lines; `false` at the end of the file.
    fn take_chunk<D: Disk<File = F>>(&mut self, spool: &mut Spool<D>) -> io::Result<bool> {
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        let mut more = true;
        while more && lines.len() < CHUNK_LINES {
            match self.next_line()? {
                None => more = false,
                Some(line) => self.sort(&spool.disk, line, &mut lines, &mut rows)?,
            }
        }
        let count = rows.len();
        let appended = spool.append(&mut rows);
        let taken = count - rows.len();
        self.replayed.taken += taken as u64;
        if let Err(error) = appended {
            for line in lines.drain(taken..) {
                self.leave(&spool.disk, line, &error)?;
            }
        }
        Ok(more)
    }

    fn sort(
        &mut self,
        disk: &impl Disk<File = F>,
        line: ReplayLine,
        lines: &mut Vec<ReplayLine>,
        rows: &mut Vec<Row>,
    ) -> io::Result<()> {
        match quarantine::from_line(&line.bytes) {
            Ok(row) if frame_bytes(&row) > PAYLOAD_LIMIT => {
                self.leave(disk, line, &format_args!("the row is over {PAYLOAD_LIMIT} bytes"))
            }
            Ok(row) => {
                rows.push(row);
                lines.push(line);
                Ok(())
            }
            Err(reason) => self.leave(disk, line, &reason),
        }
    }

    fn leave(
        &mut self,
        disk: &impl Disk<File = F>,
        mut line: ReplayLine,
        reason: &dyn std::fmt::Display,
    ) -> io::Result<()> {
        self.replayed.leave(line.number, reason);
        let left = match &mut self.left {
            Some(left) => left,
            none => none.insert(LeftLines { file: disk.create(LEFT)?, bytes: 0 }),
        };
        line.bytes.push(b'\n');
        write_all(&mut left.file, &line.bytes, left.bytes).1?;
        left.bytes += line.bytes.len() as u64;
        Ok(())
    }

    /// The next line that is not blank, without its end.
    fn next_line(&mut self) -> io::Result<Option<ReplayLine>> {
        loop {
            let mut bytes = Vec::new();
            let read = self.lines.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut bytes)?;
            if read as u64 == LINE_LIMIT {
                return Err(io::Error::other(format!("line {} is over {LINE_LIMIT} bytes", self.number + 1)));
            }
            self.number += 1;
            bytes.truncate(bytes.trim_ascii_end().len());
            if !bytes.is_empty() {
                return Ok(Some(ReplayLine { number: self.number, bytes }));
            }
            if read == 0 {
                return Ok(None);
            }
        }
    }
}

/// Reads a file from its start.
struct From0<F> {
    file: F,
    offset: u64,
}

impl<F: DiskFile> Read for From0<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
