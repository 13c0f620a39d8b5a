//! Questions about a rule and the callsites of a program: which rule covers it, and which fields it names.

use std::sync::Arc;

use tracing::Metadata;

use super::Plans;
use super::matching::{covers, is_barred};
use crate::rules::Rules;
use crate::rules::model::{ANNOTATIONS, Match, MatchKind, Pattern, RuleSpec, SeverityRule, Take};

/// A field that a rule names, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    pub(crate) verb: &'static str,
    pub(crate) field: &'a str,
    place: FieldPlace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldPlace {
    /// The callsite declares it itself.
    Own,
    /// The callsite declares it, or the rule inherits it.
    Here,
    /// The callsite declares fields that begin so.
    Prefix,
    /// A span around the callsite declares it.
    Around,
}

impl Wanted<'_> {
    /// Whether the value could leak where the field is not there.
    pub(crate) fn is_redacted(&self) -> bool {
        self.verb == "redacts"
    }
}

impl Plans {
    pub(crate) fn rules(&self) -> &[Arc<RuleSpec>] {
        &self.rules.list
    }

    /// The place of the rule that names the callsite, whether its level is recorded or not.
    pub(crate) fn rule_of(&self, meta: &Metadata<'_>) -> Option<usize> {
        self.rules.list.iter().position(|rule| rule.matches.names(meta))
    }

    /// The places of the earlier rules that have these callsites instead of this rule, which names them too.
    pub(crate) fn takers_from(&self, rule: usize, callsites: &[&'static Metadata<'static>]) -> Vec<usize> {
        let named = callsites.iter().filter(|meta| self.rules.list[rule].matches.names(meta));
        let mut earlier: Vec<_> =
            named.filter_map(|meta| self.rule_of(meta)).filter(|of| *of < rule).collect();
        earlier.sort_unstable();
        earlier.dedup();
        earlier
    }

    /// Whether this rule names every callsite that the other one names.
    pub(crate) fn is_wider(&self, rule: usize, other: usize) -> bool {
        self.rules.list[rule].matches.shadows(&self.rules.list[other].matches)
    }

    /// Whether an earlier rule names every callsite that this one names.
    pub(crate) fn is_shadowed(&self, rule: usize) -> bool {
        self.rules.shadow_of(rule).is_some()
    }

    /// The place of the first rule that takes fields of this event.
    pub(crate) fn taker_of(&self, meta: &Metadata<'_>) -> Option<usize> {
        let has = |take: &Take| take.fields.iter().any(|field| meta.fields().field(field.as_str()).is_some());
        let takes = |rule: &Arc<RuleSpec>| rule.takes.iter().any(|take| take.names(meta) && has(take));
        self.rules.list.iter().position(takes).filter(|_| meta.is_event())
    }

    /// The place of the rule that reads this event for the row of a span, and what for.
    pub(crate) fn reader_of(&self, meta: &'static Metadata<'static>) -> Option<(usize, &'static str)> {
        let beside = self.rule_beside(meta);
        let of_outcome = beside.and_then(|of| self.rules.list.iter().position(|rule| Arc::ptr_eq(rule, of)));
        let of_fields = || self.taker_of(meta).map(|rule| (rule, "fields that it takes"));
        of_outcome.map(|rule| (rule, "its outcome")).or_else(of_fields)
    }

    /// Whether the ledger makes rows of the callsite, or takes its fields for other rows.
    pub(crate) fn wants(&self, meta: &Metadata<'_>) -> bool {
        let is_needed = match self.rule_of(meta) {
            Some(rule) => !self.leaves_out(&self.rules.list[rule], meta),
            None => self.taker_of(meta).is_some(),
        };
        is_needed && self.is_wanted_level(meta)
    }

    /// Whether the writer has made rows of the callsite.
    pub(crate) fn has_made_rows(&self, meta: &Metadata<'_>) -> bool {
        self.get(meta).is_some_and(|plan| plan.made.is_any())
    }

