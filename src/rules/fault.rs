//! A mistake in the rules, its place, and the message about it.

use crate::error::Error;

/// A mistake, and its place.
#[derive(Debug)]
pub(super) struct Fault {
    /// `None` for rules made in Rust.
    pub(super) line: Option<usize>,
    pub(super) text: String,
}

impl Fault {
    /// The error for the user; `origin` is the file that holds the rules, or `rules`.
    pub(super) fn within(self, origin: &str) -> Error {
        let Self { line, text } = self;
        Error::config(match line {
            Some(line) => format!("{origin}:{line}: {text}"),
            None => format!("{origin}: {text}"),
        })
    }
}

/// The `known` word that the user probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|known| (strsim::levenshtein(word, known), known));
    // With half of its letters wrong it is another word.
    distances.min().filter(|(distance, _)| distance * 2 < word.chars().count()).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_typing_error_is_near_and_another_word_is_not() {
        let known = ["duration", "success", "set", "span"];
        for (word, near) in [
            ("durration", Some("duration")),
            ("sucess", Some("success")),
            ("durtaion", Some("duration")),
            ("spam", Some("span")),
            ("setting", None),
            ("redact", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
    }
}
