//! Rules written in TOML.
//!
//! The parsed table is decoded by hand, so that the message about a mistake has the line, the key and the remedy. This
//! module finds wrong keys, types and words; [`super::check`] finds the rest.

use ::toml::de::{DeTable, DeValue};

use super::builder::Rule;
use super::fault::{Fault, nearest};
use super::key_value::{KeyValue, join, line_of};
use super::model::{Figure, Redact, Silent};
use super::reason::ReasonCodes;
use crate::severity::Severity;

/// A file of rules.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) rules: Vec<Rule>,
    pub(super) codes: Option<ReasonCodes>,
    /// Whether the built-in rules follow the file's own.
    pub(super) builtin: bool,
}

const TOP_KEYS: [&str; 3] = ["rule", "reason_codes", "builtin"];

const RULE_KEYS: [&str; 27] = [
    "span",
    "event",
    "target",
    "level",
    "fields",
    "event_type",
    "source",
    "severity",
    "duration",
    "success",
    "reason",
    "reason_code",
    "reason_category",
    "exception",
    "outcome",
    "error",
    "result",
    "rename",
    "set",
    "nest",
    "inherit",
    "inherit_from",
    "number_within",
    "collect",
    "or_null",
    "redact",
    "silent",
];

/// Reads the text of a file.
pub(super) fn parse(text: &str) -> Result<Document, Fault> {
    let table = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
    let top = DeValue::Table(table.into_inner());
    let top = KeyValue::top(text, &top);
    let mut document = Document { rules: Vec::new(), codes: None, builtin: false };
    for entry in known(&top, &TOP_KEYS, "at the top level")? {
        match entry.key {
            "builtin" => document.builtin = entry.boolean()?,
            "reason_codes" => document.codes = Some(reason_codes(&entry)?),
            _ => document.rules = entry.tables()?.iter().map(rule).collect::<Result<_, _>>()?,
        }
    }
    if document.rules.is_empty() && !document.builtin {
        return Err(top.fault("no rules: add a [[rule]], or builtin = true for the built-in ones"));
    }
    Ok(document)
}

fn syntax(text: &str, error: &::toml::de::Error) -> Fault {
    let line = line_of(text, &error.span().unwrap_or_default());
    Fault {
        line: Some(line),
        text: format!("not valid TOML ({}): correct what stands there", error.message()),
    }
}

fn reason_codes(blocks: &KeyValue<'_>) -> Result<ReasonCodes, Fault> {
    let mut codes = ReasonCodes::default();
    for block in blocks.tables()? {
        let (mut category, mut words) = (None, None);
        for entry in known(&block, &["category", "codes"], "in [[reason_codes]]")? {
            match entry.key {
                "category" => category = Some(entry.text()?),
                _ => words = Some(entry.texts()?),
            }
        }
        let Some((category, words)) = category.zip(words) else {
            return Err(
                block.fault("[[reason_codes]] needs both \"category\" and \"codes\": add what is missing")
            );
        };
        let words = words.into_iter().map(str::to_owned).collect();
        codes.add(category, words).map_err(|text| block.fault(&text))?;
    }
    Ok(codes)
}

fn rule(table: &KeyValue<'_>) -> Result<Rule, Fault> {
    let entries = known(table, &RULE_KEYS, "in [[rule]]")?;
    let named = |key| entries.iter().find(|entry| entry.key == key);
    let rule = match (named("span"), named("event")) {
        (Some(span), None) => names(span, Rule::span)?,
        (None, Some(event)) => names(event, Rule::event)?,
        (None, None) => {
            return Err(table.fault("[[rule]] names nothing: add \"span\" or \"event\""));
        }
        (Some(_), Some(event)) => {
            return Err(event.fault("\"span\" and \"event\" in one [[rule]]: make a rule of each"));
        }
    };
    entries.iter().try_fold(rule, |rule, entry| setting(rule.at(entry.line), entry))
}

fn names(entry: &KeyValue<'_>, first: fn(String) -> Rule) -> Result<Rule, Fault> {
    let names = entry.texts()?;
    let [name, more @ ..] = names.as_slice() else {
        return Err(entry.fault(&format!("{:?} is an empty list: give it a name", entry.path)));
    };
    let rule = first((*name).to_owned()).begun_at(entry.line);
    Ok(more.iter().fold(rule, |rule, name| rule.also(*name)))
}

