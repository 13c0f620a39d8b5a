//! Escapes characters in foreign text that would move the cursor of a terminal or change the reading order.

/// Whether a character is invisible, so that different texts look the same, or changes how others are shown: control, bidi,
/// zero-width, blank and tag characters, and variation selectors.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The text on one line, with its hidden characters escaped.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The JSON document with the hidden characters in its strings escaped as JSON does it, so that it means the same. White
/// space between tokens stays.
pub(crate) fn visible_json(document: String) -> String {
    let is_escaped = |c: char| is_hidden(c) && !c.is_ascii_whitespace();
    // A second copy of a large document takes memory.
    if !document.contains(is_escaped) {
        return document;
    }
    document.chars().fold(String::with_capacity(document.len()), |mut out, c| {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        for c in "\u{115f}\u{1160}\u{2800}\u{3164}\u{fe00}\u{fe0f}\u{ffa0}".chars() {
            assert_eq!(visible(&format!("a{c}b")), format!("a{}b", c.escape_unicode()));
        }
        let plain = "a b\u{e9}\u{1100}\u{1161}\u{ac00}\u{2801}\u{fe10}";
        assert_eq!(visible(plain), plain);
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = "a\u{202e}\u{e0001}\u{85}\u{7f}b";
        let document = serde_json::Value::from(value).to_string();
        let escaped = visible_json(document);
        assert_eq!(escaped, r#""a\u202e\udb40\udc01\u0085\u007fb""#);
        assert_eq!(serde_json::from_str::<String>(&escaped).ok().as_deref(), Some(value));
        assert_eq!(visible_json("[\t1,\r\n2]".to_owned()), "[\t1,\r\n2]");
    }
}