    /// The fields that the callsite declares and that no call has recorded.
    pub(crate) fn unrecorded(&self, meta: &Metadata<'_>) -> Vec<&'static str> {
        self.get(meta).map(|plan| plan.unrecorded()).unwrap_or_default()
    }

    /// Whether a strict ledger leaves out the rows of a callsite, which may have the value to redact under another name.
    pub(crate) fn leaves_out(&self, rule: &RuleSpec, meta: &Metadata<'_>) -> bool {
        self.strict && !rule.is_builtin() && rule.unredacted(meta).is_some()
    }

    /// Whether no rule may name callsites of this target.
    pub(crate) fn is_barred(target: &str) -> bool {
        is_barred(target)
    }

    /// Whether spans may inherit this field from one around them.
    pub(crate) fn is_inheritable(&self, field: &str, spans: &[&'static Metadata<'static>]) -> bool {
        let is_set = |rule: &Arc<RuleSpec>| {
            rule.set.iter().any(|(key, _)| key == field) || rule.rename.iter().any(|(_, key)| key == field)
        };
        self.rules.list.iter().any(is_set) || spans.iter().any(|meta| meta.fields().field(field).is_some())
    }
}

impl Rules {
    /// The mistake of a crate in `instrumented` whose spans never become rows.
    pub(crate) fn dead_crate(name: &str) -> Option<String> {
        is_barred(&name.replace('-', "_")).then(|| {
            format!(
                "instrumented({name:?}) makes no rows, because spans and events of sqlx and of the ledger itself never become \
                 rows: for queries of the application write a rule whose `event` has the target \"sqlx::query\", or take it out"
            )
        })
    }

    /// How many there are, such as `2, and 0 built in`.
    pub(crate) fn count(&self) -> String {
        let builtin = self.list.iter().filter(|rule| rule.is_builtin()).count();
        format!("{}, and {builtin} built in", self.list.len() - builtin)
    }

    /// Mistakes that show before any callsite is known: rules that no callsite can meet.
    pub(crate) fn dead(&self) -> Vec<String> {
        let mut dead = Vec::new();
        for (index, rule) in self.list.iter().enumerate().filter(|(_, rule)| !rule.is_builtin()) {
            if let Some(target) = rule.matches.target.as_ref().filter(|target| is_barred(&target.0)) {
                dead.push(format!(
                    "{} has the target {:?}, and spans and events of sqlx and of the ledger itself never become rows: for \
                     queries of the application give `event` the target \"sqlx::query\", or take the rule out",
                    rule.title(index),
                    target.0
                ));
            }
            if let Some(earlier) = self.shadow_of(index) {
                dead.push(format!(
                    "{} names nothing that {} does not name before it, and the first rule decides: put the later one \
                     first, or take it out",
                    rule.title(index),
                    self.list[earlier].title(earlier)
                ));
            }
        }
        dead
    }

    /// The first earlier rule that names every callsite that this one names.
    pub(super) fn shadow_of(&self, rule: usize) -> Option<usize> {
        let later = &self.list[rule].matches;
        self.list[..rule].iter().position(|earlier| earlier.matches.shadows(later))
    }
}

impl Match {
    /// Whether this names every callsite that `later` names.
    pub(crate) fn shadows(&self, later: &Self) -> bool {
        later.names.iter().all(|name| self.shadows_name(later, name))
    }

