//! The outcome of a call, from the values of its record.

use std::ops::RangeBounds;

use crate::outcome::Outcome;
use crate::record::{Head, Value, Values, Verdict};
use crate::rules::model::{Silent, SuccessTest};
use crate::rules::plan::RowPlan;

/// The values of a row about the end of the call.
#[derive(Debug)]
pub(crate) struct EndValues<'a> {
    pub(crate) outcome: Outcome,
    /// `None` only if the outcome is unknown.
    pub(crate) success: Option<bool>,
    pub(crate) reason: Option<Value<'a>>,
    /// The success that the call has recorded, where it is neither true nor false.
    pub(crate) unclear: Option<Value<'a>>,
    /// Whether the call failed by exception. Then the rule has the reason, and not the call.
    pub(crate) is_exception: bool,
    /// The message of the error or panic.
    pub(crate) error: Option<&'a str>,
    /// The `result` of the span, or the result that follows from the outcome.
    pub(crate) result: Value<'a>,
}

/// The fields of a call from which the layer derives values. If several fields match one of these, the first counts.
#[derive(Debug, Default)]
pub(crate) struct Given<'a> {
    pub(crate) success: Option<Value<'a>>,
    pub(crate) reason: Option<Value<'a>>,
    pub(crate) result: Option<Value<'a>>,
    /// The field `error`, with the key that it has if the row has the text of an error or panic.
    pub(crate) error: Option<(&'a str, Value<'a>)>,
}

impl<'a> EndValues<'a> {
    pub(crate) fn of(head: &'a Head, values: Values<'a>, row: &'a RowPlan, given: &Given<'a>) -> Self {
        let reported = match reported(head, values, row, given.success) {
            Reported::Nothing if given.result.is_some() => Reported::Success(true),
            reported => reported,
        };
        let (outcome, success) = outcome(head, reported);
        let failed = matches!(outcome, Outcome::Error | Outcome::Panic | Outcome::Cancelled);
        let exception = row.rule.exception.as_deref().filter(|_| failed);
        let reason = exception.map(Value::Text).or(given.reason).filter(|_| success != Some(true));
        let error = match outcome {
            Outcome::Error => Some(head.message().unwrap_or_default()),
            Outcome::Panic => Some(head.message().unwrap_or("panicked")),
            _ => None,
        };
        // A job that fails after it has recorded its result did not end with it.
        let stands = !matches!(outcome, Outcome::Panic | Outcome::Error);
        let result = given.result.filter(|_| stands).unwrap_or(Value::Text(outcome.result()));
        let unclear = if let Reported::Unclear(value) = reported { value } else { None };
        Self { outcome, success, reason, unclear, is_exception: exception.is_some(), error, result }
    }
}

/// The success that the call has recorded.
#[derive(Clone, Copy)]
enum Reported<'a> {
    Success(bool),
    /// This value, which is neither true nor false, or something else about the end.
    Unclear(Option<Value<'a>>),
    Nothing,
}

/// Decides in this order: a panic, a returned error, the recorded success, a returned value, silence.
fn outcome(head: &Head, reported: Reported<'_>) -> (Outcome, Option<bool>) {
    match (reported, head.verdict) {
        _ if head.panicked => (Outcome::Panic, Some(false)),
        (_, Some(Verdict::Failed)) => (Outcome::Error, Some(false)),
        // This callsite reports its return value, so the call never returned.
        (Reported::Success(_), None) if head.plan.reported_at(head.ended) => {
            (Outcome::Cancelled, Some(false))
        }
        (Reported::Success(success), _) => (Outcome::Ok, Some(success)),
        (Reported::Nothing, Some(Verdict::Returned)) => (Outcome::Ok, Some(true)),
        (Reported::Unclear(_), _) => (Outcome::Unknown, None),
        (Reported::Nothing, None) => match head.plan.silence(head.ended) {
            Silent::Ok => (Outcome::Ok, Some(true)),
            Silent::Cancelled => (Outcome::Cancelled, Some(false)),
            Silent::Unknown => (Outcome::Unknown, None),
        },
    }
}

fn reported<'a>(head: &Head, values: Values<'a>, row: &RowPlan, success: Option<Value<'a>>) -> Reported<'a> {
    let rule = &row.rule.success;
    if let SuccessTest::ReturnMatches(_) = rule.test {
        return head.matched.map_or(Reported::Nothing, Reported::Success);
    }
    let meta = head.plan.meta;
    let slot = rule.is_compared().then(|| row.slot_of(&rule.field, meta)).flatten();
    let Some(value) = (if rule.is_compared() { slot.and_then(|slot| values.get(slot)) } else { success })
    else {
        // An event has given another of the taken fields, so the call was not just dropped.
        let has_taken = slot.is_some_and(|slot| row.is_taken(slot, meta))
            && values.own().any(|(slot, _)| row.is_taken(slot, meta));
        return if has_taken { Reported::Unclear(None) } else { Reported::Nothing };
    };
    let success = match &rule.test {
        SuccessTest::Within(range) => {
            value.number().filter(|number| !number.is_nan()).map(|number| range.contains(&number))
        }
        SuccessTest::Equals(wanted) => Some(value.equals(wanted)),
        SuccessTest::Bool | SuccessTest::ReturnMatches(_) => value.truth(),
    };
    success.map_or(Reported::Unclear(Some(value)), Reported::Success)
}
