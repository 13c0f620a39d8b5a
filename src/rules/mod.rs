//! The rules: which spans and events become which rows.
//!
//! Rules are written in [TOML](toml) or in [Rust](builder). Both end in one [model], after one [check]. A set is immutable
//! and cheap to clone.

mod builder;
mod check;
mod constants;
mod fault;
mod key_value;
mod measures;
pub(crate) mod model;
mod outputs;
pub(crate) mod plan;
pub(crate) mod range;
pub(crate) mod reason;
pub(crate) mod redact;
mod toml;

use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

pub use self::builder::Rule;
pub(crate) use self::constants::Constants;
pub use self::model::{Redact, Silent};

use self::fault::Fault;
use self::model::{ANNOTATIONS, RuleSpec};
use self::reason::ReasonCodes;
use crate::columns::ColumnMap;
use crate::error::Error;
use crate::severity::Severity;

/// The name in messages of rules that have no file.
const ORIGIN: &str = "rules";

/// The rules: which spans and events become which rows.
///
/// The first rule that matches a callsite decides. Rules are written in TOML, with the keys and defaults of
/// [the manual](crate::_docs::rules), or in Rust, as [`Rule`]s:
///
/// ```
/// use tracing_ledger::{Rule, Rules};
///
/// let toml: Rules = r#"
///     [[rule]]
///     span = "request"
///     event_type = "http.request"
///     success = { field = "status", below = 500 }
/// "#.parse()?;
/// let request = Rule::span("request").event_type("http.request").success_below("status", 500.0);
/// let rust = Rules::from_rules([request])?;
/// assert_eq!(toml, rust);
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub(crate) list: Arc<[Arc<RuleSpec>]>,
    /// Constants of all rows, which may name variables.
    constants: Arc<Constants>,
    /// Which keys fill columns of their own.
    columns: Arc<ColumnMap>,
    /// All rows have the ids that join them, unless the ledger's option says otherwise.
    ids: bool,
}

/// The built-in rules, and the reason codes that rules without their own get.
static BUILTIN: LazyLock<(Rules, Arc<ReasonCodes>)> = LazyLock::new(|| {
    let document = toml::parse(include_str!("builtin.toml")).expect("a test parses the built-in rules");
    let codes = Arc::new(document.codes.unwrap_or_default());
    let list = check::check(document.rules, &[], &codes).expect("a test checks the built-in rules");
    (Rules { list: list.into(), ..Rules::new() }, codes)
});

impl Rules {
    /// A set without rules: nothing becomes a row.
    pub fn new() -> Self {
        Self { list: Arc::new([]), constants: Arc::default(), columns: Arc::default(), ids: false }
    }

    /// The rules that come with the crate, for a service that assigns tables to bookings.
    pub fn builtin() -> Self {
        BUILTIN.0.clone()
    }

    /// Rules for every span of the crate of this name: a row by its name and target, or by the fields `ledger.…`. Events
    /// with a field `ledger.event` have rows too.
    pub(crate) fn instrumented(crate_name: &str) -> Result<Self, Error> {
        if crate_name.trim().is_empty() {
            let text = "instrumented has an empty name: give it env!(\"CARGO_CRATE_NAME\")";
            return Err(Error::config(text));
        }
        if crate_name.contains('*') {
            return Err(Error::config(format!(
                "instrumented({crate_name:?}) is no crate: call it once for each crate, or write a rule with span = \"*\""
            )));
        }
        // Targets have the name that the compiler knows.
        let target = crate_name.replace('-', "_");
        let [event, source, severity] = ANNOTATIONS;
        let by_fields = |rule: Rule| {
            let rule = rule.target(&target).event_type_field(event).source_field(source);
            rule.severity_field(severity, [("", Severity::Info); 0])
        };
        let spans = by_fields(Rule::span("*")).reason("reason");
        let rules = Self::from_rules([spans, by_fields(Rule::event("*").fields([event]))])?;
        let name = Some(Arc::from(crate_name));
        Ok(rules.each(|rule| rule.of_crate.clone_from(&name)))
    }

