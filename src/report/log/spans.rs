//! Closed spans become rows, as the rules say. A log has no ids of spans: names and fields tell which is which.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::line::{Fields, Line, Span, Spans};
use crate::rules::Rules;
use crate::rules::model::{Figure, MatchKind, Nest, RuleSpec, SuccessTest};
use crate::store::read::ReadRow;

/// The most calls that are remembered for an end that never comes.
const MOST_PENDING: usize = 10_000;

/// Turns lines into rows.
pub(super) struct Calls {
    rules: Vec<Arc<RuleSpec>>,
    /// What functions have reported, until their spans close.
    reports: VecDeque<(Spans, Report)>,
    /// The calls that ended within spans that collect them.
    ended: VecDeque<Ended>,
    /// The names of spans that have reported a success or a returned value before.
    reporting: HashSet<String>,
}

#[derive(Debug, PartialEq)]
enum Report {
    Failed(String),
    Returned(String),
}

struct Ended {
    event_type: Arc<str>,
    within: Spans,
    ms: f64,
}

/// How a call ended.
struct End {
    outcome: &'static str,
    success: Option<bool>,
    error: Option<String>,
}

impl Calls {
    pub(super) fn new(rules: &Rules) -> Self {
        let rules = rules.list.iter().filter(|rule| rule.matches.kind == MatchKind::Span).cloned().collect();
        Self { rules, reports: VecDeque::new(), ended: VecDeque::new(), reporting: HashSet::new() }
    }

    /// The row of a line, if it ends a call.
    pub(super) fn take(&mut self, line: Line) -> Option<ReadRow> {
        match line {
            Line::Failed { spans, error } => self.report(spans, Report::Failed(error)),
            Line::Returned { spans, value } => self.report(spans, Report::Returned(value)),
            Line::Closed { at, target, spans, took } => return self.close(at, target, spans, took),
            Line::Rows(_) | Line::Other => {}
        }
        None
    }

    fn report(&mut self, spans: Spans, report: Report) {
        if self.reports.len() == MOST_PENDING {
            self.reports.pop_front();
        }
        self.reports.push_back((spans, report));
    }

    fn close(
        &mut self,
        at: Option<Timestamp>,
        target: Option<String>,
        mut spans: Spans,
        took: SignedDuration,
    ) -> Option<ReadRow> {
        let reports = self.take_reports(&spans);
        let span = spans.pop()?;
        let rule = self.rule_of(&span, target.as_deref());
        let event_type: Arc<str> = event_type(rule.as_deref(), &span)?.into();
        let ms = (took.as_secs_f64() * 1e6).round() / 1e3;
        let fallback = RuleSpec::default();
        let rule = rule.as_deref().unwrap_or(&fallback);
        let end = self.end(rule, &span, reports);
        let mut context = self.context(rule, &span, &spans, &end, ms);
        self.collect(rule, &span, &spans, &mut context);
        if self.ended.len() == MOST_PENDING {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { event_type: event_type.clone(), within: spans, ms });
        let [restaurant_id, booking_id] =
            ["restaurant_id", "booking_id"].map(|key| column(&mut context, key));
        Some(ReadRow {
            created_at: at,
            event_type: event_type.to_string(),
            source: rule.source.as_deref().map(str::to_owned).or(target),
            severity: Some(
                if matches!(end.outcome, "error" | "cancelled") { "warning" } else { "info" }.to_owned(),
            ),
            restaurant_id,
            booking_id,
            context: Some(Value::Object(context).to_string()),
        })
    }

    /// The reports of the closing span, which was not yet filled when it made them.
    fn take_reports(&mut self, spans: &Spans) -> Vec<Report> {
        let (mut own, mut others) = (Vec::new(), VecDeque::new());
        for (of, report) in self.reports.drain(..) {
            if is_same(&of, spans) { own.push(report) } else { others.push_back((of, report)) }
        }
        self.reports = others;
        own
    }

    fn rule_of(&self, span: &Span, target: Option<&str>) -> Option<Arc<RuleSpec>> {
        let names = |rule: &&Arc<RuleSpec>| {
            let matches = &rule.matches;
            matches.names.iter().any(|name| name.matches(&span.name))
                && matches.fields.iter().all(|field| span.fields.contains_key(field))
                && matches.target.as_ref().is_none_or(|pattern| {
                    target.is_some_and(|target| {
                        let above = target.match_indices("::").map(|(at, _)| &target[..at]);
                        above.chain([target]).any(|path| pattern.matches(path))
                    })
                })
        };
        self.rules.iter().find(names).cloned()
    }

