//! The texts about rules that have met no callsite, and about callsites that ask for a row in vain.

use std::slice::from_ref;

use tracing::Metadata;

use super::callsite::{is_own, place_of};
use super::near::nearest;
use super::probe::Program;
use super::words::{NAMES, NOTHING_MET, Words, levels, place, seen};
use crate::rules::model::{ANNOTATIONS, RuleSpec};
use crate::rules::plan::{self, Plans};

/// The most rules, and the most names of one rule, that are named one by one.
const RULES: usize = 5;

impl Words<'_> {
    /// No rule has met anything. `None` before the end if only libraries have had spans: the first call of the program may
    /// be still to come.
    pub(super) fn nothing_met(&self, program: &Program, at_end: bool) -> Option<String> {
        let (mut spans, mut events): (Vec<_>, Vec<_>) =
            self.callsites.iter().copied().partition(|meta| meta.is_span());
        // Those of libraries come last.
        spans.sort_by_key(|meta| !is_own(meta));
        events.sort_by_key(|meta| !is_own(meta));
        let first = spans.first().or(events.first());
        let has_own = first.is_none_or(|meta| is_own(meta));
        let has_own_span = spans.iter().any(|meta| is_own(meta));
        if !at_end && !has_own_span {
            return None;
        }
        let (kind, seen) = if spans.is_empty() { ("event", seen(&events)) } else { ("span", seen(&spans)) };
        let example = match first.filter(|_| has_own) {
            Some(meta) if meta.is_span() => format!("span = {:?}", meta.name()),
            Some(meta) if place_of(meta.name()).is_some() => {
                format!("event = \"*\", target = {:?}", meta.target())
            }
            Some(meta) => format!("event = {:?}", meta.name()),
            None => "span = \"NAME\"".to_owned(),
        };
        // Without the built-in rules the field alone makes no row.
        let builtin = if self.plans.reads_annotations() { "" } else { " and builtin = true to the rules" };
        let (so_far, unless) = match (at_end, has_own_span) {
            (false, _) => (" so far", "unless others are still to come, "),
            (true, false) => ("", "unless it was idle, "),
            (true, true) => ("", ""),
        };
        Some(format!(
            "{NOTHING_MET}{so_far}, so there are no rows{seen}{}: {unless}write a rule, such \
             as [[rule]] {example}, or give the {kind} the field ledger.event{builtin}",
            levels(program, self.plans),
        ))
    }

    /// Fields that look like annotations with a typing error.
    pub(super) fn misspelt(&self) -> Vec<String> {
        let callsites = self.callsites.iter().zip(&self.rules);
        let fields = callsites
            .flat_map(|(meta, rule)| meta.fields().iter().map(move |field| (meta, rule, field.name())));
        let meant = |name: &str| {
            let near = |known: &&str| (1..=2).contains(&strsim::osa_distance(known, name));
            if ANNOTATIONS.contains(&name) { None } else { ANNOTATIONS.into_iter().find(near) }
        };
        // Other fields of the program may have these names.
        let is_column = |name: &str| ["ledger.event_type", "ledger.type"].contains(&name);
        let misspelt = fields.filter_map(|(meta, rule, name)| {
            let meant = if rule.is_none() && is_column(name) { Some(ANNOTATIONS[0]) } else { meant(name) }?;
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

    /// Rules that do not read an annotation which one of their callsites gives, each with the first such callsite.
    pub(super) fn overlooking(&self) -> Vec<(usize, String)> {
        let rules = self.callsites.iter().zip(&self.rules);
        let overlooking = rules.filter_map(|(meta, rule)| {
            let unread = self.plans.unread_annotations(meta);
            let title = self.plans.rules()[(*rule)?].title((*rule)?);
            let (place, listed, remedy) = (place(meta), unread.join(", "), plan::remedy(&unread));
            let text = format!("{title} names {place} and does not read its {listed}: {remedy}");
            (!unread.is_empty()).then_some(((*rule)?, text))
        });
        overlooking.collect()
    }

    /// Rules that have met no callsite. Before the end only those whose name looks like a mistake: others may be late.
    pub(super) fn unmet(&self, program: &Program, at_end: bool) -> Vec<String> {
        let (mut words, mut names) = (Vec::new(), Vec::new());
        for (index, rule) in self.own_rules().filter(|(index, rule)| !self.is_dead(*index, rule)) {
            let is_hidden =
                program.hidden.iter().any(|hidden| self.plans.rule_of(hidden.meta) == Some(index));
            if is_hidden || !self.met(index).is_empty() {
                names.extend(self.unmet_names(rule, index, program, at_end));
                continue;
            }
            let takers = self.plans.takers_from(index, self.callsites);
            // Annotated spans of the crate have the rows that they ask for.
            let has_rows = |taker: &usize| self.plans.rules()[*taker].is_of_annotations();
            if rule.of_crate.is_some() && takers.iter().any(has_rows) {
                continue;
            }
            if !takers.is_empty() {
                match self.taken(rule, index, &takers, at_end) {
                    Some(text) => words.push(text),
                    None => names.extend(self.unmet_names(rule, index, program, at_end)),
                }
                continue;
            }
            if let Some(name) = &rule.of_crate {
                words.extend(self.no_crate(name, program, at_end));
                continue;
            }
            let cause = self.cause(rule, &rule.matches.names, program, at_end);
            let (title, conditions, kind) = (rule.title(index), rule.conditions(), rule.matches.kind.key());
            words.extend(cause.map(|cause| format!("{title}{conditions} has met no {kind}{cause}")));
        }
        let more = words.len().saturating_sub(RULES);
        words.truncate(RULES);
        if more > 0 {
            words.push(format!("{more} more rules have met nothing: see Guard::callsites"));
        }
        words.extend(names);
        words
    }

    /// Names in the list of a rule that has met others of the list.
    fn unmet_names(&self, rule: &RuleSpec, index: usize, program: &Program, at_end: bool) -> Vec<String> {
        let hidden = program.hidden.iter().map(|hidden| hidden.meta);
        let come = self.callsites.iter().copied().chain(hidden).filter(|meta| rule.matches.names(meta));
        let come: Vec<_> = come.map(Metadata::name).collect();
        let is_list = rule.matches.names.len() > 1;
        let names = rule.matches.names.iter().filter(|_| is_list);
        let unmet = names.filter(|name| !come.iter().any(|come| name.matches(come)));
        let start = format!("rule {} names the {}", index + 1, rule.matches.kind.key());
        let (mut words, mut others) = (Vec::new(), Vec::new());
        for name in unmet {
            match self.cause(rule, from_ref(name), program, false).filter(|_| words.len() < RULES) {
                Some(cause) => words.push(format!("{start} {:?}, and has met none{cause}", name.0)),
                None => others.push(name.clone()),
            }
        }
        if at_end && !others.is_empty() {
            let cause = self.cause(rule, &others, program, true).unwrap_or_default();
            let listed: Vec<_> = others.iter().take(NAMES).map(|name| format!("{:?}", name.0)).collect();
            let more = others.len().saturating_sub(NAMES);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let plural = if others.len() > 1 { "s" } else { "" };
            words.push(format!("{start}{plural} {}{more}, and has met none{cause}", listed.join(", ")));
        }
        words
    }

    /// Spans without a rule from which rules inherit, and that did not come. Before the end only those that look like a
    /// mistake.
    pub(super) fn not_inherited(&self, program: &Program, at_end: bool) -> Vec<String> {
        let spans = || self.callsites.iter().copied().filter(|meta| meta.is_span());
        let mut words = Vec::new();
        for (index, rule) in self.own_rules().filter(|(index, _)| self.rules.contains(&Some(*index))) {
            for name in rule.inherit_from.iter().filter(|name| !spans().any(|meta| name.matches(meta.name())))
            {
                let near = nearest(&name.0, spans().map(|meta| meta.name()));
                let near: Vec<_> = spans().filter(|meta| near.contains(&meta.name())).collect();
                let cause = if near.is_empty() { levels(program, self.plans) } else { seen(&near) };
                let title = rule.title(index);
                let text =
                    || format!("{title} inherits from {:?}, and no span of that name came{cause}", name.0);
                words.extend((at_end || !near.is_empty()).then(text));
            }
        }
        words
    }

    /// Fields that rules inherit and that only spans without a rule declare, from which they do not inherit.
    pub(super) fn not_inheritable(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (index, rule) in self.own_rules().filter(|(index, _)| self.rules.contains(&Some(*index))) {
            let wanted = rule.inherit.iter().filter(|field| {
                !self.plans.is_inheritable(field, &[])
                    && !self.plans.rules().iter().any(|of| of.taken().any(|taken| *taken == ***field))
            });
            for field in wanted {
                let spans = self.callsites.iter().zip(&self.rules);
                let declares =
                    |meta: &Metadata<'_>| meta.is_span() && meta.fields().field(&**field).is_some();
                let mut declaring = spans.filter(|(meta, _)| declares(meta)).peekable();
                let Some(outer) = declaring.peek().map(|(meta, _)| **meta) else { continue };
                if !declaring.any(|(meta, of)| of.is_some() || rule.inherits_from(meta.name())) {
                    words.push(format!(
                        "{} inherits {field:?}, which {} declares, and no rule names that span: write inherit_from = [{:?}]",
                        rule.title(index),
                        place(outer),
                        outer.name()
                    ));
                }
            }
        }
        words.truncate(RULES);
        words
    }

    /// Whether a notice at the start has said already that nothing can meet the rule.
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
        // The rule is for the rest, and no other callsite came.
        if takers.iter().all(|taker| self.plans.is_wider(index, *taker)) {
            return None;
        }
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
        let levels = levels(program, self.plans);
        // The name is right, and no span of the crate came.
        let is_right = near.is_empty() && levels.is_empty() && self.is_crate(&target);
        if !at_end && near.is_empty() || is_right {
            return None;
        }
        let unless = if near.is_empty() { "unless this is the name and no call came, " } else { "" };
        let others = crates.into_iter().filter(|other| !near.contains(other));
        let listed: Vec<_> =
            near.iter().copied().chain(others).take(NAMES).map(|name| format!("{name:?}")).collect();
        let seen =
            if listed.is_empty() { String::new() } else { format!("; seen: spans of {}", listed.join(", ")) };
        let dashes =
            if *name == target { "" } else { " (a target has \"_\" where the name of a package has \"-\")" };
        Some(format!(
            "instrumented({name:?}) has met no span with the target {target:?}{dashes}{seen}: {unless}give it \
             env!(\"CARGO_CRATE_NAME\"){levels}"
        ))
    }

    /// Whether a crate of the program has this name: the target of a callsite begins with it, or it is the name of the
    /// executable.
    fn is_crate(&self, name: &str) -> bool {
        let is_of = |meta: &&'static Metadata<'static>| meta.target().split("::").next() == Some(name);
        let executable =
            || std::env::current_exe().ok()?.file_stem()?.to_str().map(|stem| stem.replace('-', "_"));
        self.callsites.iter().any(is_of) || executable().is_some_and(|stem| stem == name)
    }
}
