//! The plans of all callsites.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Metadata;
use tracing_subscriber::filter::LevelFilter;

use super::discovery::Discovery;
use super::filled::ColumnAndKey;
use super::matching::{cut, is_own};
use super::names::left_out_by;
use super::table::{CallsiteTable, Known};
use super::take::{slots, takers};
use super::unknown::Unknown;
use super::{Action, Destination, NameFields, Plan, RowPlan, Site, site};
use crate::rules::Rules;
use crate::rules::model::{MAX_INHERITED, MatchKind, RuleSpec};
use crate::rules::redact::Redaction;

/// The plans of every callsite that matters, found by callsite.
#[derive(Debug)]
pub(crate) struct Plans {
    pub(super) rules: Rules,
    /// Callsites without a field that their rule redacts have no rows.
    pub(super) strict: bool,
    /// Nothing more verbose is recorded.
    max_level: LevelFilter,
    /// Names that some rule inherits.
    inherited: Vec<String>,
    pub(super) by_callsite: CallsiteTable,
    /// Keeps `by_callsite` empty.
    pub(super) discovery: Option<Discovery>,
    sites: Mutex<Sites>,
    /// The columns that keys fill.
    pub(super) filled: Vec<ColumnAndKey>,
    /// Some callsite may have unknown outcomes that no notice has named.
    pub(super) any_unknown: Arc<AtomicBool>,
}

/// Where the events of `err` and `ret` are wanted.
#[derive(Debug, Default)]
struct Sites {
    /// Spans with a rule by their place, the latest of each.
    with_rule: HashMap<Site, &'static Plan>,
    /// Events like those of `err` and `ret`, and their plans, at places where no span with a rule is known yet.
    waiting: HashMap<Site, Vec<(&'static Known, &'static Plan)>>,
}

impl Plans {
    pub(crate) fn new(rules: Rules, max_level: LevelFilter) -> Self {
        let mut inherited: Vec<String> = Vec::new();
        for name in rules.list.iter().flat_map(|rule| &rule.inherit) {
            if !inherited.contains(name) {
                inherited.push(name.clone());
            }
        }
        // The check of the rules has refused more.
        inherited.truncate(MAX_INHERITED);
        let (by_callsite, sites, any_unknown, filled) = Default::default();
        let (strict, discovery) = (false, None);
        Self { rules, strict, discovery, max_level, inherited, by_callsite, sites, filled, any_unknown }
    }

    pub(crate) fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// The most verbose level that the rules need, for what tracing and `log` skip altogether.
    ///
    /// A rule for events needs its own level. A rule for spans needs every level, whatever its own: an outcome may come
    /// from `ret(level = "trace")`, and inherited fields from a span of any level.
    pub(crate) fn max_level(&self) -> LevelFilter {
        let of_rule = |rule: &Arc<RuleSpec>| match (rule.matches.kind, rule.matches.level) {
            (MatchKind::Event, Some(level)) if rule.inherit.is_empty() => LevelFilter::from_level(level),
            _ => LevelFilter::TRACE,
        };
        if self.is_discovering() {
            return self.max_level;
        }
        let needed = self.rules.list.iter().map(of_rule).max().unwrap_or(LevelFilter::OFF);
        needed.min(self.max_level)
    }

    /// The option `max_level` of the ledger.
    pub(crate) fn limit(&self) -> LevelFilter {
        self.max_level
    }

    /// Works out the plan of a callsite and keeps it. Returns whether the callsite may have one, now or later. Tracing may
    /// register a callsite more than once.
    pub(crate) fn register(&self, meta: &'static Metadata<'static>) -> bool {
        let known = self.known().get(meta).unwrap_or_else(|| self.decide(meta));
        known.plan().is_some() || self.is_wanted_level(meta) && verdict(meta).is_some()
    }

