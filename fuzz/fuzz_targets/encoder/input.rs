//! Calls and rules that a service may have.

use std::fmt::Debug;

use arbitrary::Arbitrary;
use serde_json::{Map, Value as Json, json};
use tracing::Dispatch;
use tracing::field::{Value, debug, display};
use tracing_ledger::{Redact, Row, Rule, Severity, Silent};
use uuid::Uuid;

use crate::callsite::{self, FIELDS};
use crate::database;

/// The most bytes of a name: more than Postgres takes into an index.
const NAME_BYTES: usize = 4 * 1024;
/// Text values are cut after so many bytes: see docs/security.md.
const VALUE_BYTES: usize = 8 * 1024;
/// Field names that become keys are cut after so many bytes: see docs/security.md.
const KEY_BYTES: usize = 512;

#[derive(Arbitrary, Debug)]
pub struct Input {
    settings: Vec<Setting>,
    pub calls: Vec<InputCall>,
}

/// Settings of the rule for spans. The rule for events is empty, so that their rows are predictable.
#[derive(Arbitrary, Debug)]
enum Setting {
    EventType(Text),
    Source(Text),
    Severity(u8),
    SeverityField(Text),
    Duration(Text),
    Success(Text),
    SuccessBelow(Text, f64),
    Reason(Text),
    ReasonCode(Text),
    Outcome(Text),
    Error(Text),
    Result(Text),
    Rename(Text, Text),
    Set(Text, Scalar),
    Nest(Text, Text, Vec<(Text, Text)>),
    Inherit(Vec<Text>),
    NumberWithin(Text, Text),
    CollectCount(Text, Text),
    CollectTotal(Text, Text),
    OrNull(Vec<Text>),
    Redact(Text, bool),
    Silent(u8),
}

#[derive(Arbitrary, Debug)]
enum Scalar {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(Text),
}

#[derive(Arbitrary, Debug)]
pub struct InputCall {
    is_span: bool,
    name: Text,
    fields: Vec<(Text, InputValue)>,
}

#[derive(Arbitrary, Debug, Clone)]
enum InputValue {
    Bool(bool),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Text(Text),
    Display(Text),
    Debug(Text),
    Bytes(Vec<u8>),
    Uuid(u128),
}

/// Texts, among them some that a fuzzer would need long to find.
#[derive(Arbitrary, Debug, Clone)]
enum Text {
    Any(String),
    /// Field names with a meaning to the ledger.
    Known(u8),
    Hostile(u8),
    Long(Box<Text>, u16),
    Nested(u16),
}

const KNOWN: [&str; 10] = [
    "success",
    "reason",
    "result",
    "error",
    "message",
    "restaurant_id",
    "booking_id",
    "status",
    "a.b",
    "a.c",
];

const HOSTILE: [&str; 8] = [
    "\0",
    "\u{1b}[2J\u{202e}\u{2066}\r\n\u{85}\u{200b}\u{7f}",
    r"\u0000",
    r"\ud800\udc00\ud800",
    "\u{ffff}\u{10ffff}\u{feff}",
    "'); DROP TABLE observability_events --",
    "\"\\/{}[],:",
    "1e400",
];

impl Text {
    fn get(&self) -> String {
        match self {
            Self::Any(text) => text.clone(),
            Self::Known(at) => KNOWN[usize::from(*at) % KNOWN.len()].to_owned(),
            Self::Hostile(at) => HOSTILE[usize::from(*at) % HOSTILE.len()].to_owned(),
            Self::Long(text, times) => {
                let text = text.get();
                // Longer texts would leave no time for other inputs.
                text.repeat(usize::from(*times).min(100_000 / text.len().max(1)))
            }
            Self::Nested(depth) => format!("{}{}", "[".repeat((*depth).into()), "]".repeat((*depth).into())),
        }
    }

    /// Shorter than other texts, because the memory of callsites and plans is never freed.
    fn name(&self) -> String {
        let mut name = self.get();
        name.truncate(name.floor_char_boundary(NAME_BYTES));
        name
    }
}

impl Input {
    pub fn rules(&self) -> Vec<Rule> {
        let span = self.settings.iter().fold(Rule::span("*"), |rule, setting| setting.apply(rule));
        vec![span, Rule::event("*")]
    }
}

