//! Why a call did not succeed, in one word or text.

/// Why a call did not succeed. An exception has an unknown code. A panic or a call that was dropped has a reason that says less
/// than its outcome; after an error it is the text of the error.
pub(crate) fn why<'a>(
    code: Option<&'a str>,
    reason: Option<&'a str>,
    outcome: Option<&'a str>,
) -> Option<&'a str> {
    let code = code.filter(|code| *code != "unknown");
    code.or(outcome.filter(|outcome| !matches!(*outcome, "ok" | "error"))).or(reason).or(outcome)
}

#[cfg(test)]
mod tests {
    use super::why;

    #[test]
    fn the_most_telling_text_is_taken() {
        assert_eq!(why(Some("hard.no_tables"), Some("No tables"), Some("ok")), Some("hard.no_tables"));
        assert_eq!(why(Some("unknown"), Some("quote.exception"), Some("cancelled")), Some("cancelled"));
        assert_eq!(why(None, Some("card declined"), Some("error")), Some("card declined"));
        assert_eq!(why(None, Some("at line 7"), Some("panic")), Some("panic"));
        assert_eq!(why(None, None, Some("error")), Some("error"));
        assert_eq!(why(None, None, None), None);
    }
}
