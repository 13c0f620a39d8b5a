//! What the hot path collects of one span or tracing event: typed values, times, how it ended.
//!
//! A record is one piece of memory for the usual call: fields and their text lie inside it, and spill to the
//! heap only past [`INLINE_FIELDS`] fields or [`INLINE_TEXT`] bytes of text. It is bounded: a value is cut to
//! [`MAX_VALUE_BYTES`], a record holds at most [`MAX_FIELDS`] values and [`MAX_TEXT_BYTES`] of text; what did
//! not fit is marked in [`Fields::truncated`].

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tracing::field::{Field, Visit};

use crate::rules::plan::Plan;

/// Fields kept without an allocation.
const INLINE_FIELDS: usize = 10;
/// Bytes of text kept without an allocation.
const INLINE_TEXT: usize = 144;
/// The most values of one record.
pub(crate) const MAX_FIELDS: usize = 256;
/// The most bytes of one text value; longer ones are cut at a character.
pub(crate) const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The most bytes of text of one record.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;

/// One span that ended, or one tracing event.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) plan: &'static Plan,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    pub(crate) ending: Ending,
    /// 0-based place among its like within the enclosing span that numbers them.
    pub(crate) number: Option<u32>,
    pub(crate) fields: Fields,
    /// What enclosing spans gave: by place in the rule's list of inherited names.
    pub(crate) inherited: Fields,
    pub(crate) tallies: SmallVec<[Tally; 2]>,
}

/// What has been heard of a span's end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// It panicked.
    pub(crate) panicked: bool,
    /// What `#[instrument(err, ret)]` said.
    pub(crate) verdict: Option<Verdict>,
    /// The returned value matched the rule's text.
    pub(crate) matched: Option<bool>,
    /// The message of the error or the panic.
    pub(crate) message: Option<Box<str>>,
}

/// The word of `#[instrument(err, ret)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Returned,
    Failed,
}

/// Rows of one kind that ended within a span.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: u32,
    pub(crate) total: Duration,
}

impl Record {
    pub(crate) fn new(plan: &'static Plan, fields: Fields) -> Self {
        let now = Instant::now();
        Self {
            plan,
            started: now,
            ended: now,
            ending: Ending::default(),
            number: None,
            fields,
            inherited: Fields::default(),
            tallies: SmallVec::new(),
        }
    }

    /// Start to last exit.
    pub(crate) fn duration(&self) -> Duration {
        self.ended.saturating_duration_since(self.started)
    }

    /// Bytes it takes while it waits, roughly: for bounding memory.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>() + self.fields.spilled() + self.inherited.spilled()
    }
}

/// Values by slot, their text in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: SmallVec<[Entry; INLINE_FIELDS]>,
    text: SmallVec<[u8; INLINE_TEXT]>,
    /// A value was cut or left out.
    pub(crate) truncated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: u16,
    raw: Raw,
}

/// A value as it lies in memory; text is a stretch of the buffer.
#[derive(Clone, Copy, Debug)]
enum Raw {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(Stretch),
    /// Digits of an integer past 64 bits.
    Digits(Stretch),
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: u32,
    len: u32,
}

/// A typed value, read out of [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(&'a str),
    /// Decimal digits of an integer past 64 bits.
    Digits(&'a str),
}

impl<'a> Value<'a> {
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a float, for comparing; also of a text that is a number, as `%status` would record it.
    pub(crate) fn number(self) -> Option<f64> {
        match self {
            Value::I64(value) => Some(value as f64),
            Value::U64(value) => Some(value as f64),
            Value::F64(value) => Some(value),
            Value::Text(text) | Value::Digits(text) => text.parse().ok(),
            Value::Bool(_) => None,
        }
    }
}

