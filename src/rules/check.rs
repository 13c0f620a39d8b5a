//! Checks rules of both languages, TOML and Rust, for settings that make no sense.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::builder::Rule;
use super::fault::{Fault, nearest};
use super::model::{MAX_INHERITED, MatchKind, Pattern, RuleSpec, SeverityRule, SuccessTest};
use super::outputs::{Output, Role};
use super::reason::ReasonCodes;

/// Settings about how a call ends. An event does not end.
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

/// The columns of the table, each with the setting that fills it, if one does.
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

/// Columns that are filled from fields. A field may be renamed to them.
const FROM_FIELDS: [&str; 2] = ["restaurant_id", "booking_id"];

/// Checks `rules`, which come before those of `after`.
pub(super) fn check(
    rules: Vec<Rule>,
    after: &[Arc<RuleSpec>],
    codes: &Arc<ReasonCodes>,
) -> Result<Vec<Arc<RuleSpec>>, Fault> {
    for (index, rule) in rules.iter().enumerate() {
        check_alone(rule).map_err(|fault| rule.place(index, fault))?;
    }
    let models: Vec<_> =
        rules.iter().map(|rule| &rule.rule).chain(after.iter().map(|rule| &**rule)).collect();
    for (index, rule) in rules.iter().enumerate() {
        check_mentions(rule, &models).map_err(|fault| rule.place(index, fault))?;
    }
    check_inherited(&models)?;
    let finished = |rule: Rule| Arc::new(RuleSpec { reason_codes: Arc::clone(codes), ..rule.rule });
    Ok(rules.into_iter().map(finished).collect())
}

impl Rule {
    /// Names the rule in the message if no line does.
    fn place(&self, index: usize, fault: Fault) -> Fault {
        let name = self.rule.matches.names.first().map_or("", |name| name.0.as_str());
        let text = match fault.line {
            Some(_) => fault.text,
            None => format!("rule {} ({} {name:?}): {}", index + 1, self.kind_key(), fault.text),
        };
        Fault { text, ..fault }
    }
}

/// Checks one rule by itself.
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
    let Some(setting) = rule.settings.iter().find(|setting| OF_SPANS.contains(&setting.key)) else {
        return Ok(());
    };
    let text = format!(
        "{:?} in a rule for an \"event\", which has no duration and no outcome: take it out, or name a \"span\"",
        setting.key
    );
    Err(Fault { line: setting.line, text })
}

fn check_exception(rule: &Rule) -> Result<(), Fault> {
    if rule.rule.exception.is_none() || rule.rule.keys.reason.is_some() {
        return Ok(());
    }
    let text = "\"exception\" is a reason, and this rule writes none: name its key with \"reason\"";
    Err(rule.fault("exception", "", text.to_owned()))
}

/// A field that success, reason or result is read from has a key already and is not renamed.
fn check_renamed(rule: &Rule) -> Result<(), Fault> {
    let RuleSpec { keys, success, reason_field, .. } = &rule.rule;
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

/// No field is renamed, nested or redacted twice.
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

/// No key has the name of a column that it does not fill.
fn check_columns(rule: &Rule) -> Result<(), Fault> {
    for Output { setting, key, role } in rule.rule.outputs() {
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
    let outputs: Vec<_> = rule.rule.outputs().collect();
    for (index, output) in outputs.iter().enumerate() {
        let clashes = |other: &&Output<'_>| other.key == output.key && other.role.clashes_with(output.role);
        if let Some(other) = outputs[..index].iter().find(clashes) {
            // The mistake is in the setting that was made, not in the default that it clashes with.
            let is_set = rule.settings.iter().any(|setting| setting.key == output.setting);
            let (output, other) = if is_set { (output, other) } else { (other, output) };
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
    let either = if other.role.is_made() && !["nest", "collect"].contains(&other.setting) {
        format!(", or leave it out with {} = false", other.setting)
    } else {
        String::new()
    };
    format!(
        "{setting:?} writes the key {key:?}, and so does {:?}: use another key for one{either}",
        other.setting
    )
}

/// Some rule makes every event type that the rule mentions.
fn check_mentions(rule: &Rule, all: &[&RuleSpec]) -> Result<(), Fault> {
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
fn unmade(event_type: &str, all: &[&RuleSpec]) -> Option<String> {
    let makes = |rule: &&&RuleSpec| match &rule.event_type {
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

fn event_types(rule: &RuleSpec) -> impl Iterator<Item = &str> {
    let own = rule.event_type.as_deref();
    let names = rule.matches.names.iter().map(|name| name.0.as_str()).filter(move |_| own.is_none());
    own.into_iter().chain(names)
}

pub(super) fn check_inherited(all: &[&RuleSpec]) -> Result<(), Fault> {
    let names: BTreeSet<_> = all.iter().flat_map(|rule| &rule.inherit).collect();
    if names.len() <= MAX_INHERITED {
        return Ok(());
    }
    let text =
        format!("the rules inherit {} fields, at most {MAX_INHERITED} can be: take some out", names.len());
    Err(Fault::without_line(text))
}

/// Every name in `redact` is that of a field that nothing is judged by.
fn check_redacted(rule: &Rule) -> Result<(), Fault> {
    for (name, _) in &rule.rule.redact {
        let wrong = judging(&rule.rule, name).or_else(|| no_field(&rule.rule, name));
        if let Some(wrong) = wrong {
            return Err(rule.fault("redact", &name.0, format!("\"redact\" names {:?}, {wrong}", name.0)));
        }
    }
    Ok(())
}

/// Why a field of this name is needed, if it is.
fn judging(rule: &RuleSpec, name: &Pattern) -> Option<String> {
    let (setting, field) = judged_by(rule).find(|(_, field)| name.matches(field))?;
    let field = if name.0 == field { String::new() } else { format!("and with it {field:?}, ") };
    Some(format!(
        "{field}which the {setting} is read from after redaction: \
         take it out, or read the {setting} from another field"
    ))
}

/// The fields that the outcome or the severity is judged by, each with its setting.
fn judged_by(rule: &RuleSpec) -> impl Iterator<Item = (&'static str, &str)> {
    let RuleSpec { keys, success, reason_field, .. } = rule;
    let (success_key, compared) = match success.test {
        SuccessTest::Bool => (keys.success.as_deref(), None),
        SuccessTest::ReturnMatches(_) => (None, None),
        _ => (None, Some(("success", &*success.field))),
    };
    let severity = match &rule.severity {
        SeverityRule::Field { field, .. } => Some(("severity", &**field)),
        SeverityRule::Natural | SeverityRule::Constant(_) => None,
    };
    let read = [
        ("success", success_key, &*success.field),
        ("reason", keys.reason.as_deref(), reason_field),
        ("result", keys.result.as_deref(), "result"),
    ];
    // A field may also be called by its key.
    let read = read.into_iter().filter_map(|(setting, key, field)| Some([(setting, field), (setting, key?)]));
    compared.into_iter().chain(severity).chain(read.flatten())
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
