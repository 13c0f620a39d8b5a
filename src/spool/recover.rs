//! Recovery: finds the records that an earlier process left, and where they end.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use super::ack::Ack;
use super::damage;
use super::disk::{Disk, DiskFile, failed, is_damage, is_full};
use super::format::SMALLEST_FRAME;
use super::scan::Scanner;
use super::segment::{self, Frames, Segment};
use super::{SEGMENT_BYTES, SEGMENTS_WITHIN_LIMIT, Spool, SpoolOptions};
use crate::error::Error;

/// A file that is made and deleted again, to see whether the directory can be written to.
const PROBE: &str = "probe";

impl<D: Disk> Spool<D> {
    pub(super) fn on(disk: D, options: SpoolOptions) -> Result<Self, Error> {
        check_writable(&disk)?;
        let ack = Ack::read(&disk);
        let segments = segments(&disk)?;
        let oldest = segments.front().map_or(1, |segment| segment.first);
        let acknowledged = ack.kept().unwrap_or(oldest);
        let mut spool = Self {
            segment_bytes: (options.limit_bytes / SEGMENTS_WITHIN_LIMIT).min(SEGMENT_BYTES),
            disk,
            options,
            segments,
            active: None,
            reader: None,
            frames: Frames::default(),
            ack,
            next: acknowledged,
            cursor: acknowledged,
            acknowledged,
            replay_until: 0,
            torn: 0,
            synced_at: Instant::now(),
            failure: None,
        };
        spool.recover();
        Ok(spool)
    }

    /// Finds the end of the records. No failure here keeps the spool from opening.
    fn recover(&mut self) {
        if let Some(mut last) = self.segments.pop_back() {
            let end = self.mend(&mut last);
            self.next = self.next.max(end);
            if last.bytes > 0 || last.unreadable {
                self.segments.push_back(last);
            }
        }
        self.replay_until = self.next;
        // From now on the records of an earlier process are as safe as those of this one.
        if self.options.sync_interval.is_some()
            && let Err(error) = self.sync_segments(0)
        {
            self.note(failed("rows would not survive a power loss, cannot sync", self.disk.path(), error));
        }
        if let Err(error) = self.remove_acknowledged() {
            self.note(error);
        }
    }

    /// Makes the segments from that number on survive a power loss, open or not.
    pub(super) fn sync_segments(&self, from: u64) -> io::Result<()> {
        let segments = self.segments.iter().filter(|segment| segment.first >= from);
        for segment in segments.filter(|segment| !segment.unreadable) {
            self.disk.edit(&segment.name())?.sync()?;
        }
        self.disk.sync()
    }

    /// Cuts a torn end off the last segment; the number after its last record.
    fn mend(&mut self, last: &mut Segment) -> u64 {
        match self.try_mend(last) {
            Ok(end) => end,
            Err(error) => {
                self.note(self.disk.failed("cannot read all of", &last.name(), error));
                let bytes = if last.unreadable { 2 * SEGMENT_BYTES } else { last.bytes };
                last.unreadable = true;
                // The most records that the bytes can hold, so that no number that may be in use is given to another.
                last.first + bytes / SMALLEST_FRAME as u64 + 1
            }
        }
    }

    fn try_mend(&mut self, last: &mut Segment) -> io::Result<u64> {
        let mut scanner = Scanner::new(self.disk.open(&last.name())?, last.first..u64::MAX / 2);
        while scanner.next()?.is_some() {}
        let tail = scanner.tail();
        last.bytes = tail.start;
        self.torn = scanner.tail_records();
        if !tail.is_empty()
            && let Err(error) = self.cut(last, scanner.file(), tail)
        {
            self.note(self.disk.failed("cannot cut the torn end off", &last.name(), error));
        }
        if last.bytes == 0 {
            self.disk.remove(&last.name()).ok();
        }
        Ok(scanner.next_sequence())
    }

    fn cut(&self, last: &Segment, file: &mut D::File, tail: std::ops::Range<u64>) -> io::Result<()> {
        let kept = damage::keep(&self.disk, file, &last.name(), tail);
        self.disk.edit(&last.name())?.set_bytes(last.bytes)?;
        kept
    }
}

/// Fails now rather than at the first record. A full disk may have room later.
fn check_writable(disk: &impl Disk) -> Result<(), Error> {
    match disk.create(PROBE).map(drop).and_then(|()| disk.remove(PROBE)) {
        Err(error) if !is_full(&error) => {
            Err(failed("cannot write to the spool directory", disk.path(), error))
        }
        _ => Ok(()),
    }
}

/// Every segment, oldest first.
///
/// # Errors
/// When one of them cannot be opened, unless the disk fails: without that segment its numbers would be given away
/// again.
fn segments<D: Disk>(disk: &D) -> Result<VecDeque<Segment>, Error> {
    let names = disk.names().map_err(|error| failed("cannot list", disk.path(), error))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    firsts.sort_unstable();
    firsts.into_iter().map(|first| measure(disk, first)).collect()
}

fn measure<D: Disk>(disk: &D, first: u64) -> Result<Segment, Error> {
    let name = segment::name(first);
    match disk.open(&name).and_then(|file| file.bytes()) {
        Ok(bytes) => Ok(Segment::new(first, bytes)),
        Err(error) if is_damage(&error) => Ok(Segment { unreadable: true, ..Segment::new(first, 0) }),
        Err(error) => Err(disk.failed("cannot open", &name, error)),
    }
}