    /// Whether this names every callsite that `later` names by this one of its names.
    pub(crate) fn shadows_name(&self, later: &Self, name: &Pattern) -> bool {
        let Self { kind, names, target, level, fields } = self;
        *kind == later.kind
            // A `*` in the later name is an ordinary character here, which only a `*` of the earlier one matches.
            && names.iter().any(|earlier| earlier.matches(&name.0))
            && target.as_ref().is_none_or(|target| {
                later.target.as_ref().is_some_and(|later| target == later || covers(target, &later.0))
            })
            && level.is_none_or(|level| later.level.is_some_and(|later| later <= level))
            && fields.iter().all(|field| later.fields.contains(field))
    }
}

impl RuleSpec {
    /// Such as `rule 1 (span = "work")`, `instrumented("shop")`, or `the built-in rule (span = "*")`.
    pub(crate) fn title(&self, index: usize) -> String {
        if let Some(name) = &self.of_crate {
            return format!("instrumented({name:?})");
        }
        let names: Vec<_> = self.matches.names.iter().map(|name| format!("{:?}", name.0)).collect();
        let names = if let [name] = &*names { name.clone() } else { format!("[{}]", names.join(", ")) };
        let kind = self.matches.kind.key();
        if self.is_builtin() {
            return format!("the built-in rule ({kind} = {names})");
        }
        format!("rule {} ({kind} = {names})", index + 1)
    }

    /// The conditions beside the name, such as ` with target = "orders"`; empty without any.
    pub(crate) fn conditions(&self) -> String {
        if self.of_crate.is_some() {
            return String::new();
        }
        let Match { target, level, fields, .. } = &self.matches;
        let target = target.iter().map(|target| format!("target = {:?}", target.0));
        let level = level.iter().map(|level| format!("level {level} or less verbose"));
        let fields = fields.iter().map(|field| format!("the field {field:?}"));
        let all: Vec<_> = target.chain(level).chain(fields).collect();
        if all.is_empty() { String::new() } else { format!(" with {}", all.join(", ")) }
    }

    /// Whether the rule comes with the crate. A user can correct none of them.
    pub(crate) fn is_builtin(&self) -> bool {
        // `Builder::instrumented` repeats a built-in rule, for programs that leave these out.
        let repeats = self.matches.kind == MatchKind::Event && self.matches.fields == [ANNOTATIONS[0]];
        repeats || Rules::builtin().list.iter().any(|rule| rule.matches == self.matches)
    }

    /// Whether it names one callsite or a few by their whole names.
    pub(crate) fn is_exact(&self) -> bool {
        !self.matches.names.iter().any(|name| name.0.contains('*'))
    }

    /// The fields that the rule names.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = Wanted<'_>> {
        let of = |verb, place| move |field| Wanted { verb, field, place };
        let success = (self.success.is_compared() || self.success.field != "success")
            .then_some(&*self.success.field)
            .filter(|_| self.keys.success.is_some() || self.success.is_compared());
        let severity = match &self.severity {
            SeverityRule::Field { field, .. } => Some(&**field),
            SeverityRule::Natural | SeverityRule::Outcome | SeverityRule::Constant(_) => None,
        };
        let reason = self.keys.reason.is_some() && self.reason_field != "reason";
        let reason = reason.then_some(&*self.reason_field);
        let duration = self.duration_field.iter().map(|(field, _)| &**field);
        let redacted = self.redact.iter().map(|(name, _)| &*name.0);
        redacted
            .map(of("redacts", FieldPlace::Here))
            .chain(self.rename.iter().map(|(field, _)| &**field).map(of("renames", FieldPlace::Here)))
            .chain(success.into_iter().map(of("reads its success from", FieldPlace::Here)))
            .chain(severity.into_iter().map(of("reads its severity from", FieldPlace::Here)))
            .chain(self.event_type_field.as_deref().map(of("reads its event type from", FieldPlace::Own)))
            .chain(self.source_field.as_deref().map(of("reads its source from", FieldPlace::Own)))
            .chain(
                self.times.iter().map(|(field, _)| &**field).map(of("reads a time from", FieldPlace::Here)),
            )
            .chain(reason.into_iter().map(of("reads its reason from", FieldPlace::Here)))
            .chain(duration.map(of("reads its duration from", FieldPlace::Here)))
            .chain(self.nest.iter().map(|nest| &*nest.prefix).map(of("nests", FieldPlace::Prefix)))
            .chain(self.inherit.iter().map(|field| &**field).map(of("inherits", FieldPlace::Around)))
    }

