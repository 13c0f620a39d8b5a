//! The list of the spans and events of a program.

use std::fmt;

use tracing::{Level, Metadata};

use crate::rules::plan::Plans;

/// A span or event that the program has come by, from [`Guard::callsites`](crate::Guard::callsites).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Callsite {
    /// Whether it is a span, and not an event.
    pub is_span: bool,
    /// Its name; that of an event without one is its place.
    pub name: &'static str,
    /// Its target, which is a module unless it says otherwise.
    pub target: &'static str,
    /// Its level.
    pub level: Level,
    /// The fields that it declares.
    pub fields: Vec<&'static str>,
    /// How often it came, counted with [`Builder::discover`](crate::Builder::discover) alone.
    pub calls: Option<u64>,
    /// Its rule, such as `rule 1 (span = "work")`.
    pub rule: Option<String>,
}

impl Callsite {
    pub(super) fn of(meta: &'static Metadata<'static>, plans: &Plans) -> Self {
        Self {
            is_span: meta.is_span(),
            name: meta.name(),
            target: meta.target(),
            level: *meta.level(),
            fields: meta.fields().iter().map(|field| field.name()).collect(),
            calls: plans.calls(meta),
            rule: plans.rule_of(meta).map(|index| plans.rules()[index].title(index)),
        }
    }
}

impl fmt::Display for Callsite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, target, level, .. } = self;
        let kind = if self.is_span { "span" } else { "event" };
        write!(f, "{kind} {name:?}, target {target}, {level}, fields [{}]", self.fields.join(", "))?;
        if let Some(calls) = self.calls {
            let times = if calls == 1 { "time" } else { "times" };
            write!(f, ", came {calls} {times}")?;
        }
        write!(f, ", {}", self.rule.as_deref().unwrap_or("no rule"))
    }
}

/// Whether it is an event that `info!` and its kin give no name.
pub(super) fn is_unnamed(meta: &Metadata<'_>) -> bool {
    meta.is_event() && meta.name().starts_with(UNNAMED)
}

/// How the name of an event begins that has none.
const UNNAMED: &str = "event ";

/// A rule to start from, line by line: for the span without a rule that comes most often, or in a program without spans for
/// such an event.
pub(super) fn first_rule(callsites: &[Callsite]) -> Option<Vec<String>> {
    let has_spans = callsites.iter().any(|callsite| callsite.is_span);
    let without =
        callsites.iter().filter(|callsite| callsite.is_span == has_spans && callsite.rule.is_none());
    // Of those that come equally often, one that says more about the service.
    let callsite = without.max_by_key(|callsite| (callsite.level <= Level::INFO, callsite.calls))?;
    let Callsite { name, target, fields, .. } = callsite;
    let kind = if has_spans { "span" } else { "event" };
    let mut rule = vec!["[[rule]]".to_owned()];
    if !has_spans && name.starts_with(UNNAMED) {
        let fields: Vec<_> = fields.iter().filter(|field| **field != "message").collect();
        rule.push("event = \"*\"".to_owned());
        rule.push(format!("target = {target:?}"));
        rule.push(format!("fields = {fields:?}"));
        rule.push(format!("event_type = {:?}", target.replace("::", ".")));
    } else {
        rule.push(format!("{kind} = {name:?}"));
        rule.push(format!("target = {target:?}"));
        rule.push(format!("event_type = {name:?}"));
    }
    Some(rule)
}
