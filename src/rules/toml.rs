//! Rules written in TOML.
//!
//! The parsed table is decoded by hand, so that the message about a mistake has the line, the key and the remedy. This
//! module finds wrong keys, types and words; [`super::check`] finds the rest.

use std::time::Duration;

use ::toml::de::{DeTable, DeValue};

use super::builder::Rule;
use super::check;
use super::constants::Constants;
use super::fault::{Fault, nearest};
use super::key_value::{KeyValue, line_of};
use super::model::{MatchKind, Redact, Silent};
use super::reason::ReasonCodes;
use crate::columns::ColumnMap;
use crate::outcome::Outcome;
use crate::severity::Severity;

/// A file of rules.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) rules: Vec<Rule>,
    pub(super) codes: Option<ReasonCodes>,
    /// Whether the built-in rules follow the file's own.
    pub(super) builtin: bool,
    /// Constants of all rows.
    pub(super) constants: Constants,
    /// Which keys fill columns of their own.
    pub(super) columns: ColumnMap,
    /// All rows have the ids that join them.
    pub(super) ids: bool,
}

/// The kinds of rules that may have a key. An event does not end, so it has no key about how a call ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Both,
    Spans,
}

type Apply = fn(Rule, &KeyValue<'_>) -> Result<Rule, Fault>;

/// The keys of a rule. A new key needs a line here, a setter in [`super::builder`] and a field in [`super::model`].
pub(super) const RULE_KEYS: [(&str, For, Apply); 30] = [
    ("span", For::Both, names),
    ("event", For::Both, names),
    ("target", For::Both, |rule, it| Ok(rule.target(it.text()?))),
    ("level", For::Both, |rule, it| Ok(rule.level(it.word(&LEVELS)?))),
    ("fields", For::Both, |rule, it| Ok(rule.fields(it.texts()?))),
    ("event_type", For::Both, |rule, it| text_or_field(rule, it, Rule::event_type, Rule::event_type_field)),
    ("source", For::Both, |rule, it| text_or_field(rule, it, Rule::source, Rule::source_field)),
    ("severity", For::Both, severity),
    ("duration", For::Both, duration),
    ("success", For::Spans, success),
    ("reason", For::Spans, reason),
    ("reason_code", For::Spans, |rule, it| Ok(rule.reason_code(it.key_or_off()?))),
    ("reason_category", For::Spans, |rule, it| Ok(rule.reason_category(it.key_or_off()?))),
    ("exception", For::Spans, |rule, it| Ok(rule.exception(it.text()?))),
    ("outcome", For::Spans, |rule, it| Ok(rule.outcome(it.key_or_off()?))),
    ("error", For::Spans, |rule, it| Ok(rule.error(it.key_or_off()?))),
    ("result", For::Spans, |rule, it| Ok(rule.result(it.key_or_off()?))),
    ("rename", For::Both, |rule, it| each(rule, it, |rule, one| Ok(rule.rename(one.key, one.text()?)))),
    ("set", For::Both, |rule, it| each(rule, it, |rule, one| Ok(rule.set(one.key, one.json()?)))),
    ("nest", For::Both, |rule, it| each(rule, it, nest)),
    ("take", For::Spans, take),
    ("times", For::Both, |rule, it| each(rule, it, |rule, one| Ok(rule.time(one.key, one.text()?)))),
    ("inherit", For::Both, |rule, it| Ok(rule.inherit(it.texts()?))),
    ("inherit_from", For::Both, |rule, it| Ok(rule.inherit_from(it.texts()?))),
    ("number_within", For::Spans, number_within),
    ("collect", For::Spans, |rule, it| each(rule, it, collect)),
    ("or_null", For::Both, |rule, it| Ok(rule.or_null(it.texts()?))),
    ("redact", For::Both, redact),
    ("report_by", For::Both, |rule, it| Ok(rule.report_by(it.texts()?))),
    ("silent", For::Spans, |rule, it| Ok(rule.silent(it.word(&SILENCES)?))),
];

const TOP_KEYS: [&str; 4] = ["rule", "reason_codes", "builtin", "all"];

const SUCCESS_KEYS: [&str; 8] =
    ["field", "as", "return_matches", "below", "at_most", "above", "at_least", "equals"];

const LEVELS: [(&str, tracing::Level); 5] = [
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

const REDACTIONS: [(&str, Redact); 3] =
    [("drop", Redact::Drop), ("hash", Redact::Hash), ("query", Redact::Query)];

/// The units of a bare number.
const UNITS: [(&str, Duration); 6] = [
    ("ns", Duration::from_nanos(1)),
    ("us", Duration::from_micros(1)),
    ("ms", Duration::from_millis(1)),
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
];

const SILENCES: [(&str, Silent); 3] = [
    (Outcome::Ok.as_str(), Silent::Ok),
    (Outcome::Cancelled.as_str(), Silent::Cancelled),
    (Outcome::Unknown.as_str(), Silent::Unknown),
];

/// Reads the text of a file.
pub(super) fn parse(text: &str) -> Result<Document, Fault> {
    let table = DeTable::parse(text).map_err(|error| Fault {
        line: Some(line_of(text, &error.span().unwrap_or_default())),
        text: format!("not valid TOML ({}): correct what stands there", error.message()),
    })?;
    let top = DeValue::Table(table.into_inner());
    let top = KeyValue::top(text, &top);
    let [rules, codes, builtin, all] = parts(&top, TOP_KEYS, "at the top level")?;
    let (constants, columns, ids) = all.map_or(Ok(Default::default()), |all| of_all(&all))?;
    let document = Document {
        rules: rules.map_or(Ok(Vec::new()), |rules| rules.tables()?.iter().map(rule).collect())?,
        codes: codes.map(|codes| reason_codes(&codes)).transpose()?,
        builtin: builtin.map_or(Ok(false), |builtin| builtin.boolean())?,
        constants,
        columns,
        ids,
    };
    if document.rules.is_empty() && !document.builtin {
        return Err(top.fault("no rules: add a [[rule]], or builtin = true for the built-in ones"));
    }
    Ok(document)
}

/// The `set`, the `columns` and the `ids` of `[all]`.
fn of_all(all: &KeyValue<'_>) -> Result<(Constants, ColumnMap, bool), Fault> {
    let [set, columns, ids] = parts(all, ["set", "columns", "ids"], "in [all]")?;
    let constants = pairs(set, |one| match check::in_constant(one.key) {
        Some(text) => Err(one.fault(format!("\"all.set\" {text}"))),
        None => one.json(),
    })?;
    let mut filled = ColumnMap::default();
    for one in columns.map_or(Ok(Vec::new()), |columns| columns.entries())? {
        let wrong = |text| one.fault(format!("\"all.columns\" {text}"));
        filled.fill(one.key, one.key_or_off()?).map_err(wrong)?;
    }
    Ok((constants, filled, ids.map_or(Ok(false), |ids| ids.boolean())?))
}

fn reason_codes(blocks: &KeyValue<'_>) -> Result<ReasonCodes, Fault> {
    let mut codes = ReasonCodes::default();
    for block in blocks.tables()? {
        let [Some(category), Some(words)] = parts(&block, ["category", "codes"], "in [[reason_codes]]")?
        else {
            return Err(
                block.fault("[[reason_codes]] needs both \"category\" and \"codes\": add what is missing")
            );
        };
        let words = words.texts()?.into_iter().map(str::to_owned).collect();
        codes.add(category.text()?, words).map_err(|text| block.fault(text))?;
    }
    Ok(codes)
}

fn rule(table: &KeyValue<'_>) -> Result<Rule, Fault> {
    let parts = parts(table, RULE_KEYS.map(|(key, ..)| key), "in [[rule]]")?;
    let kind = match &parts {
        [None, None, ..] => return Err(table.fault("[[rule]] names nothing: add \"span\" or \"event\"")),
        [Some(_), Some(event), ..] => {
            return Err(event.fault("\"span\" and \"event\" in one [[rule]]: make a rule of each"));
        }
        [Some(_), ..] => MatchKind::Span,
        [None, ..] => MatchKind::Event,
    };
    let keys = RULE_KEYS.iter().zip(&parts).filter_map(|((.., apply), part)| Some((apply, part.as_ref()?)));
    let mut keys: Vec<_> = keys.collect();
    keys.sort_by_key(|(_, part)| part.line);
    keys.into_iter().try_fold(Rule::of(kind), |rule, (apply, part)| apply(rule.at(part.line), part))
}

fn names(rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    match it.texts()? {
        names if names.is_empty() => Err(it.fault(format!("{:?} is an empty list: give it a name", it.path))),
        names => Ok(names.into_iter().fold(rule, Rule::also)),
    }
}

/// A text, or the field that it is read from.
fn text_or_field(
    rule: Rule,
    it: &KeyValue<'_>,
    text: fn(Rule, String) -> Rule,
    field: fn(Rule, String) -> Rule,
) -> Result<Rule, Fault> {
    if !it.value.is_table() {
        return Ok(text(rule, it.text()?.to_owned()));
    }
    let [name] = parts(it, ["field"], &format!("in {:?}", it.path))?;
    match name {
        Some(name) => Ok(field(rule, name.text()?.to_owned())),
        None => Err(it.fault(format!("{:?} has no \"field\": say which field it is read from", it.path))),
    }
}

/// Applies the entries of a table, each on its own line.
fn each(rule: Rule, table: &KeyValue<'_>, apply: Apply) -> Result<Rule, Fault> {
    table.entries()?.iter().try_fold(rule, |rule, entry| apply(rule.at(entry.line), entry))
}

/// The entries of a table that may be missing.
fn pairs<T>(
    table: Option<KeyValue<'_>>,
    value: impl Fn(&KeyValue<'_>) -> Result<T, Fault>,
) -> Result<Vec<(String, T)>, Fault> {
    let entries = table.map_or(Ok(Vec::new()), |table| table.entries())?;
    entries.iter().map(|entry| Ok((entry.key.to_owned(), value(entry)?))).collect()
}

fn severity(rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    let severities = Severity::ALL.map(|severity| (severity.as_str(), severity));
    if it.value.as_str() == Some("outcome") {
        return Ok(rule.severity_by_outcome());
    }
    if !it.value.is_table() {
        return Ok(rule.severity(it.word(&severities)?));
    }
    let [field, map] = parts(it, ["field", "map"], "in \"severity\"")?;
    let map = pairs(map, |one| one.word(&severities))?;
    match field {
        Some(field) => Ok(rule.severity_field(field.text()?, map)),
        None => Err(it.fault("\"severity\" has no \"field\": say which field it is read from")),
    }
}

fn duration(mut rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    if !it.value.is_table() {
        return Ok(rule.duration(it.key_or_off()?));
    }
    let [field, unit, key] = parts(it, ["field", "unit", "as"], "in \"duration\"")?;
    if let Some(key) = key {
        rule = rule.duration(key.text()?);
    }
    match (field, unit) {
        (Some(field), Some(unit)) => Ok(rule.duration_field(field.text()?, unit.word(&UNITS)?)),
        _ => Err(it.fault("\"duration\" needs both \"field\" and \"unit\": add what is missing")),
    }
}

/// One table or a list of them.
fn take(rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    it.one_or_more().iter().try_fold(rule, |rule, one| {
        let [event, target, fields] = parts(one, ["event", "target", "fields"], "in \"take\"")?;
        let Some(fields) = fields else {
            return Err(one.fault("\"take\" has no \"fields\": name those to take"));
        };
        match (event, target) {
            (Some(event), None) => Ok(rule.take_event(event.text()?, fields.texts()?)),
            (None, Some(target)) => Ok(rule.take(target.text()?, fields.texts()?)),
            _ => {
                Err(one
                    .fault("\"take\" needs either \"event\" or \"target\": name the events by one of them"))
            }
        }
    })
}

fn success(mut rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    if !it.value.is_table() {
        return Ok(rule.success(it.key_or_off()?));
    }
    let [field, key, conditions @ ..] = parts(it, SUCCESS_KEYS, "in \"success\"")?;
    if let Some(key) = key {
        rule = rule.success(key.key_or_off()?);
    }
    let field = field.map(|field| field.text()).transpose()?;
    match (field, conditions.iter().flatten().collect::<Vec<_>>().as_slice()) {
        (None, []) => Ok(rule),
        (Some(field), []) => Ok(rule.success_field(field)),
        (field, [condition]) => succeeds(rule, field, condition),
        (_, [one, other, ..]) => {
            let text = format!("two conditions in \"success\", {:?} and {:?}: keep one", one.key, other.key);
            Err(other.fault(text))
        }
    }
}

fn succeeds(rule: Rule, field: Option<&str>, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    Ok(match (it.key, field) {
        ("return_matches", None) => rule.return_matches(it.text()?),
        ("return_matches", Some(_)) => {
            let text = "looks at what the function returned, not at a field: take out \"field\"";
            return Err(it.fault(format!("{:?} {text}", it.path)));
        }
        (_, None) => return Err(it.fault(format!("{:?} has no \"field\" to look at: name one", it.path))),
        ("below", Some(field)) => rule.success_below(field, it.number()?),
        ("at_most", Some(field)) => rule.success_at_most(field, it.number()?),
        ("above", Some(field)) => rule.success_above(field, it.number()?),
        ("at_least", Some(field)) => rule.success_at_least(field, it.number()?),
        (_, Some(field)) => rule.success_equals(field, it.json()?),
    })
}

fn reason(mut rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    if !it.value.is_table() {
        return Ok(rule.reason(it.key_or_off()?));
    }
    let [field, key] = parts(it, ["field", "as"], "in \"reason\"")?;
    if let Some(field) = field {
        rule = rule.reason_field(field.text()?);
    }
    match key {
        Some(key) => Ok(rule.reason(key.text()?)),
        None => Ok(rule),
    }
}

fn nest(rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    let [key, keys] = parts(it, ["as", "keys"], &format!("in {:?}", it.path))?;
    let keys = pairs(keys, |one| Ok(one.text()?.to_owned()))?;
    match key {
        Some(key) => Ok(rule.nest(it.key, key.text()?, keys)),
        None => Err(it.fault(format!("{:?} has no \"as\": say the key of the object", it.path))),
    }
}

fn number_within(rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    match it.entries()?.as_slice() {
        [one] => Ok(rule.at(one.line).number_within(one.key, one.text()?)),
        entries => {
            let text = "entries: give it one, EVENT_TYPE = \"KEY\"";
            Err(it.fault(format!("\"number_within\" has {} {text}", entries.len())))
        }
    }
}

fn collect(rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    let text = it.text()?;
    match text.split_once(' ') {
        Some(("count", of)) => Ok(rule.collect_count(it.key, of.trim())),
        Some(("total", of)) => Ok(rule.collect_total(it.key, of.trim())),
        _ => {
            let remedy = "use \"count EVENT_TYPE\" or \"total EVENT_TYPE\"";
            Err(it.fault(format!("{:?} is {text:?}: {remedy}", it.path)))
        }
    }
}

fn redact(rule: Rule, it: &KeyValue<'_>) -> Result<Rule, Fault> {
    if it.value.is_table() {
        return each(rule, it, |rule, one| Ok(rule.redact(one.key, one.word(&REDACTIONS)?)));
    }
    Ok(it.texts()?.into_iter().fold(rule, |rule, field| rule.redact(field, Redact::Drop)))
}

/// The entries of a table that may have only these keys, in their order; `place` is for the message.
fn parts<'a, const N: usize>(
    table: &KeyValue<'a>,
    keys: [&str; N],
    place: &str,
) -> Result<[Option<KeyValue<'a>>; N], Fault> {
    let mut parts = [const { None }; N];
    for entry in table.entries()? {
        match keys.iter().position(|key| *key == entry.key) {
            Some(at) => parts[at] = Some(entry),
            None => return Err(unknown(&entry, &keys, place)),
        }
    }
    Ok(parts)
}

fn unknown(entry: &KeyValue<'_>, known: &[&str], place: &str) -> Fault {
    let key = entry.key;
    let is_top = known == TOP_KEYS;
    let remedy = if !is_top && TOP_KEYS.contains(&key) {
        // TOML gives everything after a header to that header.
        "it belongs at the top of the file, before the first [[…]]".to_owned()
    } else if is_top && RULE_KEYS.iter().any(|(of_rule, ..)| *of_rule == key) {
        "it belongs below a [[rule]]".to_owned()
    } else if let Some(near) = nearest(key, known.iter().copied()) {
        format!("did you mean {near:?}?")
    } else {
        format!("use one of {}", known.join(", "))
    };
    entry.fault(format!("unknown key {key:?} {place}: {remedy}"))
}
