//! Closed spans become rows, as the rules say. A log has no ids of spans: names and fields tell which is which.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tracing::Level;

use super::context::{Placed, column, redacted, severity, source};
use super::judge::{CallEnd, EndReport, event_type, is_below, taken, takes_from};
use super::line::{EventFields, FieldMap, Happening, LogLine, Span, SpanLine, SpanPath, is_same};
use super::numbers::Numbers;
use super::reports::{CallReport, Closing, MOST_PENDING, PendingReport, ReportKind, Reports};
use crate::rules::Rules;
use crate::rules::model::{Collect, Figure, Keys, MatchKind, RuleSpec, Take};
use crate::store::read::ReadRow;

/// Turns lines into rows.
pub(super) struct Calls {
    pub(super) rules: Vec<Arc<RuleSpec>>,
    /// For spans that no rule names.
    unruled: Arc<RuleSpec>,
    reports: Reports,
    /// The calls that ended within spans that collect them.
    ended: VecDeque<Ended>,
    forgotten: u64,
    /// The functions that have reported a success or a returned value before.
    reporting: HashSet<FunctionName>,
    /// Those that have reported a returned value.
    returning: HashSet<FunctionName>,
    /// Calls that reported nothing, until another call of their function does.
    silent: Vec<Call>,
    numbers: Numbers,
    alone: u64,
}

/// The name of a span and its target: functions of several modules may have one name.
type FunctionName = (String, Option<String>);

struct Ended {
    event_type: Arc<str>,
    /// The span that collects the call, and those around it.
    within: SpanPath,
    ms: f64,
}

/// A call that has ended.
pub(super) struct Call {
    at: Option<Timestamp>,
    pub(super) target: Option<String>,
    event_type: Arc<str>,
    pub(super) rule: Arc<RuleSpec>,
    pub(super) span: Span,
    placed: Placed,
    parents: SpanPath,
    pub(super) ms: f64,
    /// Its number within the span that numbers it.
    pub(super) number: u32,
    /// The figures of the calls within it.
    collected: FieldMap,
}

impl Calls {
    pub(super) fn new(rules: &Rules) -> Self {
        let rules = rules.list.iter().filter(|rule| rule.matches.kind == MatchKind::Span).cloned().collect();
        let [duration, success, outcome, error] =
            ["duration_ms", "success", "outcome", "error"].map(|key| Some(key.to_owned()));
        let keys = Keys { duration, success, outcome, error, ..Keys::default() };
        Self {
            rules,
            unruled: Arc::new(RuleSpec { keys, ..RuleSpec::default() }),
            reports: Reports::default(),
            ended: VecDeque::new(),
            forgotten: 0,
            reporting: HashSet::new(),
            returning: HashSet::new(),
            silent: Vec::new(),
            numbers: Numbers::default(),
            alone: 0,
        }
    }

    /// Passes on the rows of the calls that a line decides.
    pub(super) fn take(&mut self, line: LogLine, each: &mut dyn FnMut(&ReadRow)) {
        let LogLine::InSpan(line) = line else { return };
        let SpanLine { at, level, target, spans, what } = line;
        let what = match what {
            Happening::Failed(text) => ReportKind::Failed(text),
            Happening::Returned(text) => ReportKind::Returned(text),
            Happening::Event(fields) => return self.note_fields(at, target.as_deref(), spans, fields),
            Happening::Closed { took, is_alone } => {
                let reports =
                    self.reports.take(&Closing { at, spans: &spans, target: target.as_deref(), took });
                self.numbers.close(&spans);
                if let Some(mut call) = self.call(at, level, target, spans, took, &reports) {
                    call.number = self.number(&call);
                    self.alone += u64::from(is_alone && call.lacks_fields());
                    self.end(call, &reports, each);
                }
                return;
            }
        };
        self.reports.add(PendingReport { at, spans, target, what });
    }

    /// Keeps the fields of an event for the nearest span around it whose rule takes them.
    fn note_fields(
        &mut self,
        at: Option<Timestamp>,
        target: Option<&str>,
        mut spans: SpanPath,
        fields: EventFields,
    ) {
        if !spans.iter().any(|span| self.takes(span, target).next().is_some()) {
            return;
        }
        let (fields, is_compact) = fields.read();
        while let Some(span) = spans.last() {
            let taken = taken(self.takes(span, target), target, &fields);
            if !taken.is_empty() {
                let what = ReportKind::Event { fields: taken, line: is_compact.then_some(fields) };
                return self.reports.add(PendingReport { at, spans, target: None, what });
            }
            spans.pop();
        }
    }

