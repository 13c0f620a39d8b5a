//! How a call ended, judged from what was heard of it.

use crate::record::{Head, Value, Values, Verdict};
use crate::rules::model::{Silent, SuccessTest};
use crate::rules::plan::{Row, Slot};

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
    /// It ended without a word, and may have returned or been dropped.
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

    /// The `result` of a span that gave none itself.
    pub(crate) fn result(self) -> &'static str {
        match self {
            Self::Error | Self::Panic => "error",
            Self::Cancelled => "cancelled",
            Self::Ok | Self::Unknown => "unknown",
        }
    }
}

/// Everything a row says of how the call ended.
#[derive(Debug)]
pub(crate) struct Judgement<'a> {
    pub(crate) outcome: Outcome,
    /// `None` only when the outcome is unknown.
    pub(crate) success: Option<bool>,
    pub(crate) reason: Option<Value<'a>>,
    /// It failed by exception: the reason is the rule's word for that, not the call's own.
    pub(crate) is_exception: bool,
    /// The message of the error or panic.
    pub(crate) error: Option<&'a str>,
    /// The span's own `result`.
    pub(crate) result: Option<Value<'a>>,
}

impl<'a> Judgement<'a> {
    pub(crate) fn of(head: &'a Head, values: Values<'a>, row: &'a Row) -> Self {
        let own = |wanted: &Slot| {
            let mut given = values.own().filter(|(slot, _)| row.fields.get(*slot) == Some(wanted));
            given.next().map(|(_, value)| value)
        };
        let result = own(&Slot::Result);
        let (outcome, success) =
            outcome(head, told(head, values, row, own(&Slot::Success)), result.is_some());
        let is_exception = matches!(outcome, Outcome::Error | Outcome::Panic | Outcome::Cancelled);
        let reason = match &row.rule.exception {
            _ if success == Some(true) => None,
            Some(exception) if is_exception => Some(Value::Text(exception)),
            _ => own(&Slot::Reason),
        };
        let error = match outcome {
            Outcome::Error => Some(head.message().unwrap_or_default()),
            Outcome::Panic => Some(head.message().unwrap_or("panicked")),
            _ => None,
        };
        let is_exception = is_exception && row.rule.exception.is_some();
        Self { outcome, success, reason, is_exception, error, result }
    }
}

/// In this order: a panic, the call's own word, the `err` / `ret` event, silence.
fn outcome(head: &Head, told: Option<bool>, has_result: bool) -> (Outcome, Option<bool>) {
    if head.panicked {
        return (Outcome::Panic, Some(false));
    }
    match (told, head.verdict) {
        (Some(true), _) => (Outcome::Ok, Some(true)),
        (Some(false) | None, Some(Verdict::Failed)) => (Outcome::Error, Some(false)),
        (Some(false), _) => (Outcome::Ok, Some(false)),
        (None, Some(Verdict::Returned)) => (Outcome::Ok, Some(true)),
        (None, None) if has_result => (Outcome::Ok, Some(true)),
        (None, None) => match head.plan.silence() {
            Silent::Ok => (Outcome::Ok, Some(true)),
            Silent::Cancelled => (Outcome::Cancelled, Some(false)),
            Silent::Unknown => (Outcome::Unknown, None),
        },
    }
}

/// What the call itself said of its success.
fn told(head: &Head, values: Values<'_>, row: &Row, success: Option<Value<'_>>) -> Option<bool> {
    let rule = &row.rule.success;
    let compared = || {
        let field = head.plan.meta.fields().field(&rule.field)?;
        values.get(field.index())
    };
    match &rule.test {
        SuccessTest::Bool => match success? {
            Value::Bool(value) => Some(value),
            Value::Text("true") => Some(true),
            Value::Text("false") => Some(false),
            _ => None,
        },
        SuccessTest::ReturnMatches(_) => head.matched,
        SuccessTest::Below(limit) => Some(compared()?.number()? < *limit),
        SuccessTest::AtMost(limit) => Some(compared()?.number()? <= *limit),
        SuccessTest::Above(limit) => Some(compared()?.number()? > *limit),
        SuccessTest::AtLeast(limit) => Some(compared()?.number()? >= *limit),
        SuccessTest::Equals(wanted) => Some(equals(compared()?, wanted)),
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
