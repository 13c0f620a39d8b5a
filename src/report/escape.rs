//! Values from the database, made harmless to look at.
//!
//! Whoever writes a row chooses its texts: none of them may move the cursor of a terminal, turn the order of
//! what is read, or end a cell of a table.

use crate::escape::visible;

/// Longer texts are cut.
const LIMIT: usize = 80;

/// For a terminal.
pub(super) fn text(value: &str) -> String {
    match value.char_indices().nth(LIMIT) {
        Some((cut, _)) => format!("{}…", visible(&value[..cut])),
        None => visible(value),
    }
}

/// For a cell of a Markdown table.
pub(super) fn markdown(value: &str) -> String {
    text(value).chars().fold(String::new(), |mut out, c| {
        if "\\|<>&*[]`".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_driven() {
        assert_eq!(text("a\x1b[2J\u{202e}b\n"), r"a\u{1b}[2J\u{202e}b\u{a}");
        assert_eq!(text("größte Gruppe 🍽"), "größte Gruppe 🍽");
        assert_eq!(text(&"x".repeat(81)), format!("{}…", "x".repeat(80)));
    }

    #[test]
    fn a_cell_stays_a_cell() {
        assert_eq!(markdown("a|b<img>"), r"a\|b\<img\>");
        assert_eq!(markdown("hard.no_capacity"), "hard.no_capacity");
    }
}
