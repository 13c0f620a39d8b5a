//! Rows in memory: the texts of each that a question asks for.

use std::time::SystemTime;

use jiff::Timestamp;

use crate::error::Error;
use crate::store::read::{Reading, RowSource, Selection};

/// The texts of one row.
#[derive(Debug)]
pub(super) struct KeptRow {
    created_at: Option<Timestamp>,
    event_type: Box<str>,
    is_readable: bool,
    id: usize,
    texts: Box<[Option<Box<str>>]>,
}

/// Rows in memory as a source.
pub(super) struct KeptRows<'a>(pub(super) &'a [KeptRow]);

impl KeptRow {
    /// `id` is the place of the row's id.
    pub(super) fn new(reading: &Reading<'_>, id: usize) -> Self {
        Self {
            created_at: reading.created_at,
            event_type: reading.event_type.into(),
            is_readable: reading.is_readable,
            id,
            texts: reading.texts.iter().map(|text| text.map(Into::into)).collect(),
        }
    }

    pub(super) fn created_at(&self) -> Option<SystemTime> {
        self.created_at.map(Into::into)
    }

    pub(super) fn event_type(&self) -> &str {
        &self.event_type
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.text(self.id)
    }

    pub(super) fn text(&self, place: usize) -> Option<&str> {
        self.texts.get(place)?.as_deref()
    }

    /// Passes it on as it was read.
    pub(super) fn reading<T>(&self, then: impl FnOnce(&Reading<'_>) -> T) -> T {
        let texts: Vec<Option<&str>> = self.texts.iter().map(Option::as_deref).collect();
        then(&Reading {
            created_at: self.created_at,
            event_type: &self.event_type,
            is_readable: self.is_readable,
            texts: &texts,
        })
    }
}

impl RowSource for KeptRows<'_> {
    async fn read(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), Error> {
        for row in self.0 {
            let is_named = selection
                .event_types
                .as_ref()
                .is_none_or(|types| types.iter().any(|name| **name == *row.event_type));
            if is_named && selection.takes(row.created_at) {
                row.reading(|reading| {
                    if selection.holds(reading) {
                        each(reading);
                    }
                });
            }
        }
        Ok(())
    }
}

/// Drops the earliest rows if there are more than `most`, so that `left` remain. Returns whether it dropped any.
pub(super) fn shorten(rows: &mut Vec<KeptRow>, most: usize, left: usize) -> bool {
    if rows.len() <= most {
        return false;
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
    rows.truncate(left);
    true
}
