//! Rules written in Rust.
//!
//! The setters fill the model and note each setting. [`super::check`] looks for mistakes when a set is made. The TOML
//! parser calls the same setters, so both languages mean the same and refuse the same.

use serde_json::Value;

use super::model::{
    Collect, Figure, Keys, Match, MatchKind, Nest, Pattern, Redact, RuleSpec, SeverityRule, Silent, Take,
    TakeFrom,
};
use crate::severity::Severity;

/// Which spans or events become rows, and what the rows contain.
///
/// It begins with [`Rule::span`] or [`Rule::event`] and takes effect through
/// [`Rules::from_rules`](crate::Rules::from_rules), which also reports mistakes. A setter that is called again replaces
/// the earlier value; one that takes a field or a list adds to it.
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
#[must_use = "a rule does nothing until `Rules::from_rules` takes it"]
pub struct Rule {
    pub(super) rule: RuleSpec,
    /// Every setting, for the line of a mistake.
    pub(super) settings: Vec<Setting>,
    /// The current line, when the rule comes from a file.
    line: Option<usize>,
}

/// A setting of a rule.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// Its key in TOML.
    pub(super) key: &'static str,
    /// The name that it gives, or the entry of a table such as `rename` by either of its names.
    pub(super) name: Option<String>,
    pub(super) line: Option<usize>,
}

impl Rule {
    /// A rule for spans of this name (`*` stands for any run of characters): one row when such a span ends.
    ///
    /// The row has `duration_ms` (milliseconds), `success` (bool or null), `outcome` (`ok`, `error`, `panic`,
    /// `cancelled` or `unknown`), and `error` (text) when there was one.
    pub fn span(name: impl Into<String>) -> Self {
        Self::of(MatchKind::Span).also(name)
    }

    /// A rule for events of this name (`*` stands for any run of characters): one row for each.
    ///
    /// An event gets its name by `tracing::info!(name: "cache.miss", …)`. It has no duration and no outcome, so the
    /// setters for these are mistakes here.
    pub fn event(name: impl Into<String>) -> Self {
        Self::of(MatchKind::Event).also(name)
    }

    pub(super) fn of(kind: MatchKind) -> Self {
        let named = |key: &str| (kind == MatchKind::Span).then(|| key.to_owned());
        let keys = Keys {
            duration: named("duration_ms"),
            success: named("success"),
            outcome: named("outcome"),
            error: named("error"),
            ..Keys::default()
        };
        let matches = Match { kind, ..Match::default() };
        let rule = RuleSpec { matches, keys, reason_field: "reason".to_owned(), ..RuleSpec::default() };
        Self { rule, settings: Vec::new(), line: None }
    }

    /// Names more spans or events (`*` stands for any run of characters).
    pub fn also(mut self, name: impl Into<String>) -> Self {
        let name = self.name(self.rule.matches.kind.key(), name);
        self.rule.matches.names.push(Pattern(name));
        self
    }

