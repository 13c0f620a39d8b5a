//! What the hot path collects of one span or tracing event: typed values, times, how it ended.
//!
//! A record is bounded: a value is cut to [`MAX_VALUE_BYTES`], a record holds at most [`MAX_FIELDS`] values and
//! [`MAX_TEXT_BYTES`] of text; what did not fit is marked in [`Fields::truncated`]. In the steady state nothing is
//! allocated: a span's fields are collected in the [`Scratch`] of its thread, which is then exchanged for the one
//! that the span before left behind, and on their way to the writer records lie packed in a [`Chunk`] that is used
//! again when the writer is done.

mod redact;

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};

use self::redact::digest;
use crate::rules::model::Redact;
use crate::rules::plan::Plan;

/// The most values of one record.
pub(crate) const MAX_FIELDS: usize = 256;
/// The most bytes of one text value; longer ones are cut at a character.
pub(crate) const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The most bytes of text of one record.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;

/// One span or tracing event, while it is collected.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) head: Head,
    /// Its own fields, and what enclosing spans gave.
    pub(crate) fields: Fields,
}

/// What is known of every record.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) plan: &'static Plan,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    /// 0-based place among its like within the enclosing span that numbers them.
    pub(crate) number: Option<u32>,
    /// It panicked.
    pub(crate) panicked: bool,
    /// What `#[instrument(err, ret)]` said.
    pub(crate) verdict: Option<Verdict>,
    /// The returned value matched the rule's text.
    pub(crate) matched: Option<bool>,
    /// What few records have.
    pub(crate) extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The message of the error or the panic.
    pub(crate) message: Option<Box<str>>,
    /// Category and code that were found in the message before it was redacted.
    pub(crate) code: Option<(&'static str, &'static str)>,
    /// What ended within it, one for each of the rule's `collect`.
    pub(crate) tallies: Vec<Tally>,
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
    pub(crate) fn new(plan: &'static Plan) -> Self {
        Self { head: Head::new(plan), fields: Fields::default() }
    }

    /// Begins anew in the same place.
    pub(crate) fn reset(&mut self, plan: &'static Plan) {
        self.head = Head::new(plan);
        self.fields.clear();
    }
}

impl Head {
    pub(crate) fn new(plan: &'static Plan) -> Self {
        let now = Instant::now();
        let (number, panicked, verdict, matched, extra) = Default::default();
        Self { plan, started: now, ended: now, number, panicked, verdict, matched, extra }
    }

    /// Start to last exit.
    pub(crate) fn duration(&self) -> Duration {
        self.ended.saturating_duration_since(self.started)
    }

    pub(crate) fn message(&self) -> Option<&str> {
        self.extra.as_deref()?.message.as_deref()
    }

    pub(crate) fn code(&self) -> Option<(&'static str, &'static str)> {
        self.extra.as_deref()?.code
    }

    pub(crate) fn tallies(&self) -> &[Tally] {
        self.extra.as_deref().map_or(&[], |extra| &extra.tallies)
    }
}

/// Records on their way to the writer, packed.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    heads: Vec<(Head, End)>,
    values: Vec<Entry>,
    text: Vec<u8>,
}

/// Where the values and the text of a packed record end; they begin where those of the one before it do.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    values: u32,
    text: u32,
    truncated: bool,
}

impl Chunk {
    /// An empty one, with room for so many records of the usual size.
    pub(crate) fn with_room(records: usize) -> Self {
        let (heads, values) = (Vec::with_capacity(records), Vec::with_capacity(records * USUAL_VALUES));
        Self { heads, values, text: Vec::with_capacity(records * USUAL_TEXT) }
    }

    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Bytes of its records: for bounding memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.heads) + size_of_val(&*self.values) + self.text.len()
    }

    /// Packs a record; what it has on the heap goes along.
    pub(crate) fn push(&mut self, record: &mut Record) {
        let Record { head, fields } = record;
        self.values.extend_from_slice(&fields.values);
        self.text.extend_from_slice(&fields.text);
        // A chunk has a few dozen records, and each of them its limits.
        let end = End {
            values: self.values.len() as u32,
            text: self.text.len() as u32,
            truncated: fields.truncated,
        };
        self.heads.push((Head { extra: head.extra.take(), ..*head }, end));
    }

    /// The records in the order they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Head, Values<'_>)> {
        let mut start = End::default();
        self.heads.iter().map(move |(head, end)| {
            let values = self.values.get(start.values as usize..end.values as usize).unwrap_or_default();
            let text = self.text.get(start.text as usize..end.text as usize).unwrap_or_default();
            start = *end;
            (head, Values { values, text, truncated: end.truncated })
        })
    }

    /// Empties it and keeps its memory, unless unusual records made it large.
    pub(crate) fn reset(&mut self) {
        let usual = self.heads.capacity();
        self.heads.clear();
        self.values.clear();
        self.values.shrink_to(2 * usual * USUAL_VALUES);
        self.text.clear();
        self.text.shrink_to(2 * usual * USUAL_TEXT);
    }
}

