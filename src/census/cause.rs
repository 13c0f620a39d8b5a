//! Why a rule may have met none of its names.

use tracing::Metadata;

use super::callsite::place_of;
use super::near::nearest;
use super::probe::Program;
use super::words::{NAMES, Words, levels, place, seen};
use crate::rules::model::{MatchKind, Pattern, RuleSpec};
use crate::rules::plan::Plans;

impl Words<'_> {
    /// Why no callsite has these names of the rule, or an empty text if that is unknown; `None` while others may still come.
    pub(super) fn cause(
        &self,
        rule: &RuleSpec,
        names: &[Pattern],
        program: &Program,
        at_end: bool,
    ) -> Option<String> {
        if let Some(text) = self.of_other_kind(rule, names, at_end) {
            return Some(text);
        }
        let near = self.near(rule, names, at_end);
        if !near.is_empty() {
            // A similar name is the likelier cause.
            return Some(seen(&near));
        }
        at_end.then(|| format!("{}{}", self.otherwise(rule, names), levels(program, self.plans)))
    }

    /// A span where the rule is for events, or an event where it is for spans. Before the end only if it has this very name,
    /// and no rule of its own.
    fn of_other_kind(&self, rule: &RuleSpec, names: &[Pattern], at_end: bool) -> Option<String> {
        let is_other = |meta: &&&'static Metadata<'static>| {
            meta.is_span() != (rule.matches.kind == MatchKind::Span) && place_of(meta.name()).is_none()
        };
        let is_named = |meta: &&&'static Metadata<'static>| {
            let fits = |name: &Pattern| is_a_name(name) && at_end && name.matches(meta.name());
            let is_mistake = |name: &Pattern| name.0 == meta.name() && self.plans.rule_of(meta).is_none();
            names.iter().any(|name| fits(name) || is_mistake(name))
        };
        let meta = self.callsites.iter().filter(is_other).find(is_named)?;
        let (is, kind) = if meta.is_span() { ("a span", "span") } else { ("an event", "event") };
        Some(format!("; {} is {is}: write {kind} = {:?}", place(meta), meta.name()))
    }

    /// Other causes: events without a name, or other targets.
    fn otherwise(&self, rule: &RuleSpec, names: &[Pattern]) -> String {
        let of_kind = self.of_kind(rule);
        let nameless =
            |meta: &&&'static Metadata<'static>| place_of(meta.name()).is_some() && !Plans::is_verdict(meta);
        let has_fields = |meta: &&&'static Metadata<'static>| rule.matches.has_fields(meta);
        let mut events = of_kind.iter().filter(nameless);
        if names.iter().any(is_a_name) {
            let Some(event) = events.clone().find(has_fields).or_else(|| events.next()) else {
                return String::new();
            };
            return format!(
                "; info!(…) gives its events no name: name them by target and fields, such as event = \"*\", target = {:?}",
                event.target()
            );
        }
        let mut targets: Vec<_> = of_kind.iter().map(|meta| meta.target()).collect();
        targets.sort_unstable();
        targets.dedup();
        if rule.matches.target.is_none() || targets.is_empty() {
            return String::new();
        }
        let listed: Vec<_> = targets.iter().take(NAMES).map(|target| format!("{target:?}")).collect();
        format!("; seen: {}s of {}", rule.matches.kind.key(), listed.join(", "))
    }

    fn of_kind(&self, rule: &RuleSpec) -> Vec<&'static Metadata<'static>> {
        let is_span = rule.matches.kind == MatchKind::Span;
        self.callsites.iter().copied().filter(|meta| meta.is_span() == is_span).collect()
    }

    /// Callsites whose names look like these of the rule, or that the rule names and whose targets look like its own. At the
    /// end also those that have all its fields.
    fn near(&self, rule: &RuleSpec, names: &[Pattern], at_end: bool) -> Vec<&'static Metadata<'static>> {
        let mut of_kind = self.of_kind(rule);
        of_kind.retain(|meta| !rule.matches.names(meta));
        let known = || of_kind.iter().map(|meta| meta.name()).filter(|name| place_of(name).is_none());
        let near: Vec<_> = names.iter().flat_map(|name| nearest(&name.0, known())).collect();
        let targets = || of_kind.iter().map(|meta| meta.target());
        let target = rule.matches.target.iter();
        let near_targets: Vec<_> = target.flat_map(|target| nearest(&target.0, targets())).collect();
        let is_named = |meta: &Metadata<'_>| names.iter().any(|name| name.matches(meta.name()));
        let has_fields =
            |meta: &Metadata<'_>| at_end && !rule.matches.fields.is_empty() && rule.matches.has_fields(meta);
        let is_near = |meta: &&Metadata<'static>| {
            near.contains(&meta.name())
                || is_named(meta) && (near_targets.contains(&meta.target()) || has_fields(meta))
        };
        of_kind.iter().copied().filter(is_near).collect()
    }
}

/// Whether it is more than `*`.
fn is_a_name(name: &Pattern) -> bool {
    !name.0.trim_matches('*').is_empty()
}
