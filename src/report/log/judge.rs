//! How a rule reads a span: whether it names it, the event type that it finds in it, and how the call ended.

use std::ops::RangeBounds as _;

use serde_json::Value;

use super::context::Placed;
use super::line::{FieldMap, Span};
use super::reports::CallReport;
use crate::outcome::Outcome;
use crate::record::Value as Recorded;
use crate::rules::model::{ANNOTATIONS, Pattern, RuleSpec, Silent, SuccessTest, Take, TakeFrom};

/// Whether a target has that name, or is in a module of that name. A log without targets speaks against none.
pub(super) fn is_below(target: Option<&str>, pattern: &Pattern) -> bool {
    target.is_none_or(|target| {
        let above = target.match_indices("::").map(|(at, _)| &target[..at]);
        above.chain([target]).any(|path| pattern.matches(path))
    })
}

/// A log does not tell the names of events.
pub(super) fn takes_from(take: &Take, target: Option<&str>) -> bool {
    matches!(&take.from, TakeFrom::Target(pattern) if is_below(target, pattern))
}

/// The fields of an event that a rule takes. If the log has no targets, the event must have all fields of the rule.
pub(super) fn taken<'a>(
    takes: impl Iterator<Item = &'a Take>,
    target: Option<&str>,
    fields: &FieldMap,
) -> FieldMap {
    let has_all = |take: &&Take| take.fields.iter().all(|name| fields.contains_key(name));
    let names: Vec<_> =
        takes.filter(|take| target.is_some() || has_all(take)).flat_map(|take| &take.fields).collect();
    fields
        .iter()
        .filter(|(name, _)| names.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// `None` if the span says that it makes no row.
pub(super) fn event_type(rule: &RuleSpec, span: &Span) -> Option<String> {
    let field = rule.event_type_field.as_deref().and_then(|field| span.fields.get(field));
    let says_no = |value| recorded(value).and_then(Recorded::truth) == Some(false);
    if field.or_else(|| span.fields.get(ANNOTATIONS[0])).is_some_and(says_no) {
        return None;
    }
    let named = field.and_then(name);
    Some(named.unwrap_or_else(|| rule.event_type.as_deref().unwrap_or(&span.name)).to_owned())
}

/// The text of a field that names a column.
pub(super) fn name(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The value as the ledger has it.
pub(super) fn recorded(value: &Value) -> Option<Recorded<'_>> {
    match value {
        Value::Bool(value) => Some(Recorded::Bool(*value)),
        Value::String(text) => Some(Recorded::Text(text)),
        Value::Number(number) => {
            let whole = number.as_u64().map(Recorded::U64).or_else(|| number.as_i64().map(Recorded::I64));
            whole.or_else(|| number.as_f64().map(Recorded::F64))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// How a call ended.
pub(super) struct CallEnd {
    pub(super) outcome: Outcome,
    pub(super) success: Option<bool>,
    pub(super) error: Option<String>,
}

impl CallEnd {
    pub(super) const CANCELLED: Self =
        Self { outcome: Outcome::Cancelled, success: Some(false), error: None };
    pub(super) const UNKNOWN: Self = Self { outcome: Outcome::Unknown, success: None, error: None };

    fn returned(success: bool) -> Self {
        Self { outcome: Outcome::Ok, success: Some(success), error: None }
    }

    fn failed(error: String) -> Self {
        Self { outcome: Outcome::Error, success: Some(false), error: Some(error) }
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Error | Outcome::Cancelled)
    }
}

/// The end of a call, as its span and its reports tell it.
pub(super) struct EndReport {
    /// `Ok` if its function returned a value, or the text of the error that it returned.
    verdict: Option<Result<(), String>>,
    success: SuccessReport,
    /// Whether `ret` reported a value.
    pub(super) has_returned: bool,
}

/// The success that a call has recorded.
#[derive(Clone, Copy, PartialEq)]
enum SuccessReport {
    Known(bool),
    /// Something else about the end.
    Unclear,
    Nothing,
}

impl EndReport {
    pub(super) fn of(rule: &RuleSpec, span: &Span, placed: &Placed, reports: &[CallReport]) -> Self {
        let verdict = reports.iter().rev().find_map(|report| match report {
            CallReport::Failed(error) => Some(Err(error.clone())),
            // `ret` alone prints the whole `Result`.
            CallReport::Returned(text) if text.starts_with("Err(") => Some(Err(text.clone())),
            CallReport::Returned(_) => Some(Ok(())),
            CallReport::Event(_) => None,
        });
        let success = match success(rule, span, placed, reports) {
            SuccessReport::Nothing if placed.result.is_some() => SuccessReport::Known(true),
            success => success,
        };
        let has_returned = reports.iter().any(|report| matches!(report, CallReport::Returned(_)));
        Self { verdict, success, has_returned }
    }

    /// Whether other calls of the same function that tell nothing were cancelled.
    pub(super) fn is_report(&self) -> bool {
        self.has_returned || self.success != SuccessReport::Nothing
    }

    /// Decides as the ledger does; `None` if only another call of that function can tell. A log does not tell a panic from a
    /// call that was dropped.
    pub(super) fn end(self, rule: &RuleSpec, returns: bool, reports: bool) -> Option<CallEnd> {
        Some(match (self.verdict, self.success) {
            (Some(Err(error)), _) => CallEnd::failed(error),
            // The function reports its return value, so the call never returned.
            (None, SuccessReport::Known(_)) if returns => CallEnd::CANCELLED,
            (_, SuccessReport::Known(success)) => CallEnd::returned(success),
            (Some(Ok(())), SuccessReport::Nothing) => CallEnd::returned(true),
            (_, SuccessReport::Unclear) => CallEnd::UNKNOWN,
            (None, SuccessReport::Nothing) => match rule.silent {
                Some(Silent::Ok) => CallEnd::returned(true),
                Some(Silent::Cancelled) => CallEnd::CANCELLED,
                Some(Silent::Unknown) => CallEnd::UNKNOWN,
                None if reports => CallEnd::CANCELLED,
                None => return None,
            },
        })
    }
}

fn success(rule: &RuleSpec, span: &Span, placed: &Placed, reports: &[CallReport]) -> SuccessReport {
    if let SuccessTest::ReturnMatches(text) = &rule.success.test {
        let mut returned = reports.iter().rev().filter_map(|report| match report {
            CallReport::Returned(value) => Some(value.contains(text.as_str())),
            CallReport::Failed(_) | CallReport::Event(_) => None,
        });
        return returned.next().map_or(SuccessReport::Nothing, SuccessReport::Known);
    }
    let is_compared = rule.success.is_compared();
    let value = if is_compared { span.fields.get(&rule.success.field) } else { placed.success.as_ref() };
    let Some(value) = value else {
        // An event has given another of the taken fields, so the call was not just dropped.
        let is_taken = is_compared && rule.taken().any(|name| *name == rule.success.field);
        let has_taken = is_taken && rule.taken().any(|name| span.fields.contains_key(name));
        return if has_taken { SuccessReport::Unclear } else { SuccessReport::Nothing };
    };
    let known = match &rule.success.test {
        SuccessTest::Within(range) => {
            let number = recorded(value).and_then(Recorded::number).filter(|number| !number.is_nan());
            number.map(|number| range.contains(&number))
        }
        SuccessTest::Equals(wanted) => Some(equals(value, wanted)),
        SuccessTest::Bool | SuccessTest::ReturnMatches(_) => recorded(value).and_then(Recorded::truth),
    };
    known.map_or(SuccessReport::Unclear, SuccessReport::Known)
}

/// A log of text does not tell a number from its text.
fn equals(value: &Value, wanted: &Value) -> bool {
    let text = match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    recorded(value).is_some_and(|value| value.equals(wanted))
        || text.is_some() && text.as_deref() == wanted.as_str()
}
