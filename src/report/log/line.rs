//! One line of a log, in whatever format it is.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tracing::Level;

use super::dialect::Dialect;
use super::pairs::fields;
use super::wrapped::unwrapped;
use super::{console, fmt_json, fmt_text};
use crate::store::read::ReadRow;

/// The fields of a span or event, or the keys of a row.
pub(super) type FieldMap = Map<String, Value>;

/// A meaning that a report can use.
#[derive(Debug, PartialEq)]
pub(super) enum LogLine {
    /// Whole rows, or as much as the older system wrote of them.
    Rows(Vec<ReadRow>),
    /// Something happens in a span, or it closes.
    InSpan(SpanLine),
    /// Any other line.
    Other,
}

impl LogLine {
    /// Whether a span closes.
    pub(super) fn closes(&self) -> bool {
        matches!(self, Self::InSpan(SpanLine { what: Happening::Closed { .. }, .. }))
    }

    /// A log without times may have those of the runtime around it.
    fn complete_time(&mut self, outer: impl FnOnce() -> Option<Timestamp>) {
        match self {
            Self::InSpan(SpanLine { at: at @ None, what: Happening::Closed { .. }, .. }) => *at = outer(),
            Self::Rows(rows) if rows.iter().any(|row| row.created_at.is_none()) => {
                let outer = outer();
                rows.iter_mut().for_each(|row| row.created_at = row.created_at.or(outer));
            }
            _ => {}
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct SpanLine {
    pub(super) at: Option<Timestamp>,
    /// Of the event, or of the span that closes.
    pub(super) level: Option<Level>,
    pub(super) target: Option<String>,
    pub(super) spans: SpanPath,
    pub(super) what: Happening,
}

/// An event in the innermost span, or its end.
#[derive(Debug, PartialEq)]
pub(super) enum Happening {
    Closed {
        took: SignedDuration,
        /// Whether the line names no span around it where there may be some.
        is_alone: bool,
    },
    /// Its function has returned `Err`.
    Failed(EventText),
    /// Its function has returned.
    Returned(EventText),
    /// Any other event in it.
    Event(EventFields),
}

/// The text of a returned value or error.
#[derive(Debug, PartialEq)]
pub(super) enum EventText {
    Exact(String),
    /// All text after the key, which more fields of the event may end.
    Loose {
        text: String,
        /// Where the fields of the span may begin that the compact form has at the end, and these fields.
        splits: Vec<(usize, FieldMap)>,
        /// Whether the event has the level of errors.
        is_error: bool,
    },
}

/// The fields of an event. Few rules take any, so those of a text are read only for these.
#[derive(Debug, PartialEq)]
pub(super) enum EventFields {
    Read(FieldMap),
    Text {
        text: String,
        /// Whether the fields of the spans are at its end.
        is_compact: bool,
    },
}

impl EventFields {
    /// The fields, and whether those of the spans are among them.
    pub(super) fn read(self) -> (FieldMap, bool) {
        match self {
            Self::Read(fields) => (fields, false),
            Self::Text { text, is_compact } => (fields(&text), is_compact),
        }
    }
}

/// From the outermost to the innermost; never empty.
pub(super) type SpanPath = Vec<Span>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) name: String,
    pub(super) fields: FieldMap,
}

/// Whether the spans may be the same at a later moment: a span gains fields, and loses none.
pub(super) fn is_same(earlier: &[Span], later: &[Span]) -> bool {
    earlier.len() == later.len()
        && earlier.iter().zip(later).all(|(earlier, later)| {
            earlier.name == later.name
                && earlier.fields.iter().all(|(key, value)| later.fields.get(key) == Some(value))
        })
}

pub(super) const NO_NAME: &str = "a span closes, and its name is not found";

/// Whether the event says that its span closes, and how long it was open.
pub(super) fn is_close(fields: &FieldMap) -> bool {
    fields.get("message").and_then(Value::as_str) == Some("close") && fields.contains_key("time.busy")
}

/// The meaning of an event of the `fmt` layer in JSON.
pub(super) fn of_event(
    at: Option<Timestamp>,
    level: Option<Level>,
    target: Option<String>,
    spans: SpanPath,
    fields: FieldMap,
) -> Result<LogLine, &'static str> {
    let text = |key: &str| match fields.get(key)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    if spans.is_empty() {
        return if is_close(&fields) { Err(NO_NAME) } else { Ok(LogLine::Other) };
    }
    // `#[instrument(err, ret)]` writes events with one field and no message.
    let what = match (fields.len(), text("error"), text("return")) {
        _ if text("message").as_deref() == Some("close") => {
            let times =
                text("time.busy").zip(text("time.idle")).ok_or("it has no time.busy and time.idle")?;
            Happening::Closed { took: took(&times.0, &times.1)?, is_alone: false }
        }
        (1, Some(error), _) => Happening::Failed(EventText::Exact(error)),
        (1, _, Some(value)) => Happening::Returned(EventText::Exact(value)),
        _ => Happening::Event(EventFields::Read(fields)),
    };
    Ok(LogLine::InSpan(SpanLine { at, level, target, spans, what }))
}

/// Reads a line of text or JSON, and returns whether it is of JSON.
pub(super) fn read(line: &str, dialect: &mut Dialect) -> Result<(LogLine, bool), &'static str> {
    let wrapped = unwrapped(line);
    let line = fmt_text::without_colours(&wrapped.line);
    let line = line.trim();
    let is_json = line.starts_with('{');
    let mut read = match console::stage(line, dialect) {
        _ if line.is_empty() => LogLine::Other,
        Some(stage) => stage?,
        None if is_json => fmt_json::read(line, dialect)?,
        None => fmt_text::read(line, dialect)?,
    };
    if let Some(outer) = &wrapped.at {
        read.complete_time(|| dialect.moment(outer));
    }
    Ok((read, is_json))
}

/// How long a span was open.
pub(super) fn took(busy: &str, idle: &str) -> Result<SignedDuration, &'static str> {
    let both = duration(busy).zip(duration(idle)).and_then(|(busy, idle)| busy.checked_add(idle));
    both.ok_or("time.busy or time.idle is not a time")
}

/// Such as `1.23ms`, `45.6µs` or `2m`.
fn duration(text: &str) -> Option<SignedDuration> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_alphabetic() || c == 'µ')?;
    let number: f64 = text[..unit].trim().parse().ok()?;
    let seconds = match &text[unit..] {
        "ns" => 1e-9,
        "µs" | "μs" | "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    SignedDuration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_every_unit_are_read() {
        for (text, nanos) in [("120ns", 120), ("4.5µs", 4_500), ("1.23ms", 1_230_000), ("2s", 2_000_000_000)]
        {
            assert_eq!(duration(text).map(|time| time.as_nanos()), Some(nanos), "{text}");
        }
        for text in ["", "ms", "1", "1 parsec", "1e999s", "NaNms"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
