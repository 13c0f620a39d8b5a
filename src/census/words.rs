//! The texts about rules that do not fit the program.

use std::sync::Arc;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;

use super::callsite::{place_of, without_cargo};
use super::near::nearest;
use super::probe::{Hidden, Program};
use crate::notice::NoticeKind;
use crate::rules::model::{Pattern, RuleSpec, Take, TakeFrom};
use crate::rules::plan::{Plans, Wanted};

/// The most names that one line lists.
pub(super) const NAMES: usize = 3;

/// A part of every text about a level that hides more verbose ones.
pub(super) const LIMIT: &str = "nothing more verbose than";

/// The text about a look that found nothing because it failed.
pub(super) const BLIND: &str = "a look at the filters and callsites of the program failed, because its thread could not start or \
     panicked, so notices about rules and filters may be missing or wrong: raise the limit of the process on threads";

/// The start of the text about rules that have all met nothing.
pub(super) const NOTHING_MET: &str = "no rule has met a span or event of this program";

pub(super) type Callsites = [&'static Metadata<'static>];

/// The texts about these rules in a program with these callsites.
pub(super) struct Words<'a> {
    pub(super) plans: &'a Plans,
    pub(super) callsites: &'a Callsites,
    /// For each callsite the index of its rule.
    pub(super) rules: Vec<Option<usize>>,
}

impl<'a> Words<'a> {
    pub(super) fn about(plans: &'a Plans, callsites: &'a Callsites) -> Self {
        let rules = callsites.iter().map(|meta| plans.rule_of(meta)).collect();
        Self { plans, callsites, rules }
    }

    /// Fields to redact that are not there, which may leak under another name.
    pub(super) fn at_once(&self) -> Vec<(NoticeKind, String)> {
        let mut words = Vec::new();
        for (index, rule) in self.own_rules() {
            let met = self.met(index);
            let left_out = met.iter().find(|meta| self.plans.leaves_out(rule, meta));
            if let Some((field, meta)) = left_out.and_then(|meta| Some((rule.unredacted(meta)?, meta))) {
                let text = missing(rule, index, "redacts", field, &[*meta]);
                words.push((
                    NoticeKind::Strict,
                    format!("{text}: strict leaves out the rows of {}", place(meta)),
                ));
                continue;
            }
            for wanted in rule.wanted().filter(Wanted::is_redacted) {
                let near = |meta: &&Metadata<'_>| !nearest(wanted.field, names_of(meta)).is_empty();
                if self.lacks(rule, wanted, &met) && (rule.is_exact() || met.iter().any(near)) {
                    words.push((NoticeKind::Setup, missing(rule, index, wanted.verb, wanted.field, &met)));
                }
            }
        }
        words
    }

    /// The texts about the whole run, or about the run so far.
    pub(super) fn of_the_run(&self, program: &Program, at_end: bool) -> Vec<String> {
        if let Some(text) = self.unregistered(program, at_end) {
            return vec![text];
        }
        let mut words = Vec::new();
        let is_hidden = program.hidden.iter().any(|hidden| self.wanted(hidden.meta).is_some());
        // An idle program has shown nothing yet.
        let has_shown = at_end || !self.callsites.is_empty();
        let unread = self.unread();
        if has_shown && self.rules.iter().all(Option::is_none) && !is_hidden && unread.is_none() {
            words.extend(self.nothing_met(program, at_end));
        }
        words.extend(unread);
        words.extend(self.misspelt());
        words.extend(self.unfilled(at_end));
        words.extend(self.unmet(program, at_end));
        words.extend(self.untaken(program, at_end));
        for (index, rule) in self.own_rules() {
            let met = self.met(index);
            let left_out = met.iter().any(|meta| self.plans.leaves_out(rule, meta));
            let lacking = rule.wanted().filter(|wanted| self.lacks(rule, *wanted, &met));
            let lacking = lacking.filter(|wanted| !(left_out && wanted.is_redacted()));
            let lacking = lacking.filter(|wanted| at_end || self.is_mistake(rule, *wanted, &met));
            words.extend(lacking.map(|wanted| missing(rule, index, wanted.verb, wanted.field, &met)));
        }
        words.extend(self.not_inherited(program, at_end));
        if at_end {
            words.extend(self.not_inheritable());
        }
        // A field for failures stays empty in a healthy program. So a release build says nothing about empty fields.
        let is_tried = cfg!(debug_assertions) || self.plans.is_discovering();
        if at_end && is_tried {
            words.extend(self.callsites.iter().filter_map(|meta| self.unrecorded(meta)));
        }
        words
    }

