//! What a rule says, parsed and checked. The TOML front ([`super::toml`]) and the typed one
//! ([`super::builder`]) both end here.

use std::sync::Arc;

use crate::Severity;

/// The most names that the rules of one set inherit together: the layer keeps a bit for each.
pub(crate) const MAX_INHERITED: usize = 64;
/// The most bytes of `source`, `event_type` and a key that is a field's name: an index of Postgres takes 2704, and a
/// NUL becomes three.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// One rule: which spans or tracing events it names, and what row they become.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) matches: Match,
    /// `event_type`; `None` takes the name of the span or tracing event.
    pub(crate) event_type: Option<Arc<str>>,
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
    /// Names of fields, declared or inherited, whose values stay on the calling thread.
    pub(crate) redact: Vec<(Pattern, Redact)>,
    pub(crate) silent: Option<Silent>,
    pub(crate) reason_codes: Arc<ReasonCodes>,
}

/// Which callsites a rule names. Every condition given must hold.
#[derive(Clone, Debug, PartialEq)]
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
    Event,
}

/// A name, or a glob with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) String);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SeverityRule {
    /// Spans: `warning` when the outcome is error, panic or cancelled, else `info`.
    /// Tracing events: by their level.
    Natural,
    Constant(Severity),
    /// The text of a field, through the map, else taken as one of the four words, else as `Natural`.
    Field {
        field: String,
        map: Vec<(String, Severity)>,
    },
}

/// Key names of the measured values; `None` leaves the value out.
#[derive(Clone, Debug, Default, PartialEq)]
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
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Debug, PartialEq)]
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
///
/// A function instrumented with `err` alone is silent when all is well, one with a `success` field is silent
/// when its future was dropped. Without a rule's word the layer tells these apart by what the callsite declares
/// and has reported so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Silent {
    /// It did what it should.
    Ok,
    /// Its future was dropped before it finished.
    Cancelled,
    /// Nobody can tell: success is null.
    Unknown,
}

/// What becomes of a value that is to stay on the thread that recorded it.
///
/// Of two that apply to one value, the later here wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Redact {
    /// The row has a digest in its place: SHA-256 of the value's text in UTF-8, as 64 lowercase hex digits, with
    /// neither key nor salt. The text of a bool is `true` or `false`, that of a number its decimal digits.
    ///
    /// Equal values have equal digests in every row, process and service: that is what they are for. It also
    /// means that whoever can list the possible values (phone numbers, small integers, known addresses) can tell
    /// which one it was. What must not be found out is dropped.
    Hash,
    /// The row is as if the value had never been given.
    Drop,
}

/// Words found in a reason or an error, by category, in order of precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReasonCodes(pub(crate) Vec<(String, Vec<String>)>);

impl Rule {
    /// What becomes of the values of this field.
    pub(crate) fn redacts(&self, field: &str) -> Option<Redact> {
        self.redact.iter().filter(|(name, _)| name.matches(field)).map(|(_, redact)| *redact).max()
    }

    /// What becomes of the text of an error or panic: `error` names it, and so does the key it is written under.
    pub(crate) fn redacts_error(&self) -> Option<Redact> {
        let key = self.keys.error.as_deref()?;
        self.redacts("error").max(self.redacts(key))
    }
}

impl Pattern {
    /// Whether the whole of `name` is this name, or fits this glob.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut left) = name.strip_prefix(head) else {
            return false;
        };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The leftmost place of each part leaves the most room for the next ones: no need to look back.
        for part in middle.split('*') {
            let Some(at) = left.find(part) else {
                return false;
            };
            left = &left[at + part.len()..];
        }
        left.ends_with(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_glob_fits_whole_names() {
        let fits = |pattern: &str, name| Pattern(pattern.to_owned()).matches(name);
        for (pattern, name) in [
            ("request", "request"),
            ("*", ""),
            ("*", "anything"),
            ("auto_assign.*", "auto_assign."),
            ("auto_assign.*", "auto_assign.started"),
            ("*.quote", "auto_assign.quote"),
            ("a*c", "ac"),
            ("a*b*c", "a-b-b-c"),
            ("*ab*ab*", "xabab"),
            ("a**b", "ab"),
            ("größe*", "größe.neu"),
        ] {
            assert!(fits(pattern, name), "{pattern} should fit {name}");
        }
        for (pattern, name) in [
            ("request", "requests"),
            ("auto_assign.*", "inline_auto_assign.started"),
            ("*.quote", "auto_assign.quotes"),
            ("a*ab", "ab"),
            ("a*b*a", "aba-"),
            ("*ab*ab*", "xab"),
            ("A*", "abc"),
        ] {
            assert!(!fits(pattern, name), "{pattern} should not fit {name}");
        }
    }
}
