//! A line of JSON: of the `fmt` layer, or a row.

use serde_json::Value;

use super::dialect::Dialect;
use super::line::{FieldMap, Happening, LogLine, Span, SpanLine, SpanPath, is_close, of_event};
use super::row;

pub(super) fn read(line: &str, dialect: &mut Dialect) -> Result<LogLine, &'static str> {
    if let Some(row) = of_either(line, row::of_json) {
        return row.map(|row| LogLine::Rows(vec![row]));
    }
    let mut object = of_either(line, |text| serde_json::from_str::<FieldMap>(text).ok())
        .ok_or("it is not a JSON object")?;
    if !KEYS.iter().any(|key| object.contains_key(*key)) {
        return Err("it is neither a row nor a line of the fmt layer");
    }
    let at = object.get("timestamp").and_then(Value::as_str).and_then(|time| dialect.moment(time));
    let target = object.get("target").and_then(Value::as_str).map(str::to_owned);
    let level = object.get("level").and_then(Value::as_str).and_then(|level| level.parse().ok());
    // `with_span_list(false)` leaves it out; else a span that closes has it, also if it is empty.
    let has_list = object.contains_key("spans");
    let (own, mut spans) = spans(&mut object);
    // With `flatten_event` the fields stand beside the other keys.
    let fields = match object.remove("fields") {
        Some(Value::Object(fields)) => fields,
        _ => without_frame(object),
    };
    if is_close(&fields) {
        // The list has only spans around the one that closes, which may have the same name and fields.
        spans.push(own.ok_or("it does not name the span that closes: leave out .with_current_span(false)")?);
    } else {
        spans.extend(own.filter(|own| spans.last() != Some(own)));
    }
    let mut read = of_event(at, level, target, spans, fields)?;
    if let LogLine::InSpan(SpanLine { what: Happening::Closed { is_alone, .. }, .. }) = &mut read {
        *is_alone = !has_list;
    }
    Ok(read)
}

/// Each line of the `fmt` layer has at least one of these keys, also with options switched off.
const KEYS: [&str; 4] = ["fields", "level", "target", "timestamp"];

/// `\copy` doubles each backslash of its text format.
fn of_either<T>(line: &str, read: fn(&str) -> Option<T>) -> Option<T> {
    read(line).or_else(|| line.contains(r"\\").then(|| read(&line.replace(r"\\", r"\")))?)
}

/// The span of an event, and the list of spans that its thread is in. Either may be switched off.
fn spans(object: &mut FieldMap) -> (Option<Span>, SpanPath) {
    let own = object.remove("span").and_then(span);
    let spans = match object.remove("spans") {
        Some(Value::Array(list)) => list.into_iter().filter_map(span).collect(),
        _ => SpanPath::new(),
    };
    (own, spans)
}

fn span(value: Value) -> Option<Span> {
    let Value::Object(mut fields) = value else { return None };
    let Some(Value::String(name)) = fields.remove("name") else { return None };
    Some(Span { name, fields })
}

fn without_frame(mut object: FieldMap) -> FieldMap {
    for key in ["timestamp", "level", "target", "filename", "line_number", "threadName", "threadId"] {
        object.remove(key);
    }
    object
}