fn setting(rule: Rule, entry: &KeyValue<'_>) -> Result<Rule, Fault> {
    Ok(match entry.key {
        "target" => rule.target(entry.text()?),
        "level" => rule.level(entry.word(&LEVELS)?),
        "fields" => rule.fields(entry.texts()?),
        "event_type" => rule.event_type(entry.text()?),
        "source" => rule.source(entry.text()?),
        "severity" => severity(rule, entry)?,
        "duration" => rule.duration(entry.key_or_off()?),
        "success" => success(rule, entry)?,
        "reason" => reason(rule, entry)?,
        "reason_code" => rule.reason_code(entry.key_or_off()?),
        "reason_category" => rule.reason_category(entry.key_or_off()?),
        "exception" => rule.exception(entry.text()?),
        "outcome" => rule.outcome(entry.key_or_off()?),
        "error" => rule.error(entry.key_or_off()?),
        "result" => rule.result(entry.key_or_off()?),
        "rename" => each(rule, entry, |rule, one| Ok(rule.rename(one.key, one.text()?)))?,
        "set" => each(rule, entry, |rule, one| Ok(rule.set(one.key, one.json()?)))?,
        "nest" => each(rule, entry, nest)?,
        "inherit" => rule.inherit(entry.texts()?),
        "inherit_from" => rule.inherit_from(entry.texts()?),
        "number_within" => number_within(rule, entry)?,
        "collect" => each(rule, entry, collect)?,
        "or_null" => rule.or_null(entry.texts()?),
        "redact" => redact(rule, entry)?,
        "silent" => rule.silent(entry.word(&SILENCES)?),
        _ => rule, // The rule began with `span` or `event`.
    })
}

