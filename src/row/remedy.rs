//! Notices about a callsite whose rows lack something, each once, with the remedy.

use std::fmt;

use tracing::Metadata;

use crate::notice::{self, NoticeKind};
use crate::record::{Head, Value};
use crate::rules::model::Silent;
use crate::rules::plan::{RowNotice, RowPlan};

/// A column whose value comes from a field, with the remedy for a value that it cannot have.
#[derive(Clone, Copy)]
pub(super) enum NamedColumn {
    EventType,
    Source,
    Severity,
}

/// Notes a call without an outcome. If its success has a value of another kind, prints one notice for each callsite instead.
pub(super) fn notice_unknown(head: &Head, row: &RowPlan, success: Option<Value<'_>>) {
    let Some(value) = success else {
        // A rule that asks for this needs no remedy.
        if row.rule.silent != Some(Silent::Unknown) {
            head.plan.note_unknown();
        }
        return;
    };
    if head.plan.is_first(RowNotice::Success) {
        let (place, value) = (SourcePlace(head.plan.meta), ShownValue(value));
        let (name, wanted) = row.success_field(head.plan.meta);
        notice::say(
            NoticeKind::Outcome,
            format_args!(
                "the outcome of {place} is unknown: {name} = {value}, which is no {wanted}: record one"
            ),
        );
    }
}

/// Prints one notice for each callsite and column whose field has an unusable value, or no value in any call so far.
pub(super) fn notice_name(head: &Head, field: usize, value: Option<Value<'_>>, named: NamedColumn) {
    // `ledger.event = true` asks for a row by the name of the callsite.
    let is_asked = matches!((named, value), (NamedColumn::EventType, Some(Value::Bool(true))));
    let is_late = value.is_none() && !head.plan.never_records(field);
    if is_asked || is_late || !head.plan.is_first(named.notice()) {
        return;
    }
    let meta = head.plan.meta;
    let name = meta.fields().iter().nth(field).map(|field| field.name()).unwrap_or_default();
    let (place, remedy) = (SourcePlace(meta), named.remedy(name));
    match value {
        Some(value) => notice::say(
            NoticeKind::Setup,
            format_args!("{place} has {name} = {}, which is no {named}: {remedy}", ShownValue(value)),
        ),
        None => notice::say(
            NoticeKind::Setup,
            format_args!("{place} declares {name}, and no call has recorded a value: {remedy}"),
        ),
    }
}

impl NamedColumn {
    fn notice(self) -> RowNotice {
        match self {
            Self::EventType => RowNotice::EventType,
            Self::Source => RowNotice::Source,
            Self::Severity => RowNotice::Severity,
        }
    }

    fn remedy(self, name: &str) -> String {
        match self {
            Self::EventType => {
                format!(
                    "write a text, such as {name} = \"orders.create\", or false where there is to be no row"
                )
            }
            Self::Source => format!("write a text, such as {name} = \"orders\""),
            Self::Severity => "write \"info\", \"warning\", \"error\" or \"critical\"".to_owned(),
        }
    }
}

impl fmt::Display for NamedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventType => "event type",
            Self::Source => "source",
            Self::Severity => "severity",
        })
    }
}

/// Such as `"create_order" (src/http.rs:46)`.
struct SourcePlace(&'static Metadata<'static>);

impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (self.0.file().unwrap_or("?"), self.0.line().unwrap_or_default());
        write!(f, "{:?} ({file}:{line})", self.0.name())
    }
}

/// A value as the source has it.
struct ShownValue<'a>(Value<'a>);

impl fmt::Display for ShownValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(value) => write!(f, "{value}"),
            Value::I64(value) => write!(f, "{value}"),
            Value::U64(value) => write!(f, "{value}"),
            Value::F64(value) => write!(f, "{value}"),
            Value::Digits(digits) => f.write_str(digits),
            // Enough to find it in the source.
            Value::Text(text) => write!(f, "{:?}", &text[..text.floor_char_boundary(40)]),
        }
    }
}