    /// Whether the callsite has the field; `None` for a field that a span around it declares.
    pub(crate) fn has(&self, wanted: Wanted<'_>, meta: &Metadata<'_>) -> Option<bool> {
        let pattern = Pattern(wanted.field.to_owned());
        let mut declared = meta.fields().iter().map(|field| field.name());
        match wanted.place {
            FieldPlace::Around => None,
            FieldPlace::Own => Some(declared.any(|name| name == wanted.field)),
            FieldPlace::Prefix => Some(
                declared
                    .any(|name| name.strip_prefix(wanted.field).is_some_and(|rest| rest.starts_with('.'))),
            ),
            FieldPlace::Here => Some(
                declared.any(|name| pattern.matches(name))
                    || self.inherit.iter().any(|name| pattern.matches(name))
                    || self.taken().any(|name| pattern.matches(name))
                    // No field declares the text of an error.
                    || meta.is_span() && [Some("error"), self.keys.error.as_deref()].into_iter().flatten().any(|name| pattern.matches(name)),
            ),
        }
    }

    /// The first field to redact that a callsite which the rule names exactly does not have.
    pub(crate) fn unredacted(&self, meta: &Metadata<'_>) -> Option<&str> {
        if !self.is_exact() {
            return None;
        }
        let missing =
            self.wanted().filter(Wanted::is_redacted).find(|wanted| self.has(*wanted, meta) == Some(false));
        missing.map(|wanted| wanted.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(text: &str) -> Vec<String> {
        text.parse::<Rules>().expect("good rules").dead()
    }

    #[test]
    fn a_rule_that_an_earlier_one_covers_is_dead() {
        for (earlier, later) in [
            ("span = 'a'", "span = 'a'"),
            ("span = '*'", "span = 'a'"),
            ("span = 'a*'", "span = 'a.*b'"),
            ("span = ['b', 'a']", "span = 'a'"),
            ("span = 'a'\ntarget = 't'", "span = 'a'\ntarget = 't::u'"),
            ("span = 'a'\nlevel = 'info'", "span = 'a'\nlevel = 'warn'"),
            ("span = 'a'\nfields = ['x']", "span = 'a'\nfields = ['y', 'x']"),
        ] {
            let said = dead(&format!("[[rule]]\n{earlier}\n[[rule]]\n{later}\n"));
            assert_eq!(said.len(), 1, "{earlier} / {later}: {said:?}");
            assert!(
                said[0].starts_with("rule 2 (span = \"a") && said[0].contains("rule 1 (span = "),
                "{said:?}"
            );
        }
    }

    #[test]
    fn a_rule_that_an_earlier_one_covers_in_part_is_not() {
        for (earlier, later) in [
            ("span = 'a'", "event = 'a'"),
            ("span = 'a'", "span = ['a', 'b']"),
            ("span = 'a*b'", "span = 'a*'"),
            ("span = 'a'\ntarget = 't::u'", "span = 'a'\ntarget = 't'"),
            ("span = 'a'\ntarget = 't'", "span = 'a'"),
            ("span = 'a'\nlevel = 'warn'", "span = 'a'"),
            ("span = 'a'\nfields = ['x']", "span = 'a'"),
        ] {
            assert_eq!(
                dead(&format!("[[rule]]\n{earlier}\n[[rule]]\n{later}\n")),
                [""; 0],
                "{earlier} / {later}"
            );
        }
    }

    #[test]
    fn a_barred_target_is_dead() {
        for target in ["sqlx", "sqlx::pool::acquire", "tracing_ledger::store"] {
            let said = dead(&format!("[[rule]]\nevent = '*'\ntarget = '{target}'\n"));
            assert!(said[0].contains(&format!("the target {target:?}")), "{said:?}");
        }
        assert_eq!(dead("[[rule]]\nevent = '*'\ntarget = 'sqlx::query'\n"), [""; 0]);
    }

    #[test]
    fn the_built_in_rules_are_no_mistake() {
        assert_eq!(Rules::builtin().dead(), [""; 0]);
    }
}
