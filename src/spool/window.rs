//! The events appended last, so that a writer that keeps up never reads the disk.

use std::collections::VecDeque;

use super::format::frame_bytes;
use crate::Row;

/// The newest events, without a gap up to the newest of all.
pub(super) struct Window {
    events: VecDeque<Row>,
    bytes: usize,
    /// Once there are more bytes than that, the oldest events are left to the disk.
    limit: usize,
}

impl Window {
    pub(super) fn new(limit: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, limit }
    }

    pub(super) fn len(&self) -> u64 {
        self.events.len() as u64
    }

    /// Takes in events that are on disk.
    pub(super) fn extend(&mut self, events: impl Iterator<Item = Row>) {
        self.keep(events);
        while self.bytes > self.limit && self.pop().is_some() {}
    }

    /// Takes in events that are nowhere else.
    pub(super) fn keep(&mut self, events: impl Iterator<Item = Row>) {
        for event in events {
            self.bytes += frame_bytes(&event);
            self.events.push_back(event);
        }
    }

    /// The oldest.
    pub(super) fn pop(&mut self) -> Option<Row> {
        let event = self.events.pop_front()?;
        self.bytes -= frame_bytes(&event);
        Some(event)
    }

    pub(super) fn take_all(&mut self) -> Vec<Row> {
        self.bytes = 0;
        std::mem::take(&mut self.events).into()
    }
}