impl Setting {
    fn apply(&self, rule: Rule) -> Rule {
        match self {
            Self::EventType(text) => rule.event_type(text.name()),
            Self::Source(text) => rule.source(text.name()),
            Self::Severity(at) => rule.severity(severity(*at)),
            Self::SeverityField(field) => rule.severity_field(field.name(), [("1e400", Severity::Critical)]),
            Self::Duration(key) => rule.duration(&*key.name()),
            Self::Success(key) => rule.success(&*key.name()),
            Self::SuccessBelow(field, limit) => rule.success_below(field.name(), *limit),
            Self::Reason(key) => rule.reason(&*key.name()),
            Self::ReasonCode(key) => rule.reason_code(&*key.name()),
            Self::Outcome(key) => rule.outcome(&*key.name()),
            Self::Error(key) => rule.error(&*key.name()),
            Self::Result(key) => rule.result(&*key.name()),
            Self::Rename(field, key) => rule.rename(field.name(), key.name()),
            Self::Set(key, Scalar::Bool(value)) => rule.set(key.name(), *value),
            Self::Set(key, Scalar::Integer(value)) => rule.set(key.name(), *value),
            Self::Set(key, Scalar::Float(value)) => rule.set(key.name(), *value),
            Self::Set(key, Scalar::Text(value)) => rule.set(key.name(), value.name()),
            Self::Nest(prefix, key, keys) => rule.nest(
                prefix.name(),
                key.name(),
                keys.iter().map(|(field, key)| (field.name(), key.name())),
            ),
            Self::Inherit(fields) => rule.inherit(fields.iter().map(Text::name)),
            Self::NumberWithin(event, key) => rule.number_within(event.name(), key.name()),
            Self::CollectCount(key, event) => rule.collect_count(key.name(), event.name()),
            Self::CollectTotal(key, event) => rule.collect_total(key.name(), event.name()),
            Self::OrNull(keys) => rule.or_null(keys.iter().map(Text::name)),
            Self::Redact(field, true) => rule.redact(field.name(), Redact::Hash),
            Self::Redact(field, false) => rule.redact(field.name(), Redact::Drop),
            Self::Silent(at) => {
                rule.silent([Silent::Ok, Silent::Cancelled, Silent::Unknown][usize::from(*at % 3)])
            }
        }
    }
}

fn severity(at: u8) -> Severity {
    [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical][usize::from(at % 4)]
}

impl InputCall {
    fn fields(&self) -> &[(Text, InputValue)] {
        &self.fields[..self.fields.len().min(FIELDS)]
    }

    fn names(&self) -> Vec<String> {
        self.fields().iter().map(|(name, _)| name.name()).collect()
    }

    pub fn make(&self, dispatch: &Dispatch) {
        let names = self.names();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let values: Vec<_> = self.fields().iter().map(|(_, given)| given.value()).collect();
        callsite::record(dispatch, callsite::named(&self.name.name(), &names, self.is_span), &values);
    }

    /// Checks that some row has the values of this call. Skips calls whose rows are hard to predict: spans, and those with
    /// a repeated name, a cut value, or a value that becomes a column.
    pub fn check(&self, rows: &[Row]) {
        let key = |name: &String| stored(&name[..name.floor_char_boundary(KEY_BYTES)]);
        let names = self.names().iter().map(key).collect::<Vec<_>>();
        let is_plain = |at: usize| {
            let text = self.fields()[at].1.text();
            !names[..at].contains(&names[at])
                && !names[at].ends_with("_id")
                && text.is_none_or(|text| text.len() < VALUE_BYTES)
        };
        if self.is_span || names.is_empty() || !(0..names.len()).all(is_plain) {
            return;
        }
        let expected: Map<_, _> =
            names.into_iter().zip(self.fields()).map(|(name, (_, given))| (name, given.json())).collect();
        let expected = Json::Object(expected);
        let is_there = |row: &Row| database::is_same(&database::parse(&row.context), &expected);
        assert!(rows.iter().any(is_there), "{expected:#} is in none of {rows:#?}");
    }
}

/// The text as the ledger stores it: Postgres has no NUL.
fn stored(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl InputValue {
    fn value(&self) -> Box<dyn Value> {
        match self {
            Self::Bool(value) => Box::new(*value),
            Self::I64(value) => Box::new(*value),
            Self::U64(value) => Box::new(*value),
            Self::I128(value) => Box::new(*value),
            Self::U128(value) => Box::new(*value),
            Self::F64(value) => Box::new(*value),
            Self::Text(text) => Box::new(text.get()),
            Self::Display(text) => Box::new(display(text.get())),
            Self::Debug(text) => Box::new(debug(text.get())),
            Self::Bytes(bytes) => Box::new(debug(bytes.clone())),
            Self::Uuid(uuid) => Box::new(display(Uuid::from_u128(*uuid))),
        }
    }

    /// Its text, if it is stored as one.
    fn text(&self) -> Option<String> {
        let debug = |value: &dyn Debug| Some(format!("{value:?}"));
        match self {
            Self::Text(text) | Self::Display(text) => Some(text.get()),
            Self::Debug(text) => debug(&text.get()),
            Self::Bytes(bytes) => debug(bytes),
            Self::Uuid(uuid) => Some(Uuid::from_u128(*uuid).to_string()),
            _ => None,
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Bool(value) => json!(value),
            Self::I64(value) => json!(value),
            Self::U64(value) => json!(value),
            // Larger than JSON numbers can be here, so they are compared as floats.
            Self::I128(value) => json!(*value as f64),
            Self::U128(value) => json!(*value as f64),
            Self::F64(value) if value.is_finite() => json!(value),
            Self::F64(value) => json!(value.to_string()),
            _ => json!(stored(&self.text().unwrap_or_default())),
        }
    }
}
