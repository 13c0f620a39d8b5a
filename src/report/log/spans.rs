//! Closed spans become rows, as the rules say. A log has no ids of spans: names and fields tell which is which.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::judge::{event_type, is_below, recorded_success, takes_from};
use super::line::{EventText, FieldMap, LogLine, Span, SpanPath, is_same};
use super::reports::{CallReport, MOST_PENDING, Reports};
use crate::outcome::Outcome;
use crate::rules::Rules;
use crate::rules::model::{Figure, MatchKind, Nest, RuleSpec, Silent};
use crate::rules::reason::NO_CODE;
use crate::store::read::ReadRow;

/// Turns lines into rows.
pub(super) struct Calls {
    pub(super) rules: Vec<Arc<RuleSpec>>,
    reports: Reports,
    /// The calls that ended within spans that collect them.
    ended: VecDeque<Ended>,
    /// The names and targets of spans that have reported a success or a returned value before.
    reporting: HashSet<(String, Option<String>)>,
    /// Calls that reported nothing, until another call of their name and target does.
    silent: Vec<Call>,
    alone: u64,
}

struct Ended {
    event_type: Arc<str>,
    within: SpanPath,
    ms: f64,
}

/// A call that has ended.
struct Call {
    at: Option<Timestamp>,
    target: Option<String>,
    event_type: Arc<str>,
    rule: Arc<RuleSpec>,
    span: Span,
    parents: SpanPath,
    ms: f64,
}

impl Call {
    /// Functions of several modules may have one name.
    fn name(&self) -> (String, Option<String>) {
        (self.span.name.clone(), self.target.clone())
    }
}

/// How a call ended.
struct CallEnd {
    outcome: Outcome,
    success: Option<bool>,
    error: Option<String>,
}

impl CallEnd {
    const CANCELLED: Self = Self { outcome: Outcome::Cancelled, success: Some(false), error: None };
    const UNKNOWN: Self = Self { outcome: Outcome::Unknown, success: None, error: None };

    fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Error | Outcome::Cancelled)
    }
}

impl Calls {
    pub(super) fn new(rules: &Rules) -> Self {
        let rules = rules.list.iter().filter(|rule| rule.matches.kind == MatchKind::Span).cloned().collect();
        Self {
            rules,
            reports: Reports::default(),
            ended: VecDeque::new(),
            reporting: HashSet::new(),
            silent: Vec::new(),
            alone: 0,
        }
    }

    /// Passes on the rows of the calls that a line decides.
    pub(super) fn take(&mut self, line: LogLine, each: &mut dyn FnMut(&ReadRow)) {
        match line {
            LogLine::Failed { spans, error } => self.reports.add(spans, true, error),
            LogLine::Returned { spans, value } => self.reports.add(spans, false, value),
            LogLine::Closed { at, target, spans, took, is_alone } => {
                self.note_alone(&spans, target.as_deref(), is_alone);
                self.close(at, target, spans, took, each);
            }
            LogLine::Within { target, spans, fields } => self.note_fields(target.as_deref(), spans, fields),
            LogLine::Rows(_) | LogLine::Other => {}
        }
    }

    /// Keeps the fields of an event that a rule of the span takes.
    fn note_fields(&mut self, target: Option<&str>, spans: SpanPath, fields: FieldMap) {
        let Some(span) = spans.last() else { return };
        let is_named = |rule: &&Arc<RuleSpec>| rule.matches.names.iter().any(|name| name.matches(&span.name));
        let takes = self.rules.iter().filter(is_named).flat_map(|rule| &rule.takes);
        let names: Vec<_> =
            takes.filter(|take| takes_from(take, target)).flat_map(|take| &take.fields).collect();
        let taken: FieldMap = fields.into_iter().filter(|(name, _)| names.contains(&name)).collect();
        if !taken.is_empty() {
            self.reports.add(spans, false, EventText::Fields(taken));
        }
    }

    fn note_alone(&mut self, spans: &SpanPath, target: Option<&str>, is_alone: bool) {
        let Some(span) = spans.last().filter(|_| is_alone) else { return };
        let rule = self.rule_of(span, target);
        let lacks = rule.is_some_and(|rule| rule.inherit.iter().any(|name| !span.fields.contains_key(name)));
        self.alone += u64::from(lacks);
    }

    /// How many calls may lack fields that their rule inherits.
    pub(super) fn alone(&self) -> u64 {
        self.alone
    }

    /// The number of failed calls whose error may be an event of the service with several fields.
    pub(super) fn doubtful(&self) -> u64 {
        self.reports.doubtful()
    }

