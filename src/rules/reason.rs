//! Reason codes: the code of a failure, found in the text of its reason or error.

use std::collections::BTreeSet;

/// The code and the category of a text in which no code is found.
pub(crate) const NO_CODE: &str = "unknown";

/// Words found in a reason or an error, by category, in order of precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReasonCodes(pub(crate) Vec<(String, Vec<String>)>);

impl ReasonCodes {
    /// Adds a category with its codes.
    pub(super) fn add(&mut self, category: &str, codes: Vec<String>) -> Result<(), String> {
        if category.trim().is_empty() {
            return Err("empty name in \"category\": write a name".to_owned());
        }
        if codes.is_empty() {
            return Err(format!(
                "no codes in the category {category:?}: give \"codes\" some, or take it out"
            ));
        }
        for code in &codes {
            // A code of separators alone would be found in nearly every text.
            if !code.contains(|letter: char| letter.is_alphanumeric()) {
                return Err(format!(
                    "the code {code:?} has neither letter nor digit: write a word to look for"
                ));
            }
        }
        let mut seen: BTreeSet<&String> = self.0.iter().flat_map(|(_, codes)| codes).collect();
        if let Some(code) = codes.iter().find(|code| !seen.insert(code)) {
            return Err(format!("the code {code:?} is listed twice: take one out"));
        }
        self.0.push((category.to_owned(), codes));
        Ok(())
    }

    /// The first code found in `text`, with its category.
    ///
    /// A code is found whatever the case of its ASCII letters. Its `_` (or space) stands for any run of spaces
    /// and underscores, and for the step between the words of a type name: `hold_conflict` is in
    /// `"Hold conflicts prevented all candidates"` and in `"HoldConflict"`.
    pub(crate) fn code_of(&self, text: &str) -> Option<(&str, &str)> {
        (self.0.iter())
            .flat_map(|(category, codes)| codes.iter().map(move |code| (category, code)))
            .find(|(_, code)| contains(text.as_bytes(), code.as_bytes()))
            .map(|(category, code)| (category.as_str(), code.as_str()))
    }
}

fn contains(text: &[u8], code: &[u8]) -> bool {
    (0..text.len()).any(|start| starts_with(text, start, code))
}

/// Whether `code` stands in `text` from `at` on.
fn starts_with(text: &[u8], mut at: usize, code: &[u8]) -> bool {
    let mut left = code;
    while let [first, rest @ ..] = left {
        if is_separator(first) {
            let run = text[at..].iter().take_while(|byte| is_separator(byte)).count();
            if run == 0 && !is_step(text, at) {
                return false;
            }
            at += run;
        } else {
            if !text.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(first)) {
                return false;
            }
            at += 1;
        }
        left = rest;
    }
    true
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b' ' | b'_' | b'\t' | b'\r' | b'\n')
}

/// Whether a new word of a name like `HoldConflict` or `RPCError` begins at `at`.
fn is_step(text: &[u8], at: usize) -> bool {
    let Some([before, here, next @ ..]) = at.checked_sub(1).and_then(|before| text.get(before..)) else {
        return false;
    };
    here.is_ascii_uppercase()
        && (!before.is_ascii_uppercase() || next.first().is_some_and(u8::is_ascii_lowercase))
}

#[cfg(test)]
mod tests {
    use crate::rules::Rules;

    fn code_of(text: &str) -> Option<String> {
        let rules = Rules::builtin();
        let found = rules.list[0].reason_codes.code_of(text);
        found.map(|(category, code)| format!("{category}.{code}"))
    }

    #[test]
    fn every_sentence_of_the_planner_has_its_code() {
        for (text, code) in [
            ("Insufficient global capacity", "hard.global_capacity"),
            ("No tables available for requested window", "hard.no_tables"),
            ("Insufficient filtered capacity", "hard.insufficient_filtered_capacity"),
            ("Hold conflicts prevented all candidates", "transient.hold_conflict"),
            ("No tables meet the capacity requirements for this party size.", "hard.no_tables"),
            ("No suitable tables available", "hard.no_suitable_tables"),
        ] {
            assert_eq!(code_of(text).as_deref(), Some(code), "{text}");
        }
    }

    #[test]
    fn every_code_is_found_in_every_spelling() {
        for (category, codes) in &Rules::builtin().list[0].reason_codes.0 {
            for code in codes {
                let wanted = Some(format!("{category}.{code}"));
                assert_eq!(code_of(code), wanted);
                assert_eq!(code_of(&code.to_uppercase()), wanted);
                assert_eq!(code_of(&format!("failed:  {}!", code.replace('_', " "))), wanted);
                assert_eq!(code_of(&format!("{}Error", camel(code))), wanted);
            }
        }
    }

    fn camel(code: &str) -> String {
        let word = |word: &str| word[..1].to_uppercase() + &word[1..];
        code.split('_').map(word).collect()
    }

    #[test]
    fn the_contract_lists_the_builtin_codes() {
        let page = include_str!("../../docs/contract.md").replace('\n', " ");
        for (category, codes) in &Rules::builtin().list[0].reason_codes.0 {
            assert!(page.contains(&format!("{category}: {}.", codes.join(", "))), "{category} {codes:?}");
        }
    }

    #[test]
    fn hard_goes_before_transient_in_any_order() {
        assert_eq!(code_of("timeout, then no capacity").as_deref(), Some("hard.no_capacity"));
    }

    #[test]
    fn the_order_of_the_list_decides_within_a_category() {
        assert_eq!(code_of("deadlock after lock wait").as_deref(), Some("transient.lock_wait"));
    }

    #[test]
    fn an_acronym_is_a_word_of_a_type_name() {
        assert_eq!(code_of("RPCError(..)").as_deref(), Some("transient.rpc_error"));
    }

    #[test]
    fn other_words_have_no_code() {
        for text in ["", "_", "no", "notables", "No table", "quote.exception", "größe"] {
            assert_eq!(code_of(text), None, "{text}");
        }
    }
}
