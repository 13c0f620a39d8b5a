//! Escapes values from the database for a terminal and for Markdown.
//!
//! Any writer of rows chooses their texts. None of them may drive a terminal, change the reading order, or end a cell of a
//! table.

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

/// A space without width. GitHub and GitLab notify nobody, and link nothing, if it follows the sign of a name or number; a `\`
/// before the sign does not help.
const NO_WIDTH: &str = "&#8203;";

/// For a cell of a Markdown table.
pub(super) fn markdown(value: &str) -> String {
    text(value).chars().fold(String::new(), |mut out, c| {
        if "\\|<>&*[]`".contains(c) {
            out.push('\\');
        }
        out.push(c);
        if matches!(c, '@' | '#') {
            out.push_str(NO_WIDTH);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(text("a\x1b[2J\u{202e}b\n"), r"a\u{1b}[2J\u{202e}b\u{a}");
        assert_eq!(text("größte Gruppe 🍽"), "größte Gruppe 🍽");
        assert_eq!(text(&"x".repeat(81)), format!("{}…", "x".repeat(80)));
    }

    #[test]
    fn a_value_does_not_end_its_cell() {
        assert_eq!(markdown("a|b<img>"), r"a\|b\<img\>");
        assert_eq!(markdown("hard.no_capacity"), "hard.no_capacity");
        assert_eq!(markdown("by @org/team, org/app#12"), "by @&#8203;org/team, org/app#&#8203;12");
    }
}