    /// Passes on the calls that only the end of all logs decides: other calls of their name reported an outcome, or none
    /// did.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(&ReadRow)) {
        for call in std::mem::take(&mut self.silent) {
            let end =
                if self.reporting.contains(&call.name()) { CallEnd::CANCELLED } else { CallEnd::UNKNOWN };
            each(&self.row(call, end));
        }
    }

    fn close(
        &mut self,
        at: Option<Timestamp>,
        target: Option<String>,
        mut spans: SpanPath,
        took: SignedDuration,
        each: &mut dyn FnMut(&ReadRow),
    ) {
        let reports = self.reports.take(&spans);
        let Some(mut span) = spans.pop() else { return };
        let rule = self.rule_of(&span, target.as_deref());
        if rule.as_ref().is_some_and(|rule| !rule.takes.is_empty()) {
            span.fields.extend(reports.iter().flat_map(CallReport::fields));
        }
        let Some(event_type) = event_type(rule.as_deref(), &span) else { return };
        let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        let call = Call {
            at,
            target,
            event_type: event_type.into(),
            rule: rule.unwrap_or_default(),
            span,
            parents: spans,
            ms,
        };
        self.note_end(&call);
        match self.end(&call, reports) {
            Some(end) => {
                let row = self.row(call, end);
                each(&row);
            }
            None if call.rule.collect.is_empty() && self.silent.len() < MOST_PENDING => {
                self.silent.push(call)
            }
            None => {
                let row = self.row(call, CallEnd::UNKNOWN);
                each(&row);
            }
        }
    }

    /// For the spans around the call that collect such calls.
    fn note_end(&mut self, call: &Call) {
        let mut collects = self.rules.iter().flat_map(|rule| &rule.collect);
        if collects.any(|collect| collect.of == call.event_type) {
            if self.ended.len() == MOST_PENDING {
                self.ended.pop_front();
            }
            let (event_type, within) = (call.event_type.clone(), call.parents.clone());
            self.ended.push_back(Ended { event_type, within, ms: call.ms });
        }
    }

    fn row(&mut self, call: Call, end: CallEnd) -> ReadRow {
        let mut context = context(&call, &self.with_constants(&call), &end);
        self.collect(&call, &mut context);
        let Call { at, target, event_type, rule, .. } = call;
        let [restaurant_id, booking_id] =
            ["restaurant_id", "booking_id"].map(|key| column(&mut context, key));
        ReadRow {
            id: None,
            created_at: at,
            event_type: event_type.to_string(),
            source: rule.source.as_deref().map(str::to_owned).or(target),
            severity: Some(if end.has_failed() { "warning" } else { "info" }.to_owned()),
            restaurant_id,
            booking_id,
            context: Some(Value::Object(context).to_string()),
        }
    }

    /// The spans around a call from which it may inherit, with the constants of their rules.
    fn with_constants(&self, call: &Call) -> SpanPath {
        let around = call.parents.iter().filter(|parent| call.rule.inherits_from(&parent.name));
        let with_constants = |mut parent: Span| {
            for (key, value) in self.rule_of(&parent, None).iter().flat_map(|rule| &rule.set) {
                parent.fields.entry(key.clone()).or_insert_with(|| value.clone());
            }
            parent
        };
        around.cloned().map(with_constants).collect()
    }

    fn rule_of(&self, span: &Span, target: Option<&str>) -> Option<Arc<RuleSpec>> {
        let names = |rule: &&Arc<RuleSpec>| {
            let matches = &rule.matches;
            matches.names.iter().any(|name| name.matches(&span.name))
                && matches.fields.iter().all(|field| span.fields.contains_key(field))
                && matches.target.as_ref().is_none_or(|pattern| is_below(target, pattern))
        };
        self.rules.iter().find(names).cloned()
    }

    /// Decides as the ledger does; `None` if only another call of that name and target can tell. A log does not tell a panic
    /// from a call that was dropped.
    fn end(&mut self, call: &Call, reports: Vec<CallReport>) -> Option<CallEnd> {
        let Call { rule, span, .. } = call;
        let success = recorded_success(rule, span, &reports);
        let error = reports.iter().find_map(|report| match report {
            CallReport::Failed(error) => Some(error.clone()),
            CallReport::Returned(_) | CallReport::Told(_) => None,
        });
        // A function with `err` alone reports nothing when it succeeds.
        let has_returned = reports.iter().any(|report| matches!(report, CallReport::Returned(_)));
        let has_reported = has_returned || success.is_some() || span.fields.contains_key("result");
        if has_reported {
            self.reporting.insert(call.name());
        }
        Some(match (error, success) {
            (Some(error), _) => CallEnd { outcome: Outcome::Error, success: Some(false), error: Some(error) },
            (None, Some(success)) => CallEnd { outcome: Outcome::Ok, success: Some(success), error: None },
            (None, None) if has_reported => {
                CallEnd { outcome: Outcome::Ok, success: Some(true), error: None }
            }
            _ => match rule.silent {
                Some(Silent::Ok) => CallEnd { outcome: Outcome::Ok, success: Some(true), error: None },
                Some(Silent::Cancelled) => CallEnd::CANCELLED,
                Some(Silent::Unknown) => CallEnd::UNKNOWN,
                None if self.reporting.contains(&call.name()) => CallEnd::CANCELLED,
                None => return None,
            },
        })
    }

    /// The calls within the span that it collects. A call knows the span as it was at that moment.
    fn collect(&mut self, call: &Call, context: &mut FieldMap) {
        if call.rule.collect.is_empty() {
            return;
        }
        let mut whole = call.parents.clone();
        whole.push(call.span.clone());
        let mut within = Vec::new();
        self.ended.retain(|ended| {
            let is_within =
                ended.within.len() >= whole.len() && is_same(&ended.within[..whole.len()], &whole);
            if is_within {
                within.push((ended.event_type.clone(), ended.ms));
            }
            !is_within
        });
        for collect in &call.rule.collect {
            let of = within.iter().filter(|(event_type, _)| *event_type == collect.of);
            let figure = match collect.figure {
                Figure::Count => json!(of.count()),
                Figure::Total => json!(of.map(|(_, ms)| ms).sum::<f64>()),
            };
            context.insert(collect.key.clone(), figure);
        }
    }
}

