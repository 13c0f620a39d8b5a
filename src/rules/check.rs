//! Checks rules of both languages, TOML and Rust, for settings that make no sense.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

use super::builder::Rule;
use super::fault::{Fault, nearest};
use super::model::{MAX_INHERITED, MatchKind, Pattern, RuleSpec, SeverityRule, SuccessTest};
use super::outputs::{Output, Role};
use super::range::range_of;
use super::reason::ReasonCodes;
use super::toml::{For, RULE_KEYS};

/// Columns that no rule fills.
const FIXED_COLUMNS: [&str; 3] = ["id", "created_at", "context"];

/// Columns that a setting of the same name fills.
const SET_COLUMNS: [&str; 3] = ["source", "event_type", "severity"];

/// Columns that are filled from fields. A field may be renamed to them.
const FIELD_COLUMNS: [&str; 2] = ["restaurant_id", "booking_id"];

/// A mistake: the setting, a name that it gives, and the message.
type Mistake<'a> = (&'static str, &'a str, String);

/// Checks `rules`, which come before those of `after`.
pub(super) fn check(
    rules: Vec<Rule>,
    after: &[Arc<RuleSpec>],
    codes: &Arc<ReasonCodes>,
) -> Result<Vec<Arc<RuleSpec>>, Fault> {
    let all: Vec<_> = rules.iter().map(|rule| &rule.rule).chain(after.iter().map(|rule| &**rule)).collect();
    for (index, rule) in rules.iter().enumerate() {
        let mistake = in_settings(rule).or_else(|| in_model(&rule.rule)).or_else(|| in_outputs(rule));
        if let Some(mistake) = mistake.or_else(|| in_mentions(&rule.rule, &all)) {
            return Err(fault(rule, index, mistake));
        }
    }
    check_inherited(&all)?;
    let finished = |rule: Rule| Arc::new(RuleSpec { reason_codes: Arc::clone(codes), ..rule.rule });
    Ok(rules.into_iter().map(finished).collect())
}

/// Adds the line of the setting or, for a rule without lines, the name of the rule.
fn fault(rule: &Rule, index: usize, (key, name, text): Mistake<'_>) -> Fault {
    let of_key = || rule.settings.iter().filter(|setting| setting.key == key);
    let named = of_key().rfind(|setting| setting.name.as_deref() == Some(name));
    // A default stands on no line: then the whole rule has the mistake.
    let setting = named.or_else(|| of_key().next_back()).or(rule.settings.first());
    let line = setting.and_then(|setting| setting.line);
    let matches = &rule.rule.matches;
    let first = matches.names.first().map_or("", |name| &name.0);
    let text = match line {
        Some(_) => text,
        None => format!("rule {} ({} {first:?}): {text}", index + 1, matches.kind.key()),
    };
    Fault { line, text }
}

/// An empty name, or a setting that a rule for events cannot have.
fn in_settings(rule: &Rule) -> Option<Mistake<'_>> {
    let blank = |name: &Option<String>| name.as_ref().is_some_and(|name| name.trim().is_empty());
    if let Some(setting) = rule.settings.iter().find(|setting| blank(&setting.name)) {
        let name = setting.name.as_deref().unwrap_or_default();
        return Some((setting.key, name, format!("empty name in {:?}: write a name", setting.key)));
    }
    // The time of an event is in a field.
    let is_unread = |key| key == "duration" && rule.rule.duration_field.is_none();
    let is_of_span =
        |key| is_unread(key) || RULE_KEYS.iter().any(|(name, of, _)| *name == key && *of == For::Spans);
    let of_event = rule.settings.iter().filter(|_| rule.rule.matches.kind == MatchKind::Event);
    let setting = of_event.into_iter().find(|setting| is_of_span(setting.key))?;
    let text =
        "in a rule for an \"event\", which has no duration and no outcome: take it out, or name a \"span\"";
    Some((setting.key, "", format!("{:?} {text}", setting.key)))
}