    /// Decides as the ledger does. A log does not tell a panic from a call that was dropped.
    fn end(&mut self, rule: &RuleSpec, span: &Span, reports: Vec<Report>) -> End {
        let recorded = recorded_success(rule, span, &reports);
        let error = reports.iter().find_map(|report| match report {
            Report::Failed(error) => Some(error.clone()),
            Report::Returned(_) => None,
        });
        let reports = !reports.is_empty() || recorded.is_some() || span.fields.contains_key("result");
        let (outcome, success) = match (error.is_some(), recorded, reports) {
            (true, ..) => ("error", Some(false)),
            (_, Some(success), _) => ("ok", Some(success)),
            (_, None, true) => ("ok", Some(true)),
            (_, None, false) if self.reporting.contains(&span.name) => ("cancelled", Some(false)),
            _ => ("unknown", None),
        };
        if reports {
            self.reporting.insert(span.name.clone());
        }
        End { outcome, success, error }
    }

    fn context(&self, rule: &RuleSpec, span: &Span, parents: &Spans, end: &End, ms: f64) -> Fields {
        let keys = &rule.keys;
        let mut context = Map::new();
        let default = rule.matches.names.is_empty();
        let key = |key: &Option<String>, name: &str| key.clone().or_else(|| default.then(|| name.to_owned()));
        let mut put = |key: Option<String>, value: Value| key.map(|key| context.insert(key, value));
        put(key(&keys.duration, "duration_ms"), json!(ms));
        put(key(&keys.success, "success"), json!(end.success));
        put(key(&keys.outcome, "outcome"), end.outcome.into());
        if let Some(error) = &end.error {
            put(key(&keys.error, "error"), error.clone().into());
        }
        let failed = matches!(end.outcome, "error" | "cancelled");
        let exception = rule.exception.as_ref().filter(|_| failed);
        let given = [Some(&rule.reason_field), keys.reason.as_ref()].into_iter().flatten();
        let given = given.filter_map(|field| span.fields.get(field)).find_map(Value::as_str);
        let reason = exception.map(String::as_str).or(given).filter(|_| end.success != Some(true));
        put(keys.reason.clone(), json!(reason));
        if end.success != Some(true) {
            let text = if exception.is_some() { end.error.as_deref() } else { reason };
            let found = text.and_then(|text| rule.reason_codes.code_of(text));
            let code = found.map_or("unknown".to_owned(), |(category, code)| format!("{category}.{code}"));
            put(keys.reason_code.clone(), code.into());
            put(keys.reason_category.clone(), found.map_or("unknown", |(category, _)| category).into());
        }
        if let Some(key) = &keys.result {
            let own = span.fields.get("result").filter(|_| end.outcome != "error").cloned();
            let other = if end.outcome == "ok" { "unknown" } else { end.outcome };
            context.insert(key.clone(), own.unwrap_or_else(|| other.into()));
        }
        add_fields(rule, span, parents, &mut context);
        context
    }

    /// The calls within the span that it collects. A call knows the span as it was at that moment.
    fn collect(&mut self, rule: &RuleSpec, span: &Span, parents: &Spans, context: &mut Fields) {
        if rule.collect.is_empty() {
            return;
        }
        let mut whole = parents.clone();
        whole.push(span.clone());
        let mut within = Vec::new();
        self.ended.retain(|call| {
            let is_within = call.within.len() >= whole.len() && is_same(&call.within[..whole.len()], &whole);
            if is_within {
                within.push((call.event_type.clone(), call.ms));
            }
            !is_within
        });
        for collect in &rule.collect {
            let of = within.iter().filter(|(event_type, _)| *event_type == collect.of);
            let figure = match collect.figure {
                Figure::Count => json!(of.count()),
                Figure::Total => json!(of.map(|(_, ms)| ms).sum::<f64>()),
            };
            context.insert(collect.key.clone(), figure);
        }
    }

