//! The kinds of rows that rules can write, as far as they say so.

use serde_json::Value;
use tracing::Level;

use crate::rules::Rules;
use crate::rules::model::{MatchKind, RuleSpec, SeverityRule};
use crate::rules::range::range_of;
use crate::severity::Severity;

/// Stands for a name that only callsites and calls know.
const UNKNOWN: &str = "ledger.check";

/// The rows of one event type and source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventKind {
    pub(crate) event_type: String,
    pub(crate) source: String,
    /// The severities that such a row can have.
    pub(crate) severities: Vec<Severity>,
    /// Whether a callsite or call decides about the event type, and this is a guess.
    pub(crate) is_type_guessed: bool,
    /// The same for the source.
    pub(crate) is_source_guessed: bool,
    /// The constants of such a row.
    pub(crate) set: Vec<(String, Value)>,
    /// Whether only rules of the crate make such rows.
    pub(crate) is_builtin: bool,
}

impl Rules {
    /// The kinds of rows that the rules make.
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        let mut kinds: Vec<EventKind> = Vec::new();
        for kind in self.list.iter().flat_map(|rule| rule.kinds()) {
            let is_same = |known: &&mut EventKind| {
                known.event_type == kind.event_type && known.source == kind.source && known.set == kind.set
            };
            match kinds.iter_mut().find(is_same) {
                Some(known) => {
                    let new = kind.severities.iter().filter(|severity| !known.severities.contains(severity));
                    known.severities.extend(new.copied().collect::<Vec<_>>());
                    known.is_type_guessed &= kind.is_type_guessed;
                    known.is_source_guessed &= kind.is_source_guessed;
                    known.is_builtin &= kind.is_builtin;
                }
                None => kinds.push(kind),
            }
        }
        kinds
    }
}

impl RuleSpec {
    fn kinds(&self) -> Vec<EventKind> {
        let kind = |event_type: String, is_type_guessed| EventKind {
            event_type,
            source: self.source.as_deref().unwrap_or(UNKNOWN).to_owned(),
            severities: self.severities(),
            is_type_guessed,
            is_source_guessed: self.source.is_none() || self.source_field.is_some(),
            set: self.set.clone(),
            is_builtin: self.is_builtin(),
        };
        if let Some(event_type) = &self.event_type {
            return vec![kind(event_type.to_string(), false)];
        }
        let names = self.matches.names.iter().map(|name| &*name.0);
        let names: Vec<_> = names.filter(|name| *name != "*" && self.event_type_field.is_none()).collect();
        if names.is_empty() {
            return vec![kind(UNKNOWN.to_owned(), true)];
        }
        names.into_iter().map(|name| kind(name.replace('*', "check"), name.contains('*'))).collect()
    }

    /// Each severity that rows can have.
    fn severities(&self) -> Vec<Severity> {
        match &self.severity {
            SeverityRule::Natural | SeverityRule::Outcome => self.natural(),
            SeverityRule::Constant(severity) => vec![*severity],
            SeverityRule::Field { map, .. } => {
                let is_number = |word: &str| range_of(word).is_some() || word.parse::<f64>().is_ok();
                // The value of the field may be one of the four words.
                if !map.iter().all(|(from, _)| is_number(from)) || map.is_empty() {
                    return Severity::ALL.to_vec();
                }
                let natural = self.natural();
                let own = map.iter().map(|(_, severity)| *severity);
                let is_wanted = |severity: &Severity| {
                    natural.contains(severity) || own.clone().any(|other| other == *severity)
                };
                Severity::ALL.into_iter().filter(is_wanted).collect()
            }
        }
    }

    fn natural(&self) -> Vec<Severity> {
        match (self.matches.kind, self.matches.level) {
            (MatchKind::Span, _) => vec![Severity::Info, Severity::Warning],
            (MatchKind::Event, Some(Level::ERROR)) => vec![Severity::Error],
            (MatchKind::Event, Some(Level::WARN)) => vec![Severity::Warning, Severity::Error],
            (MatchKind::Event, _) => vec![Severity::Info, Severity::Warning, Severity::Error],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(String, String, Vec<&'static str>, bool, bool)> {
        let rules: Rules = text.parse().expect("good rules");
        let said = |kind: EventKind| {
            let severities = kind.severities.iter().map(|severity| severity.as_str()).collect();
            (kind.event_type, kind.source, severities, kind.is_type_guessed, kind.is_source_guessed)
        };
        rules.kinds().into_iter().map(said).collect()
    }

    #[test]
    fn a_kind_has_each_severity_that_its_rule_can_write() {
        for (rule, severities) in [
            ("span = 'a'", &["info", "warning"][..]),
            ("span = 'a'\nseverity = 'outcome'", &["info", "warning"]),
            ("span = 'a'\nseverity = 'critical'", &["critical"]),
            (
                "span = 'a'\nseverity = { field = 'x', map = { 5xx = 'error' } }",
                &["info", "warning", "error"],
            ),
            (
                "span = 'a'\nseverity = { field = 'x', map = { bad = 'error' } }",
                &["info", "warning", "error", "critical"],
            ),
            ("span = 'a'\nseverity = { field = 'x' }", &["info", "warning", "error", "critical"]),
            ("event = 'a'", &["info", "warning", "error"]),
            ("event = 'a'\nlevel = 'warn'", &["warning", "error"]),
            ("event = 'a'\nlevel = 'error'", &["error"]),
        ] {
            let found = kinds(&format!("[[rule]]\n{rule}\nsource = 's'\n"));
            let expected = ("a".to_owned(), "s".to_owned(), severities.to_vec(), false, false);
            assert_eq!(found, [expected], "{rule}");
        }
    }

    #[test]
    fn values_that_only_a_callsite_knows_are_guesses() {
        let names = |rule: &str| {
            let found = kinds(&format!("[[rule]]\n{rule}\n"));
            found
                .into_iter()
                .map(|(name, source, _, of_type, of_source)| (name, source, of_type, of_source))
                .collect::<Vec<_>>()
        };
        let kind = |name: &str, source: &str, of_type, of_source| {
            (name.to_owned(), source.to_owned(), of_type, of_source)
        };
        assert_eq!(
            names("event = ['orders.*', 'paid']"),
            [kind("orders.check", UNKNOWN, true, true), kind("paid", UNKNOWN, false, true)]
        );
        assert_eq!(names("span = '*'\nsource = 's'"), [kind(UNKNOWN, "s", true, false)]);
        assert_eq!(
            names("span = 'a'\nevent_type = { field = 'x' }\nsource = { field = 'y' }"),
            [kind(UNKNOWN, UNKNOWN, true, true)]
        );
    }

    #[test]
    fn rules_of_one_kind_share_it() {
        let rules = "[[rule]]\nspan = 'a'\nevent_type = 't'\nsource = 's'\n\
                     [[rule]]\nspan = 'b'\nevent_type = 't'\nsource = 's'\nseverity = 'error'\n";
        let severities = vec!["info", "warning", "error"];
        assert_eq!(kinds(rules), [("t".to_owned(), "s".to_owned(), severities, false, false)]);
    }
}
