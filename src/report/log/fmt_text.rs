//! A line of text of the `fmt` layer, in its full or its compact form.

use std::borrow::Cow;

use serde_json::Value;

use super::dialect::Dialect;
use super::line::{FieldMap, LogLine, NO_NAME, Span, SpanPath, of_event};

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"];

/// The words before the level: a time has at most three.
const WORDS_BEFORE: usize = 4;

/// Why a line is of no format. A table that was exported otherwise has the names of its columns.
fn unknown(line: &str) -> &'static str {
    match ["created_at", "event_type"].iter().all(|column| line.contains(column)) {
        true => "it has the columns of a table, but not as CSV with commas: export it by \\copy … CSV HEADER",
        false => "it has no level, and is in no format that is known",
    }
}

pub(super) fn read(line: &str, dialect: &mut Dialect) -> Result<LogLine, &'static str> {
    let (before, rest) = split_at_level(line).ok_or_else(|| unknown(line))?;
    let at = dialect.moment(before);
    let rest = without_thread(rest.trim_start(), dialect.names_threads);
    let (mut spans, rest) = spans(rest);
    let (mut target, mut rest) = target(rest);
    if spans.is_empty()
        && let Some((name, after)) = rest.split_once(": close time.busy=")
    {
        // Without targets, the name of a span without fields may be in the place of the target, or in the message.
        spans.push(Span { name: name.to_owned(), fields: FieldMap::new() });
        rest = &rest[rest.len() - after.len() - "close time.busy=".len()..];
    } else if spans.is_empty() && rest.starts_with("close time.busy=") {
        spans.extend(target.take().map(|name| Span { name, fields: FieldMap::new() }));
    }
    let fields = fields(rest);
    if let Some(last) = spans.last_mut().filter(|span| span.fields.is_empty()) {
        // The compact form has the fields of all spans at the end.
        last.fields =
            fields.iter().filter(|(key, _)| !is_of_event(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    }
    let own: FieldMap =
        if spans.last().is_some_and(|span| span.fields.iter().all(|(key, _)| fields.contains_key(key))) {
            fields.into_iter().filter(|(key, _)| is_of_event(key)).collect()
        } else {
            fields
        };
    match of_event(at, target, spans, &own)? {
        read @ LogLine::Closed { .. } => Ok(read),
        _ if line.contains("close, time.busy: ") => Err("the pretty format has several lines for an event"),
        _ if line.contains("close time.busy=") => Err(NO_NAME),
        read => Ok(read),
    }
}

/// The fields of the events that matter here.
fn is_of_event(key: &str) -> bool {
    ["message", "time.busy", "time.idle", "error", "return"].contains(&key)
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

/// The text before the level and after it.
fn split_at_level(line: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    for word in line.split_whitespace().take(WORDS_BEFORE) {
        let at = from + line[from..].find(word)?;
        from = at + word.len();
        if LEVELS.contains(&word) {
            return Some((&line[..at], &line[from..]));
        }
    }
    None
}

/// The word after the level, if it may be the name of a thread.
pub(super) fn thread_name(line: &str) -> Option<Option<&str>> {
    let (_, rest) = split_at_level(line)?;
    let (word, _) = rest.trim_start().split_once(' ')?;
    Some((!word.contains(['{', ':', '=', '"'])).then_some(word))
}

/// Without the name of the thread and its id. A name with a space cannot be told from a message.
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

/// `name{field=value}:name:` and the rest after it.
fn spans(line: &str) -> (SpanPath, &str) {
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some((span, after)) = span(rest) {
        spans.push(span);
        rest = after;
        if rest.starts_with(' ') {
            break;
        }
    }
    (spans, rest.trim_start())
}

/// A span before a colon. A path with `::` is a target.
fn span(text: &str) -> Option<(Span, &str)> {
    let (name, inner, after) = named(text)?;
    if !inner.is_empty() {
        return Some((Span { name: name.to_owned(), fields: fields(inner) }, after));
    }
    // The last name before a space is the target, unless a target or a place in the code follows it.
    let next = after.trim_start();
    let followed = !after.starts_with(' ') || target(next).1.len() < next.len();
    let is_path = after.starts_with(':');
    (followed && !is_path).then(|| (Span { name: name.to_owned(), fields: FieldMap::new() }, after))
}

/// The name of a span, the text of its fields, and the rest. A name may contain spaces, and braces without a `=`.
fn named(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let end = from + text[from..].find(['{', ':', '=', '"'])?;
        let name = &text[..end];
        match text.as_bytes()[end] {
            _ if name.is_empty() => return None,
            b':' => return Some((name, "", &text[end + 1..])),
            b'{' => {
                let close = end + closing(&text[end..])?;
                let inner = &text[end + 1..close];
                from = close + 1;
                if inner.contains('=') {
                    return Some((name, inner, text[from..].strip_prefix(':')?));
                }
            }
            _ => return None,
        }
    }
}

/// Where the brace that opens the text is closed, outside of quotes.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// `path::of::target: src/main.rs:2: ` and the rest after it. Each may be switched off. The compact form has
/// `path::of::target:2: `, and the full one `path::of::target: 2: `, if only the line is named.
fn target(text: &str) -> (Option<String>, &str) {
    let (mut target, mut rest) = (None, text);
    while let Some((part, after)) = rest.split_once(": ") {
        let number = part.rsplit(':').next().filter(|number| !number.is_empty());
        let number = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let path = number.map_or(part, |number| part[..part.len() - number.len()].trim_end_matches(':'));
        if part.is_empty() || part.contains([' ', '=', '"', '{']) {
            break;
        }
        if !path.is_empty() && !path.ends_with(".rs") {
            if target.is_some() {
                break;
            }
            target = Some(path.to_owned());
        }
        rest = after.trim_start();
    }
    (target, rest)
}

/// A message and `key=value` pairs. The text of a value ends before the next pair.
fn fields(text: &str) -> FieldMap {
    let mut fields = FieldMap::new();
    let mut places = places(text);
    let first = places.first().map_or(text.len(), |(at, _)| *at);
    let message = text[..first].trim();
    if !message.is_empty() {
        fields.insert("message".to_owned(), message.into());
    }
    places.push((text.len(), text.len()));
    for pair in places.windows(2) {
        let [(key, equals), (next, _)] = pair else { continue };
        fields.insert(text[*key..*equals].to_owned(), value(text[equals + 1..*next].trim_end()));
    }
    fields
}

/// Where each key begins, and its equals sign, outside of quotes.
fn places(text: &str) -> Vec<(usize, usize)> {
    let (mut places, mut word, mut is_key) = (Vec::new(), 0, true);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            ' ' => (word, is_key) = (at + 1, true),
            '=' if is_key && at > word => {
                places.push((word, at));
                is_key = false;
            }
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '#' => {}
            c => is_key &= c.is_alphanumeric(),
        }
    }
    places
}