/// A setting that contradicts itself or another one.
fn in_model(rule: &RuleSpec) -> Option<Mistake<'_>> {
    let checks: [fn(&RuleSpec) -> Option<Mistake<'_>>; 9] = [
        in_success,
        in_exception,
        in_nest,
        in_rename,
        in_redact,
        in_names,
        in_take,
        in_duration,
        in_severity,
    ];
    checks.iter().find_map(|check| check(rule))
}

/// A condition that no value or every value meets.
fn in_success(rule: &RuleSpec) -> Option<Mistake<'_>> {
    let remedy = match &rule.success.test {
        SuccessTest::Within(
            (Bound::Included(limit) | Bound::Excluded(limit), _)
            | (_, Bound::Included(limit) | Bound::Excluded(limit)),
        ) if !limit.is_finite() => "has no finite number to compare with: give one",
        SuccessTest::Equals(Value::Null | Value::Array(_) | Value::Object(_)) => {
            "can equal a boolean, a number or a string only: give one of these"
        }
        SuccessTest::ReturnMatches(text) if text.is_empty() => {
            "matches every returned value: give \"return_matches\" a text to look for"
        }
        _ => return None,
    };
    Some(("success", "", format!("\"success\" {remedy}")))
}

fn in_exception(rule: &RuleSpec) -> Option<Mistake<'_>> {
    let unused = rule.exception.is_some() && rule.keys.reason.is_none();
    let text = "\"exception\" is a reason, and this rule writes none: name its key with \"reason\"";
    unused.then(|| ("exception", "", text.to_owned()))
}

/// A prefix with its dot, or a key that is twice in one object.
fn in_nest(rule: &RuleSpec) -> Option<Mistake<'_>> {
    rule.nest.iter().find_map(|nest| {
        let (prefix, mut seen) = (&nest.prefix, BTreeSet::new());
        if prefix.ends_with('.') {
            let text = format!("\"nest\" has the prefix {prefix:?}: write it without the dot at the end");
            return Some(("nest", prefix.as_str(), text));
        }
        let (_, key) = nest.keys.iter().find(|(_, key)| !seen.insert(key))?;
        let text = format!("\"nest\" writes {key:?} twice into {:?}: use another key for one", nest.key);
        Some(("nest", key, text))
    })
}

/// A field that success, reason or result is read from has a key already and is not renamed.
fn in_rename(rule: &RuleSpec) -> Option<Mistake<'_>> {
    rule.rename.iter().find_map(|(field, key)| {
        let (setting, ..) = rule.reads().find(|(.., input)| input == field)?;
        let text = format!(
            "\"rename\" names {field:?}, which this rule reads as the {setting}: name its key {key:?} with {setting:?}"
        );
        Some(("rename", field.as_str(), text))
    })
}

/// A name to redact that no field has, or that has a field by which the outcome or severity is judged.
fn in_redact(rule: &RuleSpec) -> Option<Mistake<'_>> {
    rule.redact.iter().find_map(|(name, _)| {
        let wrong = judging(rule, name).or_else(|| no_field(rule, name))?;
        Some(("redact", name.0.as_str(), format!("\"redact\" names {:?}, {wrong}", name.0)))
    })
}

/// No field to take.
fn in_take(rule: &RuleSpec) -> Option<Mistake<'_>> {
    let is_idle = rule.takes.iter().any(|take| take.fields.is_empty());
    is_idle.then(|| ("take", "", "\"take\" has no fields: name those to take".to_owned()))
}

/// A time that is measured, and a unit without length.
fn in_duration(rule: &RuleSpec) -> Option<Mistake<'_>> {
    let (field, unit) = rule.duration_field.as_ref()?;
    let remedy = match rule.matches.kind {
        MatchKind::Span => "and the time of a span is measured: write the field by \"times\"",
        MatchKind::Event if unit.is_zero() => "in units of no length: give it a unit",
        MatchKind::Event => return None,
    };
    Some(("duration", field, format!("\"duration\" reads {field:?}, {remedy}")))
}

