//! The values of one record while it is collected.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::redact::{digest, without_query};
use super::value::{Entry, INHERITED, Kind, TextRange, Value, append};
use super::{MAX_FIELDS, MAX_TEXT_BYTES, MAX_VALUE_BYTES};
use crate::rules::model::Redact;

/// The most bytes of memory for text that fields keep when they are used again.
const KEPT_TEXT: usize = 4 * 1024;

/// Values by slot, with their text in one buffer. A slot is the index of a field, or the index of an inherited name in
/// the list of the rules.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) values: Vec<Entry>,
    pub(crate) text: Vec<u8>,
    /// A value was cut or left out.
    pub(crate) truncated: bool,
}

impl Fields {
    /// The field indices of the values that are not inherited.
    pub(crate) fn own_indices(&self) -> impl Iterator<Item = usize> {
        self.values.iter().map(|entry| entry.slot).filter(|slot| slot & INHERITED == 0).map(usize::from)
    }

    /// The value of one of its own fields.
    pub(crate) fn get(&self, field: usize) -> Option<Value<'_>> {
        let is_field = |entry: &&Entry| usize::from(entry.slot) == field;
        self.values.iter().find(is_field).map(|entry| entry.value(&self.text))
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.text.clear();
        self.truncated = false;
        if self.text.capacity() > KEPT_TEXT {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        self.text.shrink_to(KEPT_TEXT);
    }

    /// Inherits a constant of an enclosing span's rule.
    pub(crate) fn inherit_constant(&mut self, index: u8, value: &serde_json::Value) {
        let (kind, bits) = match value {
            serde_json::Value::Bool(value) => (Kind::Bool, u64::from(*value)),
            serde_json::Value::String(text) => (Kind::Text, self.keep(text.as_bytes()).to_bits()),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => (Kind::I64, value.cast_unsigned()),
                (None, Some(value)) => (Kind::F64, value.to_bits()),
                (None, None) => return,
            },
            // The check of the rules allows only scalars.
            _ => return,
        };
        self.put(Entry { bits, slot: INHERITED | u16::from(index), kind });
    }

    /// Inherits the fields of an enclosing span to which `wanted` gives an index among the inherited names. They are
    /// redacted as in the row of that span.
    pub(crate) fn inherit(
        &mut self,
        outer: &Self,
        mut wanted: impl FnMut(usize) -> Option<(u8, Option<Redact>)>,
    ) {
        for entry in outer.values.iter().filter(|entry| entry.slot & INHERITED == 0) {
            let Some((index, redact)) = wanted(usize::from(entry.slot)) else { continue };
            let entry = Entry { slot: INHERITED | u16::from(index), ..*entry };
            match redact {
                None => self.copy(outer, entry),
                Some(Redact::Hash) => {
                    self.put_whole(Entry { kind: Kind::Digest, ..entry }, &digest(entry.value(&outer.text)));
                }
                Some(Redact::Query) if entry.kind == Kind::Text => {
                    let bits = self.keep(without_query(entry.str(&outer.text)).as_bytes()).to_bits();
                    self.put(Entry { bits, ..entry });
                }
                Some(Redact::Query) => self.copy(outer, entry),
                Some(Redact::Drop) => {}
            }
        }
    }

    /// Takes the fields of an event, each into the slot that `slot` gives it.
    pub(crate) fn take(&mut self, event: &Self, slot: impl Fn(usize) -> Option<u16>) {
        for entry in &event.values {
            if let Some(slot) = slot(usize::from(entry.slot)) {
                self.copy(event, Entry { slot, ..*entry });
            }
        }
    }

    /// Adds the values of `later`, which were collected apart.
    pub(crate) fn merge(&mut self, later: &Self) {
        if self.has_room_behind(later) {
            let start = self.text.len() as u32;
            self.text.extend_from_slice(&later.text);
            self.values.extend(later.values.iter().map(|entry| entry.moved_by(start)));
        } else {
            later.values.iter().for_each(|entry| self.copy(later, *entry));
        }
        self.truncated |= later.truncated;
    }

    /// Whether the values of `later` can be appended unchanged.
    fn has_room_behind(&self, later: &Self) -> bool {
        let (Some(first), last) = (later.values.first(), self.values.last()) else { return true };
        last.is_none_or(|last| last.slot < first.slot)
            && self.values.len() + later.values.len() <= MAX_FIELDS
            && self.text.len() + later.text.len() <= MAX_TEXT_BYTES
    }

    pub(crate) fn copy(&mut self, from: &Self, entry: Entry) {
        let text = TextRange::from_bits(entry.bits);
        match entry.kind {
            Kind::Text => {
                let bits = self.keep(text.of(&from.text)).to_bits();
                self.put(Entry { bits, ..entry });
            }
            Kind::Digits | Kind::Digest => self.put_whole(entry, text.of(&from.text)),
            Kind::Bool | Kind::I64 | Kind::U64 | Kind::F64 => self.put(entry),
        }
    }

    /// Puts a value whose text must not be cut. Without room for it, the value is left out.
    pub(crate) fn put_whole(&mut self, new: Entry, text: &[u8]) {
        if self.text.len() + text.len() > MAX_TEXT_BYTES {
            self.drop_overwritten();
        }
        if self.text.len() + text.len() > MAX_TEXT_BYTES {
            self.truncated = true;
            return self.values.retain(|entry| entry.slot != new.slot);
        }
        let bits = append(&mut self.text, text).to_bits();
        self.put(Entry { bits, ..new });
    }

    /// Puts a value in the order of slots. A callsite gives its fields in that order, so the usual place is the last.
    #[inline]
    pub(crate) fn put(&mut self, Entry { bits, slot, kind }: Entry) {
        let is_last = self.values.last().is_none_or(|last| last.slot < slot);
        if is_last && self.values.len() < MAX_FIELDS && has_room(&self.values, 1) {
            self.values.push(Entry { bits, slot, kind });
        } else {
            self.put_in_order(bits, slot, kind);
        }
    }

    /// Out of line, like all code that may grow a buffer: then the usual path saves no registers. It takes the parts of the
    /// entry, which then stay in registers too.
    #[cold]
    #[inline(never)]
    fn put_in_order(&mut self, bits: u64, slot: u16, kind: Kind) {
        let new = Entry { bits, slot, kind };
        match self.values.binary_search_by_key(&new.slot, |entry| entry.slot) {
            Ok(at) => self.values[at] = new,
            Err(at) if self.values.len() < MAX_FIELDS => self.values.insert(at, new),
            Err(_) => self.truncated = true,
        }
    }

    /// Appends a text, cut to the limit of one value.
    #[inline]
    pub(crate) fn keep(&mut self, text: &[u8]) -> TextRange {
        let is_short = text.len() <= MAX_VALUE_BYTES && self.text.len() + text.len() <= MAX_TEXT_BYTES;
        if is_short && has_room(&self.text, text.len()) {
            append(&mut self.text, text)
        } else {
            self.keep_what_fits(text)
        }
    }

    #[cold]
    pub(crate) fn keep_what_fits(&mut self, text: &[u8]) -> TextRange {
        let room = MAX_VALUE_BYTES.min(MAX_TEXT_BYTES.saturating_sub(self.text.len()));
        if text.len() <= room {
            return append(&mut self.text, text);
        }
        self.drop_overwritten();
        let mut writer = self.writer();
        writer.put(str::from_utf8(text).unwrap_or_default());
        writer.done()
    }

    /// Removes the old texts of fields that were recorded again.
    pub(crate) fn drop_overwritten(&mut self) {
        let old = std::mem::take(&mut self.text);
        for entry in self.values.iter_mut().filter(|entry| entry.has_text()) {
            entry.bits = append(&mut self.text, TextRange::from_bits(entry.bits).of(&old)).to_bits();
        }
    }

    fn writer(&mut self) -> TextWriter<'_> {
        let start = self.text.len();
        let room = MAX_VALUE_BYTES.min(MAX_TEXT_BYTES.saturating_sub(start));
        TextWriter { start, end: start + room, fields: self }
    }

    /// Formats a value of the user. Its `Debug` may emit spans (no lock is held here) or panic.
    pub(crate) fn format(&mut self, value: fmt::Arguments<'_>) -> TextRange {
        let mut writer = self.writer();
        match catch_unwind(AssertUnwindSafe(|| writer.write_fmt(value))) {
            Ok(Ok(())) => {}
            Ok(Err(fmt::Error)) => writer.put("<its Debug failed>"),
            Err(_panic) => writer.put("<its Debug panicked>"),
        }
        writer.done()
    }

    /// The text of the first value, for example of the only field of an `err` or `ret` event.
    pub(crate) fn first_text(&self) -> &str {
        let first = self.values.first().filter(|entry| entry.has_text());
        first.map_or("", |entry| entry.str(&self.text))
    }
}