    /// A row of the older system gets the keys of today beside its own: its names had no prefix.
    pub(super) fn completed(&self, mut row: ReadRow) -> ReadRow {
        let rule = self.rules.iter().find(|rule| rule.event_type.as_deref() == Some(row.event_type.as_str()));
        let (Some(rule), Some(text)) = (rule, &row.context) else { return row };
        let Ok(mut context) = serde_json::from_str::<Fields>(text) else { return row };
        for (key, names) in aliases(rule) {
            let found =
                names.iter().find_map(|name| context.get(*name)).filter(|value| !value.is_null()).cloned();
            if let Some(value) = found.filter(|_| !context.contains_key(key)) {
                context.insert(key.to_owned(), value);
            }
        }
        row.context = Some(Value::Object(context).to_string());
        row
    }
}

/// The keys that a rule writes, with the names that they had.
fn aliases(rule: &RuleSpec) -> Vec<(&str, Vec<&str>)> {
    let keys = &rule.keys;
    let mut aliases = vec![
        (&keys.duration, vec!["duration_ms", "durationMs"]),
        (&keys.success, vec!["success"]),
        (&keys.reason, vec!["reason"]),
        (&keys.reason_code, vec!["reason_code", "reasonCode"]),
        (&keys.reason_category, vec!["reason_category", "reasonCategory"]),
        (&keys.outcome, vec!["outcome"]),
        (&keys.error, vec!["error"]),
    ]
    .into_iter()
    .filter_map(|(key, names)| Some((key.as_deref()?, names)))
    .collect::<Vec<_>>();
    aliases.extend(rule.number_within.iter().map(|(_, key)| (key.as_str(), vec!["attempt"])));
    aliases.extend(rule.nest.iter().map(|nest| (nest.key.as_str(), vec![nest.prefix.as_str()])));
    aliases.extend(
        rule.collect
            .iter()
            .filter(|collect| collect.figure == Figure::Count)
            .map(|collect| (collect.key.as_str(), vec!["attempts"])),
    );
    aliases
}

/// Whether the spans may be the same at a later moment: a span gains fields, and loses none.
fn is_same(earlier: &[Span], later: &[Span]) -> bool {
    earlier.len() == later.len()
        && earlier.iter().zip(later).all(|(earlier, later)| {
            earlier.name == later.name
                && earlier.fields.iter().all(|(key, value)| later.fields.get(key) == Some(value))
        })
}

/// `None` if the span says that it makes no row.
fn event_type(rule: Option<&RuleSpec>, span: &Span) -> Option<String> {
    let Some(rule) = rule else { return Some(span.name.clone()) };
    match rule.event_type_field.as_ref().map(|field| span.fields.get(field)) {
        Some(Some(Value::Bool(false))) => None,
        Some(Some(Value::String(text))) => Some(text.clone()),
        _ => Some(rule.event_type.as_deref().unwrap_or(&span.name).to_owned()),
    }
}

fn recorded_success(rule: &RuleSpec, span: &Span, reports: &[Report]) -> Option<bool> {
    let own = || {
        let fields = [Some(&rule.success.field), rule.keys.success.as_ref()].into_iter().flatten();
        fields.filter_map(|field| span.fields.get(field)).next()
    };
    match &rule.success.test {
        SuccessTest::Bool => match own()? {
            Value::Bool(success) => Some(*success),
            Value::String(text) => text.parse().ok(),
            _ => None,
        },
        SuccessTest::Within(range) => {
            let number = own()?.as_f64()?;
            Some(std::ops::RangeBounds::contains(range, &number))
        }
        SuccessTest::Equals(wanted) => Some(own()? == wanted),
        SuccessTest::ReturnMatches(text) => reports.iter().find_map(|report| match report {
            Report::Returned(value) => Some(value.contains(text.as_str())),
            Report::Failed(_) => None,
        }),
    }
}

/// The fields of the span, those it inherits, and the constants of the rule.
fn add_fields(rule: &RuleSpec, span: &Span, parents: &Spans, context: &mut Fields) {
    let inherited = rule.inherit.iter().filter_map(|name| {
        let from = parents.iter().rev().find_map(|parent| parent.fields.get(name));
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
    for (key, value) in &rule.set {
        context.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// A UUID is the value of the column.
fn column(context: &mut Fields, key: &str) -> Option<String> {
    let id = Uuid::try_parse(context.get(key)?.as_str()?).ok()?;
    context.remove(key);
    Some(id.to_string())
}
