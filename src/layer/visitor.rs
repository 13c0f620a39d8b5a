//! Takes more fields for a span under way.

use std::error::Error;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::Id;

use super::spans::{Cursor, Place};
use crate::record::Fields;

/// Puts fields straight where they belong, under the lock of the span's shard.
///
/// Values that are to be formatted are formatted apart and without the lock: their `Debug` is the user's, and may
/// take its time, emit spans, or panic.
pub(super) struct FieldVisitor<'a> {
    /// Made for the span.
    pub(super) cursor: Cursor<'a>,
    pub(super) place: Place,
    pub(super) id: &'a Id,
}

impl FieldVisitor<'_> {
    #[inline]
    fn put(&mut self, put: impl FnOnce(&mut Fields)) {
        if let Some(open) = self.cursor.stay(self.id, self.place) {
            put(open.fields_mut());
        }
    }

    fn format(&mut self, format: impl FnOnce(&mut Fields)) {
        self.cursor.rest();
        let mut apart = Fields::of_thread();
        format(&mut apart);
        self.put(|fields| fields.merge(&apart));
        apart.give_back();
    }
}

impl Visit for FieldVisitor<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(|fields| fields.record_bool(field, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(|fields| fields.record_i64(field, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(|fields| fields.record_u64(field, value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(|fields| fields.record_i128(field, value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(|fields| fields.record_u128(field, value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(|fields| fields.record_f64(field, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(|fields| fields.record_str(field, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.format(|apart| apart.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.format(|apart| apart.record_debug(field, value));
    }
}
