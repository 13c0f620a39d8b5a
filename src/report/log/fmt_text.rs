//! A line of text of the `fmt` layer, in its full or its compact form.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::dialect::Dialect;
use super::line::{
    EventFields, EventText, FieldMap, Happening, LogLine, NO_NAME, Span, SpanLine, SpanPath, took,
};
use super::pairs::{closing, fields, pairs, places, value};

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/// The words before the level: a time has at most three.
const WORDS_BEFORE: usize = 4;

/// Why a line is of no format. A table that was exported otherwise has the names of its columns.
fn unknown(line: &str) -> &'static str {
    let is_object = |at: usize| serde_json::from_str::<IgnoredAny>(&line[at..]).is_ok();
    match () {
        () if ["created_at", "event_type"].iter().all(|column| line.contains(column)) => {
            "it has the columns of a table, but not as CSV with commas or semicolons: export it by \\copy … CSV HEADER"
        }
        () if line.find('{').is_some_and(is_object)
            || line.split_whitespace().any(|word| LEVELS.contains(&word)) =>
        {
            "something stands before the time and the level, or before the JSON: write the log without it (journalctl -o cat, \
             docker compose logs --no-log-prefix)"
        }
        () => "it has no level, and is in no format that is known",
    }
}

const NO_TIMES: &str = "it has no time.busy and time.idle";
const PRETTY: &str = "the pretty format has several lines for an event";
const MIXED: &str = "the compact form does not tell which span has which field: write the full form or JSON";
const UNSPLIT: &str =
    "a quote or brace in a value hides where the fields of a span end: record it with ?, or write JSON";

pub(super) fn read(line: &str, dialect: &mut Dialect) -> Result<LogLine, &'static str> {
    let (before, level, rest) = split_at_level(line).ok_or_else(|| unknown(line))?;
    let at = dialect.moment(before);
    let Some((mut spans, rest)) = spans(without_thread(rest.trim_start(), dialect.names_threads)) else {
        return match line {
            _ if !line.contains(CLOSE) => Ok(LogLine::Other),
            _ if line.contains('{') => Err(UNSPLIT),
            _ => Err(NO_NAME),
        };
    };
    let (mut target, mut event) = target(rest, true);
    let what = if event.starts_with(CLOSE) {
        closed(&mut spans, event, dialect)?
    } else {
        let is_outside = !dialect.lacks_targets
            && target.is_none()
            && matches!(spans.as_slice(), [only] if only.fields.is_empty());
        if is_outside {
            // The only name is the target.
            return match event {
                _ if event.starts_with("close, time.busy: ") => Err(PRETTY),
                _ => hidden_close(event).map_or(Ok(LogLine::Other), Err),
            };
        }
        if dialect.lacks_targets {
            (target, event) = (None, self::target(rest, false).1);
        }
        reported(&spans, event, level, dialect)?
    };
    Ok(LogLine::InSpan(SpanLine { at, level: level.parse().ok(), target, spans, what }))
}

/// The beginning of the event that says that a span closes.
const CLOSE: &str = "close time.busy=";

/// Why a message that has a closing span in it cannot be read.
fn hidden_close(event: &str) -> Option<&'static str> {
    if !event.contains(CLOSE) {
        return None;
    }
    let (message, _) = event.split_at(places(event).first().map_or(event.len(), |(key, _)| *key));
    let hides = message.ends_with("close ") && event[message.len()..].starts_with("time.busy=");
    hides.then(|| if message.contains('}') { UNSPLIT } else { NO_NAME })
}

fn closed(spans: &mut SpanPath, event: &str, dialect: &mut Dialect) -> Result<Happening, &'static str> {
    let mut pairs = pairs(event);
    let (Some((_, busy)), Some(("time.idle", idle))) = (pairs.next(), pairs.next()) else {
        return Err(NO_TIMES);
    };
    let took = took(busy, idle)?;
    let at_the_end: FieldMap = pairs.map(|(key, text)| (key.to_owned(), value(text))).collect();
    if !at_the_end.is_empty() {
        dialect.is_compact = true;
        match spans.as_mut_slice() {
            [only] if only.fields.is_empty() => only.fields = at_the_end,
            _ => return Err(MIXED),
        }
    }
    Ok(Happening::Closed { took, is_alone: false })
}

/// `#[instrument(err, ret)]` writes events with one field and no message.
fn reported(
    spans: &SpanPath,
    event: &str,
    level: &str,
    dialect: &Dialect,
) -> Result<Happening, &'static str> {
    let (key, text) = event.split_once('=').unwrap_or_default();
    if !["error", "return"].contains(&key) {
        let fields = || EventFields::Text { text: event.to_owned(), is_compact: dialect.is_compact };
        return match event {
            "close" => Err(NO_TIMES),
            _ => hidden_close(event).map_or_else(|| Ok(Happening::Event(fields())), Err),
        };
    }
    let mut splits = Vec::new();
    if dialect.is_compact {
        let places: Vec<_> = places(event).into_iter().skip(1).collect();
        if spans.len() > 1 && !places.is_empty() {
            return Err(MIXED);
        }
        let begins = key.len() + 1;
        splits = places.iter().map(|(at, _)| (at - begins, fields(&event[*at..]))).collect();
    }
    let text = EventText::Loose { text: text.to_owned(), splits, is_error: level == "ERROR" };
    Ok(if key == "error" { Happening::Failed(text) } else { Happening::Returned(text) })
}

