//! Whether rules make sense: the one judge of both languages, TOML and Rust.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::builder::Rule;
use super::model::{self, MAX_INHERITED, MatchKind, ReasonCodes, SuccessTest};
use super::redact::check_redacted;
use crate::Error;

/// A mistake, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// `None` for rules made in Rust.
    pub(super) line: Option<usize>,
    pub(super) text: String,
}

impl Fault {
    /// The error to show; `origin` is the file the rules are from, or `rules`.
    pub(super) fn within(self, origin: &str) -> Error {
        let Self { line, text } = self;
        Error::config(match line {
            Some(line) => format!("{origin}:{line}: {text}"),
            None => format!("{origin}: {text}"),
        })
    }
}

/// Settings that say something of how a call ends: a tracing event does not end.
const OF_SPANS: [&str; 12] = [
    "duration",
    "success",
    "outcome",
    "error",
    "result",
    "reason",
    "reason_code",
    "reason_category",
    "exception",
    "silent",
    "collect",
    "number_within",
];

/// Columns of the table, with the setting that fills each, if any does.
const COLUMNS: [(&str, Option<&str>); 8] = [
    ("id", None),
    ("created_at", None),
    ("source", Some("source")),
    ("event_type", Some("event_type")),
    ("severity", Some("severity")),
    ("context", None),
    ("restaurant_id", None),
    ("booking_id", None),
];

/// Columns that are filled from fields, so that a field may well be renamed to them.
const FROM_FIELDS: [&str; 2] = ["restaurant_id", "booking_id"];

/// Checks `rules`, which come before those of `after`.
pub(super) fn check(
    rules: Vec<Rule>,
    after: &[Arc<model::Rule>],
    codes: &Arc<ReasonCodes>,
) -> Result<Vec<Arc<model::Rule>>, Fault> {
    for (index, rule) in rules.iter().enumerate() {
        check_alone(rule).map_err(|fault| rule.place(index, fault))?;
    }
    let models: Vec<_> =
        rules.iter().map(|rule| &rule.rule).chain(after.iter().map(|rule| &**rule)).collect();
    for (index, rule) in rules.iter().enumerate() {
        check_mentions(rule, &models).map_err(|fault| rule.place(index, fault))?;
    }
    check_inherited(&models)?;
    let finished = |rule: Rule| Arc::new(model::Rule { reason_codes: Arc::clone(codes), ..rule.rule });
    Ok(rules.into_iter().map(finished).collect())
}

impl Rule {
    /// Says which rule it is, where there is no line to say it.
    fn place(&self, index: usize, fault: Fault) -> Fault {
        let name = self.rule.matches.names.first().map_or("", |name| name.0.as_str());
        let text = match fault.line {
            Some(_) => fault.text,
            None => format!("rule {} ({} {name:?}): {}", index + 1, self.kind_key(), fault.text),
        };
        Fault { text, ..fault }
    }

    /// A mistake in a setting, or in one entry of it.
    pub(super) fn fault(&self, key: &str, entry: &str, text: String) -> Fault {
        let of_key = || self.given.iter().filter(|given| given.key == key);
        let given = of_key().rfind(|given| given.entry == entry).or_else(|| of_key().next_back());
        // A default stands nowhere: then it is the rule as a whole.
        let line = given.or(self.given.first()).and_then(|given| given.line);
        Fault { line, text }
    }
}

/// What can be told of one rule by itself.
fn check_alone(rule: &Rule) -> Result<(), Fault> {
    match rule.faults.first() {
        Some(fault) => return Err(fault.clone()),
        None if rule.rule.matches.kind == MatchKind::Event => check_event(rule)?,
        None => check_exception(rule)?,
    }
    check_renamed(rule)?;
    check_redacted(rule)?;
    check_inputs(rule)?;
    check_columns(rule)?;
    check_outputs(rule)
}

fn check_event(rule: &Rule) -> Result<(), Fault> {
    let Some(given) = rule.given.iter().find(|given| OF_SPANS.contains(&given.key)) else {
        return Ok(());
    };
    let key = given.key;
    let text = format!(
        "{key:?} in a rule for an \"event\", which does not last or end: take it out, or name a \"span\""
    );
    Err(Fault { line: given.line, text })
}

fn check_exception(rule: &Rule) -> Result<(), Fault> {
    if rule.rule.exception.is_none() || rule.rule.keys.reason.is_some() {
        return Ok(());
    }
    let text = "\"exception\" is a reason, and this rule writes none: name its key with \"reason\"";
    Err(rule.fault("exception", "", text.to_owned()))
}