    /// Adds a callsite that the table of the hot path lacks. During a discovery it lacks all of them.
    #[cold]
    fn add(&self, meta: &'static Metadata<'static>) -> &'static Known {
        if let Some(discovery) = &self.discovery {
            discovery.count(meta);
            return discovery.known.get(meta).unwrap_or_else(|| self.decide(meta));
        }
        self.decide(meta)
    }

    /// Adds a callsite together with its plan, so that no other thread sees it undecided.
    fn decide(&self, meta: &'static Metadata<'static>) -> &'static Known {
        let Some(plan) = self.plan(meta) else { return self.known().insert(Known::new(meta, None)) };
        let plan: &Plan = Box::leak(Box::new(plan));
        match (&plan.action, site(meta)) {
            (Action::Row(row), Some(site)) if row.is_span => self.add_beside_events(plan, site),
            (Action::Verdict { .. }, Some(site)) if !plan.is_taken() => self.add_beside_span(plan, site),
            _ => self.known().insert(Known::new(meta, Some(plan))),
        }
    }

    /// Adds a span with a rule, and gives its `err` and `ret` events their plans.
    ///
    /// Tracing may register such an event before its span. Then the event has waited for the span.
    fn add_beside_events(&self, plan: &'static Plan, site: Site) -> &'static Known {
        let mut sites = self.sites();
        sites.with_rule.insert(site, plan);
        for (event, beside) in sites.waiting.remove(&site).unwrap_or_default() {
            plan.note_event(beside);
            event.set(beside);
        }
        self.known().insert(Known::new(plan.meta, Some(plan)))
    }

    /// Adds an event like those of `err` and `ret`, which is wanted only beside a span with a rule.
    fn add_beside_span(&self, plan: &'static Plan, site: Site) -> &'static Known {
        let mut sites = self.sites();
        if let Some(span) = sites.with_rule.get(&site) {
            span.note_event(plan);
            return self.known().insert(Known::new(plan.meta, Some(plan)));
        }
        let known = self.known().insert(Known::new(plan.meta, None));
        sites.waiting.entry(site).or_default().push((known, plan));
        known
    }

    /// The plan of a registered callsite; `None` for one that no rule needs.
    pub(crate) fn get(&self, meta: &Metadata<'_>) -> Option<&'static Plan> {
        self.by_callsite.get(meta).map_or_else(|| self.discovered(meta), Known::plan)
    }

    #[cold]
    fn discovered(&self, meta: &Metadata<'_>) -> Option<&'static Plan> {
        self.discovery.as_ref()?.known.get(meta)?.plan()
    }

    /// Whether the callsite makes rows. A forked child asks this way, as it needs neither a lock nor a plan.
    pub(crate) fn makes_rows(&self, meta: &Metadata<'_>) -> bool {
        self.is_wanted_level(meta) && self.named_by(meta).is_some()
    }

    pub(super) fn is_wanted_level(&self, meta: &Metadata<'_>) -> bool {
        *meta.level() <= self.max_level
    }

    fn named_by(&self, meta: &Metadata<'_>) -> Option<&Arc<RuleSpec>> {
        self.rules.list.iter().find(|rule| rule.matches.names(meta))
    }

    /// Whether the callsite may have a plan.
    ///
    /// Another thread may be registering the callsite at this moment. Tracing does not let this thread wait for that: it
    /// asks whether the call is enabled instead. Then the callsite may have a plan, and with the callsite in hand,
    /// [`get_or_register`](Self::get_or_register) decides.
    #[inline]
    pub(crate) fn may_have(&self, meta: &Metadata<'_>) -> bool {
        self.by_callsite.get(meta).is_none_or(|known| known.plan().is_some())
    }

    /// The plan of a callsite, registered or not; `None` for one that no rule needs.
    #[inline]
    pub(crate) fn get_or_register(&self, meta: &'static Metadata<'static>) -> Option<&'static Plan> {
        self.by_callsite.get(meta).unwrap_or_else(|| self.add(meta)).plan()
    }

    /// The rule of the span whose outcome this event of `err` or `ret` tells.
    pub(super) fn rule_beside(&self, event: &'static Metadata<'static>) -> Option<&'static Arc<RuleSpec>> {
        let is_verdict = matches!(self.get(event)?.action, Action::Verdict { .. });
        let span = *self.sites().with_rule.get(&site(event)?)?;
        span.row().filter(|_| is_verdict).map(|row| &row.rule)
    }

    /// Whether the event is like those of `err` and `ret`.
    pub(crate) fn is_verdict(meta: &Metadata<'_>) -> bool {
        verdict(meta).is_some()
    }

    fn sites(&self) -> MutexGuard<'_, Sites> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the one lock that registering a callsite takes.
    #[cfg(test)]
    pub(crate) fn hold_sites(&self) -> impl Drop {
        self.sites()
    }

    fn plan(&self, meta: &'static Metadata<'static>) -> Option<Plan> {
        let named = self.named_by(meta);
        if !self.is_wanted_level(meta) || is_own(meta.target()) && named.is_none() {
            return None;
        }
        let takers = takers(&self.rules.list, meta);
        if named.is_some_and(|rule| self.leaves_out(rule, meta)) {
            return None;
        }
        let action = match named {
            Some(rule) => Action::Row(self.row(rule, meta)),
            None if meta.is_span() => Action::Inherited,
            None => match verdict(meta) {
                Some(is_error) => Action::Verdict { is_error },
                None if takers.is_empty() => return None,
                None => Action::Taken,
            },
        };
        let inheritable: Vec<_> = match &action {
            Action::Row(row) => {
                slots(&row.rule, meta).0.into_iter().map(|field| self.inheritable(row, field)).collect()
            }
            Action::Inherited => {
                meta.fields().iter().map(|field| self.inheritable_alone(meta, field.name())).collect()
            }
            Action::Verdict { .. } | Action::Taken => Vec::new(),
        };
        if matches!(action, Action::Inherited) && inheritable.iter().all(Option::is_none) {
            return None;
        }
        let inheritable_names = inheritable.iter().flatten().fold(0, |set, index| set | 1 << index);
        let unknown = Unknown::new(&self.any_unknown);
        Some(Plan::new(meta, action, inheritable, inheritable_names, takers, unknown))
    }

    #[inline]
    fn row(&self, rule: &Arc<RuleSpec>, meta: &'static Metadata<'static>) -> RowPlan {
        let owned =
            |given: &Option<Arc<str>>, else_: &str| stored(given.clone().unwrap_or_else(|| else_.into()));
        let (names, taken) = slots(rule, meta);
        let fields: Vec<_> = names.iter().map(|name| rule.destination(name, meta)).collect();
        let inherits: Vec<_> =
            self.places(&rule.inherit).map(|(place, name)| (place, rule.destination(name, meta))).collect();
        RowPlan {
            names: NameFields::of(rule, meta),
            left_out_by: left_out_by(rule, meta),
            verdict: verdict(meta),
            event_type: self.kind(&owned(&rule.event_type, meta.name())),
            source: owned(&rule.source, meta.target()),
            wants: inherits.iter().fold(0, |set, (index, _)| set | 1 << index),
            declares_outcome: fields
                .iter()
                .any(|to| matches!(to, Destination::Success | Destination::Result))
                || rule.success.is_compared() && names.contains(&&*rule.success.field),
            collects: rule.collect.iter().map(|collect| self.kind(&collect.of)).collect(),
            numbered_within: rule.number_within.as_ref().map(|(within, _)| self.kind(within)),
            is_span: meta.is_span(),
            has_ids: rule.ids,
            is_collected: self.is_collected(rule.event_type.as_deref().unwrap_or(meta.name())),
            redaction: Redaction::of(rule, &names, self.places(&rule.inherit)).map(Box::new),
            rule: Arc::clone(rule),
            taken,
            fields,
            inherits,
        }
    }

    /// The one text that stands for a kind of row, where a rule names it: see [`is_same_kind`].
    fn kind(&self, event_type: &Arc<str>) -> Arc<str> {
        let named = self.rules.list.iter().filter_map(|rule| rule.event_type.as_ref());
        Arc::clone(named.into_iter().find(|event| *event == event_type).unwrap_or(event_type))
    }

    fn is_collected(&self, event_type: &str) -> bool {
        self.rules.list.iter().flat_map(|rule| &rule.collect).any(|collect| &*collect.of == event_type)
    }

    /// The fields of a span with a rule are inherited under their own names, and under those that the rule gives them.
    #[inline]
    fn inheritable(&self, row: &RowPlan, name: &str) -> Option<u8> {
        let renamed = row.rule.rename.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str());
        renamed.and_then(|key| self.index_of(key)).or_else(|| self.index_of(name))
    }

    /// Of a span without a rule, a field is inherited where a rule names such spans.
    fn inheritable_alone(&self, meta: &Metadata<'_>, name: &str) -> Option<u8> {
        let asked =
            |rule: &Arc<RuleSpec>| rule.inherit.iter().any(|n| n == name) && rule.inherits_from(meta.name());
        self.rules.list.iter().any(asked).then(|| self.index_of(name)).flatten()
    }

    /// These inherited names with the place of each.
    fn places<'a>(&self, names: &'a [String]) -> impl Iterator<Item = (u8, &'a str)> {
        names.iter().filter_map(|name| Some((self.index_of(name)?, name.as_str())))
    }

    fn index_of(&self, name: &str) -> Option<u8> {
        self.inherited.iter().position(|n| n == name).and_then(|index| u8::try_from(index).ok())
    }

    /// Constants of an enclosing span's rule that spans below may inherit, by place in the list of names.
    pub(crate) fn constants<'a>(
        &'a self,
        row: &'a RowPlan,
    ) -> impl Iterator<Item = (u8, &'a serde_json::Value)> {
        row.rule.set.iter().filter_map(|(key, value)| Some((self.index_of(key)?, value)))
    }
}

/// A name as a column takes it: without NUL, for which Postgres has no place, and short enough for an index.
pub(super) fn stored(name: Arc<str>) -> Arc<str> {
    let short = cut(&name);
    if short.len() == name.len() && !name.contains('\0') {
        name
    } else {
        short.replace('\0', "\u{FFFD}").into()
    }
}

/// Whether the event reports an error (`true`) or a returned value: `#[instrument(err)]` emits an unnamed event with the
/// one field `error`, `ret` one with `return`.
pub(super) fn verdict(meta: &Metadata<'_>) -> Option<bool> {
    let mut fields = meta.fields().iter().map(|field| field.name());
    let is_error = match (fields.next(), fields.next()) {
        (Some("error"), None) => true,
        (Some("return"), None) => false,
        _ => return None,
    };
    (meta.is_event() && meta.name().starts_with("event ")).then_some(is_error)
}
