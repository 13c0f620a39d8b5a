//! Collects the values that tracing hands out into [`Fields`].

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io::Write as _;

use tracing::field::{Field, Visit};

use super::fields::Fields;
use super::value::{Entry, INHERITED, Kind};

/// The digits of `i128::MIN`, with its sign.
const MAX_DIGITS: usize = 40;

thread_local! {
    /// Empty fields. While the thread formats values it has none: a `Debug` that emits spans gets new ones.
    static KEPT: Cell<Option<Box<Fields>>> = const { Cell::new(None) };
}

impl Fields {
    /// The empty fields that the thread keeps, or new ones if it has none, for example at its exit.
    #[inline]
    pub(crate) fn of_thread() -> Box<Self> {
        KEPT.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Keeps the memory of these fields for the next span or event of this thread.
    #[inline]
    pub(crate) fn give_back(mut self: Box<Self>) {
        self.clear();
        self.give_back_clear();
    }

    /// As [`give_back`](Self::give_back), for fields that are empty already.
    #[inline]
    pub(crate) fn give_back_clear(self: Box<Self>) {
        KEPT.try_with(|kept| kept.set(Some(self))).ok();
    }

    #[inline]
    fn set(&mut self, field: &Field, kind: Kind, bits: u64) {
        // A callsite has a few dozen fields at most, because tracing's macros stop there.
        self.put(Entry { bits, slot: field.index() as u16 & !INHERITED, kind });
    }

    fn set_digits(&mut self, field: &Field, digits: fmt::Arguments<'_>) {
        let mut buffer = [0; MAX_DIGITS];
        let mut room = &mut buffer[..];
        // The buffer holds the longest number.
        room.write_fmt(digits).ok();
        let len = MAX_DIGITS - room.len();
        let entry = Entry { bits: 0, slot: field.index() as u16 & !INHERITED, kind: Kind::Digits };
        self.put_whole(entry, &buffer[..len]);
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

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", Chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = self.format(format_args!("{value:?}")).to_bits();
        self.set(field, Kind::Text, text);
    }
}

/// An error and its causes: `outer: inner: innermost`.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        // A chain with a loop must not hang the caller.
        for source in std::iter::successors(self.0.source(), |&error| error.source()).take(32) {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}
