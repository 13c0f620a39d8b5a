//! Console lines of a job: `[auto-assign][job] <stage> {"bookingId": …}`.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::line::{FieldMap, LogLine};
use super::row;

const MARK: &str = "[auto-assign][job] ";

/// `None` if it is another line.
pub(super) fn stage(line: &str, dialect: &mut Dialect) -> Option<Result<LogLine, &'static str>> {
    let (before, rest) = line.split_once(MARK)?;
    let (stage, details) = rest.split_once(' ').unwrap_or((rest, "{}"));
    let Some(mut details) = object(details.trim()) else {
        return Some(Err("the details of the stage are no object"));
    };
    let at = dialect.moment(before);
    let booking = ["bookingId", "booking_id"].iter().find_map(|key| details.remove(*key));
    let row = |(event_type, more): (&str, FieldMap)| {
        let mut context = details.clone();
        context.extend(more);
        let row = json!({ "event_type": event_type, "source": "auto_assign", "booking_id": booking,
                          "created_at": at.map(|at| at.to_string()), "context": context });
        if let Value::Object(row) = row { row::of_object(row) } else { Err("it has no fields") }
    };
    Some(meanings(stage, &details).into_iter().map(row).collect::<Result<_, _>>().map(LogLine::Rows))
}

/// The rows that a stage stands for: an attempt that has ended is a call, and the end of a job is its summary.
fn meanings(stage: &str, details: &FieldMap) -> Vec<(&'static str, FieldMap)> {
    let number = |key| details.get(key).and_then(Value::as_u64);
    let call = |success: bool, outcome: &str| {
        ("auto_assign.quote", json!({ "flow": "job", "success": success, "outcome": outcome }))
    };
    // Null, and not left out: else the job would have the time of the call.
    let job = |result: &str, attempts: Option<u64>, ms: Option<&Value>| {
        ("auto_assign.summary", json!({ "result": result, "attemptsUsed": attempts, "durationMs": ms }))
    };
    let meanings = match stage {
        "attempt.success" => {
            let attempts = number("attempt").map(|attempt| attempt.saturating_add(1));
            // `durationMs` of this stage is the time of the job.
            let mut quote = call(true, "ok");
            quote.1["durationMs"] = Value::Null;
            vec![quote, job("succeeded", attempts, details.get("durationMs"))]
        }
        "attempt.no_hold" => vec![call(false, "ok")],
        "attempt.error" => vec![call(false, "error")],
        "attempt.cutoff_skipped" => vec![job("cutoff", number("attempt"), None)],
        "exhausted" => vec![job("exhausted", number("attempts"), None)],
        _ => Vec::new(),
    };
    let fields = |value| if let Value::Object(fields) = value { fields } else { FieldMap::new() };
    meanings.into_iter().map(|(event_type, value)| (event_type, fields(value))).collect()
}

/// JSON, or as a JavaScript console prints an object: `{ bookingId: 'x', attempt: 1 }`.
fn object(text: &str) -> Option<FieldMap> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&quoted(text)).ok())
}

/// Quotes bare keys and turns single quotes into double ones.
fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 16);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' | '"' => {
                let mut inner = String::new();
                while let Some((_, next)) = chars.next() {
                    match next {
                        '\\' => inner.extend(chars.next().map(|(_, escaped)| escaped)),
                        _ if next == c => break,
                        _ => inner.push(next),
                    }
                }
                json.push_str(&Value::from(inner).to_string());
            }
            c if c.is_alphabetic() || c == '_' => {
                let mut end = at + c.len_utf8();
                while let Some((next, part)) =
                    chars.peek().copied().filter(|(_, c)| c.is_alphanumeric() || *c == '_')
                {
                    end = next + part.len_utf8();
                    chars.next();
                }
                let word = &text[at..end];
                match word {
                    "true" | "false" | "null" => json.push_str(word),
                    "undefined" => json.push_str("null"),
                    _ => json.push_str(&Value::from(word).to_string()),
                }
            }
            _ => json.push(c),
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_a_console_is_read_like_json() {
        let read =
            object("{ bookingId: 'a-1', attempt: 1, error: 'it\\'s \"late\"', holdId: undefined, ok: true }");
        let json =
            json!({"bookingId": "a-1", "attempt": 1, "error": "it's \"late\"", "holdId": null, "ok": true});
        assert_eq!(read.map(Value::Object), Some(json));
        assert_eq!(object("{ bookingId:"), None);
    }
}
