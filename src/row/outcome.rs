//! How a call ended, judged by its record.

use crate::record::{Head, Value, Values, Verdict};
use crate::rules::model::{Silent, SuccessTest};
use crate::rules::plan::RowPlan;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It returned (with or without success).
    Ok,
    /// It returned `Err`.
    Error,
    /// It panicked.
    Panic,
    /// Its future was dropped before it finished.
    Cancelled,
    /// It reported nothing, and may have returned or been dropped.
    Unknown,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// The `result` of a span without one of its own.
    pub(crate) fn result(self) -> &'static str {
        match self {
            Self::Error | Self::Panic => "error",
            Self::Cancelled => "cancelled",
            Self::Ok | Self::Unknown => "unknown",
        }
    }
}

/// The values of a row about the end of the call.
#[derive(Debug)]
pub(crate) struct Judgement<'a> {
    pub(crate) outcome: Outcome,
    /// `None` only when the outcome is unknown.
    pub(crate) success: Option<bool>,
    pub(crate) reason: Option<Value<'a>>,
    /// The reason is that of the rule's `exception`, not the call's own.
    pub(crate) is_exception: bool,
    /// The text of the error or panic.
    pub(crate) error: Option<&'a str>,
    /// The span's own `result`, or one by the outcome.
    pub(crate) result: Value<'a>,
}

/// The fields that a call is judged by. If the rule reads several fields as the same value, the first one counts.
#[derive(Debug, Default)]
pub(crate) struct Given<'a> {
    pub(crate) success: Option<Value<'a>>,
    pub(crate) reason: Option<Value<'a>>,
    pub(crate) result: Option<Value<'a>>,
    /// The field `error`, with its key where the row has the text of an error or panic.
    pub(crate) error: Option<(&'a str, Value<'a>)>,
}

impl<'a> Judgement<'a> {
    pub(crate) fn of(head: &'a Head, values: Values<'a>, row: &'a RowPlan, given: &Given<'a>) -> Self {
        let recorded = match recorded_success(head, values, row, given.success) {
            Recorded::Nothing if given.result.is_some() => Recorded::Success(true),
            recorded => recorded,
        };
        let (outcome, success) = outcome(head, recorded);
        let is_exception = matches!(outcome, Outcome::Error | Outcome::Panic | Outcome::Cancelled);
        let reason = match &row.rule.exception {
            _ if success == Some(true) => None,
            Some(exception) if is_exception => Some(Value::Text(exception)),
            _ => given.reason,
        };
        let error = match outcome {
            Outcome::Error => Some(head.message().unwrap_or_default()),
            Outcome::Panic => Some(head.message().unwrap_or("panicked")),
            _ => None,
        };
        let is_exception = is_exception && row.rule.exception.is_some();
        // A job that fails after it has recorded its result did not end with that result.
        let stands = !matches!(outcome, Outcome::Panic | Outcome::Error);
        let result = given.result.filter(|_| stands).unwrap_or(Value::Text(outcome.result()));
        Self { outcome, success, reason, is_exception, error, result }
    }
}

/// The success that the call has recorded.
#[derive(Clone, Copy)]
enum Recorded {
    Success(bool),
    /// A value that is neither true nor false.
    Unclear,
    Nothing,
}

/// In this order: a panic, a returned error, the recorded success, a returned value, silence.
fn outcome(head: &Head, recorded: Recorded) -> (Outcome, Option<bool>) {
    match (recorded, head.verdict) {
        _ if head.panicked => (Outcome::Panic, Some(false)),
        (_, Some(Verdict::Failed)) => (Outcome::Error, Some(false)),
        // The callsite reports what it returns, and this call did not: it never returned.
        (Recorded::Success(_), None) if head.plan.reports() => (Outcome::Cancelled, Some(false)),
        (Recorded::Success(success), _) => (Outcome::Ok, Some(success)),
        (Recorded::Nothing, Some(Verdict::Returned)) => (Outcome::Ok, Some(true)),
        (Recorded::Unclear, _) => (Outcome::Unknown, None),
        (Recorded::Nothing, None) => match head.plan.silence() {
            Silent::Ok => (Outcome::Ok, Some(true)),
            Silent::Cancelled => (Outcome::Cancelled, Some(false)),
            Silent::Unknown => (Outcome::Unknown, None),
        },
    }
}

fn recorded_success(head: &Head, values: Values<'_>, row: &RowPlan, success: Option<Value<'_>>) -> Recorded {
    let rule = &row.rule.success;
    let compared = || values.get(head.plan.meta.fields().field(&rule.field)?.index());
    let number = |holds: &dyn Fn(f64) -> bool| {
        compared().map_or(Recorded::Nothing, |value| {
            value.number().map(holds).map_or(Recorded::Unclear, Recorded::Success)
        })
    };
    match &rule.test {
        SuccessTest::Bool => match success {
            Some(Value::Bool(value)) => Recorded::Success(value),
            Some(Value::Text("true")) => Recorded::Success(true),
            Some(Value::Text("false")) => Recorded::Success(false),
            Some(_) => Recorded::Unclear,
            None => Recorded::Nothing,
        },
        SuccessTest::ReturnMatches(_) => head.matched.map_or(Recorded::Nothing, Recorded::Success),
        SuccessTest::Below(limit) => number(&|value| value < *limit),
        SuccessTest::AtMost(limit) => number(&|value| value <= *limit),
        SuccessTest::Above(limit) => number(&|value| value > *limit),
        SuccessTest::AtLeast(limit) => number(&|value| value >= *limit),
        SuccessTest::Equals(wanted) => {
            compared().map_or(Recorded::Nothing, |value| Recorded::Success(equals(value, wanted)))
        }
    }
}

fn equals(value: Value<'_>, wanted: &serde_json::Value) -> bool {
    match (value, wanted) {
        (Value::Bool(value), serde_json::Value::Bool(wanted)) => value == *wanted,
        (Value::Text(value), serde_json::Value::String(wanted)) => value == wanted,
        (value, serde_json::Value::Number(wanted)) => value.number() == wanted.as_f64(),
        _ => false,
    }
}