/// A range that no number is in.
fn in_severity(rule: &RuleSpec) -> Option<Mistake<'_>> {
    let SeverityRule::Field { map, .. } = &rule.severity else { return None };
    let fault = |word: &str| match range_of(word) {
        Some(range) => range.is_empty().then_some("which no number is in: put the lower end first"),
        None => word
            .contains("..")
            .then_some("which needs two whole numbers: write it as \"500..599\" or \"5xx\""),
    };
    let (word, fault) = map.iter().find_map(|(word, _)| Some((word, fault(word)?)))?;
    Some(("severity", word, format!("\"severity\" has the range {word:?}, {fault}")))
}

/// A field that is renamed, nested or redacted twice.
fn in_names(rule: &RuleSpec) -> Option<Mistake<'_>> {
    let renamed = rule.rename.iter().map(|(field, _)| ("rename", field, "a field is renamed"));
    let nested = rule.nest.iter().map(|nest| ("nest", &nest.prefix, "a prefix is nested"));
    let redacted = rule.redact.iter().map(|(name, _)| ("redact", &name.0, "a field is redacted"));
    let mut seen = BTreeSet::new();
    let (setting, name, what) =
        renamed.chain(nested).chain(redacted).find(|(setting, name, _)| !seen.insert((*setting, *name)))?;
    Some((setting, name, format!("{setting:?} names {name:?} twice: {what} once")))
}

/// A key that is a column which the setting does not fill, or a key that is written twice.
fn in_outputs(rule: &Rule) -> Option<Mistake<'_>> {
    let outputs: Vec<_> = rule.rule.outputs().collect();
    outputs.iter().find_map(of_column).or_else(|| {
        outputs.iter().enumerate().find_map(|(index, output)| {
            let other = outputs[..index].iter().find(|other| other.clashes_with(output))?;
            // The mistake is in the setting that was made, not in the default that it clashes with.
            let is_set = rule.settings.iter().any(|setting| setting.key == output.setting);
            Some(if is_set { twice(output, other) } else { twice(other, output) })
        })
    })
}

fn of_column<'a>(&Output { setting, key, role }: &Output<'a>) -> Option<Mistake<'a>> {
    let is_set = SET_COLUMNS.contains(&key);
    let is_free = FIELD_COLUMNS.contains(&key) && matches!(role, Role::Field | Role::Default);
    let is_column = is_set || FIXED_COLUMNS.contains(&key) || FIELD_COLUMNS.contains(&key);
    if !is_column || is_free || role == Role::Inherited {
        return None;
    }
    let remedy = if is_set { format!("fill that with the setting {key:?}, or ") } else { String::new() };
    let text = "which is a column of the table";
    Some((setting, key, format!("{setting:?} writes the key {key:?}, {text}: {remedy}use another key")))
}

fn twice<'a>(&Output { setting, key, .. }: &Output<'a>, other: &Output<'_>) -> Mistake<'a> {
    let by = other.setting;
    let text = if by == setting {
        format!("{setting:?} writes the key {key:?} twice: use another key for one")
    } else {
        let is_optional = other.role.is_made() && !["nest", "collect"].contains(&by);
        let either = if is_optional { format!(", or leave it out with {by} = false") } else { String::new() };
        format!("{setting:?} writes the key {key:?}, and so does {by:?}: use another key for one{either}")
    };
    (setting, key, text)
}

/// Why no constant of all rows can have this key, if none can.
pub(super) fn in_constant(key: &str) -> Option<String> {
    let is_column =
        [&FIXED_COLUMNS[..], &SET_COLUMNS, &FIELD_COLUMNS].iter().any(|columns| columns.contains(&key));
    match key {
        _ if key.trim().is_empty() => Some("has an empty key: write a name".to_owned()),
        _ if is_column => Some(format!("writes {key:?}, which is a column of the table: use another key")),
        _ => None,
    }
}