impl Fields {
    /// The values in the order they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Value<'_>)> {
        self.values.iter().map(|entry| (usize::from(entry.slot), self.value(entry.raw)))
    }

    pub(crate) fn get(&self, slot: usize) -> Option<Value<'_>> {
        self.iter().find(|(at, _)| *at == slot).map(|(_, value)| value)
    }

    fn value(&self, raw: Raw) -> Value<'_> {
        match raw {
            Raw::Bool(value) => Value::Bool(value),
            Raw::I64(value) => Value::I64(value),
            Raw::U64(value) => Value::U64(value),
            Raw::F64(value) => Value::F64(value),
            Raw::Text(stretch) => Value::Text(self.str(stretch)),
            Raw::Digits(stretch) => Value::Digits(self.str(stretch)),
        }
    }

    fn str(&self, Stretch { start, len }: Stretch) -> &str {
        let bytes = self.text.get(start as usize..(start + len) as usize).unwrap_or_default();
        // Only whole characters are ever written; an empty text would be a bug of ours, not a crash of theirs.
        str::from_utf8(bytes).unwrap_or_default()
    }

    /// Sets a value; the last one given to a slot stays.
    pub(crate) fn set(&mut self, slot: usize, value: Value<'_>) {
        let raw = match value {
            Value::Bool(value) => Raw::Bool(value),
            Value::I64(value) => Raw::I64(value),
            Value::U64(value) => Raw::U64(value),
            Value::F64(value) => Raw::F64(value),
            Value::Text(text) => Raw::Text(self.keep(text)),
            Value::Digits(digits) => Raw::Digits(self.keep(digits)),
        };
        self.put(slot, raw);
    }

    /// Takes over what `later` has, which was collected apart so that no lock was held while formatting.
    pub(crate) fn merge(&mut self, later: &Self) {
        for (slot, value) in later.iter() {
            self.set(slot, value);
        }
        self.truncated |= later.truncated;
    }

    fn put(&mut self, slot: usize, raw: Raw) {
        let Ok(slot) = u16::try_from(slot) else { return };
        if let Some(entry) = self.values.iter_mut().find(|entry| entry.slot == slot) {
            entry.raw = raw;
        } else if self.values.len() < MAX_FIELDS {
            self.values.push(Entry { slot, raw });
        } else {
            self.truncated = true;
        }
    }

    fn keep(&mut self, text: &str) -> Stretch {
        if self.text.len() + text.len().min(MAX_VALUE_BYTES) > MAX_TEXT_BYTES {
            self.drop_overwritten();
        }
        let mut writer = self.writer();
        // Never fails: what does not fit is cut.
        let cut = writer.write_str(text).is_err();
        debug_assert!(!cut);
        writer.done()
    }

    /// A field recorded over and over leaves its old texts behind: keep the living ones only.
    #[cold]
    fn drop_overwritten(&mut self) {
        let old = std::mem::take(&mut self.text);
        for entry in &mut self.values {
            if let Raw::Text(stretch) | Raw::Digits(stretch) = &mut entry.raw {
                let start = self.text.len() as u32;
                self.text.extend_from_slice(&old[stretch.start as usize..][..stretch.len as usize]);
                stretch.start = start;
            }
        }
    }

    fn writer(&mut self) -> TextWriter<'_> {
        let start = self.text.len();
        let room = MAX_VALUE_BYTES.min(MAX_TEXT_BYTES.saturating_sub(start));
        TextWriter { start, end: start + room, fields: self }
    }

    /// Formats a value of the user's. Its `Debug` may emit spans (no lock is held here) or panic.
    fn format(&mut self, value: fmt::Arguments<'_>) -> Stretch {
        if let Some(text) = value.as_str() {
            return self.keep(text);
        }
        let mut writer = self.writer();
        match catch_unwind(AssertUnwindSafe(|| writer.write_fmt(value))) {
            Ok(Ok(())) => {}
            Ok(Err(fmt::Error)) => writer.put("<its Debug failed>"),
            Err(_panic) => writer.put("<its Debug panicked>"),
        }
        writer.done()
    }

    fn spilled(&self) -> usize {
        let values = if self.values.spilled() { self.values.capacity() * size_of::<Entry>() } else { 0 };
        values + if self.text.spilled() { self.text.capacity() } else { 0 }
    }
}

/// Appends one text, cut at a character when it outgrows its room.
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
        // Nothing may follow a cut, not even a shorter piece that would fit.
        self.end = self.fields.text.len();
    }

    fn done(self) -> Stretch {
        Stretch { start: self.start as u32, len: (self.fields.text.len() - self.start) as u32 }
    }
}

impl fmt::Write for TextWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text);
        Ok(())
    }
}

/// Collects the fields a plan keeps.
pub(crate) struct Collector<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) fields: Fields,
}

impl Collector<'_> {
    fn put(&mut self, field: &Field, raw: Raw) {
        if self.plan.keeps(field.index()) {
            self.fields.put(field.index(), raw);
        }
    }
}

impl Visit for Collector<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Raw::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Raw::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Raw::U64(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Raw::F64(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.record_digits(field, format_args!("{value}")),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.record_u64(field, value),
            Err(_) => self.record_digits(field, format_args!("{value}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.plan.keeps(field.index()) {
            let text = self.fields.keep(value);
            self.fields.put(field.index(), Raw::Text(text));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        self.record_debug(field, &format_args!("{}", Chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.plan.keeps(field.index()) {
            let text = self.fields.format(format_args!("{value:?}"));
            self.fields.put(field.index(), Raw::Text(text));
        }
    }
}

impl Collector<'_> {
    fn record_digits(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.plan.keeps(field.index()) {
            let digits = self.fields.format(value);
            self.fields.put(field.index(), Raw::Digits(digits));
        }
    }
}

/// An error with what caused it: `outer: inner: innermost`.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        // A chain that loops must not hang the caller.
        for source in std::iter::successors(self.0.source(), |&error| error.source()).take(32) {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

/// The text of the single field of an `err` or `ret` event, cut like any value.
#[derive(Default)]
pub(crate) struct OneText(Fields);

impl OneText {
    pub(crate) fn text(&self) -> &str {
        match self.0.get(0) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

impl Visit for OneText {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        let text = self.0.format(format_args!("{value:?}"));
        self.0.put(0, Raw::Text(text));
    }
}
