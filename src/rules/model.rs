//! What a rule says, parsed and checked. The TOML front ([`super::toml`]) and the typed one
//! ([`super::builder`]) both end here.

use std::sync::Arc;

use crate::Severity;

/// One rule: which spans or tracing events it names, and what row they become.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) matches: Match,
    /// `event_type`; `None` takes the name of the span or tracing event.
    pub(crate) event: Option<Arc<str>>,
    /// `source`; `None` takes the callsite's target.
    pub(crate) source: Option<Arc<str>>,
    pub(crate) severity: SeverityRule,
    pub(crate) keys: Keys,
    pub(crate) success: Success,
    /// Input field of the reason (`reason`, or what the rule says).
    pub(crate) reason_field: String,
    /// Reason of a call that failed by exception (`quote.exception`).
    pub(crate) exception: Option<String>,
    /// Field name → key in context.
    pub(crate) rename: Vec<(String, String)>,
    /// Constant fields; a field of the span with the same key wins.
    pub(crate) set: Vec<(String, serde_json::Value)>,
    pub(crate) nest: Vec<Nest>,
    /// Field names taken from the nearest enclosing span that has them.
    pub(crate) inherit: Vec<String>,
    /// Names of spans that no rule names but whose fields may be inherited (`*` for all).
    pub(crate) inherit_from: Vec<Pattern>,
    /// Enclosing event type → key: the call's 0-based number within that span.
    pub(crate) number_within: Option<(Arc<str>, String)>,
    pub(crate) collect: Vec<Collect>,
    /// Keys that are null, not absent, when nobody gave a value.
    pub(crate) or_null: Vec<String>,
    pub(crate) silent: Option<Silent>,
    pub(crate) reason_codes: Arc<ReasonCodes>,
}

/// Which callsites a rule names. Every condition given must hold.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) kind: MatchKind,
    /// Any of these names.
    pub(crate) names: Vec<Pattern>,
    /// The callsite's target, or a module path above it.
    pub(crate) target: Option<Pattern>,
    /// This level or a more severe one.
    pub(crate) level: Option<tracing::Level>,
    /// Fields the callsite must declare.
    pub(crate) fields: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatchKind {
    /// A span: one row when it ends.
    Span,
    /// A tracing event: one row when it happens.
    Point,
}

/// A name, or a glob with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) String);

#[derive(Clone, Debug)]
pub(crate) enum SeverityRule {
    /// Spans: `warning` when the outcome is error, panic or cancelled, else `info`.
    /// Tracing events: by their level.
    Natural,
    Constant(Severity),
    /// The text of a field, through the map, else taken as one of the four words, else as `Natural`.
    Field { field: String, map: Vec<(String, Severity)> },
}

/// Key names of the measured values; `None` leaves the value out.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) duration: Option<String>,
    pub(crate) success: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) reason_code: Option<String>,
    pub(crate) reason_category: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) error: Option<String>,
    /// The span's `result` field, or `error` / `cancelled` / `unknown` by the outcome.
    pub(crate) result: Option<String>,
}

/// Where success is read.
#[derive(Clone, Debug)]
pub(crate) struct Success {
    /// Input field (`success`, or what the rule says).
    pub(crate) field: String,
    pub(crate) test: SuccessTest,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SuccessTest {
    /// The field is a bool (or the text `true` / `false`).
    Bool,
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    /// Equal to this bool, number or string.
    Equals(serde_json::Value),
    /// The text of the returned value (`#[instrument(ret)]`) contains this.
    ReturnMatches(String),
}

/// Fields `prefix.name` gathered into one object.
#[derive(Clone, Debug)]
pub(crate) struct Nest {
    /// Field prefix without the dot.
    pub(crate) prefix: String,
    /// Key of the object.
    pub(crate) key: String,
    /// Field name after the prefix → key within; listed ones are null when absent, others keep their name.
    pub(crate) keys: Vec<(String, String)>,
}

/// A figure gathered from the rows that end within this span.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Collect {
    pub(crate) key: String,
    pub(crate) figure: Figure,
    /// Event type of the rows that count.
    pub(crate) of: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// How many ended.
    Count,
    /// Their time in sum, in milliseconds.
    Total,
}

/// What silence means: a span that ended without a word on its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silent {
    Ok,
    Cancelled,
    Unknown,
}

/// Words found in a reason or an error, by category, in order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReasonCodes(pub(crate) Vec<(String, Vec<String>)>);