/// Values of a usual record.
const USUAL_VALUES: usize = 12;
/// Bytes of text of a usual record.
const USUAL_TEXT: usize = 128;
/// A place used again and again gives memory beyond this back.
const KEPT_TEXT: usize = 4 * 1024;

/// Values by slot, their text in one buffer. A slot is the index of a field, or the place of an inherited name
/// in the list of the rules.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: Vec<Entry>,
    text: Vec<u8>,
    /// A value was cut or left out.
    pub(crate) truncated: bool,
}

/// Marks the slot of an inherited value.
const INHERITED: u16 = 1 << 15;

/// A value as it lies in memory, 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The value itself, or where its text lies.
    bits: u64,
    slot: u16,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    I64,
    U64,
    F64,
    Text,
    /// Digits of an integer past 64 bits.
    Digits,
    /// A text that stands for a redacted value.
    Digest,
}

/// Where in the buffer a text lies.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start: u32,
    len: u32,
}

impl Stretch {
    fn to_bits(self) -> u64 {
        u64::from(self.start) << 32 | u64::from(self.len)
    }

    fn from_bits(bits: u64) -> Self {
        Self { start: (bits >> 32) as u32, len: bits as u32 }
    }

    fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..).and_then(|text| text.get(..self.len as usize)).unwrap_or_default()
    }
}

impl Entry {
    fn has_text(self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Digits | Kind::Digest)
    }

    /// The value, with its text in `buffer` when it has one.
    fn value(self, buffer: &[u8]) -> Value<'_> {
        match self.kind {
            Kind::Bool => Value::Bool(self.bits != 0),
            Kind::I64 => Value::I64(self.bits.cast_signed()),
            Kind::U64 => Value::U64(self.bits),
            Kind::F64 => Value::F64(f64::from_bits(self.bits)),
            Kind::Text | Kind::Digest => Value::Text(self.str(buffer)),
            Kind::Digits => Value::Digits(self.str(buffer)),
        }
    }

    fn str(self, buffer: &[u8]) -> &str {
        // Only whole characters are ever written; an empty text would be a bug of ours, not a crash of theirs.
        str::from_utf8(Stretch::from_bits(self.bits).of(buffer)).unwrap_or_default()
    }
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

/// The values of one record, to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    values: &'a [Entry],
    text: &'a [u8],
    pub(crate) truncated: bool,
}

impl<'a> Values<'a> {
    /// The span's own values by field index.
    pub(crate) fn own(self) -> impl Iterator<Item = (usize, Value<'a>)> {
        let own = self.values.iter().filter(|entry| entry.slot & INHERITED == 0);
        own.map(move |entry| (usize::from(entry.slot), entry.value(self.text)))
    }

    /// What enclosing spans gave, by place in the list of inherited names.
    pub(crate) fn inherited(self) -> impl Iterator<Item = (usize, Value<'a>)> {
        let inherited = self.values.iter().filter(|entry| entry.slot & INHERITED != 0);
        inherited.map(move |entry| (usize::from(entry.slot & !INHERITED), entry.value(self.text)))
    }

    pub(crate) fn get(self, field: usize) -> Option<Value<'a>> {
        self.own().find(|(at, _)| *at == field).map(|(_, value)| value)
    }
}

impl Fields {
    /// The indices of the span's own values.
    pub(crate) fn own_indices(&self) -> impl Iterator<Item = usize> {
        self.values.iter().map(|entry| entry.slot).filter(|slot| slot & INHERITED == 0).map(usize::from)
    }

    fn clear(&mut self) {
        self.values.clear();
        self.text.clear();
        self.truncated = false;
        if self.text.capacity() > KEPT_TEXT {
            self.text.shrink_to(KEPT_TEXT);
        }
    }

