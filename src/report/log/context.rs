//! The columns and the context of the row that a call would have had.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::judge::{CallEnd, name, recorded};
use super::line::{FieldMap, Span};
use super::spans::Call;
use crate::outcome::Outcome;
use crate::record::Value as Recorded;
use crate::record::redact::{digest, without_query};
use crate::row::encode::{natural_of_call, severity_of};
use crate::rules::model::{Redact, RuleSpec, SeverityRule};
use crate::rules::plan::Destination;
use crate::rules::reason::NO_CODE;
use crate::severity::Severity;

/// The fields of a span, where its rule puts them.
#[derive(Default)]
pub(super) struct Placed {
    context: FieldMap,
    pub(super) success: Option<Value>,
    reason: Option<Value>,
    pub(super) result: Option<Value>,
    /// The field `error`, and the key that it has if the row has the text of an error.
    error: Option<(String, Value)>,
}

impl Placed {
    pub(super) fn of(rule: &RuleSpec, span: &Span) -> Self {
        let mut placed = Self::default();
        for (name, value) in &span.fields {
            if let Some(value) = redacted(value, rule.redacts(name)) {
                placed.put(rule, span, name, value);
            }
        }
        placed
    }

    /// The first value with a key wins.
    fn put(&mut self, rule: &RuleSpec, span: &Span, name: &str, value: Value) {
        let mut set = |key: String, value| _ = self.context.entry(key).or_insert(value);
        match rule.destination_among(name, true, |other| span.fields.contains_key(other)) {
            Destination::Context(key) => set(key, value),
            Destination::Nested(index, key) => {
                let object = rule.nest.get(index).map(|nest| self.context.entry(&nest.key));
                if let Some(Value::Object(object)) = object.map(|object| object.or_insert_with(|| json!({})))
                {
                    object.entry(key).or_insert(value);
                }
            }
            Destination::Time { key, unit, other } => {
                match recorded(&value).and_then(|value| value.time(unit)) {
                    Some(time) => set(key, millis(time)),
                    None => set(other, value),
                }
            }
            Destination::Error(key) => _ = self.error.get_or_insert((key, value)),
            Destination::Success => _ = self.success.get_or_insert(value),
            Destination::Reason => _ = self.reason.get_or_insert(value),
            Destination::Result => _ = self.result.get_or_insert(value),
            Destination::Name => {}
        }
    }

    /// The context of the call, without what it collects; `inherited` has what it inherits.
    pub(super) fn context(mut self, call: &Call, inherited: Vec<(String, Value)>, end: &CallEnd) -> FieldMap {
        let Call { rule, span, .. } = call;
        for (name, value) in inherited {
            self.put(rule, span, &name, value);
        }
        for (key, value) in &rule.set {
            self.context.entry(key).or_insert_with(|| value.clone());
        }
        for nest in &rule.nest {
            if let Value::Object(object) = self.context.entry(&nest.key).or_insert_with(|| json!({})) {
                nest.keys.iter().for_each(|(_, key)| _ = object.entry(key).or_insert(Value::Null));
            }
        }
        self.measure(call, end);
        self.context
    }

    /// Sets the values that the rule measures.
    fn measure(&mut self, call: &Call, end: &CallEnd) {
        let (rule, keys) = (&call.rule, &call.rule.keys);
        let exception = rule.exception.as_deref().filter(|_| end.has_failed());
        let own = self.reason.as_ref().map(word);
        let reason = exception.or(own.as_deref()).filter(|_| end.success != Some(true));
        let result = self.result.take().filter(|_| end.outcome != Outcome::Error).as_ref().map(word);
        let result = result.unwrap_or_else(|| end.outcome.result().to_owned());
        let error = end.error.as_ref().and_then(|error| redacted(&json!(error), rule.redacts_error()));
        let mut measured = vec![
            (&keys.duration, json!(call.ms)),
            (&keys.outcome, end.outcome.as_str().into()),
            (&keys.success, json!(end.success)),
            (&keys.result, result.into()),
            (&keys.reason, json!(reason)),
        ];
        if end.success != Some(true) {
            // The code is in the reason that the call gave, or else in its error.
            let given = self.reason.as_ref().filter(|_| exception.is_none()).and_then(Value::as_str);
            let text = given.or(end.error.as_deref());
            let found = text.and_then(|text| rule.reason_codes.code_of(text));
            let code = found.map_or(NO_CODE.to_owned(), |(category, code)| format!("{category}.{code}"));
            measured.push((&keys.reason_code, code.into()));
            measured.push((&keys.reason_category, found.map_or(NO_CODE, |(category, _)| category).into()));
        }
        if let (Some((kept, value)), Some(key)) = (self.error.take(), &keys.error) {
            self.context.insert(if error.is_some() { kept } else { key.clone() }, value);
        }
        measured.extend(error.map(|error| (&keys.error, error)));
        for (key, value) in measured {
            if let Some(key) = key {
                self.context.insert(key.clone(), value);
            }
        }
        if let Some((_, key)) = &rule.number_within
            && !self.context.get(key).is_some_and(|own| own.is_i64() || own.is_u64())
        {
            self.context.insert(key.clone(), call.number.into());
        }
    }
}

/// The value as the rule redacts it; `None` if the rule drops it.
pub(super) fn redacted(value: &Value, redact: Option<Redact>) -> Option<Value> {
    match (redact, recorded(value)) {
        (Some(Redact::Drop), _) => None,
        (Some(Redact::Hash), Some(recorded)) => str::from_utf8(&digest(recorded)).ok().map(Value::from),
        (Some(Redact::Query), Some(Recorded::Text(text))) => Some(without_query(text).into()),
        _ => Some(value.clone()),
    }
}

/// The value as a text: a number or a bool is written out.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Milliseconds with three decimals.
fn millis(time: Duration) -> Value {
    json!(((time.as_nanos() + 500) / 1000) as f64 / 1000.0)
}

pub(super) fn source(call: &Call) -> Option<String> {
    let field = call.rule.source_field.as_deref().and_then(|field| call.span.fields.get(field));
    let text = field.and_then(name).or(call.rule.source.as_deref()).or(call.target.as_deref());
    text.map(str::to_owned)
}

pub(super) fn severity(call: &Call, end: &CallEnd) -> Severity {
    let natural = natural_of_call(&call.rule.severity, end.outcome, end.success);
    match &call.rule.severity {
        SeverityRule::Natural | SeverityRule::Outcome => natural,
        SeverityRule::Constant(severity) => *severity,
        SeverityRule::Field { field, map } => {
            let value = call.span.fields.get(field).and_then(recorded);
            value.and_then(|value| severity_of(value, map)).unwrap_or(natural)
        }
    }
}

/// A UUID is the value of the column.
pub(super) fn column(context: &mut FieldMap, key: &str) -> Option<String> {
    let id = Uuid::try_parse(context.get(key)?.as_str()?).ok()?;
    context.remove(key);
    Some(id.to_string())
}