    /// Fields without a value in any call, which many take for the argument of the same name.
    fn unrecorded(&self, meta: &Metadata<'_>) -> Option<String> {
        let fields = self.plans.unrecorded(meta);
        let first = fields.first().filter(|_| self.may_be_function(meta))?;
        let listed: Vec<_> = fields.iter().map(|field| format!("{field:?}")).collect();
        Some(format!(
            "{} declares {}, and no call has recorded a value: if this is a bare name in fields(…), it hides the argument of that \
             name, so write {first} = %{first}; if it is recorded in some calls only, all is well",
            place(meta),
            listed.join(", ")
        ))
    }

    /// The rules that a user can correct.
    pub(super) fn own_rules(&self) -> impl Iterator<Item = (usize, &'a Arc<RuleSpec>)> {
        let plans = self.plans;
        plans.rules().iter().enumerate().filter(|(_, rule)| !rule.is_builtin())
    }

    pub(super) fn met(&self, rule: usize) -> Vec<&'static Metadata<'static>> {
        let of_rule = self.callsites.iter().zip(&self.rules).filter(|(_, of)| **of == Some(rule));
        of_rule.map(|(meta, _)| *meta).collect()
    }

    /// Whether callsites have met the rule and none of them has the field.
    fn lacks(&self, rule: &RuleSpec, wanted: Wanted<'_>, met: &Callsites) -> bool {
        let has = |meta: &&'static Metadata<'static>| {
            rule.has(wanted, meta).unwrap_or_else(|| self.plans.is_inheritable(wanted.field, self.callsites))
        };
        // The fields `ledger.…` are optional.
        !met.is_empty() && !wanted.field.starts_with("ledger.") && !met.iter().any(has)
    }

    /// Whether `#[instrument]` may have made the span: it has the name of a function, or an event of `err` or `ret` beside it.
    fn may_be_function(&self, meta: &Metadata<'_>) -> bool {
        let is_beside = |event: &&'static Metadata<'static>| {
            Plans::is_verdict(event) && (event.file(), event.line()) == (meta.file(), meta.line())
        };
        meta.name().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            || self.callsites.iter().any(is_beside)
    }

    /// Whether the lack of the field is a mistake even before the end: no other callsite of the rule is still to come, or another
    /// field has nearly its name.
    fn is_mistake(&self, rule: &RuleSpec, wanted: Wanted<'_>, met: &Callsites) -> bool {
        let has_come = |name: &Pattern| met.iter().any(|meta| name.0 == meta.name());
        wanted.is_redacted()
            || rule.matches.names.iter().all(has_come)
            || met.iter().any(|meta| !nearest(wanted.field, names_of(meta)).is_empty())
    }

    fn unregistered(&self, program: &Program, at_end: bool) -> Option<String> {
        if !self.callsites.is_empty() {
            return None;
        }
        if let Some(words) = not_installed(program) {
            return Some(words.to_owned());
        }
        if program.is_installed && program.hidden.is_empty() {
            return (at_end || is_limited(program, self.plans)).then(|| {
                format!(
                    "no span and no event of the program came to the ledger, so there are no rows{}",
                    levels(program, self.plans)
                )
            });
        }
        (!program.is_installed && (at_end || program.is_gone)).then(|| {
            format!(
                "the subscriber with the layer got no span and no event of the program, so there are no rows{}: install it \
                 with init() before the first span, and keep the guard until the end of main",
                seen(&program.registered)
            )
        })
    }

