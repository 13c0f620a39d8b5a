//! Rules written in Rust.
//!
//! Setters note what was said, and complaints about it; whether the whole makes sense is
//! [checked](super::check) once a set is made of the rules. The TOML front drives the same setters, so both
//! languages mean the same and refuse the same.

use std::sync::Arc;

use serde_json::Value;

use super::check::Fault;
use super::model::{
    self, Collect, Figure, Keys, Match, MatchKind, Nest, Pattern, ReasonCodes, Redact, SeverityRule, Silent,
    Success, SuccessTest,
};
use crate::Severity;

/// Which spans or tracing events become rows, and what is in them.
///
/// Starts as [`Rule::span`] or [`Rule::event`] and is put to use by
/// [`Rules::from_rules`](crate::Rules::from_rules), which is also where mistakes are told. A setter called
/// again replaces what it said before; those that take a field or a list add to it.
///
/// ```
/// use tracing_ledger::{Rule, Rules};
///
/// let request = Rule::span("request")
///     .event_type("http.request")
///     .source("api")
///     .rename("http.status", "status")
///     .set("region", "eu")
///     .success_below("http.status", 500.0)
///     .inherit(["tenant"]);
/// let rules = Rules::from_rules([request])?;
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until `Rules::from_rules` is given it"]
pub struct Rule {
    pub(super) rule: model::Rule,
    /// Every setting made, for the place of a mistake.
    pub(super) given: Vec<Given>,
    pub(super) faults: Vec<Fault>,
    /// The line that is being read, when the rule comes from a file.
    line: Option<usize>,
}

/// A setting that was made.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Its key in the TOML form.
    pub(super) key: &'static str,
    /// The entry of a table such as `rename`, by the name it writes or reads; empty for the key as a whole.
    pub(super) entry: String,
    pub(super) line: Option<usize>,
}

impl Rule {
    /// A rule for spans of this name (`*` stands for any run of characters): one row when such a span ends.
    ///
    /// The row has `duration_ms` (milliseconds), `success` (bool or null), `outcome` (`ok`, `error`, `panic`,
    /// `cancelled` or `unknown`), and `error` (text) when there was one.
    pub fn span(name: impl Into<String>) -> Self {
        let keys = Keys {
            duration: Some("duration_ms".to_owned()),
            success: Some("success".to_owned()),
            outcome: Some("outcome".to_owned()),
            error: Some("error".to_owned()),
            ..Keys::default()
        };
        Self::named("span", MatchKind::Span, keys, name)
    }

    /// A rule for tracing events of this name (`*` stands for any run of characters): one row for each.
    ///
    /// The name is that of the metadata, as given by `tracing::info!(name: "cache.miss", …)`. A tracing event
    /// has no duration and no outcome, so the setters about them are mistakes here.
    pub fn event(name: impl Into<String>) -> Self {
        Self::named("event", MatchKind::Event, Keys::default(), name)
    }

    fn named(key: &'static str, kind: MatchKind, keys: Keys, name: impl Into<String>) -> Self {
        let matches = Match { kind, names: Vec::new(), target: None, level: None, fields: Vec::new() };
        let rule = model::Rule {
            matches,
            event_type: None,
            source: None,
            severity: SeverityRule::Natural,
            keys,
            success: Success { field: "success".to_owned(), test: SuccessTest::Bool },
            reason_field: "reason".to_owned(),
            exception: None,
            rename: Vec::new(),
            set: Vec::new(),
            nest: Vec::new(),
            inherit: Vec::new(),
            inherit_from: Vec::new(),
            number_within: None,
            collect: Vec::new(),
            or_null: Vec::new(),
            redact: Vec::new(),
            silent: None,
            reason_codes: Arc::new(ReasonCodes(Vec::new())),
        };
        let mut this = Self { rule, given: Vec::new(), faults: Vec::new(), line: None };
        let name = this.name(key, name);
        this.rule.matches.names.push(Pattern(name));
        this
    }

    /// Names more spans or tracing events (`*` stands for any run of characters).
    pub fn also(mut self, name: impl Into<String>) -> Self {
        let key = self.kind_key();
        let name = self.name(key, name);
        self.rule.matches.names.push(Pattern(name));
        self
    }

