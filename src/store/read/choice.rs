//! A key of the context that depends on the event type.

use std::collections::HashSet;

use crate::rules::model::Pattern;

/// The keys of some event types, and those of all others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    /// Names before patterns. Of several that fit an event type, the first counts.
    of: Vec<(Pattern, Vec<String>)>,
    /// Of several keys, the first with a value counts.
    otherwise: Vec<String>,
}

impl Choice {
    /// A name counts before every pattern, and else the first of two.
    pub(crate) fn new(of: impl IntoIterator<Item = (Pattern, Vec<String>)>, otherwise: Vec<String>) -> Self {
        let (names, mut patterns): (Vec<_>, Vec<_>) =
            of.into_iter().partition(|(pattern, _)| pattern.is_name());
        while patterns.last().is_some_and(|(_, keys)| *keys == otherwise) {
            patterns.pop();
        }
        let patterns = Self { of: patterns, otherwise };
        let mut known = HashSet::new();
        let is_new = |(name, _): &(Pattern, _)| known.insert(name.0.clone());
        let names = names.into_iter().filter(is_new);
        // Each comparison costs the server time.
        let names = names.filter(|(name, keys)| patterns.keys(&name.0) != keys);
        let of = names.chain(patterns.of.iter().cloned()).collect();
        Self { of, otherwise: patterns.otherwise }
    }

    /// The same key for every event type.
    pub(crate) fn always(key: impl Into<String>) -> Self {
        Self { of: Vec::new(), otherwise: vec![key.into()] }
    }

    /// The same with these keys for an event type.
    pub(crate) fn with(&self, event_type: &str, keys: Vec<String>) -> Self {
        let own = [(Pattern(event_type.to_owned()), keys)];
        Self::new(own.into_iter().chain(self.of.iter().cloned()), self.otherwise.clone())
    }

    /// The keys of some event types, in the order in which they count.
    pub(crate) fn of(&self) -> &[(Pattern, Vec<String>)] {
        &self.of
    }

    /// The keys of all other event types.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn otherwise(&self) -> &[String] {
        &self.otherwise
    }

    pub(crate) fn keys(&self, event_type: &str) -> &[String] {
        let own = self.of.iter().find(|(pattern, _)| pattern.matches(event_type));
        own.map_or(&self.otherwise, |(_, keys)| keys)
    }

    /// The key at this place among those of each event type.
    pub(crate) fn nth(&self, place: usize) -> Self {
        let nth = |keys: &[String]| keys.get(place).into_iter().cloned().collect();
        let of = self.of.iter().map(|(pattern, keys)| (pattern.clone(), nth(keys)));
        Self::new(of, nth(&self.otherwise))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(of: &[(&str, &[&str])], otherwise: &[&str]) -> Choice {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let of = of.iter().map(|(name, keys)| (Pattern((*name).to_owned()), owned(keys)));
        Choice::new(of, owned(otherwise))
    }

    #[test]
    fn a_name_beats_a_pattern_and_the_first_pattern_the_next() {
        let of: [(&str, &[&str]); 5] = [
            ("db.*", &["a"]),
            ("db.query", &["b"]),
            ("*", &["c"]),
            ("db.query", &["d"]),
            ("db.open", &["c"]),
        ];
        let choice = choice(&of, &["z"]);
        for (event_type, key) in [("db.query", "b"), ("db.close", "a"), ("db.open", "c"), ("other", "c")] {
            assert_eq!(choice.keys(event_type), [key], "{event_type}");
        }
    }

    #[test]
    fn keys_that_change_nothing_are_left_out() {
        let without = choice(&[("*", &["z"]), ("db.query", &["z"]), ("a*", &["z"])], &["z"]);
        assert_eq!(without, choice(&[], &["z"]));
        let hidden = choice(&[("db.query", &["z"]), ("db.*", &["a"])], &["z"]);
        assert_eq!(hidden.keys("db.query"), ["z"]);
    }
}