/// No field is renamed that is written under a key of its own anyway.
fn check_renamed(rule: &Rule) -> Result<(), Fault> {
    let model::Rule { keys, success, reason_field, .. } = &rule.rule;
    // A comparison leaves its field in the context.
    let compared = success.test != SuccessTest::Bool;
    let read = [
        ("success", keys.success.as_ref().filter(|_| !compared), success.field.as_str()),
        ("reason", keys.reason.as_ref(), reason_field),
        ("result", keys.result.as_ref(), "result"),
    ];
    for (field, key) in &rule.rule.rename {
        let own = read.iter().find(|(_, own, input)| own.is_some() && input == field);
        if let Some((setting, ..)) = own {
            let text = format!(
                "\"rename\" names {field:?}, which this rule reads as the {setting}: \
                 name its key {key:?} with {setting:?}"
            );
            return Err(rule.fault("rename", field, text));
        }
    }
    Ok(())
}

/// No field has two names.
fn check_inputs(rule: &Rule) -> Result<(), Fault> {
    let renamed = rule.rule.rename.iter().map(|(field, _)| ("rename", field, "a field is renamed"));
    let nested = rule.rule.nest.iter().map(|nest| ("nest", &nest.prefix, "a prefix is nested"));
    let redacted = rule.rule.redact.iter().map(|(name, _)| ("redact", &name.0, "a field is redacted"));
    let mut seen = BTreeSet::new();
    for (setting, name, what) in renamed.chain(nested).chain(redacted) {
        if !seen.insert((setting, name)) {
            let text = format!("{setting:?} names {name:?} twice: {what} once");
            return Err(rule.fault(setting, name, text));
        }
    }
    for nest in &rule.rule.nest {
        let mut keys = BTreeSet::new();
        if let Some((_, key)) = nest.keys.iter().find(|(_, key)| !keys.insert(key)) {
            let text = format!("\"nest\" writes {key:?} twice into {:?}: use another key for one", nest.key);
            return Err(rule.fault("nest", key, text));
        }
    }
    Ok(())
}

/// A key that a rule writes.
pub(super) struct Output<'a> {
    pub(super) setting: &'static str,
    pub(super) key: &'a str,
    pub(super) role: Role,
}

/// Who gives the value, which decides who may share a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The layer.
    Made,
    /// The layer, from a field that may have the same name.
    Read,
    /// A renamed field.
    Field,
    /// An enclosing span, when there is no such field.
    Inherited,
    /// The rule, when there is no such field.
    Default,
}

impl Role {
    fn clashes_with(self, other: Self) -> bool {
        let made = |role| matches!(role, Role::Made | Role::Read);
        match (self, other) {
            (Self::Inherited, Self::Read) | (Self::Read, Self::Inherited) => false,
            (Self::Field, Self::Field) | (Self::Default, Self::Default) => true,
            _ => made(self) || made(other),
        }
    }
}

pub(super) fn outputs(rule: &model::Rule) -> impl Iterator<Item = Output<'_>> {
    let keys = &rule.keys;
    let measured = [
        ("duration", &keys.duration, Role::Made),
        ("success", &keys.success, Role::Read),
        ("reason", &keys.reason, Role::Read),
        ("reason_code", &keys.reason_code, Role::Made),
        ("reason_category", &keys.reason_category, Role::Made),
        ("outcome", &keys.outcome, Role::Made),
        ("error", &keys.error, Role::Made),
        ("result", &keys.result, Role::Read),
    ];
    let given = measured.into_iter().filter_map(|(setting, key, role)| Some((setting, key.as_ref()?, role)));
    given
        .chain(rule.nest.iter().map(|nest| ("nest", &nest.key, Role::Made)))
        .chain(rule.collect.iter().map(|collect| ("collect", &collect.key, Role::Made)))
        .chain(rule.rename.iter().map(|(_, key)| ("rename", key, Role::Field)))
        .chain(rule.inherit.iter().map(|field| ("inherit", field, Role::Inherited)))
        .chain(rule.number_within.iter().map(|(_, key)| ("number_within", key, Role::Default)))
        .chain(rule.set.iter().map(|(key, _)| ("set", key, Role::Default)))
        .map(|(setting, key, role)| Output { setting, key, role })
}

