//! Rows that a person has corrected, on their way back.
//!
//! Lines of [`quarantine.jsonl`](super::quarantine), corrected and put into `replay.jsonl` beside it, are taken in by
//! the next process that opens the spool. `id` and `created_at` stay as they are, so that a row that is there
//! already does not become two. When all is taken in, the file is renamed to `replay.done-<time>.jsonl`; lines that
//! are still wrong, or that the spool has no room for, are in a new `replay.jsonl`. A crash in between takes the
//! same lines in again, which the ids absorb.

use std::io::{self, BufRead, BufReader, Read};

use jiff::Timestamp;

use super::disk::{Disk, DiskFile, write_all};
use super::{Spool, quarantine};
use crate::error::Error;

const NAME: &str = "replay.jsonl";
/// The new `replay.jsonl` while it is being written.
const LEFT: &str = "replay.left";
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
    /// The reasons for the first of these.
    pub(crate) reasons: Vec<String>,
}

/// The file of the lines that are not taken in, and its size.
type LeftLines<F> = Option<(F, u64)>;

impl<D: Disk> Spool<D> {
    /// Takes in `replay.jsonl`, if there is one. Call it before anything is appended.
    ///
    /// # Errors
    /// When the file cannot be read, or the lines that stay cannot be written. Then the file stays as it is, and the next
    /// process takes in all of its lines again.
    pub(crate) fn take_replay(&mut self) -> Result<Replayed, Error> {
        let taken = self.try_take_replay();
        // Another process has tried these rows first.
        self.replay_until = self.next;
        taken.map_err(|error| self.disk.failed("cannot replay all of", NAME, error))
    }

    fn try_take_replay(&mut self) -> io::Result<Replayed> {
        let mut replayed = Replayed::default();
        let Some(file) = self.replay_file()? else { return Ok(replayed) };
        let (start, mut left) = (self.next, None);
        let mut lines = BufReader::new(FromStart { file, offset: 0 });
        for number in 1.. {
            let Some(line) = next_line(&mut lines, number)? else { break };
            if line.is_empty() {
                continue;
            }
            match self.replay_line(&line) {
                Ok(()) => replayed.taken += 1,
                Err(reason) => {
                    replayed.leave(number, &reason);
                    self.leave(&mut left, line)?;
                }
            }
        }
        // All segments: those that are full were closed on the way.
        self.sync_segments(start)?;
        self.put_away(left)?;
        Ok(replayed)
    }

    fn replay_file(&self) -> io::Result<Option<D::File>> {
        let opened = match self.disk.open(NAME) {
            // A crash came between the two renames.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.rename(LEFT, NAME).and_then(|()| self.disk.open(NAME))
            }
            opened => opened,
        };
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn replay_line(&mut self, line: &[u8]) -> Result<(), String> {
        let row = quarantine::from_line(line)?;
        self.append(&mut vec![row]).map_err(|error| format!("{error:#}"))
    }

    fn leave(&self, left: &mut LeftLines<D::File>, mut line: Vec<u8>) -> io::Result<()> {
        let (file, bytes) = match left {
            Some(left) => left,
            none => none.insert((self.disk.create(LEFT)?, 0)),
        };
        line.push(b'\n');
        write_all(file, &line, *bytes).1?;
        *bytes += line.len() as u64;
        Ok(())
    }

    fn put_away(&self, left: LeftLines<D::File>) -> io::Result<()> {
        let done = format!("replay.done-{:.6}.jsonl", Timestamp::now()).replace(':', "");
        let Some((mut left, _)) = left else { return self.disk.rename(NAME, &done) };
        left.sync()?;
        self.disk.rename(NAME, &done)?;
        self.disk.rename(LEFT, NAME)
    }
}

impl Replayed {
    fn leave(&mut self, line: u64, reason: &str) {
        self.left += 1;
        if self.reasons.len() < NAMED_LINES {
            self.reasons.push(format!("line {line} of {NAME}: {reason}"));
        }
    }
}

/// The next line without its end, empty where it is blank.
fn next_line(lines: &mut impl BufRead, number: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = lines.take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    if read as u64 == LINE_LIMIT {
        return Err(io::Error::other(format!("line {number} is over {LINE_LIMIT} bytes")));
    }
    line.truncate(line.trim_ascii_end().len());
    Ok((read > 0).then_some(line))
}

/// Reads a file from its start.
struct FromStart<F> {
    file: F,
    offset: u64,
}

impl<F: DiskFile> Read for FromStart<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