    /// Reads a TOML file of rules.
    ///
    /// # Errors
    /// When the file cannot be read, and for the first mistake in it: the message has the file, the line, the key and the
    /// remedy. [`Error::is_config`] is true for both.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|cause| {
            let text = format!(
                "{origin}: the rules cannot be read: check the path, its rights and that it is UTF-8 text"
            );
            Error::config(text).caused_by(cause)
        })?;
        Self::parse(&text, &origin)
    }

    /// Makes a set of these rules, in this order.
    ///
    /// # Errors
    /// For the first mistake, such as an empty name, a key written twice or an event type that no rule makes:
    /// the message names the rule, the setting and the remedy.
    pub fn from_rules(rules: impl IntoIterator<Item = Rule>) -> Result<Self, Error> {
        Self::new().preceded_by(rules)
    }

    /// Puts these rules before those of this set, whose event types they may name in
    /// [`number_within`](Rule::number_within) and [`collect_count`](Rule::collect_count).
    ///
    /// ```
    /// use tracing_ledger::{Rule, Rules};
    ///
    /// let day = Rule::span("day").event_type("batch.day").collect_count("quotes", "auto_assign.quote");
    /// let rules = Rules::builtin().preceded_by([day])?;
    /// # Ok::<(), tracing_ledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_rules`](Self::from_rules).
    pub fn preceded_by(self, rules: impl IntoIterator<Item = Rule>) -> Result<Self, Error> {
        let rules = rules.into_iter().collect();
        self.checked(rules, &BUILTIN.1).map_err(|fault| fault.within(ORIGIN))
    }

    /// The rules of this set, then those of `other`.
    ///
    /// # Errors
    /// When the two sets inherit more than 64 different fields, or fill one column from two keys.
    pub fn and(self, other: Self) -> Result<Self, Error> {
        let list: Arc<[_]> = self.list.iter().chain(other.list.iter()).cloned().collect();
        let models: Vec<_> = list.iter().map(|rule| &**rule).collect();
        check::check_inherited(&models).map_err(|fault| fault.within(ORIGIN))?;
        let constants = self.constants.iter().chain(other.constants.iter()).cloned().collect();
        let both = self.columns.and(&other.columns);
        let columns = both.map_err(|text| Error::config(format!("\"all.columns\" {text}")))?;
        let (constants, columns) = (Arc::new(constants), Arc::new(columns));
        Ok(Self { list, constants, columns, ids: self.ids || other.ids })
    }

    /// Replaces the reason codes of the rules in this set. Categories, and the codes in each, are tried in order.
    ///
    /// A code is found in a reason or an error. Case does not matter, and `_` stands for spaces too.
    ///
    /// ```
    /// use tracing_ledger::Rules;
    ///
    /// let codes = [("hard", vec!["sold_out"]), ("transient", vec!["timeout", "busy"])];
    /// let rules = Rules::builtin().reason_codes(codes)?;
    /// # Ok::<(), tracing_ledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// For an empty name, a category without codes, or a code that is listed twice.
    pub fn reason_codes<C, W>(self, categories: impl IntoIterator<Item = (C, W)>) -> Result<Self, Error>
    where
        C: AsRef<str>,
        W: IntoIterator<Item: Into<String>>,
    {
        let mut codes = ReasonCodes::default();
        for (category, words) in categories {
            let words = words.into_iter().map(Into::into).collect();
            let added = codes.add(category.as_ref(), words);
            added
                .map_err(|text| Fault { line: None, text: format!("reason codes: {text}") }.within(ORIGIN))?;
        }
        Ok(self.with_codes(&Arc::new(codes)))
    }

    fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let checked = |document: toml::Document| {
            let codes = document.codes.map_or_else(|| Arc::clone(&BUILTIN.1), Arc::new);
            let after = if document.builtin { Self::builtin().with_codes(&codes) } else { Self::new() };
            let (constants, columns) = (Arc::new(document.constants), Arc::new(document.columns));
            let rules = after.checked(document.rules, &codes)?;
            Ok(Self { constants, columns, ids: document.ids, ..rules })
        };
        toml::parse(text).and_then(checked).map_err(|fault| fault.within(origin))
    }

    fn checked(self, rules: Vec<Rule>, codes: &Arc<ReasonCodes>) -> Result<Self, Fault> {
        let mut list = check::check(rules, &self.list, codes)?;
        list.extend(self.list.iter().cloned());
        Ok(Self { list: list.into(), ..self })
    }

    fn with_codes(self, codes: &Arc<ReasonCodes>) -> Self {
        self.each(|rule| rule.reason_codes = Arc::clone(codes))
    }

    fn each(self, change: impl Fn(&mut RuleSpec)) -> Self {
        let changed = |rule: &Arc<RuleSpec>| {
            let mut rule = RuleSpec::clone(rule);
            change(&mut rule);
            Arc::new(rule)
        };
        Self { list: self.list.iter().map(changed).collect(), ..self }
    }
}

impl Default for Rules {
    /// [No rules](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for Rules {
    type Err = Error;

    /// Reads rules from TOML text, which messages call `rules`.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, ORIGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;

    const BUILTIN: &str = include_str!("builtin.toml");

    #[test]
    fn the_built_in_rules_are_a_file_like_any_other() {
        let rules: Rules = BUILTIN.parse().expect("the built-in rules are sound");
        assert_eq!(rules, Rules::builtin());

        let events: Vec<_> = rules.list.iter().filter_map(|rule| rule.event_type.as_deref()).collect();
        assert_eq!(
            events,
            ["http.request", "auto_assign.quote", "auto_assign.summary"],
            "rules for events keep the names of the events"
        );
    }

    #[test]
    fn a_file_cut_off_anywhere_is_read_or_refused() {
        for end in (0..BUILTIN.len()).filter(|&end| BUILTIN.is_char_boundary(end)) {
            if let Err(error) = BUILTIN[..end].parse::<Rules>() {
                assert!(error.to_string().starts_with("rules:"), "{error}");
            }
        }
    }

    #[test]
    fn a_file_that_lost_a_line_is_read_or_refused() {
        let lines: Vec<_> = BUILTIN.lines().collect();
        for lost in 0..lines.len() {
            let text = [&lines[..lost], &lines[lost + 1..]].concat().join("\n");
            if let Err(error) = text.parse::<Rules>() {
                assert!(error.to_string().starts_with("rules:"), "{error}");
            }
        }
    }
}
