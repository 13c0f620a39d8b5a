//! How a rule reads a span: whether it names it, and the event type and success that it finds in it.

use serde_json::Value;

use super::line::Span;
use super::reports::CallReport;
use crate::rules::model::{Pattern, RuleSpec, SuccessTest, Take, TakeFrom};

/// Whether a target has that name, or is in a module of that name.
pub(super) fn is_below(target: Option<&str>, pattern: &Pattern) -> bool {
    target.is_some_and(|target| {
        let above = target.match_indices("::").map(|(at, _)| &target[..at]);
        above.chain([target]).any(|path| pattern.matches(path))
    })
}

/// A log does not tell the names of events.
pub(super) fn takes_from(take: &Take, target: Option<&str>) -> bool {
    matches!(&take.from, TakeFrom::Target(pattern) if is_below(target, pattern))
}

/// `None` if the span says that it makes no row.
pub(super) fn event_type(rule: Option<&RuleSpec>, span: &Span) -> Option<String> {
    let Some(rule) = rule else { return Some(span.name.clone()) };
    match rule.event_type_field.as_ref().map(|field| span.fields.get(field)) {
        Some(Some(Value::Bool(false))) => None,
        Some(Some(Value::String(text))) => Some(text.clone()),
        _ => Some(rule.event_type.as_deref().unwrap_or(&span.name).to_owned()),
    }
}

pub(super) fn recorded_success(rule: &RuleSpec, span: &Span, reports: &[CallReport]) -> Option<bool> {
    let own = || {
        let fields = [Some(&rule.success.field), rule.keys.success.as_ref()].into_iter().flatten();
        fields.filter_map(|field| span.fields.get(field)).next()
    };
    match &rule.success.test {
        SuccessTest::Bool => match own()? {
            Value::Bool(success) => Some(*success),
            Value::String(text) => text.parse().ok(),
            _ => None,
        },
        SuccessTest::Within(range) => {
            let number = own()?.as_f64()?;
            Some(std::ops::RangeBounds::contains(range, &number))
        }
        SuccessTest::Equals(wanted) => Some(own()? == wanted),
        SuccessTest::ReturnMatches(text) => reports.iter().find_map(|report| match report {
            CallReport::Returned(value) => Some(value.contains(text.as_str())),
            CallReport::Failed(_) | CallReport::Told(_) => None,
        }),
    }
}