/// Applies the entries of a table, each on its own line.
fn each(
    rule: Rule,
    table: &KeyValue<'_>,
    apply: fn(Rule, &KeyValue<'_>) -> Result<Rule, Fault>,
) -> Result<Rule, Fault> {
    table.entries()?.iter().try_fold(rule, |rule, entry| apply(rule.at(entry.line), entry))
}

fn severity(rule: Rule, entry: &KeyValue<'_>) -> Result<Rule, Fault> {
    if !entry.value.is_table() {
        return Ok(rule.severity(entry.word(&SEVERITIES)?));
    }
    let (mut field, mut map) = (None, Vec::new());
    for part in known(entry, &["field", "map"], "in \"severity\"")? {
        match part.key {
            "field" => field = Some(part.text()?),
            _ => {
                for one in part.entries()? {
                    map.push((one.key.to_owned(), one.word(&SEVERITIES)?));
                }
            }
        }
    }
    let field =
        field.ok_or_else(|| entry.fault("\"severity\" has no \"field\": say which field it is read from"))?;
    Ok(rule.severity_field(field, map))
}

fn success(mut rule: Rule, entry: &KeyValue<'_>) -> Result<Rule, Fault> {
    if !entry.value.is_table() {
        return Ok(rule.success(entry.key_or_off()?));
    }
    let (mut field, mut condition) = (None, None);
    for part in known(entry, &SUCCESS_KEYS, "in \"success\"")? {
        match part.key {
            "field" => field = Some(part.text()?),
            "as" => rule = rule.success(part.key_or_off()?),
            _ => {
                if let Some(KeyValue { key, .. }) = condition.replace(part.clone()) {
                    let text = format!("two conditions in \"success\", {key:?} and {:?}: keep one", part.key);
                    return Err(part.fault(&text));
                }
            }
        }
    }
    match (field, condition) {
        (field, Some(condition)) => succeeds(rule, field, &condition),
        (Some(field), None) => Ok(rule.success_field(field)),
        (None, None) => Ok(rule),
    }
}

fn succeeds(rule: Rule, field: Option<&str>, condition: &KeyValue<'_>) -> Result<Rule, Fault> {
    let Some(field) = field else {
        if condition.key == "return_matches" {
            return Ok(rule.return_matches(condition.text()?));
        }
        return Err(condition.fault(&format!("{:?} has no \"field\" to look at: name one", condition.path)));
    };
    Ok(match condition.key {
        "below" => rule.success_below(field, condition.number()?),
        "at_most" => rule.success_at_most(field, condition.number()?),
        "above" => rule.success_above(field, condition.number()?),
        "at_least" => rule.success_at_least(field, condition.number()?),
        "equals" => rule.success_equals(field, condition.json()?),
        _ => {
            let text = "\"success.return_matches\" looks at what the function returned, not at a field: \
                take out \"field\"";
            return Err(condition.fault(text));
        }
    })
}

fn reason(mut rule: Rule, entry: &KeyValue<'_>) -> Result<Rule, Fault> {
    if !entry.value.is_table() {
        return Ok(rule.reason(entry.key_or_off()?));
    }
    for part in known(entry, &["field", "as"], "in \"reason\"")? {
        rule = match part.key {
            "field" => rule.reason_field(part.text()?),
            _ => rule.reason(part.text()?),
        };
    }
    Ok(rule)
}

fn nest(rule: Rule, entry: &KeyValue<'_>) -> Result<Rule, Fault> {
    let (mut key, mut keys) = (None, Vec::new());
    for part in known(entry, &["as", "keys"], &format!("in {:?}", entry.path))? {
        match part.key {
            "as" => key = Some(part.text()?),
            _ => {
                for one in part.entries()? {
                    keys.push((one.key, one.text()?.to_owned()));
                }
            }
        }
    }
    let key = key
        .ok_or_else(|| entry.fault(&format!("{:?} has no \"as\": say the key of the object", entry.path)))?;
    Ok(rule.nest(entry.key, key, keys))
}

fn number_within(rule: Rule, entry: &KeyValue<'_>) -> Result<Rule, Fault> {
    let entries = entry.entries()?;
    let [one] = entries.as_slice() else {
        let text =
            format!("\"number_within\" has {} entries: give it one, EVENT_TYPE = \"KEY\"", entries.len());
        return Err(entry.fault(&text));
    };
    Ok(rule.at(one.line).number_within(one.key, one.text()?))
}

fn collect(rule: Rule, entry: &KeyValue<'_>) -> Result<Rule, Fault> {
    let text = entry.text()?;
    let figure = match text.split_once(' ') {
        Some(("count", of)) => Some((Figure::Count, of)),
        Some(("total", of)) => Some((Figure::Total, of)),
        _ => None,
    };
    let (figure, of) = figure.ok_or_else(|| {
        entry
            .fault(&format!("{:?} is {text:?}: use \"count EVENT_TYPE\" or \"total EVENT_TYPE\"", entry.path))
    })?;
    Ok(rule.collect(entry.key.to_owned(), figure, of.trim().to_owned()))
}

fn redact(rule: Rule, entry: &KeyValue<'_>) -> Result<Rule, Fault> {
    if entry.value.is_table() {
        return each(rule, entry, |rule, one| Ok(rule.redact(one.key, one.word(&REDACTIONS)?)));
    }
    let fields = entry.texts()?;
    Ok(fields.into_iter().fold(rule, |rule, field| rule.redact(field, Redact::Drop)))
}

const SUCCESS_KEYS: [&str; 8] =
    ["field", "as", "below", "at_most", "above", "at_least", "equals", "return_matches"];

const SEVERITIES: [(&str, Severity); 4] = [
    ("info", Severity::Info),
    ("warning", Severity::Warning),
    ("error", Severity::Error),
    ("critical", Severity::Critical),
];

const LEVELS: [(&str, tracing::Level); 5] = [
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

const REDACTIONS: [(&str, Redact); 2] = [("drop", Redact::Drop), ("hash", Redact::Hash)];

const SILENCES: [(&str, Silent); 3] =
    [("ok", Silent::Ok), ("cancelled", Silent::Cancelled), ("unknown", Silent::Unknown)];

/// The entries of a table that may have only these keys; `place` is for the message.
fn known<'a>(table: &KeyValue<'a>, keys: &[&str], place: &str) -> Result<Vec<KeyValue<'a>>, Fault> {
    let entries = table.entries()?;
    match entries.iter().find(|entry| !keys.contains(&entry.key)) {
        Some(entry) => Err(entry.fault(&unknown(entry.key, keys, place))),
        None => Ok(entries),
    }
}

fn unknown(key: &str, known: &[&str], place: &str) -> String {
    let top = TOP_KEYS.contains(&key);
    let remedy = if top && !known.contains(&"rule") {
        // TOML gives everything after a header to that header.
        "it belongs at the top of the file, before the first [[…]]".to_owned()
    } else if known.contains(&"rule") && RULE_KEYS.contains(&key) {
        "it belongs below a [[rule]]".to_owned()
    } else if let Some(near) = nearest(key, known.iter().copied()) {
        format!("did you mean {near:?}?")
    } else {
        format!("use one of {}", join(known.iter().copied()))
    };
    format!("unknown key {key:?} {place}: {remedy}")
}