    /// Only callsites of this target, or of a module below it (`*` stands for any run of characters).
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.rule.matches.target = Some(Pattern(self.name("target", target)));
        self
    }

    /// Only callsites of this level or a more severe one.
    pub fn level(mut self, level: tracing::Level) -> Self {
        self.note("level", None);
        self.rule.matches.level = Some(level);
        self
    }

    /// Only callsites that declare all of these fields.
    pub fn fields(self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names("fields", fields, |rule, name| rule.matches.fields.push(name))
    }

    /// The `event_type` of the rows; by default the name of the span or event.
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.rule.event_type = Some(self.name("event_type", event_type).into());
        self
    }

    /// Reads the `event_type` from the text of this field, which may be recorded late. Without a text in it, the rows
    /// have the type that they have without this setting. `false` in it leaves the row out.
    ///
    /// The field is not in the context. [`collect_count`](Self::collect_count), [`collect_total`](Self::collect_total) and
    /// [`number_within`](Self::number_within) do not find such a type.
    pub fn event_type_field(mut self, field: impl Into<String>) -> Self {
        self.rule.event_type_field = Some(self.name("event_type", field));
        self
    }

    /// The `source` of the rows; by default the target of the callsite.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.rule.source = Some(self.name("source", source).into());
        self
    }

    /// Reads the `source` from the text of this field. Without a text in it, the rows have the source that they have
    /// without this setting. The field is not in the context.
    pub fn source_field(mut self, field: impl Into<String>) -> Self {
        self.rule.source_field = Some(self.name("source", field));
        self
    }

    /// The severity of every row. By default a span that did not succeed is `warning`, any other span `info`, and an event
    /// has the severity of its level.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.note("severity", None);
        self.rule.severity = SeverityRule::Constant(severity);
        self
    }

    /// The default severity without a look at the success: a call that returned is `info`.
    pub fn severity_by_outcome(mut self) -> Self {
        self.note("severity", None);
        self.rule.severity = SeverityRule::Outcome;
        self
    }

    /// Reads the severity from a field: looked up in `map`, else read as one of the four words, else the default. Case
    /// does not matter.
    ///
    /// A word of `map` may be a number (`404`) or a range of numbers (`5xx`, or `500..599` with both ends). The word itself
    /// goes before ranges, and a narrow range before a wider one.
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

    /// Writes the field under another key.
    pub fn rename(mut self, field: impl Into<String>, key: impl Into<String>) -> Self {
        let entry = self.pair("rename", field, key);
        self.rule.rename.push(entry);
        self
    }

    /// A constant for this key, unless a field has the key.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let key = self.name("set", key);
        self.rule.set.push((key, value.into()));
        self
    }

    /// Gathers the fields `prefix.…` into one object under `key`.
    ///
    /// `keys` renames them, by their names after the prefix. A key of `keys` is null when its field is absent; other
    /// fields keep their names.
    pub fn nest(
        mut self,
        prefix: impl Into<String>,
        key: impl Into<String>,
        keys: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let (prefix, key) = self.pair("nest", prefix, key);
        let keys = keys.into_iter().map(|(field, key)| self.pair("nest", field, key)).collect();
        self.rule.nest.push(Nest { prefix, key, keys });
        self
    }

    /// Takes these fields from events of this target, or of a module below it, that happen within the span (`*` stands for
    /// any run of characters). They are as if the span had recorded them.
    ///
    /// An event gives them to the nearest span around it whose rule takes them.
    pub fn take(
        mut self,
        target: impl Into<String>,
        fields: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let from = TakeFrom::Target(Pattern(self.name("take", target)));
        self.take_from(from, fields)
    }

    /// Takes these fields from events of this name, as [`take`](Self::take) does by target.
    pub fn take_event(
        mut self,
        name: impl Into<String>,
        fields: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let from = TakeFrom::Event(Pattern(self.name("take", name)));
        self.take_from(from, fields)
    }

    fn take_from(mut self, from: TakeFrom, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let fields = fields.into_iter().map(|field| self.name("take", field)).collect();
        self.rule.takes.push(Take { from, fields });
        self
    }

    /// Writes a field that is a time as milliseconds under `key`: a text with a unit, such as `12 ms` or `1.5s`, or a
    /// number of milliseconds. Any other value stays under the name of the field.
    pub fn time(mut self, field: impl Into<String>, key: impl Into<String>) -> Self {
        let entry = self.pair("times", field, key);
        self.rule.times.push(entry);
        self
    }

    /// Takes these fields from the nearest enclosing span that has them, unless the span has them itself.
    ///
    /// Fields can be inherited from every span with a rule, and from those that
    /// [`inherit_from`](Self::inherit_from) names.
    pub fn inherit(self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names("inherit", fields, |rule, name| rule.inherit.push(name))
    }

    /// Spans without a rule whose fields can be inherited too (`*` stands for any run of characters).
    pub fn inherit_from(self, spans: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names("inherit_from", spans, |rule, name| rule.inherit_from.push(Pattern(name)))
    }

    /// Numbers the calls within an enclosing span of this event type, from 0, under `key`.
    pub fn number_within(mut self, event_type: impl Into<String>, key: impl Into<String>) -> Self {
        let (event_type, key) = self.pair("number_within", event_type, key);
        self.rule.number_within = Some((event_type.into(), key));
        self
    }

    /// Counts the spans of this event type that end within the span, under `key`.
    pub fn collect_count(self, key: impl Into<String>, event_type: impl Into<String>) -> Self {
        self.collect(Figure::Count, key, event_type)
    }

    /// Adds up the times of the spans of this event type that end within the span, in milliseconds, under `key`.
    pub fn collect_total(self, key: impl Into<String>, event_type: impl Into<String>) -> Self {
        self.collect(Figure::Total, key, event_type)
    }

    fn collect(mut self, figure: Figure, key: impl Into<String>, event_type: impl Into<String>) -> Self {
        let (key, of) = self.pair("collect", key, event_type);
        self.rule.collect.push(Collect { key, figure, of: of.into() });
        self
    }

    /// Keys that are null instead of absent when there is no value.
    pub fn or_null(self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names("or_null", keys, |rule, name| rule.or_null.push(name))
    }

    /// Keys of the context by which a report groups the rows, each for itself. Rows do not change.
    pub fn report_by(self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names("report_by", keys, |rule, name| rule.report_by.push(name))
    }

    /// Redacts the values of this field (`*` stands for any run of characters) on the thread that records them.
    ///
    /// The name is a declared or inherited field's; `error` is also the text of an error or panic. Success,
    /// reason, result and severity are judged later, on another thread, so their fields cannot be redacted.
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

    /// The outcome of a span that ends without reporting one.
    pub fn silent(mut self, meaning: Silent) -> Self {
        self.note("silent", None);
        self.rule.silent = Some(meaning);
        self
    }

    /// The next settings stand on this line of a file.
    pub(super) fn at(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }

    fn note(&mut self, key: &'static str, name: Option<&str>) {
        self.settings.push(Setting { key, name: name.map(str::to_owned), line: self.line });
    }

    /// Notes a setting by the name that it gives.
    pub(super) fn name(&mut self, key: &'static str, name: impl Into<String>) -> String {
        let name = name.into();
        self.note(key, Some(&name));
        name
    }

    fn names(
        mut self,
        key: &'static str,
        names: impl IntoIterator<Item = impl Into<String>>,
        push: fn(&mut RuleSpec, String),
    ) -> Self {
        for name in names {
            let name = self.name(key, name);
            push(&mut self.rule, name);
        }
        self
    }

    /// Notes an entry of a table, to be found under either of its names.
    fn pair(
        &mut self,
        key: &'static str,
        left: impl Into<String>,
        right: impl Into<String>,
    ) -> (String, String) {
        (self.name(key, left), self.name(key, right))
    }

    pub(super) fn key<'a>(
        mut self,
        key: &'static str,
        name: impl Into<Option<&'a str>>,
        place: fn(&mut Keys) -> &mut Option<String>,
    ) -> Self {
        let name = name.into();
        self.note(key, name);
        *place(&mut self.rule.keys) = name.map(str::to_owned);
        self
    }
}