fn value(text: &str) -> Value {
    let quoted = || serde_json::from_str::<String>(text).ok().or_else(|| unescaped(text));
    match text.as_bytes() {
        [b'"', .., b'"'] => quoted().unwrap_or_else(|| text.to_owned()).into(),
        b"true" => true.into(),
        b"false" => false.into(),
        [b'0'..=b'9' | b'-', ..] => match serde_json::from_str(text) {
            Ok(Value::Number(number)) => number.into(),
            _ => text.into(),
        },
        _ => text.into(),
    }
}

/// A text as Rust's `Debug` quotes it, whose escapes JSON does not know.
fn unescaped(text: &str) -> Option<String> {
    let mut chars = text.strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut plain = String::new();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.push(match chars.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            'u' => {
                let code: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_type_and_text() {
        let read = |text: &str| Value::Object(fields(text));
        assert_eq!(
            read("close time.busy=1.2ms time.idle=3µs"),
            json!({"message": "close", "time.busy": "1.2ms", "time.idle": "3µs"})
        );
        assert_eq!(
            read(r#"a=1 b="x y=2" c=true d=Some("q") e=-1.5 f="\u{1b}\n""#),
            json!({"a": 1, "b": "x y=2", "c": true, "d": "Some(\"q\")", "e": -1.5, "f": "\u{1b}\n"})
        );
        assert_eq!(read("error=out of stock, a - b"), json!({"error": "out of stock, a - b"}));
    }

    #[test]
    fn colours_are_left_out() {
        assert_eq!(without_colours("\u{1b}[2m2026\u{1b}[0m \u{1b}[1;32mINFO\u{1b}[0m"), "2026 INFO");
        assert_eq!(without_colours("no escape"), "no escape");
    }
}
