//! The keys of the context that a report reads: the rules say which, for the rows of each event type.

use std::collections::HashSet;
use std::sync::Arc;

use crate::rules::Rules;
use crate::rules::model::{Figure, MatchKind, Pattern, RuleSpec};
use crate::store::read::{Asked, Choice};

/// What every report asks of a row. The order is that of the constants of [`observe`](super::observe).
pub(super) fn measured(rules: &Rules) -> Vec<Asked> {
    let key = |role: fn(&RuleSpec) -> Option<String>, otherwise: &[&str]| {
        Asked::Key(keys(rules, |rule| role(rule).into_iter().collect(), otherwise))
    };
    vec![
        Asked::Source,
        Asked::BookingId,
        key(|rule| rule.keys.duration.clone(), &["duration_ms", "durationMs"]),
        key(|rule| rule.keys.success.clone(), &["success"]),
        key(|rule| rule.keys.outcome.clone(), &["outcome"]),
        reason(rules),
        key(|rule| rule.keys.reason_code.clone(), &["reason_code"]),
        key(|rule| rule.keys.reason_category.clone(), &["reason_category"]),
        key(|rule| rule.keys.result.clone(), &["result"]),
        key(|rule| collected(rule, Figure::Count), &[]),
        key(|rule| collected(rule, Figure::Total), &[]),
        Asked::Key(Choice::always("trace_id")),
    ]
}

/// The keys by which the rules group rows.
pub(super) fn grouping(rules: &Rules) -> Choice {
    keys(rules, |rule| rule.report_by.clone(), &[])
}

/// The rules for spans, by the event types of their rows.
pub(super) fn by_event_type(rules: &Rules) -> impl Iterator<Item = (&str, &RuleSpec)> {
    let spans = rules.list.iter().filter(|rule| rule.matches.kind == MatchKind::Span);
    spans.flat_map(|rule| names(rule).map(move |name| (name, &**rule)))
}

fn names(rule: &RuleSpec) -> impl Iterator<Item = &str> {
    let own = rule.event_type.as_deref();
    let names = rule.matches.names.iter().filter(move |_| own.is_none()).map(|name| name.0.as_str());
    own.into_iter().chain(names)
}

/// A call that ends with an error has the error's text, also where its rule names no key for a reason.
fn reason(rules: &Rules) -> Asked {
    let texts = ["reason", "error"];
    let keys = keys(
        rules,
        |rule| rule.keys.reason.iter().cloned().chain(texts.map(str::to_owned)).collect(),
        &texts,
    );
    Asked::Key(keys)
}

/// The keys of each rule's rows, and those of all other rows.
///
/// Other rows may have an event type that a pattern fits, and an event has the keys that it brings: they have the usual keys
/// too. Rows that name their event type in a field may have any: all of these rows have the keys of their rules, after the usual
/// ones.
fn keys(rules: &Rules, of: impl Fn(&RuleSpec) -> Vec<String>, usual: &[&str]) -> Choice {
    let has_any_type = |rule: &&Arc<RuleSpec>| rule.event_type_field.is_some();
    let usual = usual.iter().map(|key| (*key).to_owned());
    let mut known = HashSet::new();
    let otherwise: Vec<_> = usual
        .chain(rules.list.iter().filter(has_any_type).flat_map(|rule| of(rule)))
        .filter(|key| known.insert(key.clone()))
        .collect();
    let keys = |rule: &RuleSpec, pattern: &Pattern| {
        let mut keys = of(rule);
        if rule.matches.kind == MatchKind::Event || !pattern.is_name() {
            keys.extend(otherwise.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
        }
        keys
    };
    let named = rules.list.iter().flat_map(|rule| {
        let patterns = names(rule).map(|name| Pattern(name.to_owned()));
        patterns.map(move |pattern| (rule, pattern))
    });
    let named: Vec<_> = named.map(|(rule, pattern)| (pattern.clone(), keys(rule, &pattern))).collect();
    Choice::new(named, otherwise.clone())
}

fn collected(rule: &RuleSpec, figure: Figure) -> Option<String> {
    rule.collect.iter().find(|collect| collect.figure == figure).map(|collect| collect.key.clone())
}
