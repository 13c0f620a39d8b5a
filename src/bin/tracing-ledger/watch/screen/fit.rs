//! Texts that fit in the columns of a terminal and cannot control it.

use ratatui::text::Span;

/// How many columns of the terminal a text takes: a wide character takes two.
pub(super) fn width_of(text: &str) -> usize {
    Span::raw(text).width()
}

/// With spaces up to this width.
pub(super) fn filled(text: String, width: usize) -> String {
    let spaces = width.saturating_sub(width_of(&text));
    text + &" ".repeat(spaces)
}

/// The end of an event type says more than its beginning.
pub(super) fn cut_left(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let ends = text.char_indices().map(|(place, _)| &text[place..]);
    let end = ends.into_iter().find(|end| width_of(end) < width).unwrap_or_default();
    format!("…{end}")
}

/// The text of a row must not control the terminal.
pub(super) fn visible(text: &str) -> String {
    let shown = |c: char| if c.is_control() || !c.is_ascii() && !c.is_alphanumeric() { '·' } else { c };
    text.chars().take(400).map(shown).collect()
}

/// The words of a text in lines of this width, one at least.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if width_of(line) + 1 + width_of(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

pub(super) fn cut(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let begins = text.char_indices().rev().map(|(place, _)| &text[..place]);
    let begin = begins.into_iter().find(|begin| width_of(begin) < width).unwrap_or_default();
    format!("{begin}…")
}
