//! Notices about a callsite whose rows lack something, each once, with the remedy.

use std::fmt;

use tracing::Metadata;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};

use crate::notice::{self, NoticeKind};
use crate::record::{Head, Value};
use crate::rules::model::{Silent, Success};
use crate::rules::plan::{RowPlan, Told};

/// A column that a field gives, with the remedy where its value is none of that column.
#[derive(Clone, Copy)]
pub(super) enum Named {
    EventType,
    Source,
    Severity,
}

/// Prints one notice for each callsite whose calls report no outcome.
pub(super) fn notice_unknown(head: &Head, row: &RowPlan) {
    // A function that proves itself needs no remedy, and neither does a rule that asks for this.
    let is_wanted = row.rule.silent == Some(Silent::Unknown);
    if is_wanted || head.plan.is_learning() || !head.plan.is_first(Told::Unknown) {
        return;
    }
    let (place, remedy) = (Place(head.plan.meta), remedy(head, row));
    notice::say(NoticeKind::Outcome, format_args!("the outcome of {place} is unknown: {remedy}"));
}

/// What makes the outcome known.
fn remedy(head: &Head, row: &RowPlan) -> String {
    let meta = head.plan.meta;
    let Success { field, .. } = &row.rule.success;
    if head.plan.is_return_hidden(head.ended) {
        let target = meta.target();
        return format!(
            "another filter hides the event that its `ret` emits: let the events of {target:?} pass at that level, or \
             attach the filter to the layer that it is meant for"
        );
    }
    if row.rule.success.is_compared() && row.slot_of(field, meta).is_none() {
        return format!(
            "its rule reads the success from {field:?}, which the span does not declare: declare it, or \"take\" it from \
             an event"
        );
    }
    let result = if row.rule.keys.result.is_some() { "result" } else { "success as a bool" };
    format!("{}; or record the field {result}", report())
}

/// How a function reports what it returns, by an event that neither the compiler nor a filter takes away.
fn report() -> String {
    // The compiler has removed the event of a more verbose `ret`, so nothing would come of it.
    let compiled = STATIC_MAX_LEVEL.min(LevelFilter::TRACE);
    // Once the subscriber is gone, nothing passes, which tells nothing about its filters.
    let passing = compiled.min(LevelFilter::current());
    if passing < compiled && passing > LevelFilter::OFF {
        return format!(
            "a filter for the whole program (or the ledger's max_level) lets nothing more verbose than {passing} through, and \
             hides the event of `ret(level = \"{compiled}\")`: attach the filter to the layer that it is meant for, or write \
             `ret(level = \"{passing}\")` in its #[instrument], and `err` if it returns a Result"
        );
    }
    let why = if compiled < LevelFilter::TRACE {
        format!(
            "; this program was compiled without events more verbose than {compiled} (a feature such as \
             release_max_level_info of tracing)"
        )
    } else {
        "; if it is there, a filter hides its event, and belongs to another layer".to_owned()
    };
    format!("write `ret(level = \"{compiled}\")` in its #[instrument], and `err` if it returns a Result{why}")
}

/// Prints one notice for each callsite and column that a field should give and does not: with a value that is none, or
/// without one in all calls so far.
pub(super) fn notice_name(head: &Head, field: usize, value: Option<Value<'_>>, named: Named) {
    // `ledger.event = true` asks for a row by the name of the callsite.
    let is_asked = matches!((named, value), (Named::EventType, Some(Value::Bool(true))));
    let is_late = value.is_none() && !head.plan.never_records(field);
    if is_asked || is_late || !head.plan.is_first(named.told()) {
        return;
    }
    let meta = head.plan.meta;
    let name = meta.fields().iter().nth(field).map(|field| field.name()).unwrap_or_default();
    let (place, remedy) = (Place(meta), named.remedy(name));
    match value {
        Some(value) => notice::say(
            NoticeKind::Setup,
            format_args!("{place} has {name} = {}, which is no {named}: {remedy}", Shown(value)),
        ),
        None => notice::say(
            NoticeKind::Setup,
            format_args!("{place} declares {name}, and no call has recorded a value: {remedy}"),
        ),
    }
}

impl Named {
    fn told(self) -> Told {
        match self {
            Self::EventType => Told::EventType,
            Self::Source => Told::Source,
            Self::Severity => Told::Severity,
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

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventType => "event type",
            Self::Source => "source",
            Self::Severity => "severity",
        })
    }
}

/// Such as `"create_order" (src/http.rs:46)`.
struct Place(&'static Metadata<'static>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = (self.0.file().unwrap_or("?"), self.0.line().unwrap_or_default());
        write!(f, "{:?} ({file}:{line})", self.0.name())
    }
}

/// A value as the source has it.
struct Shown<'a>(Value<'a>);

impl fmt::Display for Shown<'_> {
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
