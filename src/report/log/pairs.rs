//! `key=value` pairs as text, and the quotes and braces in them.

use serde_json::Value;

use super::line::FieldMap;

/// Fields, without a text before the first.
pub(super) fn fields(text: &str) -> FieldMap {
    pairs(text).map(|(key, text)| (key.to_owned(), value(text))).collect()
}

/// Each key with the text of its value, which ends before the next pair.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let places = places(text);
    let ends: Vec<_> = places.iter().skip(1).map(|(key, _)| *key).chain([text.len()]).collect();
    places
        .into_iter()
        .zip(ends)
        .map(|((key, equals), end)| (&text[key..equals], text[equals + 1..end].trim_end()))
}

/// Where each key begins, and its equals sign, outside of quotes.
pub(super) fn places(text: &str) -> Vec<(usize, usize)> {
    let (mut places, mut word, mut is_key) = (Vec::new(), 0, true);
    for (at, c) in unquoted(text) {
        match c {
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

/// The characters outside of quotes, with their places. `Debug` writes a quote only beside signs: that in `5" pipe` is no
/// quote. After a quote that ends within a word, nothing is certain, and nothing follows.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut last, mut quoted, mut escaped, mut is_lost) = (' ', false, false, false);
    text.char_indices().filter(move |&(at, c)| {
        let before = std::mem::replace(&mut last, c);
        match c {
            _ if is_lost => return false,
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if quoted => {
                quoted = false;
                is_lost = text[at + 1..].starts_with(char::is_alphanumeric);
            }
            '"' if " =([{,:&".contains(before) => quoted = true,
            _ => return !quoted,
        }
        false
    })
}

/// Where the brace that opens the text is closed, outside of quotes.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, c) in unquoted(text) {
        match c {
            '{' => depth += 1,
            '}' => {
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

pub(super) fn value(text: &str) -> Value {
    let quoted = || serde_json::from_str::<String>(text).ok().or_else(|| unescaped(text));
    match text.as_bytes() {
        [b'"', .., b'"'] => quoted().unwrap_or_else(|| text.to_owned()).into(),
        b"true" => true.into(),
        b"false" => false.into(),
        // `1.10` is the text of a version, and `1.1` another one.
        [b'0'..=b'9' | b'-', ..] => match serde_json::from_str(text) {
            Ok(Value::Number(number)) if number.to_string() == text => number.into(),
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
            json!({"time.busy": "1.2ms", "time.idle": "3µs"})
        );
        assert_eq!(
            read(r#"a=1 b="x y=2" c=true d=Some("q") e=-1.5 f="\u{1b}\n""#),
            json!({"a": 1, "b": "x y=2", "c": true, "d": "Some(\"q\")", "e": -1.5, "f": "\u{1b}\n"})
        );
        assert_eq!(
            read("version=1.10 whole=3.0 code=007 id=12345678901234567890123"),
            json!({"version": "1.10", "whole": 3.0, "code": "007", "id": "12345678901234567890123"})
        );
        assert_eq!(read("error=out of stock, a - b"), json!({"error": "out of stock, a - b"}));
    }

    #[test]
    fn a_quote_within_a_word_opens_nothing() {
        let read = |text: &str| Value::Object(fields(text));
        assert_eq!(read(r#"note=5" pipe size=2"#), json!({"note": "5\" pipe", "size": 2}));
        assert_eq!(read(r#"note=Some("a b=1") size=2"#), json!({"note": "Some(\"a b=1\")", "size": 2}));
        for text in [r#"{note=5" pipe}:"#, r#"{note="a}" b={c}}:"#] {
            assert_eq!(closing(text).map(|at| &text[at..]), Some("}:"), "{text}");
        }
        for text in [r#"{note=say "hi}:"#, r#"{note=say "hi kind="x"}:"#, "{note=a{b}:"] {
            assert_eq!(closing(text), None, "{text}");
        }
    }
}