/// An event type that no rule for spans makes.
fn in_mentions<'a>(rule: &'a RuleSpec, all: &[&RuleSpec]) -> Option<Mistake<'a>> {
    let numbered = rule.number_within.iter().map(|(event_type, _)| ("number_within", event_type));
    let collected = rule.collect.iter().map(|collect| ("collect", &collect.of));
    numbered.chain(collected).find_map(|(setting, event_type)| {
        let wrong = unmade(event_type, all)?;
        Some((setting, &**event_type, format!("{setting:?} names {event_type:?}, {wrong}")))
    })
}

/// Why no span makes rows of this event type, if none does.
fn unmade(event_type: &str, all: &[&RuleSpec]) -> Option<String> {
    let makes = |rule: &&&RuleSpec| match &rule.event_type {
        Some(own) => **own == *event_type,
        None if rule.event_type_field.is_some() => false,
        None => rule.matches.names.iter().any(|name| name.matches(event_type)),
    };
    let kinds: Vec<_> = all.iter().filter(makes).map(|rule| rule.matches.kind).collect();
    if kinds.contains(&MatchKind::Span) {
        return None;
    }
    if !kinds.is_empty() {
        let text = "which is made by an \"event\" rule only: name the \"event_type\" of a \"span\" rule";
        return Some(text.to_owned());
    }
    let near = nearest(event_type, all.iter().flat_map(|rule| event_types(rule)));
    let remedy =
        near.map_or("name the \"event_type\" of a rule".to_owned(), |near| format!("did you mean {near:?}?"));
    Some(format!("an event type that no rule makes: {remedy}"))
}

fn event_types(rule: &RuleSpec) -> impl Iterator<Item = &str> {
    let own = rule.event_type.as_deref();
    let is_named = own.is_some() || rule.event_type_field.is_some();
    let names = rule.matches.names.iter().map(|name| name.0.as_str()).filter(move |_| !is_named);
    own.into_iter().chain(names)
}

pub(super) fn check_inherited(all: &[&RuleSpec]) -> Result<(), Fault> {
    let names: BTreeSet<_> = all.iter().flat_map(|rule| &rule.inherit).collect();
    if names.len() <= MAX_INHERITED {
        return Ok(());
    }
    let text =
        format!("the rules inherit {} fields, at most {MAX_INHERITED} can be: take some out", names.len());
    Err(Fault { line: None, text })
}

/// Why a field of this name is needed, if it is.
fn judging(rule: &RuleSpec, name: &Pattern) -> Option<String> {
    let compared = rule.success.is_compared().then_some(("success", &*rule.success.field));
    let severity = match &rule.severity {
        SeverityRule::Field { field, .. } => Some(("severity", &**field)),
        SeverityRule::Natural | SeverityRule::Outcome | SeverityRule::Constant(_) => None,
    };
    let named = [("event_type", &rule.event_type_field), ("source", &rule.source_field)];
    let named = named.into_iter().filter_map(|(setting, field)| Some((setting, field.as_deref()?)));
    // A field may also be called by its key.
    let read = rule.reads().flat_map(|(setting, key, field)| [(setting, field), (setting, key)]);
    let mut judged_by = compared.into_iter().chain(severity).chain(named).chain(read);
    let (setting, field) = judged_by.find(|(_, field)| name.matches(field))?;
    let field = if name.0 == field { String::new() } else { format!("and with it {field:?}, ") };
    Some(format!(
        "{field}which the {setting} is read from after redaction: \
         take it out, or read the {setting} from another field"
    ))
}

/// Why this is not the name of a field but of something else in the row, if it is: nothing would be redacted.
fn no_field(rule: &RuleSpec, name: &Pattern) -> Option<String> {
    let renamed = rule.rename.iter().find(|(field, key)| name.matches(key) && rule.redacts(field).is_none());
    if let Some((field, key)) = renamed {
        return Some(format!("but {key:?} is what \"rename\" makes of {field:?}: name {field:?} too"));
    }
    let nest = rule.nest.iter().find(|nest| [&nest.prefix, &nest.key].contains(&&name.0))?;
    Some(format!("which is an object of \"nest\": name its fields, such as \"{}.*\"", nest.prefix))
}
