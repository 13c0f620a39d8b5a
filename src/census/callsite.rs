//! The list of the spans and events of a program.

use std::fmt;

use tracing::{Level, Metadata};

use crate::rules::plan::Plans;

/// A span or event that the program has reached, from [`Guard::callsites`](crate::Guard::callsites).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Callsite {
    /// Whether it is a span, and not an event.
    pub is_span: bool,
    /// Its name. An event without one has its place instead.
    pub name: &'static str,
    /// Its target, which is a module unless it says otherwise.
    pub target: &'static str,
    /// Its level.
    pub level: Level,
    /// The fields that it declares.
    pub fields: Vec<&'static str>,
    /// How often it came, counted with [`Builder::discover`](crate::Builder::discover) alone.
    pub calls: Option<u64>,
    /// Its rule, such as `rule 1 (span = "work")`, or else one that reads the event for a span around it, such as
    /// `rule 1 (span = "work"), for its outcome`.
    pub rule: Option<String>,
}

impl Callsite {
    pub(super) fn of(meta: &'static Metadata<'static>, plans: &Plans) -> Self {
        let title = |index: usize| plans.rules()[index].title(index);
        let read_for = || plans.reader_of(meta).map(|(rule, what)| format!("{}, for {what}", title(rule)));
        Self {
            is_span: meta.is_span(),
            name: meta.name(),
            target: meta.target(),
            level: *meta.level(),
            fields: meta.fields().iter().map(|field| field.name()).collect(),
            calls: plans.calls(meta),
            rule: plans.rule_of(meta).map(title).or_else(read_for),
        }
    }
}

impl fmt::Display for Callsite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, target, level, .. } = self;
        let kind = if self.is_span { "span" } else { "event" };
        let name = place_of(name).map_or_else(|| format!("{name:?}"), |place| format!("at {place}"));
        write!(f, "{kind} {name}, target {target}, {level}, fields [{}]", self.fields.join(", "))?;
        if let Some(calls) = self.calls {
            let times = if calls == 1 { "time" } else { "times" };
            write!(f, ", came {calls} {times}")?;
        }
        write!(f, ", {}", self.rule.as_deref().unwrap_or("no rule"))
    }
}

/// The place that stands for the name of an event without one, without the folders in which Cargo keeps packages.
pub(super) fn place_of(name: &str) -> Option<&str> {
    let place = name.strip_prefix("event ")?;
    let (path, line) = place.rsplit_once(':')?;
    let is_place = path.contains(".rs") && line.bytes().all(|byte| byte.is_ascii_digit());
    is_place.then(|| without_cargo(place))
}

/// Whether it is of the program itself, and not of a package that Cargo has fetched.
pub(super) fn is_own(meta: &Metadata<'_>) -> bool {
    meta.file().is_none_or(|file| without_cargo(file) == file)
}

/// A path from the folder of its package on, if that is one that Cargo has fetched.
pub(super) fn without_cargo(path: &str) -> &str {
    let of_registry = path.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    let of_git = || path.split_once("/git/checkouts/");
    of_registry.or_else(of_git).map_or(path, |(_, rest)| rest)
}

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
    if !has_spans && place_of(name).is_some() {
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

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn an_event_without_a_name_is_called_by_its_place() {
        for (name, place) in [
            ("event src/main.rs:39", Some("src/main.rs:39")),
            (
                "event /home/ada/.cargo/registry/src/index.crates.io-1/a-1.0/src/b.rs:8",
                Some("a-1.0/src/b.rs:8"),
            ),
            ("event /home/ada/.cargo/git/checkouts/a-1/2f/src/b.rs:8", Some("a-1/2f/src/b.rs:8")),
            ("event of the day", None),
            ("event: 7", None),
            ("paid", None),
        ] {
            assert_eq!(place_of(name), place, "{name}");
        }
    }
}
