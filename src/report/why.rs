//! Says in few words why a call did not succeed.

use crate::outcome::Outcome;
use crate::rules::reason::NO_CODE;

/// Longer texts are cut, in characters.
const LONGEST: usize = 200;

/// The code of the reason. Without one, the outcome (unless it is `ok`) and the text of the reason, such as
/// `error: pool exhausted`.
pub(super) fn why(code: Option<&str>, reason: Option<&str>, outcome: Option<&str>) -> Option<String> {
    if let Some(code) = code.filter(|code| *code != NO_CODE) {
        return Some(short(code));
    }
    match (outcome.filter(|outcome| *outcome != Outcome::Ok.as_str()), reason) {
        (Some(outcome), Some(reason)) if outcome != reason => Some(short(&format!("{outcome}: {reason}"))),
        (found, other) => found.or(other).or(code).map(short),
    }
}

/// The text, or its beginning if it is long.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_it_alone_and_a_text_is_beside_its_outcome() {
        for (code, reason, outcome, expected) in [
            (Some("hard.no_tables"), Some("No tables"), Some("ok"), Some("hard.no_tables")),
            (None, Some("pool exhausted"), Some("error"), Some("error: pool exhausted")),
            (None, Some("upstream timed out"), Some("ok"), Some("upstream timed out")),
            (None, Some("upstream timed out"), None, Some("upstream timed out")),
            (Some("unknown"), Some("quote.exception"), Some("panic"), Some("panic: quote.exception")),
            (Some("unknown"), None, Some("ok"), Some("unknown")),
            (None, Some("error"), Some("error"), Some("error")),
            (None, None, Some("cancelled"), Some("cancelled")),
            (None, None, Some("ok"), None),
        ] {
            assert_eq!(why(code, reason, outcome).as_deref(), expected, "{code:?} {reason:?} {outcome:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short(&"ü".repeat(201)), "ü".repeat(200) + "…");
        assert_eq!(short(&"ü".repeat(200)), "ü".repeat(200));
    }
}
