//! One value: its form in memory and its form for readers.

use std::time::Duration;

use super::Tally;

/// Marks the slot of an inherited value.
pub(crate) const INHERITED: u16 = 1 << 15;

/// A value in memory: 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// The value itself, or the range of its text.
    pub(crate) bits: u64,
    pub(crate) slot: u16,
    pub(crate) kind: Kind,
}

/// How a value is kept. Two visitors make values, and each needs the method of a new kind: `record/visit.rs` for a new span
/// or event, and `layer/visitor.rs` for fields that a span gets later. Without it, tracing gives them the `Debug` text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I64,
    U64,
    F64,
    Text,
    /// The digits of an integer of more than 64 bits.
    Digits,
    /// The digest of a redacted value.
    Digest,
}

/// The range of a text in the buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextRange {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl TextRange {
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.start) << 32 | u64::from(self.len)
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { start: (bits >> 32) as u32, len: bits as u32 }
    }

    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        text.get(self.start as usize..).and_then(|text| text.get(..self.len as usize)).unwrap_or_default()
    }
}

impl Entry {
    pub(crate) fn has_text(self) -> bool {
        match self.kind {
            Kind::Bool | Kind::I64 | Kind::U64 | Kind::F64 => false,
            Kind::Text | Kind::Digits | Kind::Digest => true,
        }
    }

    /// The same value, with its text so many bytes later in the buffer.
    pub(crate) fn moved_by(self, bytes: u32) -> Self {
        let start = if self.has_text() { u64::from(bytes) << 32 } else { 0 };
        Self { bits: self.bits.wrapping_add(start), ..self }
    }

    /// The value, with its text from `buffer`.
    pub(crate) fn value(self, buffer: &[u8]) -> Value<'_> {
        match self.kind {
            Kind::Bool => Value::Bool(self.bits != 0),
            Kind::I64 => Value::I64(self.bits.cast_signed()),
            Kind::U64 => Value::U64(self.bits),
            Kind::F64 => Value::F64(f64::from_bits(self.bits)),
            Kind::Text | Kind::Digest => Value::Text(self.str(buffer)),
            Kind::Digits => Value::Digits(self.str(buffer)),
        }
    }

    pub(crate) fn str(self, buffer: &[u8]) -> &str {
        // Only whole characters are written. If a bug here breaks that, the user gets an empty text and no panic.
        str::from_utf8(TextRange::from_bits(self.bits).of(buffer)).unwrap_or_default()
    }
}

/// A typed value from [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(&'a str),
    /// The decimal digits of an integer of more than 64 bits.
    Digits(&'a str),
}

impl<'a> Value<'a> {
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a bool. A text can be one too, as `%flag` records it.
    pub(crate) fn truth(self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(truth),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as a time: a number of these units, or a text with a unit of its own, such as `12 ms`.
    pub(crate) fn time(self, unit: Duration) -> Option<Duration> {
        let (count, unit) = match self {
            Value::Text(text) => {
                let text = text.trim();
                let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
                (digits.parse().ok()?, unit_of(text[digits.len()..].trim_start(), unit)?)
            }
            value => (value.number()?, unit),
        };
        Duration::try_from_secs_f64(count * unit.as_secs_f64()).ok()
    }

    /// The value as a float, for comparisons. A text can be a number too, as `%status` records it.
    pub(crate) fn number(self) -> Option<f64> {
        match self {
            Value::I64(value) => Some(value as f64),
            Value::U64(value) => Some(value as f64),
            Value::F64(value) => Some(value),
            Value::Text(text) | Value::Digits(text) => text.parse().ok(),
            Value::Bool(_) => None,
        }
    }

    /// Whether it is this bool, number or string, as a rule gives it.
    pub(crate) fn equals(self, wanted: &serde_json::Value) -> bool {
        match (self, wanted) {
            (Value::Bool(value), serde_json::Value::Bool(wanted)) => value == *wanted,
            (Value::Text(value), serde_json::Value::String(wanted)) => value == wanted,
            (value, serde_json::Value::Number(wanted)) => value.number() == wanted.as_f64(),
            _ => false,
        }
    }
}

/// The unit of a time by its name, as `Duration` and tower-http write it.
fn unit_of(name: &str, usual: Duration) -> Option<Duration> {
    Some(match name {
        "" => usual,
        "ns" => Duration::from_nanos(1),
        // The micro sign, and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => Duration::from_micros(1),
        "ms" => Duration::from_millis(1),
        "s" | "sec" => Duration::from_secs(1),
        "m" | "min" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return None,
    })
}

/// The values and tallies of one record, for readers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    pub(crate) values: &'a [Entry],
    pub(crate) text: &'a [u8],
    pub(crate) tallies: &'a [Tally],
    pub(crate) truncated: bool,
}

impl<'a> Values<'a> {
    /// The values that are not inherited, by field index.
    pub(crate) fn own(self) -> impl Iterator<Item = (usize, Value<'a>)> {
        let own = self.values.iter().filter(|entry| entry.slot & INHERITED == 0);
        own.map(move |entry| (usize::from(entry.slot), entry.value(self.text)))
    }

    /// The inherited values, by index in the list of inherited names.
    pub(crate) fn inherited(self) -> impl Iterator<Item = (usize, Value<'a>)> {
        let inherited = self.values.iter().filter(|entry| entry.slot & INHERITED != 0);
        inherited.map(move |entry| (usize::from(entry.slot & !INHERITED), entry.value(self.text)))
    }

    pub(crate) fn get(self, field: usize) -> Option<Value<'a>> {
        self.own().find(|(at, _)| *at == field).map(|(_, value)| value)
    }
}

#[inline]
pub(crate) fn append(buffer: &mut Vec<u8>, text: &[u8]) -> TextRange {
    let start = buffer.len() as u32;
    buffer.extend_from_slice(text);
    TextRange { start, len: text.len() as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_units_or_a_text_with_one() {
        let second = Duration::from_secs(1);
        for (value, millis) in [
            (Value::F64(0.25), Some(250.0)),
            (Value::U64(2), Some(2000.0)),
            (Value::Text("12 ms"), Some(12.0)),
            (Value::Text("1.5s"), Some(1500.0)),
            (Value::Text("3"), Some(3000.0)),
            (Value::Text("7 \u{3bc}s"), Some(0.007)),
            (Value::Text("7.5\u{b5}s"), Some(0.0075)),
            (Value::Text("800 ns"), Some(0.0008)),
            (Value::Text("2 min"), Some(120_000.0)),
            (Value::Text("-1 ms"), None),
            (Value::Text("NaN s"), None),
            (Value::Text("5 apples"), None),
            (Value::Text("ms"), None),
            (Value::F64(f64::NAN), None),
            (Value::F64(f64::MAX), None),
            (Value::Bool(true), None),
        ] {
            let time = value.time(second).map(|time| time.as_secs_f64() * 1000.0);
            assert_eq!(time.map(f64::round), millis.map(f64::round), "{value:?}");
            assert_eq!(time.is_some(), millis.is_some(), "{value:?}");
        }
    }
}