    /// Spans and events that a filter hides.
    pub(super) fn hidden(&self, hidden: &[Hidden]) -> Option<String> {
        let mut named = hidden.iter().filter_map(|hidden| Some((hidden, self.wanted(hidden.meta)?)));
        let (Hidden { meta, is_global }, (rule, verb)) = named.next()?;
        let more = named.count();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (filter, remedy) = if *is_global {
            ("a global filter", "attach the filter to")
        } else {
            ("a filter on the ledger itself", "the rules are the ledger's filter, so attach this one to")
        };
        let level = meta.level().as_str().to_lowercase();
        let now = if self.plans.has_made_rows(meta) { " by now" } else { "" };
        Some(format!(
            "{filter} hides {} of level {level}{more} from the ledger{now}, though {} {verb} it: {remedy} the layer that it is \
             meant for, as in fmt::layer().with_filter(EnvFilter::from_default_env())",
            place(meta),
            self.plans.rules()[rule].title(rule),
        ))
    }

    /// The rule that wants the callsite, and for what.
    fn wanted(&self, meta: &'static Metadata<'static>) -> Option<(usize, &'static str)> {
        let taker = || self.plans.taker_of(meta).filter(|rule| self.rules.contains(&Some(*rule)));
        let names = self.plans.rule_of(meta).map(|rule| (rule, "names"));
        names.or_else(|| Some((taker()?, "takes fields of")))
    }

    /// Rules whose spans came, and that take fields of events that did not, or that do not declare them. Before the end
    /// only those that look like a mistake.
    fn untaken(&self, program: &Program, at_end: bool) -> Vec<String> {
        let mut words = Vec::new();
        for (index, rule) in self.own_rules().filter(|(index, _)| self.rules.contains(&Some(*index))) {
            for take in &rule.takes {
                let events: Vec<_> = self
                    .callsites
                    .iter()
                    .filter(|meta| meta.is_event() && take.names(meta))
                    .copied()
                    .collect();
                if events.is_empty() && !program.hidden.iter().any(|hidden| take.names(hidden.meta)) {
                    words.extend(self.no_event(rule, index, take, program, at_end));
                }
                let lacks = |field: &&String| {
                    !events.iter().any(|meta| meta.fields().field(field.as_str()).is_some())
                };
                // Other events of the target may have the rest.
                let is_all = !events.is_empty() && take.fields.iter().all(|field| lacks(&field));
                let is_near = |field: &&String| {
                    !nearest(field, events.iter().flat_map(|meta| names_of(meta))).is_empty()
                };
                let missed =
                    take.fields.iter().filter(lacks).filter(|field| is_near(field) || is_all && at_end);
                words.extend(missed.map(|field| missing(rule, index, "takes", field, &events)));
            }
        }
        words
    }

    fn no_event(
        &self,
        rule: &RuleSpec,
        index: usize,
        take: &Take,
        program: &Program,
        at_end: bool,
    ) -> Option<String> {
        let events = || self.callsites.iter().filter(|meta| meta.is_event()).copied();
        let (from, near) = match &take.from {
            TakeFrom::Event(name) => {
                (format!("event = {:?}", name.0), nearest(&name.0, events().map(|meta| meta.name())))
            }
            TakeFrom::Target(name) => {
                (format!("target = {:?}", name.0), nearest(&name.0, events().map(|meta| meta.target())))
            }
        };
        let is_near = |meta: &&Metadata<'_>| near.contains(&meta.name()) || near.contains(&meta.target());
        let near: Vec<_> = events().filter(is_near).collect();
        let fields: Vec<_> = take.fields.iter().map(|field| format!("{field:?}")).collect();
        (at_end || !near.is_empty()).then(|| {
            format!(
                "{} takes {} of events with {from}, and has met none{}{}",
                rule.title(index),
                fields.join(", "),
                seen(&near),
                levels(program, self.plans)
            )
        })
    }
}

