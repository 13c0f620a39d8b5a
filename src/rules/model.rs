//! The model of a rule, which both languages, [TOML](super::toml) and [Rust](super::builder), fill.

#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::reason::ReasonCodes;
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
use crate::outcome::Outcome;
use crate::severity::Severity;

/// The most names that the rules of one set inherit together: the layer keeps one bit for each.
pub(crate) const MAX_INHERITED: usize = 64;
/// The most bytes of `source`, `event_type` and a key that is a field's name. A Postgres index takes 2704 bytes, and a
/// NUL becomes three of them.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// The fields by which a span or event says which row it becomes. They are not in its context.
pub(crate) const ANNOTATIONS: [&str; 3] = ["ledger.event", "ledger.source", "ledger.severity"];

/// The keys of the ids that join rows.
pub(crate) const ID_KEYS: [&str; 3] = ["trace_id", "span_id", "parent_span_id"];

/// One rule: which spans or events it names, and what row they become.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RuleSpec {
    /// The crate that `Builder::instrumented` was given, for the rules that it makes.
    pub(crate) of_crate: Option<Arc<str>>,
    pub(crate) matches: Match,
    /// `event_type`; `None` takes the name of the span or event.
    pub(crate) event_type: Option<Arc<str>>,
    /// The field that names the event type; `false` in it leaves the row out.
    pub(crate) event_type_field: Option<String>,
    /// `source`; `None` takes the callsite's target.
    pub(crate) source: Option<Arc<str>>,
    /// The field that names the source.
    pub(crate) source_field: Option<String>,
    pub(crate) severity: SeverityRule,
    pub(crate) keys: Keys,
    pub(crate) success: Success,
    /// The field that holds the reason.
    pub(crate) reason_field: String,
    /// The reason of a call that returned `Err`, panicked or was cancelled (`quote.exception`).
    pub(crate) exception: Option<String>,
    /// Field name → key in context.
    pub(crate) rename: Vec<(String, String)>,
    /// Constants; a field of the span with the same key wins.
    pub(crate) set: Vec<(String, serde_json::Value)>,
    pub(crate) nest: Vec<Nest>,
    /// Fields of events within the span that its row has.
    pub(crate) takes: Vec<Take>,
    /// Fields that are times: written as milliseconds under these keys.
    pub(crate) times: Vec<(String, String)>,
    /// The field with the time of an event, and the unit of a bare number in it.
    pub(crate) duration_field: Option<(String, Duration)>,
    /// Field names taken from the nearest enclosing span that has them.
    pub(crate) inherit: Vec<String>,
    /// Spans without a rule whose fields may be inherited.
    pub(crate) inherit_from: Vec<Pattern>,
    /// Event type of an enclosing span → key of the call's number within that span, from 0.
    pub(crate) number_within: Option<(Arc<str>, String)>,
    pub(crate) collect: Vec<Collect>,
    /// Keys that are null instead of absent when there is no value.
    pub(crate) or_null: Vec<String>,
    /// Keys by which a report groups the rows.
    pub(crate) report_by: Vec<String>,
    /// Fields, declared or inherited, whose values do not leave the calling thread.
    pub(crate) redact: Vec<(Pattern, Redact)>,
    pub(crate) silent: Option<Silent>,
    /// Rows have the ids that join them.
    pub(crate) ids: bool,
    pub(crate) reason_codes: Arc<ReasonCodes>,
}

/// Which callsites a rule names. Every condition must hold.
#[derive(Clone, Debug, Default, PartialEq)]
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MatchKind {
    /// A span: one row when it ends.
    #[default]
    Span,
    /// An event: one row when it happens.
    Event,
}

impl MatchKind {
    /// The setting that a rule of this kind begins with.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Span => "span",
            Self::Event => "event",
        }
    }
}

/// A name, in which `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) String);

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum SeverityRule {
    /// Spans: `warning` when they did not succeed, else `info`. Events: by their level.
    #[default]
    Natural,
    /// As [`Natural`](Self::Natural), but a call that returned is `info` whatever its success.
    Outcome,
    Constant(Severity),
    /// The value of a field: looked up in the map, else read as one of the four words, else as for `Natural`.
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

/// How success is judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Success {
    /// The field that holds it.
    pub(crate) field: String,
    pub(crate) test: SuccessTest,
}