/// Whether so many items more fit without growing the buffer.
#[inline]
pub(crate) fn has_room<T>(buffer: &Vec<T>, items: usize) -> bool {
    items <= buffer.capacity().wrapping_sub(buffer.len())
}

/// Appends one text, and cuts it at a character if it is too long.
struct TextWriter<'a> {
    fields: &'a mut Fields,
    start: usize,
    end: usize,
}

impl TextWriter<'_> {
    fn put(&mut self, text: &str) {
        let room = self.end - self.fields.text.len();
        if text.len() <= room {
            return self.fields.text.extend_from_slice(text.as_bytes());
        }
        self.fields.truncated = true;
        self.fields.text.extend_from_slice(&text.as_bytes()[..text.floor_char_boundary(room)]);
        // No text may follow a cut, not even a shorter piece that would fit.
        self.end = self.fields.text.len();
    }

    fn done(self) -> TextRange {
        TextRange { start: self.start as u32, len: (self.fields.text.len() - self.start) as u32 }
    }
}

impl fmt::Write for TextWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_past_the_most_are_left_out_and_marked() {
        let mut fields = Fields::default();
        let value = |slot: usize, bits| Entry { bits, slot: slot as u16, kind: Kind::U64 };
        (0..MAX_FIELDS).for_each(|slot| fields.put(value(slot, 1)));
        fields.put(value(0, 2));
        assert!(!fields.truncated, "there is room for one that is recorded again");
        (MAX_FIELDS..300).for_each(|slot| fields.put(value(slot, 1)));
        assert_eq!((fields.values.len(), fields.truncated), (MAX_FIELDS, true));
        assert_eq!(fields.values.iter().map(|entry| entry.bits).sum::<u64>(), MAX_FIELDS as u64 + 1);
    }
}
