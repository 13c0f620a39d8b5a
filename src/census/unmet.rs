//! The words about rules that have met no callsite, and about callsites that ask for a row in vain.

use tracing::Metadata;

use super::near::nearest;
use super::probe::Program;
use super::words::{NAMES, Words, levels, place, seen};
use crate::rules::model::{MatchKind, RuleSpec};
use crate::rules::plan::{self, Plans};

/// The most rules that are named one by one.
const RULES: usize = 5;

impl Words<'_> {
    /// No rule has met anything.
    pub(super) fn nothing_met(&self, program: &Program) -> String {
        let names = |meta: &&&'static Metadata<'static>| meta.is_span();
        let spans: Vec<_> = self.callsites.iter().filter(names).copied().collect();
        let example = spans.first().map_or("NAME", |meta| meta.name());
        // Without the built-in rules the field alone makes no row.
        let builtin = if self.plans.hears_annotations() { "" } else { " and builtin = true to the rules" };
        format!(
            "no rule names a span or event of this program, so there are no rows{}{}: write a rule, such as [[rule]] span = \
             {example:?}, or give the span the field ledger.event{builtin}",
            seen(if spans.is_empty() { self.callsites } else { &spans }),
            levels(program, self.plans),
        )
    }

    /// Callsites that ask for a row by a field which no rule reads.
    pub(super) fn unread(&self) -> Option<String> {
        let mut asking = self.callsites.iter().filter(|meta| self.plans.ignores_annotation(meta));
        let first = place(asking.next()?);
        let which = match asking.count() {
            0 => format!("{first} declares ledger.event and has"),
            more => format!("{first} and {more} more declare ledger.event and have"),
        };
        Some(format!(
            "{which} no rows, because the built-in rules are off: write builtin = true in the file of rules, in Rust \
             Rules::builtin().preceded_by(…), or a rule with event_type = {{ field = \"ledger.event\" }}"
        ))
    }

    /// Rules that have a callsite which asks for another row than theirs, each with the first one.
    pub(super) fn deaf(&self) -> Vec<(usize, String)> {
        let rules = self.callsites.iter().zip(&self.rules);
        let deaf = rules.filter_map(|(meta, rule)| {
            let unread = self.plans.unread_annotations(meta);
            let title = self.plans.rules()[(*rule)?].title((*rule)?);
            let (place, listed, remedy) = (place(meta), unread.join(", "), plan::remedy(&unread));
            let text = format!("{title} names {place} and does not read its {listed}: {remedy}");
            (!unread.is_empty()).then_some(((*rule)?, text))
        });
        deaf.collect()
    }

    /// Rules that have met no callsite. Before the end only those whose name looks like a mistake: others may be late.
    pub(super) fn unmet(&self, program: &Program, at_end: bool) -> Vec<String> {
        let mut words = Vec::new();
        for (index, rule) in self.own_rules().filter(|(index, rule)| !self.is_dead(*index, rule)) {
            let is_hidden =
                program.hidden.iter().any(|hidden| self.plans.rule_of(hidden.meta) == Some(index));
            if is_hidden || !self.met(index).is_empty() {
                continue;
            }
            let takers = self.plans.takers_from(index, self.callsites);
            // Annotated spans of the crate have the rows that they ask for.
            let has_rows = |taker: &usize| self.plans.rules()[*taker].is_of_annotations();
            if rule.of_crate.is_some() && takers.iter().any(has_rows) {
                continue;
            }
            if !takers.is_empty() {
                words.extend(self.taken(rule, index, &takers, at_end));
                continue;
            }
            if let Some(name) = &rule.of_crate {
                words.extend(self.no_crate(name, program, at_end));
                continue;
            }
            let kind = rule.matches.kind.key();
            let near = self.near(rule);
            if !at_end && near.is_empty() {
                continue;
            }
            // A similar name is the likelier cause.
            let cause = if near.is_empty() { levels(program, self.plans) } else { seen(&near) };
            words.push(format!("{}{} has met no {kind}{cause}", rule.title(index), rule.conditions()));
        }
        let more = words.len().saturating_sub(RULES);
        words.truncate(RULES);
        if more > 0 {
            words.push(format!("{more} more rules have met nothing: see Guard::callsites"));
        }
        words
    }

    /// Whether the words at the start have told that nothing can meet the rule.
    fn is_dead(&self, index: usize, rule: &RuleSpec) -> bool {
        rule.matches.fields.iter().any(|field| field == "ledger.event")
            || rule.matches.target.as_ref().is_some_and(|target| Plans::is_barred(&target.0))
            || rule.of_crate.is_none() && self.plans.is_shadowed(index)
    }

    /// Earlier rules have all that the rule names. Before the end only if it can name little else: others may be late.
    fn taken(&self, rule: &RuleSpec, index: usize, takers: &[usize], at_end: bool) -> Option<String> {
        let titles = takers.iter().take(NAMES).map(|taker| self.plans.rules()[*taker].title(*taker));
        let titles = titles.collect::<Vec<_>>().join(" and ");
        let kind = rule.matches.kind.key();
        let does = if takers.len() == 1 { "does" } else { "do" };
        (at_end || rule.is_exact() || self.plans.is_shadowed(index)).then(|| {
            format!(
                "{}{} has met no {kind} that {titles} {does} not name before it, and the first rule decides: put the narrower \
                 rule first, or take one of them out",
                rule.title(index),
                rule.conditions(),
            )
        })
    }

    /// No span of a crate in `instrumented` came. Before the end only if its name looks like a mistake.
    fn no_crate(&self, name: &str, program: &Program, at_end: bool) -> Option<String> {
        let target = name.replace('-', "_");
        let crates = self.callsites.iter().filter(|meta| meta.is_span());
        let mut crates: Vec<_> = crates.filter_map(|meta| meta.target().split("::").next()).collect();
        crates.sort_unstable();
        crates.dedup();
        let near = nearest(&target, crates.iter().copied());
        if !at_end && near.is_empty() {
            return None;
        }
        let others = crates.into_iter().filter(|other| !near.contains(other));
        let listed: Vec<_> =
            near.iter().copied().chain(others).take(NAMES).map(|name| format!("{name:?}")).collect();
        let seen =
            if listed.is_empty() { String::new() } else { format!("; seen: spans of {}", listed.join(", ")) };
        let dashes =
            if *name == target { "" } else { " (a target has \"_\" where the name of a package has \"-\")" };
        Some(format!(
            "instrumented({name:?}) has met no span with the target {target:?}{dashes}{seen}: give it \
             env!(\"CARGO_CRATE_NAME\"){}",
            levels(program, self.plans)
        ))
    }

    /// Callsites whose names look like those of the rule, or that the rule names and whose targets look like its own.
    fn near(&self, rule: &RuleSpec) -> Vec<&'static Metadata<'static>> {
        let of_kind = self
            .callsites
            .iter()
            .copied()
            .filter(|meta| meta.is_span() == (rule.matches.kind == MatchKind::Span));
        let of_kind: Vec<_> = of_kind.collect();
        let names = || of_kind.iter().map(|meta| meta.name());
        let wanted = rule.matches.names.iter();
        let near: Vec<_> = wanted.flat_map(|name| nearest(&name.0, names())).collect();
        let targets = || of_kind.iter().map(|meta| meta.target());
        let target = rule.matches.target.iter();
        let near_targets: Vec<_> = target.flat_map(|target| nearest(&target.0, targets())).collect();
        let is_named = |meta: &Metadata<'_>| rule.matches.names.iter().any(|name| name.matches(meta.name()));
        let is_near = |meta: &&Metadata<'static>| {
            near.contains(&meta.name()) || is_named(meta) && near_targets.contains(&meta.target())
        };
        of_kind.iter().copied().filter(is_near).collect()
    }
}
