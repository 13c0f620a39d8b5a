//! The latest rows in memory, so that a writer that keeps up never reads the disk.

use std::collections::VecDeque;

use super::format::frame_bytes;
use crate::row::Row;

/// The newest rows, without a gap up to the newest of all.
pub(super) struct Window {
    rows: VecDeque<Row>,
    bytes: usize,
    /// Once there are more bytes than that, the oldest rows are left to the disk.
    limit: usize,
}

impl Window {
    pub(super) fn new(limit: usize) -> Self {
        Self { rows: VecDeque::new(), bytes: 0, limit }
    }

    pub(super) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Takes in rows that are on disk.
    pub(super) fn extend(&mut self, rows: impl Iterator<Item = Row>) {
        for row in rows {
            self.bytes += frame_bytes(&row);
            self.rows.push_back(row);
        }
        while self.bytes > self.limit && self.pop().is_some() {}
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<Row> {
        let row = self.rows.pop_front()?;
        self.bytes -= frame_bytes(&row);
        Some(row)
    }

    pub(super) fn take_all(&mut self) -> Vec<Row> {
        self.bytes = 0;
        std::mem::take(&mut self.rows).into()
    }
}
