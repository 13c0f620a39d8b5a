//! The keys of the context that a report reads: the rules say which, for the rows of each event type.

use std::collections::HashSet;
use std::sync::Arc;

use crate::rules::Rules;
use crate::rules::model::{Figure, Match, MatchKind, Pattern, RuleSpec};
use crate::store::read::{Asked, Choice};

/// The texts that every report asks of a row, in the order of the constants of [`observe`](super::observe).
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
    let key = |key: &String| key.strip_prefix("context.").unwrap_or(key).to_owned();
    let of = |rule: &RuleSpec| rule.report_by.iter().map(key).collect();
    // Several keys are several tables, so those of rules for any event type are not added to others.
    choice(rules, of, otherwise(rules, of, &[]), &[])
}

/// The rules for spans, by the event types of their rows.
pub(super) fn by_event_type(rules: &Rules) -> impl Iterator<Item = (&str, &RuleSpec)> {
    let spans = rules.list.iter().filter(|rule| rule.matches.kind == MatchKind::Span);
    spans.flat_map(|rule| names(rule).map(move |name| (name, &**rule)))
}

/// The event types that have a rule of their own, or that a rule before this one makes of every span whose name fits.
pub(super) fn named_before(rules: &Rules, rule: &RuleSpec) -> Vec<Pattern> {
    let before = rules.list.iter().take_while(|other| !std::ptr::eq(&***other, rule));
    let is_open = |other: &&Arc<RuleSpec>| {
        let Match { kind, level, fields, target, .. } = &other.matches;
        let has_no_condition = level.is_none() && fields.is_empty() && target.is_none();
        *kind == MatchKind::Span && has_no_condition && other.event_type_field.is_none()
    };
    let patterns = before.filter(is_open).flat_map(|other| names(other)).filter(|name| name.contains('*'));
    let all = rules.list.iter().enumerate();
    let own = all.flat_map(|(place, other)| names(other).map(move |name| (place, Pattern(name.to_owned()))));
    let own = own.filter(|(place, name)| name.is_name() && makes(rules, *place, name)).map(|(_, name)| name);
    own.chain(patterns.map(|name| Pattern(name.to_owned()))).collect()
}

fn names(rule: &RuleSpec) -> impl Iterator<Item = &str> {
    let own = rule.event_type.as_deref();
    let names = rule.matches.names.iter().filter(move |_| own.is_none()).map(|name| name.0.as_str());
    own.into_iter().chain(names)
}

/// How the rules judge the success of spans that make rows of this event type, such as `status below 500`. Spans without such a rule
/// are judged as by a rule that says nothing of it.
pub(super) fn success_tests(rules: &Rules, event_type: &str) -> String {
    let event_type = Pattern(event_type.to_owned());
    let spans = rules.list.iter().enumerate().filter(|(_, rule)| rule.matches.kind == MatchKind::Span);
    let makers = spans.filter(|(place, _)| makes(rules, *place, &event_type));
    let tests = without_repeats(makers.map(|(_, rule)| success_test(rule)));
    if tests.is_empty() { success_test(&RuleSpec::default()) } else { tests.join(" or ") }
}

fn success_test(rule: &RuleSpec) -> String {
    let silent = rule.silent.map(|silent| format!(" with silent = \"{}\"", silent.outcome().as_str()));
    format!("{}{}", rule.success, silent.unwrap_or_default())
}

/// A call that ends with an error has the error's text, also where its rule names no key for a reason.
fn reason(rules: &Rules) -> Asked {
    let [reason, error] = ["reason", "error"];
    let own = |rule: &RuleSpec| {
        let reasons = rule.keys.reason.iter().cloned().chain([reason.to_owned()]);
        reasons.chain(rule.keys.error.clone()).chain([error.to_owned()]).collect()
    };
    Asked::Key(keys(rules, own, &[reason, error]))
}