fn names_of(meta: &Metadata<'_>) -> impl Iterator<Item = &'static str> {
    meta.fields().iter().map(|field| field.name())
}

/// Such as `rule 3 (span = "a") redacts "emial", which "a" (src/http.rs:46) does not declare; it has email`.
fn missing(rule: &RuleSpec, index: usize, verb: &str, field: &str, met: &Callsites) -> String {
    let Some(first) = met.first() else { return String::new() };
    let title = rule.title(index);
    if verb == "inherits" {
        return format!("{title} inherits {field:?}, which no span around {} declares", place(first));
    }
    let near = nearest(field, met.iter().flat_map(|meta| names_of(meta)));
    let has = match near.first() {
        Some(near) => format!("it has {near}"),
        None if first.fields().is_empty() => "it has no fields".to_owned(),
        None => format!("it has {}", names_of(first).collect::<Vec<_>>().join(", ")),
    };
    let which =
        if let [one] = met { place(one) } else { format!("{} and {} others", place(first), met.len() - 1) };
    let does = if met.len() == 1 { "does" } else { "do" };
    format!("{title} {verb} {field:?}, which {which} {does} not declare; {has}")
}

/// Such as `"create_order" (src/http.rs:46)`, or of an event without a name `the event at src/http.rs:46`.
pub(super) fn place(meta: &Metadata<'_>) -> String {
    if let Some(place) = place_of(meta.name()) {
        return format!("the event at {place}");
    }
    let at = meta.file().zip(meta.line());
    let at = at.map(|(file, line)| format!("{}:{line}", without_cargo(file)));
    format!("{:?} ({})", meta.name(), at.unwrap_or_else(|| meta.target().to_owned()))
}

/// Such as `; seen: "work" (orders::jobs) and 4 more`.
pub(super) fn seen(callsites: &Callsites) -> String {
    if callsites.is_empty() {
        return String::new();
    }
    let listed = callsites.iter().take(NAMES).map(|meta| match place_of(meta.name()) {
        Some(place) => format!("the event at {place} ({})", meta.target()),
        None => format!("{:?} ({})", meta.name(), meta.target()),
    });
    let listed = listed.collect::<Vec<_>>().join(", ");
    let more = callsites.len().saturating_sub(NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("; seen: {listed}{more}")
}

/// Whether a filter lets less through than the rules can need.
pub(super) fn is_limited(program: &Program, plans: &Plans) -> bool {
    program.level < plans.max_level()
}

/// A filter that hides more verbose spans and events, where nothing else has said so.
pub(super) fn limit(program: &Program, plans: &Plans) -> Option<String> {
    let is_so = program.is_installed && program.hidden.is_empty() && is_limited(program, plans);
    is_so.then(|| {
        format!(
            "the filters of the program let nothing more verbose than {} through, so spans and events of other levels have no rows, \
             and `ret(level = \"trace\")` tells no outcome: attach each to the layer that it is meant for, and none to the ledger",
            program.level
        )
    })
}

/// Levels that no rule can reach.
pub(super) fn levels(program: &Program, plans: &Plans) -> String {
    if program.compiled < LevelFilter::TRACE {
        return format!(
            "; this program was compiled without spans and events more verbose than {} (a feature such as \
             release_max_level_info of tracing)",
            program.compiled
        );
    }
    if is_limited(program, plans) {
        return format!(
            "; the filters of the program let nothing more verbose than {} through: attach each to the layer that it is meant \
             for, and none to the ledger",
            program.level
        );
    }
    if plans.limit() < LevelFilter::TRACE {
        return format!(
            "; the ledger's max_level lets nothing more verbose than {} through: raise it",
            plans.limit()
        );
    }
    String::new()
}

/// Why the layer gets nothing, if it was never part of the program's subscriber.
fn not_installed(program: &Program) -> Option<&'static str> {
    Some(match () {
        () if !program.is_added && program.is_bare => {
            "there was no subscriber while the guard was there, so there are no rows: write \
             tracing_subscriber::registry().with(ledger).init(), and keep the guard until the end of main (`let (ledger, \
             guard) = …`, never `let (ledger, _) = …`)"
        }
        () if !program.is_added => {
            "the layer was not added to a subscriber while its guard was there, so there are no rows: write \
             tracing_subscriber::registry().with(ledger).init(), and keep the guard until the end of main"
        }
        () if !program.was_installed => {
            "the subscriber with the layer has not been installed, so there are no rows: call init() on it before the \
             first span, and keep the guard until the end of main"
        }
        () => return None,
    })
}
