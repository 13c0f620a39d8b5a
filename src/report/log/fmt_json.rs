//! A line of JSON: of the `fmt` layer, or a row.

use serde_json::Value;

use super::line::{Fields, Line, Span, Spans, of_event};
use super::row;
use crate::store::read::moment;

pub(super) fn read(line: &str) -> Result<Line, &'static str> {
    let Ok(Value::Object(mut object)) = serde_json::from_str(line) else {
        return Err("it is not a JSON object");
    };
    if object.contains_key("event_type") || object.contains_key("eventType") {
        return row::of_object(object).map(|row| Line::Rows(vec![row]));
    }
    let at = object.get("timestamp").and_then(Value::as_str).and_then(moment);
    let target = object.get("target").and_then(Value::as_str).map(str::to_owned);
    let spans = spans(&mut object);
    // With `flatten_event` the fields stand beside the other keys.
    let fields = match object.remove("fields") {
        Some(Value::Object(fields)) => fields,
        _ => without_frame(object),
    };
    of_event(at, target, spans, &fields)
}

/// The spans around an event. The list ends with the span of the event, but not where that span closes. Either may be
/// switched off.
fn spans(object: &mut Fields) -> Spans {
    let own = object.remove("span").and_then(span);
    let mut spans: Spans = match object.remove("spans") {
        Some(Value::Array(list)) => list.into_iter().filter_map(span).collect(),
        _ => Spans::new(),
    };
    spans.extend(own.filter(|own| spans.last() != Some(own)));
    spans
}

fn span(value: Value) -> Option<Span> {
    let Value::Object(mut fields) = value else { return None };
    let Some(Value::String(name)) = fields.remove("name") else { return None };
    Some(Span { name, fields })
}

fn without_frame(mut object: Fields) -> Fields {
    for key in ["timestamp", "level", "target", "filename", "line_number", "threadName", "threadId"] {
        object.remove(key);
    }
    object
}