/// No key looks like a column that it is not.
fn check_columns(rule: &Rule) -> Result<(), Fault> {
    for Output { setting, key, role } in outputs(&rule.rule) {
        let Some((_, filler)) = COLUMNS.iter().find(|(column, _)| *column == key) else {
            continue;
        };
        let fills = FROM_FIELDS.contains(&key) && matches!(role, Role::Field | Role::Default);
        if role == Role::Inherited || fills {
            continue;
        }
        let remedy = match filler {
            Some(filler) => format!("fill that with the setting {filler:?}, or use another key"),
            None => "use another key".to_owned(),
        };
        let text = format!("{setting:?} writes the key {key:?}, which is a column of the table: {remedy}");
        return Err(rule.fault(setting, key, text));
    }
    Ok(())
}

/// No key is written twice.
fn check_outputs(rule: &Rule) -> Result<(), Fault> {
    let outputs: Vec<_> = outputs(&rule.rule).collect();
    for (index, output) in outputs.iter().enumerate() {
        let clashes = |other: &&Output<'_>| other.key == output.key && other.role.clashes_with(output.role);
        if let Some(other) = outputs[..index].iter().find(clashes) {
            // The one that was said, not the default it meets, is where the mistake stands.
            let said = rule.given.iter().any(|given| given.key == output.setting);
            let (output, other) = if said { (output, other) } else { (other, output) };
            return Err(rule.fault(output.setting, output.key, twice(output, other)));
        }
    }
    Ok(())
}

fn twice(output: &Output<'_>, other: &Output<'_>) -> String {
    let Output { setting, key, .. } = output;
    if *setting == other.setting {
        return format!("{setting:?} writes the key {key:?} twice: use another key for one");
    }
    let either =
        if matches!(other.role, Role::Made | Role::Read) && !["nest", "collect"].contains(&other.setting) {
            format!(", or leave it out with {} = false", other.setting)
        } else {
            String::new()
        };
    format!(
        "{setting:?} writes the key {key:?}, and so does {:?}: use another key for one{either}",
        other.setting
    )
}

/// Every event type that a rule mentions is made by some rule.
fn check_mentions(rule: &Rule, all: &[&model::Rule]) -> Result<(), Fault> {
    let numbered = rule.rule.number_within.iter().map(|(event_type, _)| ("number_within", event_type));
    let collected = rule.rule.collect.iter().map(|collect| ("collect", &collect.of));
    for (setting, event_type) in numbered.chain(collected) {
        if let Some(what) = unmade(event_type, all) {
            return Err(rule.fault(setting, event_type, format!("{setting:?} names {event_type:?}, {what}")));
        }
    }
    Ok(())
}

/// Why no span makes rows of this event type, if none does.
fn unmade(event_type: &str, all: &[&model::Rule]) -> Option<String> {
    let makes = |rule: &&&model::Rule| match &rule.event_type {
        Some(own) => **own == *event_type,
        None => rule.matches.names.iter().any(|name| name.matches(event_type)),
    };
    let mut kinds = all.iter().filter(makes).map(|rule| rule.matches.kind).peekable();
    if kinds.peek().is_none() {
        let near = nearest(event_type, all.iter().flat_map(|rule| event_types(rule)));
        let remedy = near
            .map_or("name the \"event_type\" of a rule".to_owned(), |near| format!("did you mean {near:?}?"));
        return Some(format!("an event type that no rule makes: {remedy}"));
    }
    let spans = kinds.any(|kind| kind == MatchKind::Span);
    (!spans).then(|| {
        "which is made by an \"event\" rule only: name the \"event_type\" of a \"span\" rule".to_owned()
    })
}

fn event_types(rule: &model::Rule) -> impl Iterator<Item = &str> {
    let own = rule.event_type.as_deref();
    let names = rule.matches.names.iter().map(|name| name.0.as_str()).filter(move |_| own.is_none());
    own.into_iter().chain(names)
}

pub(super) fn check_inherited(all: &[&model::Rule]) -> Result<(), Fault> {
    let names: BTreeSet<_> = all.iter().flat_map(|rule| &rule.inherit).collect();
    if names.len() <= MAX_INHERITED {
        return Ok(());
    }
    let text =
        format!("the rules inherit {} fields, at most {MAX_INHERITED} can be: take some out", names.len());
    Err(Fault { line: None, text })
}

impl ReasonCodes {
    /// A list of categories and their codes that can be searched.
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
            // Separators alone would be found in any text.
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
}

/// The one of `known` that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|known| (distance(word, known), known)).min()?;
    // Half of the letters wrong is another word.
    (near.0 * 2 < word.chars().count()).then_some(near.1)
}

/// Letters to insert, remove or replace to make one word of the other (Levenshtein, row by row).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn a_slip_of_the_hand_is_near_and_another_word_is_not() {
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

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("größe", "grösse"), 2);
    }
}
