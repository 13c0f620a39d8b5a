//! A spool goes on as a new generation where somebody has removed its files.

use std::path::Path;

use super::directory::{self, Directory};
use super::disk::{Disk, DiskFile as _};
use super::{Spool, SpoolOptions, SpooledRows};
use crate::error::Error;
use crate::row::Row;

/// The rest of a generation whose files are gone.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    /// Rows that are in memory and not in the new generation, in their order.
    pub(crate) rows: Vec<Row>,
    /// Rows that were only on disk.
    pub(crate) lost: u64,
    /// Rows that were handed out, and that the new generation finds on disk and hands out again.
    pub(crate) repeated: u64,
}

impl Spool {
    /// Opens the directory as a new generation, made again where it is gone.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when another process has had the directory since: its rows wait there for the next
    /// process.
    pub(crate) fn renew(dir: &Path, options: SpoolOptions) -> Result<Self, Error> {
        let directory = Directory::own_vacant(dir)?;
        // Without its lock the directory is vacant for the next try.
        Self::on(directory, options).inspect_err(|_| directory::remove_lock(dir))
    }
}

impl<D: Disk> Spool<D> {
    /// Whether the files are where this process writes them. A file can be written after somebody has deleted it, and no
    /// process would ever find the rows.
    pub(crate) fn is_there(&self) -> bool {
        self.disk.is_owned() && self.active.as_ref().is_none_or(|active| active.file.is_linked())
    }

    /// Whether the directory may come back as it was: it was moved, or cannot be reached.
    pub(crate) fn is_away(&self) -> bool {
        !self.disk.is_owned() && !self.disk.is_lost()
    }

    /// Leaves the directory to a new generation.
    pub(crate) fn vacate(&self) {
        if self.disk.is_owned() {
            self.disk.remove(directory::LOCK).ok();
        }
    }

    /// Takes the rows in memory. `ahead` was read and not handed on. The new generation counts on from the
    /// segments that were spared: numbers below its end are on disk.
    pub(crate) fn remains(&mut self, ahead: SpooledRows, new: Option<&Self>) -> Remains {
        let (acknowledged, end) = new.map_or((0, 0), |new| (new.acknowledged, new.next));
        let keeps_ahead = !ahead.is_empty() && self.cursor > end;
        let handed_out = if keeps_ahead { self.cursor } else { self.position(&ahead) };
        let start = self.window_start();
        let (mut rows, mut lost) = if keeps_ahead { (ahead.rows, ahead.lost) } else { (Vec::new(), 0) };
        lost += start.saturating_sub(handed_out.max(end));
        let spared = end.saturating_sub(start) as usize;
        rows.extend(self.window.take_all().into_iter().skip(spared));
        Remains { rows, lost, repeated: handed_out.min(end).saturating_sub(acknowledged) }
    }
}
