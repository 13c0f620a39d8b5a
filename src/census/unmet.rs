//! The words about rules that have met no callsite, and about callsites that ask for a row in vain.

use tracing::Metadata;

use super::callsite::is_unnamed;
use super::near::nearest;
use super::probe::Program;
use super::words::{Callsites, NAMES, Words, levels, place, seen};
use crate::rules::model::{ANNOTATIONS, MatchKind, Pattern, RuleSpec};
use crate::rules::plan::{self, Plans};

/// The most rules that are named one by one.
const RULES: usize = 5;

impl Words<'_> {
    /// No rule has met anything.
    pub(super) fn nothing_met(&self, program: &Program) -> String {
        let names = |meta: &&&'static Metadata<'static>| meta.is_span();
        let spans: Vec<_> = self.callsites.iter().filter(names).copied().collect();
        let (kind, seen) =
            if spans.is_empty() { ("event", seen(self.callsites)) } else { ("span", seen(&spans)) };
        let example = match spans.first().or(self.callsites.first()) {
            Some(meta) if meta.is_span() => format!("span = {:?}", meta.name()),
            Some(meta) if is_unnamed(meta) => format!("event = \"*\", target = {:?}", meta.target()),
            Some(meta) => format!("event = {:?}", meta.name()),
            None => "span = \"NAME\"".to_owned(),
        };
        // Without the built-in rules the field alone makes no row.
        let builtin = if self.plans.hears_annotations() { "" } else { " and builtin = true to the rules" };
        format!(
            "no rule names a span or event of this program, so there are no rows{seen}{}: write a rule, such as [[rule]] \
             {example}, or give the {kind} the field ledger.event{builtin}",
            levels(program, self.plans),
        )
    }

    /// Fields that look like annotations with a typing error.
    pub(super) fn misspelt(&self) -> Vec<String> {
        let fields = self
            .callsites
            .iter()
            .flat_map(|meta| meta.fields().iter().map(move |field| (meta, field.name())));
        let meant = |name: &str| {
            let near = |known: &&str| (1..=2).contains(&strsim::osa_distance(known, name));
            if ANNOTATIONS.contains(&name) { None } else { ANNOTATIONS.into_iter().find(near) }
        };
        let misspelt = fields.filter_map(|(meta, name)| {
            let meant = meant(name)?;
            Some(format!(
                "{} declares {name:?}, which is an ordinary field: did you mean {meant}?",
                place(meta)
            ))
        });
        misspelt.take(RULES).collect()
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

    /// Columns of keys that no row has. Before the end only those that look like a mistake.
    pub(super) fn unfilled(&self, at_end: bool) -> Vec<String> {
        let (unfilled, keys) = self.plans.unfilled(self.callsites);
        let words = unfilled.into_iter().filter_map(|(column, key)| {
            let near = nearest(key, keys.iter().map(String::as_str));
            let has_rows = self.callsites.iter().any(|meta| self.plans.has_made_rows(meta));
            let seen = near.first().map(|near| format!("; seen: {near:?}")).unwrap_or_default();
            let is_due = has_rows && (at_end || !near.is_empty());
            is_due
                .then(|| format!("columns fills {column:?} from the key {key:?}, which no row has had{seen}"))
        });
        words.collect()
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
            let met = self.met(index);
            if is_hidden || !met.is_empty() {
                words.extend(self.unmet_names(rule, index, &met, at_end).filter(|_| !is_hidden));
                continue;
            }
            let takers = self.plans.takers_from(index, self.callsites);
            // Annotated spans of the crate have the rows that they ask for.
            let has_rows = |taker: &usize| self.plans.rules()[*taker].is_of_annotations();
            if rule.of_crate.is_some() && takers.iter().any(has_rows) {
                continue;
            }
            // A rule for what a narrower one before it leaves over does no harm.
            if !takers.is_empty() && takers.iter().all(|taker| self.plans.is_wider(index, *taker)) {
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
            let other = self.other_kind(rule);
            if !at_end && near.is_empty() && other.is_none() {
                continue;
            }
            // A similar name is the likelier cause.
            let seen = (!near.is_empty()).then(|| seen(&near));
            let cause = other.or(seen).or_else(|| self.unnamed(rule));
            let cause = cause.unwrap_or_else(|| levels(program, self.plans));
            words.push(format!("{}{} has met no {kind}{cause}", rule.title(index), rule.conditions()));
        }
        let more = words.len().saturating_sub(RULES);
        words.truncate(RULES);
        if more > 0 {
            words.push(format!("{more} more rules have met nothing: see Guard::callsites"));
        }
        words
    }

    /// Names of a list that no callsite has, where others have met some. Before the end only those that look like a mistake.
    fn unmet_names(&self, rule: &RuleSpec, index: usize, met: &Callsites, at_end: bool) -> Option<String> {
        let callsites =
            || self.callsites.iter().filter(|meta| meta.is_span() == (rule.matches.kind == MatchKind::Span));
        let has = |name: &&Pattern| callsites().any(|meta| name.matches(meta.name()));
        let others = || callsites().filter(|meta| !met.contains(meta)).copied();
        let mut missing = rule.matches.names.iter().filter(|name| !has(name)).filter_map(|name| {
            let near = nearest(&name.0, others().map(|meta| meta.name()));
            let near: Vec<_> = others().filter(|meta| near.contains(&meta.name())).collect();
            (at_end || !near.is_empty()).then_some((name, near))
        });
        let (name, near) = missing.next()?;
        let more = missing.count();
        let more = if more > 0 { format!(" and {more} more of its names") } else { String::new() };
        let title = rule.title(index);
        Some(format!(
            "{title} has met no {} of the name {:?}{more}{}",
            rule.matches.kind.key(),
            name.0,
            seen(&near)
        ))
    }

    /// A callsite of the name that the rule wants, which is an event and no span, or the other way round.
    fn other_kind(&self, rule: &RuleSpec) -> Option<String> {
        let is_other = |meta: &&&Metadata<'_>| {
            meta.is_span() != (rule.matches.kind == MatchKind::Span)
                && rule.matches.names.iter().any(|name| name.0 == meta.name())
        };
        let meta = self.callsites.iter().find(is_other)?;
        let kind = if meta.is_span() { MatchKind::Span } else { MatchKind::Event };
        let article = if meta.is_span() { "a" } else { "an" };
        Some(format!("; {} is {article} {1}: write {1} = {2:?}", place(meta), kind.key(), meta.name()))
    }

    /// The remedy where the program has events without a name, and the rule asks for a name.
    fn unnamed(&self, rule: &RuleSpec) -> Option<String> {
        if rule.matches.kind != MatchKind::Event || !rule.is_exact() {
            return None;
        }
        let meta = self.callsites.iter().find(|meta| is_unnamed(meta))?;
        Some(format!(
            "; info!(…) gives its events no name: name them by target and fields, such as event = \"*\", target = {:?}",
            meta.target()
        ))
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
        let has_fields = |meta: &Metadata<'_>| {
            let fields = &rule.matches.fields;
            !fields.is_empty() && fields.iter().all(|field| meta.fields().field(field.as_str()).is_some())
        };
        let is_near = |meta: &&Metadata<'static>| {
            near.contains(&meta.name())
                || is_named(meta) && (near_targets.contains(&meta.target()) || has_fields(meta))
        };
        of_kind.iter().copied().filter(is_near).collect()
    }
}