    /// The `take` entries of the span's rules that read events of this target.
    fn takes<'a>(&'a self, span: &'a Span, target: Option<&'a str>) -> impl Iterator<Item = &'a Take> {
        let takes = self.rules.iter().filter(|rule| has_name(rule, span)).flat_map(|rule| &rule.takes);
        takes.filter(move |take| takes_from(take, target))
    }

    /// How many calls may lack fields that their rule inherits.
    pub(super) fn alone(&self) -> u64 {
        self.alone
    }

    /// The number of failed calls whose error may be an event of the service with several fields.
    pub(super) fn doubtful(&self) -> u64 {
        self.reports.doubtful()
    }

    /// The number of calls that no span has collected, though a rule says so.
    pub(super) fn uncollected(&self) -> u64 {
        self.forgotten + self.ended.len() as u64
    }

    /// Passes on the calls that only the end of all logs decides: other calls of their function reported an outcome, or none
    /// did.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(&ReadRow)) {
        for call in std::mem::take(&mut self.silent) {
            let end =
                if self.reporting.contains(&call.name()) { CallEnd::CANCELLED } else { CallEnd::UNKNOWN };
            each(&self.row(call, &end));
        }
    }

    /// The call of a span that has closed; `None` if it says that it makes no row.
    fn call(
        &self,
        at: Option<Timestamp>,
        level: Option<Level>,
        target: Option<String>,
        mut spans: SpanPath,
        took: SignedDuration,
        reports: &[CallReport],
    ) -> Option<Call> {
        let mut span = spans.pop()?;
        let rule = self.rule_of(&span, target.as_deref(), level).unwrap_or(&self.unruled).clone();
        let fields = reports.iter().filter_map(CallReport::fields).flatten();
        let fields = fields.filter(|(name, _)| rule.taken().any(|taken| taken == *name));
        span.fields.extend(fields.map(|(name, value)| (name.clone(), value.clone())));
        Some(Call {
            at,
            target,
            event_type: event_type(&rule, &span)?.into(),
            placed: Placed::of(&rule, &span),
            rule,
            span,
            parents: spans,
            ms: (took.as_secs_f64() * 1e6).round() / 1e3,
            number: 0,
            collected: FieldMap::new(),
        })
    }

    /// The number of the call within the nearest span around it that numbers such calls.
    fn number(&mut self, call: &Call) -> u32 {
        let Some((within, _)) = &call.rule.number_within else { return 0 };
        let is_within = |span: &Span| {
            let rule = self.rule_of(span, None, None);
            rule.and_then(|rule| event_type(rule, span)).as_deref() == Some(&**within)
        };
        let depth = call.parents.iter().rposition(is_within);
        depth.map_or(0, |depth| self.numbers.next(&call.parents[..=depth], &call.event_type))
    }

    fn end(&mut self, mut call: Call, reports: &[CallReport], each: &mut dyn FnMut(&ReadRow)) {
        self.note_end(&call);
        call.collected = self.collected(&call);
        let name = call.name();
        let report = EndReport::of(&call.rule, &call.span, &call.placed, reports);
        if report.is_report() {
            self.reporting.insert(name.clone());
        }
        if report.has_returned {
            self.returning.insert(name.clone());
        }
        let end = report.end(&call.rule, self.returning.contains(&name), self.reporting.contains(&name));
        match end {
            Some(end) => each(&self.row(call, &end)),
            None if self.silent.len() < MOST_PENDING => self.silent.push(call),
            None => each(&self.row(call, &CallEnd::UNKNOWN)),
        }
    }

    /// Keeps the time of a call for the nearest span around it that collects such calls.
    fn note_end(&mut self, call: &Call) {
        let collects = |rule: &RuleSpec| rule.collect.iter().any(|collect| collect.of == call.event_type);
        if !self.rules.iter().any(|rule| collects(rule)) {
            return;
        }
        let mut ms = call.ms;
        for (depth, span) in call.parents.iter().enumerate().rev() {
            if self.rules.iter().any(|rule| has_name(rule, span) && collects(rule)) {
                if self.ended.len() == MOST_PENDING {
                    self.ended.pop_front();
                    self.forgotten += 1;
                }
                let (event_type, within) = (call.event_type.clone(), call.parents[..=depth].to_vec());
                return self.ended.push_back(Ended { event_type, within, ms });
            }
            // A call within one of the same kind adds no time, because the outer one includes it.
            let rule = self.rule_of(span, None, None);
            if rule.and_then(|rule| event_type(rule, span)).as_deref() == Some(&*call.event_type) {
                ms = 0.0;
            }
        }
    }

    fn row(&mut self, mut call: Call, end: &CallEnd) -> ReadRow {
        let placed = std::mem::take(&mut call.placed);
        let mut context = placed.context(&call, self.inherited_by(&call), end);
        context.append(&mut call.collected);
        for key in &call.rule.or_null {
            context.entry(key).or_insert(Value::Null);
        }
        let [restaurant_id, booking_id] =
            ["restaurant_id", "booking_id"].map(|key| column(&mut context, key));
        ReadRow {
            id: None,
            created_at: call.at,
            event_type: call.event_type.to_string(),
            source: source(&call),
            severity: Some(severity(&call, end).as_str().to_owned()),
            restaurant_id,
            booking_id,
            context: Some(Value::Object(context).to_string()),
        }
    }

    /// The fields that the call inherits from the spans around it, each from the nearest that has it.
    fn inherited_by(&self, call: &Call) -> Vec<(String, Value)> {
        let has_own = |name: &&String| renamed(&call.rule, &call.span, name).is_some();
        let mut missing: Vec<_> = call.rule.inherit.iter().filter(|name| !has_own(name)).collect();
        let mut inherited = Vec::new();
        for span in call.parents.iter().rev() {
            if missing.is_empty() {
                break;
            }
            let rule = self.rule_of(span, None, None);
            if rule.is_none() && !call.rule.inherits_from(&span.name) {
                continue;
            }
            missing.retain(|name| {
                let constant = || rule?.set.iter().find(|(key, _)| key == *name).map(|(_, value)| value);
                // A value that both rules hash is hashed once.
                let own = call.rule.redacts(name);
                let value = match renamed(rule.unwrap_or(&self.unruled), span, name) {
                    Some((field, value)) => {
                        redacted(value, own.max(rule.and_then(|rule| rule.redacts(field))))
                    }
                    None => match constant() {
                        Some(value) => redacted(value, own),
                        None => return true,
                    },
                };
                inherited.extend(value.map(|value| ((*name).clone(), value)));
                false
            });
        }
        inherited
    }

    /// The first rule that names the span. Of a span around a call, target and level are not known.
    fn rule_of(&self, span: &Span, target: Option<&str>, level: Option<Level>) -> Option<&Arc<RuleSpec>> {
        self.rules.iter().find(|rule| {
            let matches = &rule.matches;
            has_name(rule, span)
                && matches.fields.iter().all(|field| span.fields.contains_key(field))
                && matches.target.as_ref().is_none_or(|pattern| is_below(target, pattern))
                && matches.level.is_none_or(|least| level.is_none_or(|level| level <= least))
        })
    }

    /// The calls within the span that it collects. A call knows the span as it was at that moment.
    fn collected(&mut self, call: &Call) -> FieldMap {
        if call.rule.collect.is_empty() {
            return FieldMap::new();
        }
        let mut whole = call.parents.clone();
        whole.push(call.span.clone());
        let mut within = Vec::new();
        self.ended.retain(|ended| {
            let is_within = is_same(&ended.within, &whole);
            if is_within {
                within.push((ended.event_type.clone(), ended.ms));
            }
            !is_within
        });
        let figure = |collect: &Collect| {
            let of = within.iter().filter(|(event_type, _)| *event_type == collect.of);
            match collect.figure {
                Figure::Count => json!(of.count()),
                Figure::Total => json!(of.map(|(_, ms)| ms).sum::<f64>()),
            }
        };
        call.rule.collect.iter().map(|collect| (collect.key.clone(), figure(collect))).collect()
    }
}

impl Call {
    fn name(&self) -> FunctionName {
        (self.span.name.clone(), self.target.clone())
    }

    /// Whether it lacks a field that its rule inherits.
    fn lacks_fields(&self) -> bool {
        self.rule.inherit.iter().any(|name| !self.span.fields.contains_key(name))
    }
}

fn has_name(rule: &RuleSpec, span: &Span) -> bool {
    rule.matches.names.iter().any(|name| name.matches(&span.name))
}

/// The field of the span that its rule gives this name, or that has it.
fn renamed<'a>(rule: &RuleSpec, span: &'a Span, name: &str) -> Option<(&'a String, &'a Value)> {
    let from = rule.rename.iter().find(|(_, to)| to == name);
    let renamed = from.and_then(|(from, _)| span.fields.get_key_value(from));
    renamed.or_else(|| span.fields.get_key_value(name))
}