impl Default for Success {
    fn default() -> Self {
        Self { field: "success".to_owned(), test: SuccessTest::Bool }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SuccessTest {
    /// The field is a bool, or the text `true` or `false`.
    Bool,
    /// The field is a number within these bounds.
    Within((Bound<f64>, Bound<f64>)),
    /// Equal to this bool, number or string.
    Equals(serde_json::Value),
    /// The text of the returned value (`#[instrument(ret)]`) contains this.
    ReturnMatches(String),
}

impl Success {
    /// Success is a comparison of a field.
    pub(crate) fn is_compared(&self) -> bool {
        !matches!(self.test, SuccessTest::Bool | SuccessTest::ReturnMatches(_))
    }
}

/// Such as `status below 500`.
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
impl fmt::Display for Success {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.test {
            SuccessTest::Bool => write!(f, "{field}"),
            SuccessTest::Equals(value) => write!(f, "{field} = {value}"),
            SuccessTest::ReturnMatches(text) => write!(f, "a returned {text:?}"),
            SuccessTest::Within((least, most)) => {
                write!(f, "{field}")?;
                match least {
                    Bound::Included(least) => write!(f, " at least {least}")?,
                    Bound::Excluded(least) => write!(f, " above {least}")?,
                    Bound::Unbounded => {}
                }
                match most {
                    Bound::Included(most) => write!(f, " at most {most}"),
                    Bound::Excluded(most) => write!(f, " below {most}"),
                    Bound::Unbounded => Ok(()),
                }
            }
        }
    }
}

/// Fields `prefix.name` gathered into one object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nest {
    /// Field prefix without the dot.
    pub(crate) prefix: String,
    /// Key of the object.
    pub(crate) key: String,
    /// Name after the prefix → key in the object, null when absent. Other names stay as they are.
    pub(crate) keys: Vec<(String, String)>,
}

/// Fields of events within a span.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Take {
    pub(crate) from: TakeFrom,
    pub(crate) fields: Vec<String>,
}

/// Which events a rule takes fields from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TakeFrom {
    /// Those of this name.
    Event(Pattern),
    /// Those of this target, or of a module below it.
    Target(Pattern),
}

/// A figure about the spans that end within this span.
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
    /// The sum of their times, in milliseconds.
    Total,
}

/// The outcome of a span that ends without reporting one.
///
/// A function instrumented with `err` alone reports nothing on success. A function with a `success` field reports
/// nothing when its future is dropped. Unless the rule decides, the layer judges by the fields that the callsite
/// declares, by its earlier reports, and by the way its spans are entered and closed. To know the outcome of an async
/// function, write `#[instrument(err, ret(level = "trace"))]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Silent {
    /// It succeeded. This books every future that is dropped as a success, also those that time out.
    Ok,
    /// Its future was dropped before it finished.
    Cancelled,
    /// Unknown: success is null.
    Unknown,
}

#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
impl Silent {
    /// The outcome of a call that reports nothing.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::Ok,
            Self::Cancelled => Outcome::Cancelled,
            Self::Unknown => Outcome::Unknown,
        }
    }
}

/// How a value is kept out of the rows.
///
/// If two of them apply to one value, [`Drop`](Self::Drop) wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Redact {
    /// The row has the text up to the first `?`, so that a URI has no query; an absolute URI also loses its user and
    /// password.
    Query,
    /// The row has a digest instead: the SHA-256 of the value's text in UTF-8, as 64 lowercase hex digits, without
    /// key or salt. The text of a bool is `true` or `false`, that of a number its decimal digits.
    ///
    /// Equal values have equal digests in every row, process and service, so rows can be counted and joined by them.
    /// For the same reason, anyone who can list the possible values (phone numbers, small integers, known addresses)
    /// can find out which one it was. Drop a value that must stay secret.
    Hash,
    /// The row has no such value.
    Drop,
}

impl RuleSpec {
    /// The fields that it takes from events, each once.
    pub(crate) fn taken(&self) -> impl Iterator<Item = &str> {
        let all = || self.takes.iter().flat_map(|take| &take.fields).map(String::as_str);
        all()
            .enumerate()
            .filter(move |(at, name)| !all().take(*at).any(|other| other == *name))
            .map(|(_, name)| name)
    }

    /// How the values of this field are redacted.
    pub(crate) fn redacts(&self, field: &str) -> Option<Redact> {
        self.redact.iter().filter(|(name, _)| name.matches(field)).map(|(_, redact)| *redact).max()
    }

    /// How the text of an error or panic is redacted. It is called `error`, or by its key.
    pub(crate) fn redacts_error(&self) -> Option<Redact> {
        let key = self.keys.error.as_deref()?;
        self.redacts("error").max(self.redacts(key))
    }
}

impl Pattern {
    /// Whether only one name fits.
    #[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
    pub(crate) fn is_name(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a name may fit both patterns. The text between the first and the last `*` is not compared.
    #[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
    pub(crate) fn may_overlap(&self, other: &Self) -> bool {
        let ends = |pattern: &Self| {
            let (head, rest) = pattern.0.split_once('*')?;
            Some((head.to_owned(), rest.rsplit_once('*').map_or(rest, |(_, tail)| tail).to_owned()))
        };
        let both = ends(self).zip(ends(other));
        both.is_some_and(|((head, tail), (other_head, other_tail))| {
            (head.starts_with(&other_head) || other_head.starts_with(&head))
                && (tail.ends_with(&other_tail) || other_tail.ends_with(&tail))
        })
    }

    /// Whether the whole of `name` fits.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut left) = name.strip_prefix(head) else {
            return false;
        };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The leftmost place of each part leaves the most room for the next parts, so there is no need to backtrack.
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