/// The values that the rule measures, and the fields.
fn context(call: &Call, around: &[Span], end: &CallEnd) -> FieldMap {
    let Call { rule, span, .. } = call;
    let keys = &rule.keys;
    let mut context = Map::new();
    let default = rule.matches.names.is_empty();
    let key = |key: &Option<String>, name: &str| key.clone().or_else(|| default.then(|| name.to_owned()));
    let mut put = |key: Option<String>, value: Value| key.map(|key| context.insert(key, value));
    put(key(&keys.duration, "duration_ms"), json!(call.ms));
    put(key(&keys.success, "success"), json!(end.success));
    put(key(&keys.outcome, "outcome"), end.outcome.as_str().into());
    if let Some(error) = &end.error {
        put(key(&keys.error, "error"), error.clone().into());
    }
    let exception = rule.exception.as_ref().filter(|_| end.has_failed());
    let given = [Some(&rule.reason_field), keys.reason.as_ref()].into_iter().flatten();
    let given = given.filter_map(|field| span.fields.get(field)).find_map(Value::as_str);
    let reason = exception.map(String::as_str).or(given).filter(|_| end.success != Some(true));
    put(keys.reason.clone(), json!(reason));
    if end.success != Some(true) {
        let text = if exception.is_some() { end.error.as_deref() } else { reason };
        let found = text.and_then(|text| rule.reason_codes.code_of(text));
        let code = found.map_or(NO_CODE.to_owned(), |(category, code)| format!("{category}.{code}"));
        put(keys.reason_code.clone(), code.into());
        put(keys.reason_category.clone(), found.map_or(NO_CODE, |(category, _)| category).into());
    }
    if let Some(key) = &keys.result {
        let own = span.fields.get("result").filter(|_| end.outcome != Outcome::Error).cloned();
        context.insert(key.clone(), own.unwrap_or_else(|| end.outcome.result().into()));
    }
    add_fields(rule, span, around, &mut context);
    context
}

/// The fields of the span, those it inherits, and the constants of the rule.
fn add_fields(rule: &RuleSpec, span: &Span, around: &[Span], context: &mut FieldMap) {
    let inherited = rule.inherit.iter().filter_map(|name| {
        let from = around.iter().rev().find_map(|parent| parent.fields.get(name));
        from.filter(|_| !span.fields.contains_key(name)).map(|value| (name, value))
    });
    for (name, value) in span.fields.iter().chain(inherited) {
        let is_read = [&rule.success.field, &rule.reason_field].contains(&name) || name == "result";
        if name.starts_with("ledger.")
            || (is_read && !rule.success.is_compared())
            || context.contains_key(name)
        {
            continue;
        }
        let nest =
            |nest: &&Nest| name.strip_prefix(nest.prefix.as_str()).is_some_and(|rest| rest.starts_with('.'));
        if let Some(nest) = rule.nest.iter().find(nest) {
            let rest = &name[nest.prefix.len() + 1..];
            let key = nest.keys.iter().find(|(from, _)| from == rest).map_or(rest, |(_, to)| to);
            let object = context.entry(nest.key.clone()).or_insert_with(|| json!({}));
            if let Value::Object(object) = object {
                object.insert(key.to_owned(), value.clone());
            }
            continue;
        }
        let key = rule.rename.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to);
        context.insert(key.clone(), value.clone());
    }
    for nest in &rule.nest {
        if let Value::Object(object) = context.entry(nest.key.clone()).or_insert_with(|| json!({})) {
            nest.keys.iter().for_each(|(_, key)| _ = object.entry(key.clone()).or_insert(Value::Null));
        }
    }
    for (key, value) in &rule.set {
        context.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// A UUID is the value of the column.
fn column(context: &mut FieldMap, key: &str) -> Option<String> {
    let id = Uuid::try_parse(context.get(key)?.as_str()?).ok()?;
    context.remove(key);
    Some(id.to_string())
}