/// Whether a closing span has a target, and whether it is in the compact form, which has the fields at the end.
pub(super) fn form(line: &str, names_threads: bool) -> Option<(bool, bool)> {
    let (_, _, rest) = split_at_level(line)?;
    let (_, rest) = spans(without_thread(rest.trim_start(), names_threads))?;
    let (target, event) = target(rest, true);
    event.starts_with(CLOSE).then(|| (target.is_some(), places(event).len() > 2))
}

/// Without the escapes that colour a line on a terminal.
pub(super) fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return line.into();
    }
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_digit() || c == ';'));
        match end.filter(|end| part[*end..].starts_with('m')) {
            Some(end) => plain.push_str(&part[end + 1..]),
            None => plain.push_str(part),
        }
    }
    plain.into()
}

/// The text before the level, the level, and the text after it.
fn split_at_level(line: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    for word in line.split_whitespace().take(WORDS_BEFORE) {
        let at = from + line[from..].find(word)?;
        from = at + word.len();
        if LEVELS.contains(&word) {
            return Some((&line[..at], word, &line[from..]));
        }
    }
    None
}

/// The word after the level, if it may be the name of a thread.
pub(super) fn thread_name(line: &str) -> Option<Option<&str>> {
    let (_, _, rest) = split_at_level(line)?;
    let (word, _) = rest.trim_start().split_once(' ')?;
    Some((!word.contains(['{', ':', '=', '"'])).then_some(word))
}

/// Without the name of the thread and its id. A name with a space looks like a message.
fn without_thread(rest: &str, is_named: bool) -> &str {
    let rest = match rest.split_once(' ') {
        Some((word, after))
            if !word.contains(['{', ':', '=', '"'])
                && (is_named && !word.starts_with("ThreadId(")
                    || after.trim_start().starts_with("ThreadId(")) =>
        {
            after.trim_start()
        }
        _ => rest,
    };
    match rest.split_once(' ') {
        Some((word, after)) if word.starts_with("ThreadId(") && word.ends_with(')') => after.trim_start(),
        _ => rest,
    }
}

/// `name{field=value}:name: ` and the rest after it. A target alone looks like the name of a span.
fn spans(line: &str) -> Option<(SpanPath, &str)> {
    let (mut spans, mut rest) = (Vec::new(), line);
    loop {
        let (name, inner, after) = named(rest)?;
        spans.push(Span { name: name.to_owned(), fields: fields(inner) });
        if let Some(rest) = after.strip_prefix(' ') {
            return Some((spans, rest.trim_start()));
        }
        rest = after;
    }
}

/// A parameter of a route comes after one of these: `/orders/{id}.{format}`.
const BEFORE_PARAMETER: [char; 7] = ['/', '.', '-', '_', '~', ',', ';'];

/// The name of a span, the text of its fields, and the rest. A name may contain spaces, `::`, and the braces of a route.
fn named(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let end = from + text[from..].find(['{', '}', ':', '=', '"'])?;
        let (name, rest) = text.split_at(end);
        match rest.as_bytes() {
            _ if name.is_empty() => return None,
            [b':', b':', ..] => from = end + 2,
            [b':', ..] => return Some((name, "", &rest[1..])),
            [b'{', ..] => {
                let inner = &rest[1..closing(rest)?];
                from = end + inner.len() + 2;
                // A field `message` has neither key nor quotes, so it may be without `=`.
                if inner.contains('=') || !name.ends_with(BEFORE_PARAMETER) {
                    return Some((name, inner, text[from..].strip_prefix(':')?));
                }
            }
            _ => return None,
        }
    }
}

/// `path::of::target: src/main.rs:2: ` and the rest after it. Each may be switched off. The compact form has
/// `path::of::target:2: `, and the full one `path::of::target: 2: `, if only the line is named.
fn target(text: &str, may_be: bool) -> (Option<String>, &str) {
    let (mut target, mut rest) = (None, text);
    while let Some((part, after)) = rest.split_once(": ") {
        let number = part.rsplit(':').next().filter(|number| !number.is_empty());
        let number = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let path = number.map_or(part, |number| part[..part.len() - number.len()].trim_end_matches(':'));
        if part.is_empty() || part.contains([' ', '=', '"', '{', '}']) {
            break;
        }
        if !path.is_empty() && !path.ends_with(".rs") {
            if target.is_some() || !may_be {
                break;
            }
            target = Some(path.to_owned());
        }
        rest = after.trim_start();
    }
    (target, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_left_out() {
        assert_eq!(without_colours("\u{1b}[2m2026\u{1b}[0m \u{1b}[1;32mINFO\u{1b}[0m"), "2026 INFO");
        assert_eq!(without_colours("no escape"), "no escape");
    }
}