    /// Takes a constant that an enclosing span's rule gives.
    pub(crate) fn inherit_constant(&mut self, index: u8, value: &serde_json::Value) {
        let (kind, bits) = match value {
            serde_json::Value::Bool(value) => (Kind::Bool, u64::from(*value)),
            serde_json::Value::String(text) => (Kind::Text, self.keep(text.as_bytes()).to_bits()),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => (Kind::I64, value.cast_unsigned()),
                (None, Some(value)) => (Kind::F64, value.to_bits()),
                (None, None) => return,
            },
            // Constants are scalars: the check of the rules saw to it.
            _ => return,
        };
        self.put(Entry { bits, slot: INHERITED | u16::from(index), kind });
    }

    /// Takes from an enclosing span's fields those that `wanted` gives a place among the inherited names, as
    /// redacted as they are to be in the row of that span.
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
                    let bits = self.keep(&digest(entry.value(&outer.text))).to_bits();
                    self.put(Entry { bits, kind: Kind::Digest, ..entry });
                }
                Some(Redact::Drop) => {}
            }
        }
    }

    /// Takes over what `later` has, which was collected apart so that no lock was held while formatting.
    pub(crate) fn merge(&mut self, later: &Self) {
        for entry in &later.values {
            self.copy(later, *entry);
        }
        self.truncated |= later.truncated;
    }

    fn copy(&mut self, from: &Self, entry: Entry) {
        let text = entry.has_text().then(|| self.keep(Stretch::from_bits(entry.bits).of(&from.text)));
        self.put(Entry { bits: text.map_or(entry.bits, Stretch::to_bits), ..entry });
    }

    /// Puts a value in its place by slot. A callsite gives its fields in that order: the usual place is the last.
    #[inline]
    fn put(&mut self, new: Entry) {
        if self.values.last().is_none_or(|last| last.slot < new.slot) && self.values.len() < MAX_FIELDS {
            return self.values.push(new);
        }
        match self.values.binary_search_by_key(&new.slot, |entry| entry.slot) {
            Ok(at) => self.values[at] = new,
            Err(at) if self.values.len() < MAX_FIELDS => self.values.insert(at, new),
            Err(_) => self.truncated = true,
        }
    }

    /// Keeps a text that is whole, cut to what one value may take.
    #[inline]
    fn keep(&mut self, text: &[u8]) -> Stretch {
        let room = MAX_VALUE_BYTES.min(MAX_TEXT_BYTES.saturating_sub(self.text.len()));
        if text.len() > room {
            return self.keep_what_fits(text);
        }
        append(&mut self.text, text)
    }

    #[cold]
    fn keep_what_fits(&mut self, text: &[u8]) -> Stretch {
        self.drop_overwritten();
        let mut writer = self.writer();
        writer.put(str::from_utf8(text).unwrap_or_default());
        writer.done()
    }

    /// A field recorded over and over leaves its old texts behind: keep the living ones only.
    fn drop_overwritten(&mut self) {
        let old = std::mem::take(&mut self.text);
        for entry in self.values.iter_mut().filter(|entry| entry.has_text()) {
            entry.bits = append(&mut self.text, Stretch::from_bits(entry.bits).of(&old)).to_bits();
        }
    }

    fn writer(&mut self) -> TextWriter<'_> {
        let start = self.text.len();
        let room = MAX_VALUE_BYTES.min(MAX_TEXT_BYTES.saturating_sub(start));
        TextWriter { start, end: start + room, fields: self }
    }

    /// Formats a value of the user's. Its `Debug` may emit spans (no lock is held here) or panic.
    fn format(&mut self, value: fmt::Arguments<'_>) -> Stretch {
        let mut writer = self.writer();
        match catch_unwind(AssertUnwindSafe(|| writer.write_fmt(value))) {
            Ok(Ok(())) => {}
            Ok(Err(fmt::Error)) => writer.put("<its Debug failed>"),
            Err(_panic) => writer.put("<its Debug panicked>"),
        }
        writer.done()
    }

    /// The text of the first value, such as that of the one field of an `err` or `ret` event.
    pub(crate) fn first_text(&self) -> &str {
        let stretch = self.values.first().filter(|entry| entry.has_text()).map(|entry| entry.bits);
        stretch.map_or("", |bits| str::from_utf8(Stretch::from_bits(bits).of(&self.text)).unwrap_or_default())
    }
}

#[inline]
fn append(buffer: &mut Vec<u8>, text: &[u8]) -> Stretch {
    let start = buffer.len() as u32;
    buffer.extend_from_slice(text);
    Stretch { start, len: text.len() as u32 }
}

/// The fields of one span or event while they are formatted: the thread's own, used again each time.
///
/// A `Debug` that emits spans finds the place empty and gets new ones.
pub(crate) struct Scratch(Fields);

thread_local! {
    static SCRATCH: Cell<Option<Fields>> = const { Cell::new(None) };
}

impl Scratch {
    pub(crate) fn new() -> Self {
        // Gone at thread exit: then it is new each time.
        Self(SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default())
    }
}

impl Deref for Scratch {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut Fields {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.0.clear();
        let fields = std::mem::take(&mut self.0);
        SCRATCH.try_with(|scratch| scratch.set(Some(fields))).ok();
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

impl Fields {
    fn set(&mut self, field: &Field, kind: Kind, bits: u64) {
        // A callsite has a few dozen fields at the most: the compiler's macros stop there.
        self.put(Entry { bits, slot: field.index() as u16 & !INHERITED, kind });
    }

    fn set_digits(&mut self, field: &Field, digits: fmt::Arguments<'_>) {
        let digits = self.format(digits).to_bits();
        self.set(field, Kind::Digits, digits);
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Kind::Bool, u64::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Kind::I64, value.cast_unsigned());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Kind::U64, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Kind::F64, value.to_bits());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.set_digits(field, format_args!("{value}")),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.record_u64(field, value),
            Err(_) => self.set_digits(field, format_args!("{value}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = self.keep(value.as_bytes()).to_bits();
        self.set(field, Kind::Text, text);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        self.record_debug(field, &format_args!("{}", Chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = self.format(format_args!("{value:?}")).to_bits();
        self.set(field, Kind::Text, text);
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