    /// Only callsites of this target, or of a module below it (`*` stands for any run of characters).
    pub fn target(mut self, target: impl Into<String>) -> Self {
        let target = self.name("target", target);
        self.rule.matches.target = Some(Pattern(target));
        self
    }

    /// Only callsites of this level or a more severe one.
    pub fn level(mut self, level: tracing::Level) -> Self {
        self.give("level", "");
        self.rule.matches.level = Some(level);
        self
    }

    /// Only callsites that declare all of these fields.
    pub fn fields(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let fields = self.names("fields", fields);
        self.rule.matches.fields.extend(fields);
        self
    }

    /// The `event_type` of the rows; else the name of the span or tracing event.
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        let event_type = self.name("event_type", event_type);
        self.rule.event_type = Some(event_type.into());
        self
    }

    /// The `source` of the rows; else the target of the callsite.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        let source = self.name("source", source);
        self.rule.source = Some(source.into());
        self
    }

    /// The severity of every row; else spans are `warning` when they failed and `info` when not, and tracing
    /// events go by their level.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.give("severity", "");
        self.rule.severity = SeverityRule::Constant(severity);
        self
    }

    /// Takes the severity from the text of a field: through `map`, else as one of the four words, else as if
    /// nothing were said of it. Case does not matter.
    pub fn severity_field(
        mut self,
        field: impl Into<String>,
        map: impl IntoIterator<Item = (impl Into<String>, Severity)>,
    ) -> Self {
        let field = self.name("severity", field);
        let map = map.into_iter().map(|(word, severity)| (word.into(), severity)).collect();
        self.rule.severity = SeverityRule::Field { field, map };
        self
    }

    /// Key of the time from the start of the span to its last exit, in milliseconds with three decimals
    /// (`duration_ms`); `None` leaves it out.
    pub fn duration<'a>(mut self, key: impl Into<Option<&'a str>>) -> Self {
        self.rule.keys.duration = self.key("duration", key);
        self
    }

    /// Key of the success, a bool or null (`success`); `None` leaves it out.
    ///
    /// Read from the field `success` or the field of this very name, unless another setter says otherwise.
    pub fn success<'a>(mut self, key: impl Into<Option<&'a str>>) -> Self {
        self.rule.keys.success = self.key("success", key);
        self
    }

    /// Reads the success from this field: a bool, or the text `true` or `false`.
    pub fn success_field(self, field: impl Into<String>) -> Self {
        self.success_when(Some(field.into()), SuccessTest::Bool)
    }

    /// The call went well when this field is a number below `limit`.
    pub fn success_below(self, field: impl Into<String>, limit: f64) -> Self {
        self.success_when(Some(field.into()), SuccessTest::Below(limit))
    }

    /// The call went well when this field is `limit` or a number below it.
    pub fn success_at_most(self, field: impl Into<String>, limit: f64) -> Self {
        self.success_when(Some(field.into()), SuccessTest::AtMost(limit))
    }

    /// The call went well when this field is a number above `limit`.
    pub fn success_above(self, field: impl Into<String>, limit: f64) -> Self {
        self.success_when(Some(field.into()), SuccessTest::Above(limit))
    }

    /// The call went well when this field is `limit` or a number above it.
    pub fn success_at_least(self, field: impl Into<String>, limit: f64) -> Self {
        self.success_when(Some(field.into()), SuccessTest::AtLeast(limit))
    }

    /// The call went well when this field equals `value`: a bool, a number or a string.
    pub fn success_equals(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.success_when(Some(field.into()), SuccessTest::Equals(value.into()))
    }

    /// The call went well when what it returned, as `#[instrument(ret)]` prints it, contains this text.
    pub fn return_matches(self, text: impl Into<String>) -> Self {
        self.success_when(None, SuccessTest::ReturnMatches(text.into()))
    }

    fn success_when(mut self, field: Option<String>, test: SuccessTest) -> Self {
        let field = match field {
            Some(field) => self.name("success", field),
            None => {
                self.give("success", "");
                "success".to_owned()
            }
        };
        if let Some(remedy) = unusable(&test) {
            self.complain(format!("\"success\" {remedy}"));
        }
        self.rule.success = Success { field, test };
        self
    }

    /// Key of the reason of a call that did not go well; left out unless this says a key.
    ///
    /// Read from the field `reason` or the field of this very name, unless
    /// [`reason_field`](Self::reason_field) says otherwise. Null on success.
    pub fn reason<'a>(mut self, key: impl Into<Option<&'a str>>) -> Self {
        self.rule.keys.reason = self.key("reason", key);
        self
    }

    /// Reads the reason from this field, and writes it under `reason` unless [`reason`](Self::reason) says
    /// another key.
    pub fn reason_field(mut self, field: impl Into<String>) -> Self {
        self.rule.reason_field = self.name("reason", field);
        self.rule.keys.reason.get_or_insert_with(|| "reason".to_owned());
        self
    }

    /// Key of the code found in the reason or the error, such as `hard.no_capacity`, or `unknown`; absent on
    /// success, and left out unless this says a key.
    pub fn reason_code<'a>(mut self, key: impl Into<Option<&'a str>>) -> Self {
        self.rule.keys.reason_code = self.key("reason_code", key);
        self
    }

    /// Key of the category of that code, such as `hard`, or `unknown`; absent on success, and left out unless
    /// this says a key.
    pub fn reason_category<'a>(mut self, key: impl Into<Option<&'a str>>) -> Self {
        self.rule.keys.reason_category = self.key("reason_category", key);
        self
    }

    /// The reason of a call that failed by exception: it returned `Err`, panicked or was cancelled.
    pub fn exception(mut self, reason: impl Into<String>) -> Self {
        self.rule.exception = Some(self.name("exception", reason));
        self
    }

    /// Key of the outcome: `ok`, `error`, `panic`, `cancelled` or `unknown` (`outcome`); `None` leaves it out.
    pub fn outcome<'a>(mut self, key: impl Into<Option<&'a str>>) -> Self {
        self.rule.keys.outcome = self.key("outcome", key);
        self
    }

    /// Key of the text of an error or panic (`error`); `None` leaves it out.
    pub fn error<'a>(mut self, key: impl Into<Option<&'a str>>) -> Self {
        self.rule.keys.error = self.key("error", key);
        self
    }

    /// Key of the field `result`, which is `error`, `cancelled` or `unknown` when that is how the call ended;
    /// left out unless this says a key.
    pub fn result<'a>(mut self, key: impl Into<Option<&'a str>>) -> Self {
        self.rule.keys.result = self.key("result", key);
        self
    }

    /// Writes the field under another key.
    pub fn rename(mut self, field: impl Into<String>, key: impl Into<String>) -> Self {
        let entry = self.pair("rename", field, key);
        self.rule.rename.push(entry);
        self
    }

    /// A constant, written under this key unless a field has it.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let key = self.name("set", key);
        self.rule.set.push((key, value.into()));
        self
    }

    /// Gathers the fields `prefix.…` into one object under `key`.
    ///
    /// `keys` says how they are called in it, by their name after the prefix; those are null when absent, and
    /// any other keeps its name.
    pub fn nest(
        mut self,
        prefix: impl Into<String>,
        key: impl Into<String>,
        keys: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let prefix = prefix.into();
        if prefix.ends_with('.') {
            self.complain(format!("\"nest\" has the prefix {prefix:?}: write it without the dot at the end"));
        }
        let (prefix, key) = self.pair("nest", prefix, key);
        let keys = keys.into_iter().map(|(field, key)| self.pair("nest", field, key)).collect();
        self.rule.nest.push(Nest { prefix, key, keys });
        self
    }

    /// Fields taken from the nearest enclosing span that has them, when the span itself has not.
    ///
    /// Spans that a rule names always lend their fields; others when [`inherit_from`](Self::inherit_from)
    /// names them.
    pub fn inherit(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let fields = self.names("inherit", fields);
        self.rule.inherit.extend(fields);
        self
    }

    /// Names of spans that no rule names, but whose fields may be inherited (`*` stands for any run of
    /// characters).
    pub fn inherit_from(mut self, spans: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let spans = self.names("inherit_from", spans);
        self.rule.inherit_from.extend(spans.into_iter().map(Pattern));
        self
    }

    /// Numbers the calls within an enclosing span whose rows have this event type, from 0, under `key`.
    pub fn number_within(mut self, event_type: impl Into<String>, key: impl Into<String>) -> Self {
        let (event_type, key) = self.pair("number_within", event_type, key);
        self.rule.number_within = Some((event_type.into(), key));
        self
    }

    /// Counts the rows of this event type that end within the span, under `key`.
    pub fn collect_count(self, key: impl Into<String>, event_type: impl Into<String>) -> Self {
        self.collect(key.into(), Figure::Count, event_type.into())
    }

    /// Adds up the time of the rows of this event type that end within the span, under `key`, in milliseconds.
    pub fn collect_total(self, key: impl Into<String>, event_type: impl Into<String>) -> Self {
        self.collect(key.into(), Figure::Total, event_type.into())
    }

    pub(super) fn collect(mut self, key: String, figure: Figure, of: String) -> Self {
        let (key, of) = self.pair("collect", key, of);
        self.rule.collect.push(Collect { key, figure, of: of.into() });
        self
    }

    /// Keys that are null, not absent, when nobody gave a value.
    pub fn or_null(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let keys = self.names("or_null", keys);
        self.rule.or_null.extend(keys);
        self
    }

    /// Keeps the values of this field (`*` stands for any run of characters) on the thread that recorded them.
    ///
    /// It names a field as the span or tracing event declares it, or as it is inherited; `error` is also the text
    /// of an error or panic. The fields that success, reason, result and severity are read from are judged later,
    /// on another thread, and cannot be redacted.
    ///
    /// ```
    /// use tracing_ledger::{Redact, Rule};
    ///
    /// let signup = Rule::span("signup").redact("email", Redact::Hash).redact("*password*", Redact::Drop);
    /// ```
    pub fn redact(mut self, field: impl Into<String>, redact: Redact) -> Self {
        let field = self.name("redact", field);
        self.rule.redact.push((Pattern(field), redact));
        self
    }

    /// What it means when a span ends without a word on its outcome.
    pub fn silent(mut self, meaning: Silent) -> Self {
        self.give("silent", "");
        self.rule.silent = Some(meaning);
        self
    }

    /// Settings from now on stand on that line of a file.
    pub(super) fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// What was said so far stands on that line of a file.
    pub(super) fn begun_at(mut self, line: usize) -> Self {
        self.given.iter_mut().for_each(|given| given.line = Some(line));
        self.faults.iter_mut().for_each(|fault| fault.line = Some(line));
        self.at(line)
    }

    /// `span` or `event`, whichever the rule began with.
    pub(super) fn kind_key(&self) -> &'static str {
        match self.rule.matches.kind {
            MatchKind::Span => "span",
            MatchKind::Event => "event",
        }
    }

    fn give(&mut self, key: &'static str, entry: &str) {
        self.given.push(Given { key, entry: entry.to_owned(), line: self.line });
    }

    fn complain(&mut self, text: String) {
        self.faults.push(Fault { line: self.line, text });
    }

    fn checked(&mut self, key: &'static str, name: String) -> String {
        if name.trim().is_empty() {
            self.complain(format!("empty name in {key:?}: write a name"));
        }
        name
    }

    fn name(&mut self, key: &'static str, name: impl Into<String>) -> String {
        let name = name.into();
        self.give(key, &name);
        self.checked(key, name)
    }

    fn names(
        &mut self,
        key: &'static str,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Vec<String> {
        names.into_iter().map(|name| self.name(key, name)).collect()
    }

    /// An entry of a table, found again under either of its names.
    fn pair(
        &mut self,
        key: &'static str,
        left: impl Into<String>,
        right: impl Into<String>,
    ) -> (String, String) {
        (self.name(key, left), self.name(key, right))
    }

    fn key<'a>(&mut self, key: &'static str, name: impl Into<Option<&'a str>>) -> Option<String> {
        match name.into() {
            Some(name) => Some(self.name(key, name)),
            None => {
                self.give(key, "");
                None
            }
        }
    }
}

/// What is wrong with a condition, if anything.
fn unusable(test: &SuccessTest) -> Option<&'static str> {
    match test {
        SuccessTest::Below(limit)
        | SuccessTest::AtMost(limit)
        | SuccessTest::Above(limit)
        | SuccessTest::AtLeast(limit)
            if !limit.is_finite() =>
        {
            Some("has no finite number to compare with: give one")
        }
        SuccessTest::Equals(Value::Null | Value::Array(_) | Value::Object(_)) => {
            Some("can equal a boolean, a number or a string only: give one of these")
        }
        SuccessTest::ReturnMatches(text) if text.is_empty() => {
            Some("matches every returned value: give \"return_matches\" a text to look for")
        }
        _ => None,
    }
}