/// The keys of the rows that rules make, by event type, and those of all other rows. Rules that make the same event type have
/// their keys together.
///
/// Any row may have the usual keys too: a span or event can name its event type in a field, an event has the keys that it brings,
/// and the older system wrote others. Rows that name their event type in a field have the keys of their rules after these.
fn keys(rules: &Rules, of: impl Fn(&RuleSpec) -> Vec<String>, usual: &[&str]) -> Choice {
    let otherwise = otherwise(rules, &of, usual);
    choice(rules, of, otherwise.clone(), &otherwise)
}

/// The keys of rows that no rule names.
fn otherwise(rules: &Rules, of: impl Fn(&RuleSpec) -> Vec<String>, usual: &[&str]) -> Vec<String> {
    let has_any_type = |rule: &&Arc<RuleSpec>| rule.event_type_field.is_some();
    let usual = usual.iter().map(|key| (*key).to_owned());
    without_repeats(usual.chain(rules.list.iter().filter(has_any_type).flat_map(|rule| of(rule))))
}

/// `added` are the keys of an event type after those of its own rules.
fn choice(
    rules: &Rules,
    of: impl Fn(&RuleSpec) -> Vec<String>,
    otherwise: Vec<String>,
    added: &[String],
) -> Choice {
    let keys = |place: usize, event_type: &Pattern| {
        let makers = makers(rules, place, event_type);
        let own = without_repeats(makers.iter().flat_map(|rule| of(rule)));
        let is_event = makers.iter().any(|rule| rule.matches.kind == MatchKind::Event);
        match own.is_empty() && !is_event && event_type.is_name() {
            // Its rules leave the value out.
            true => own,
            false => without_repeats(own.into_iter().chain(added.iter().cloned())),
        }
    };
    let mut named = Vec::new();
    for (place, rule) in rules.list.iter().enumerate() {
        let event_types = names(rule).map(|name| Pattern(name.to_owned()));
        let made = event_types.filter(|event_type| makes(rules, place, event_type));
        named.extend(made.map(|event_type| (event_type.clone(), keys(place, &event_type))));
    }
    Choice::new(named, otherwise)
}

/// The rules that make rows of this event type, which the rule at this place makes. An event type that an earlier pattern fits too
/// has the keys of that one.
fn makers<'r>(rules: &'r Rules, place: usize, event_type: &Pattern) -> Vec<&'r RuleSpec> {
    let Some(rule) = rules.list.get(place) else { return Vec::new() };
    let first = if event_type.is_name() { 0 } else { place };
    let others = rules.list.iter().enumerate().skip(first);
    let makers = others.filter(|(other_place, other)| {
        let is_kind = other.matches.kind == rule.matches.kind;
        let may_make = is_kind || !event_type.is_name() || names(other).any(|name| name == event_type.0);
        may_make && makes(rules, *other_place, event_type)
    });
    makers.map(|(_, rule)| &**rule).collect()
}

fn without_repeats(keys: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = HashSet::new();
    keys.filter(|key| known.insert(key.clone())).collect()
}

/// Whether the rule at this place names rows so. Of the rules that match a callsite, the first one makes its rows.
fn makes(rules: &Rules, place: usize, event_type: &Pattern) -> bool {
    let (earlier, rest) = rules.list.split_at(place);
    rest.first().is_some_and(|rule| match &rule.event_type {
        _ if rule.event_type_field.is_some() => false,
        Some(own) => {
            **own == event_type.0 && !earlier.iter().any(|other| other.matches.shadows(&rule.matches))
        }
        None => {
            let is_made = |name: &Pattern| match event_type.is_name() {
                true => name.matches(&event_type.0),
                false => name.may_overlap(event_type),
            };
            rule.matches.names.iter().any(is_made)
                && !earlier.iter().any(|other| other.matches.shadows_name(&rule.matches, event_type))
        }
    })
}

/// The key of a figure of the calls, which are those that the rule collects first.
fn collected(rule: &RuleSpec, figure: Figure) -> Option<String> {
    // Such rows cannot be told from others.
    let of = rule.collect.first().filter(|_| rule.event_type_field.is_none()).map(|first| &first.of)?;
    let found = rule.collect.iter().find(|collect| collect.figure == figure && &collect.of == of);
    found.map(|collect| collect.key.clone())
}
