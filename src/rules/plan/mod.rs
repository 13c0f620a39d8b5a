//! What the rules say of one callsite, worked out once when tracing registers it.

mod table;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{Dispatch, Metadata};

use super::Rules;
use super::model::{MAX_INHERITED, MAX_NAME_BYTES, MatchKind, Redact, RuleSpec, Silent, SuccessTest};
use super::redact::Redaction;
use crate::bystander;

use self::table::{Known, Table};

/// A set of inherited names, a bit each, by their place in [`Plans::inherited`].
pub(crate) type NameSet = u64;

/// What is done with one callsite.
///
/// Lives as long as its callsite, that is to the end of the program: a record on its way holds a plain
/// reference, and closing a span touches no reference count that other cores touch too.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) meta: &'static Metadata<'static>,
    pub(crate) action: Action,
    /// By field index: which inherited name the field gives to spans below, if any.
    gives: Vec<Option<u8>>,
    /// The names that it may give.
    pub(crate) may_give: NameSet,
    /// This callsite has been seen to tell its outcome by a `return` event.
    reports: AtomicBool,
    /// It has been said that outcomes are unknown here.
    said_unknown: AtomicBool,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// A span or tracing event that becomes a row.
    Row(RowPlan),
    /// A span that no rule names, kept for the fields that rules inherit from it.
    Carry,
    /// The event of `#[instrument(err)]` or `#[instrument(ret)]` beside a span with a rule.
    Verdict { is_error: bool },
}

/// How the records of one callsite become rows.
#[derive(Debug)]
pub(crate) struct RowPlan {
    pub(crate) rule: Arc<RuleSpec>,
    pub(crate) event_type: Arc<str>,
    pub(crate) source: Arc<str>,
    /// By field index.
    pub(crate) fields: Vec<Slot>,
    /// Inherited names this row wants, with the key of each.
    pub(crate) inherits: Vec<(u8, Slot)>,
    pub(crate) wants: NameSet,
    pub(crate) is_span: bool,
    /// The kinds of rows that it collects, one for each of the rule's `collect`.
    pub(crate) collects: Vec<Arc<str>>,
    /// The kind of span that numbers it.
    pub(crate) numbered_within: Option<Arc<str>>,
    /// Some rule collects rows of this kind.
    pub(crate) is_collected: bool,
    /// The span declares a field that tells its outcome, so that silence means it was cut short.
    pub(crate) declares_outcome: bool,
    /// Few rules redact anything.
    pub(crate) redaction: Option<Redaction>,
}

/// Where a field's value goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot {
    Context(String),
    /// The field `error`, under this key where the row has the text of an error or panic.
    Error(String),
    /// Into the object of `rule.nest[0]`, under this key.
    Nested(usize, String),
    Success,
    Reason,
    Result,
}

/// A place in the source: `#[instrument]` gives its span and its `err`/`ret` events the same one.
type Site = (&'static str, u32, &'static str);

/// The plans of every callsite that matters, found by callsite.
#[derive(Debug)]
pub(crate) struct Plans {
    rules: Rules,
    /// Names that some rule inherits.
    inherited: Vec<String>,
    by_callsite: Table,
    sites: Mutex<Sites>,
    /// A callsite was turned away that has turned out to be wanted.
    stale: AtomicBool,
    refreshing: Mutex<()>,
    /// Makes rebuilding sound.
    _bystander: Dispatch,
}

/// Where `err` and `ret` events are wanted.
#[derive(Debug, Default)]
struct Sites {
    /// Places of spans with a rule.
    with_rule: HashSet<Site>,
    /// Places of events like those of `err` and `ret` that were turned away, as no span there was known.
    turned_away: HashSet<Site>,
}

impl Plans {
    pub(crate) fn new(rules: Rules) -> Self {
        let mut inherited: Vec<String> = Vec::new();
        for name in rules.list.iter().flat_map(|rule| &rule.inherit) {
            if !inherited.contains(name) {
                inherited.push(name.clone());
            }
        }
        // More were refused when the rules were checked.
        inherited.truncate(MAX_INHERITED);
        let (by_callsite, sites, stale, refreshing) = Default::default();
        let _bystander = bystander::register();
        Self { rules, inherited, by_callsite, sites, stale, refreshing, _bystander }
    }

    /// Works out the plan of a callsite and keeps it. Tracing may ask more than once for the same one.
    pub(crate) fn register(&self, meta: &'static Metadata<'static>) -> Option<&'static Plan> {
        let known = self.by_callsite.get(meta);
        if let Some(plan) = known.and_then(Known::plan) {
            return Some(plan);
        }
        let plan = self.plan(meta).filter(|plan| self.is_in_place(plan));
        let plan = plan.map(|plan| &*Box::leak(Box::new(plan)));
        // Known in either case, and not before its plan is: who comes meanwhile must not take it for decided.
        let known = known.unwrap_or_else(|| self.by_callsite.insert(Known::new(meta, plan)));
        plan.map(|plan| known.keep(plan))
    }

    /// Whether the plan is wanted where it stands: that of an event of `#[instrument(err)]` or
    /// `#[instrument(ret)]` only beside a span with a rule.
    fn is_in_place(&self, plan: &Plan) -> bool {
        let Some(site) = site(plan.meta) else { return true };
        let mut sites = self.sites();
        match &plan.action {
            Action::Row(_) if plan.meta.is_span() => {
                if sites.turned_away.remove(&site) {
                    self.stale.store(true, Ordering::Release);
                }
                sites.with_rule.insert(site);
            }
            Action::Verdict { .. } if !sites.with_rule.contains(&site) => {
                sites.turned_away.insert(site);
                return false;
            }
            Action::Row(_) | Action::Carry | Action::Verdict { .. } => {}
        }
        true
    }

    /// The plan of a registered callsite; `None` for one that no rule needs.
    pub(crate) fn get(&self, meta: &Metadata<'_>) -> Option<&'static Plan> {
        self.by_callsite.get(meta)?.plan()
    }

    /// Whether the callsite makes rows. Known without a lock and without any plan, which is how a forked child asks.
    pub(crate) fn makes_rows(&self, meta: &Metadata<'_>) -> bool {
        !is_own(meta.target()) && self.named_by(meta).is_some()
    }

    fn named_by(&self, meta: &Metadata<'_>) -> Option<&Arc<RuleSpec>> {
        self.rules.list.iter().find(|rule| rule.matches.names(meta))
    }

    /// Whether the callsite may have a plan.
    ///
    /// One that is not known yet is being registered by another thread at this moment, and tracing does not
    /// make this one wait: it asks whether the call is enabled instead. Then it may; and with the callsite in
    /// hand, [`get_or_register`](Self::get_or_register) knows.
    #[inline]
    pub(crate) fn may_have(&self, meta: &Metadata<'_>) -> bool {
        self.by_callsite.get(meta).is_none_or(|known| known.plan().is_some())
    }

    /// The plan of a callsite, registered or not; `None` for one that no rule needs.
    #[inline]
    pub(crate) fn get_or_register(&self, meta: &'static Metadata<'static>) -> Option<&'static Plan> {
        match self.by_callsite.get(meta) {
            Some(known) => known.plan(),
            None => self.register(meta),
        }
    }

    /// Asks tracing to register every callsite anew when one was turned away too early.
    ///
    /// Tracing may register the event of `#[instrument(err)]` before the span it stands beside, and only the
    /// span tells whether the event is wanted. To be called when a span begins: before its event can happen,
    /// and where none of tracing's locks is held.
    #[inline]
    pub(crate) fn refresh(&self) {
        if self.stale.load(Ordering::Acquire) {
            self.register_anew();
        }
    }

    #[cold]
    fn register_anew(&self) {
        // Whoever comes second waits until the first is done, as the event of its call may be near.
        let _alone = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stale.load(Ordering::Acquire) {
            tracing::callsite::rebuild_interest_cache();
            self.stale.store(false, Ordering::Release);
        }
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
        if is_own(meta.target()) {
            return None;
        }
        let named = self.named_by(meta);
        let action = match named {
            Some(rule) => Action::Row(self.row(rule, meta)),
            None if meta.is_span() => Action::Carry,
            None => Action::Verdict { is_error: verdict(meta)? },
        };
        let gives: Vec<_> = match &action {
            Action::Row(row) => meta.fields().iter().map(|field| self.gives(row, field.name())).collect(),
            Action::Carry => meta.fields().iter().map(|field| self.carries(meta, field.name())).collect(),
            Action::Verdict { .. } => Vec::new(),
        };
        if matches!(action, Action::Carry) && gives.iter().all(Option::is_none) {
            return None;
        }
        let may_give = gives.iter().flatten().fold(0, |set, index| set | 1 << index);
        Some(Plan {
            meta,
            action,
            gives,
            may_give,
            reports: AtomicBool::new(false),
            said_unknown: AtomicBool::new(false),
        })
    }

    #[inline]
    fn row(&self, rule: &Arc<RuleSpec>, meta: &'static Metadata<'static>) -> RowPlan {
        let owned =
            |given: &Option<Arc<str>>, else_: &str| stored(given.clone().unwrap_or_else(|| else_.into()));
        let fields: Vec<_> = meta.fields().iter().map(|field| rule.slot(field.name(), meta)).collect();
        let inherits: Vec<_> =
            self.places(&rule.inherit).map(|(place, name)| (place, rule.slot(name, meta))).collect();
        RowPlan {
            event_type: self.kind(&owned(&rule.event_type, meta.name())),
            source: owned(&rule.source, meta.target()),
            wants: inherits.iter().fold(0, |set, (index, _)| set | 1 << index),
            declares_outcome: fields.iter().any(|slot| matches!(slot, Slot::Success | Slot::Result))
                || rule.success.is_compared() && meta.fields().field(&rule.success.field).is_some(),
            collects: rule.collect.iter().map(|collect| self.kind(&collect.of)).collect(),
            numbered_within: rule.number_within.as_ref().map(|(within, _)| self.kind(within)),
            is_span: meta.is_span(),
            is_collected: self.is_collected(rule.event_type.as_deref().unwrap_or(meta.name())),
            redaction: Redaction::of(rule, meta, self.places(&rule.inherit)),
            rule: Arc::clone(rule),
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

    /// A span with a rule gives its fields under their own names and under those the rule gives them.
    #[inline]
    fn gives(&self, row: &RowPlan, name: &str) -> Option<u8> {
        let renamed = row.rule.rename.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str());
        renamed.and_then(|key| self.index_of(key)).or_else(|| self.index_of(name))
    }

    /// A span without a rule gives what some rule asks of spans like it.
    fn carries(&self, meta: &Metadata<'_>, name: &str) -> Option<u8> {
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

/// Whether both are the same event type: mostly told by their place in memory.
#[inline]
pub(crate) fn is_same_kind(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// A name as a column takes it: without NUL, for which Postgres has no place, and short enough for an index.
fn stored(name: Arc<str>) -> Arc<str> {
    let short = cut(&name);
    if short.len() == name.len() && !name.contains('\0') {
        name
    } else {
        short.replace('\0', "\u{FFFD}").into()
    }
}

/// A name cut to [`MAX_NAME_BYTES`] at a character.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_BYTES)]
}

impl Plan {
    pub(crate) fn row(&self) -> Option<&RowPlan> {
        match &self.action {
            Action::Row(row) => Some(row),
            Action::Carry | Action::Verdict { .. } => None,
        }
    }

    /// Which inherited name the field gives to spans below.
    pub(crate) fn gives(&self, field: usize) -> Option<u8> {
        self.gives.get(field).copied().flatten()
    }

    /// What becomes of the field's values, also where a span below inherits them.
    pub(crate) fn redacts(&self, field: usize) -> Option<Redact> {
        self.row()?.redaction.as_ref()?.field(field)
    }

    /// Whether `event` is the `err` or `ret` event that `#[instrument]` put beside this span.
    pub(crate) fn is_beside(&self, event: &Plan) -> bool {
        site(self.meta).is_some() && site(self.meta) == site(event.meta)
    }

    pub(crate) fn saw_report(&self) {
        // A plain store on every call would move the cache line between cores.
        if !self.reports.load(Ordering::Relaxed) {
            self.reports.store(true, Ordering::Relaxed);
        }
    }

    /// Whether this callsite has been seen to tell what it returns.
    pub(crate) fn reports(&self) -> bool {
        self.reports.load(Ordering::Relaxed)
    }

    /// Whether this is the first call of unknown outcome here.
    pub(crate) fn is_first_unknown(&self) -> bool {
        !self.said_unknown.swap(true, Ordering::Relaxed)
    }

    /// What silence of this callsite means; see "Outcome of a call" in DESIGN.md.
    pub(crate) fn silence(&self) -> Silent {
        let Some(row) = self.row() else { return Silent::Unknown };
        row.rule.silent.unwrap_or(if row.declares_outcome || self.reports() {
            Silent::Cancelled
        } else {
            Silent::Unknown
        })
    }
}

impl RuleSpec {
    fn slot(&self, name: &str, meta: &Metadata<'_>) -> Slot {
        let is = |input: &str, key: &Option<String>| {
            // The field may also be called by its key, unless the span has one by the input name too.
            key.as_deref()
                .is_some_and(|key| name == input || (name == key && meta.fields().field(input).is_none()))
        };
        if meta.is_span() && self.success.is_compared() && name == self.success.field {
            // The field a comparison reads stays in the context: a status is worth more than its verdict.
            return Slot::Context(self.key_of(name));
        }
        if meta.is_span() && name == "error" && self.keys.error.as_deref() == Some(name) {
            return Slot::Error(self.key_of(name));
        }
        if meta.is_span()
            && self.success.test == SuccessTest::Bool
            && is(&self.success.field, &self.keys.success)
        {
            return Slot::Success;
        }
        if meta.is_span() && is(&self.reason_field, &self.keys.reason) {
            return Slot::Reason;
        }
        if meta.is_span() && is("result", &self.keys.result) {
            return Slot::Result;
        }
        for (index, nest) in self.nest.iter().enumerate() {
            if let Some(rest) =
                name.strip_prefix(nest.prefix.as_str()).and_then(|rest| rest.strip_prefix('.'))
            {
                let key = nest.keys.iter().find(|(from, _)| from == rest).map_or(cut(rest), |(_, to)| to);
                return Slot::Nested(index, key.to_owned());
            }
        }
        Slot::Context(self.key_of(name))
    }

    /// The key of a field: its new name, or its own, cut to the length of a key. A key that the layer writes itself is
    /// taken, so a field of that name has the key `field.NAME`.
    fn key_of(&self, name: &str) -> String {
        match self.rename.iter().find(|(from, _)| from == name) {
            Some((_, to)) => to.clone(),
            None if self.makes(cut(name)) => format!("field.{}", cut(name)),
            None => cut(name).to_owned(),
        }
    }

    pub(crate) fn inherits_from(&self, span: &str) -> bool {
        self.inherit_from.iter().any(|pattern| pattern.matches(span))
    }
}

impl super::model::Success {
    /// Success is a comparison of a field.
    fn is_compared(&self) -> bool {
        !matches!(self.test, SuccessTest::Bool | SuccessTest::ReturnMatches(_))
    }
}

impl super::model::Match {
    fn names(&self, meta: &Metadata<'_>) -> bool {
        let kind = if meta.is_span() { MatchKind::Span } else { MatchKind::Event };
        self.kind == kind
            && self.names.iter().any(|pattern| pattern.matches(meta.name()))
            && self.target.as_ref().is_none_or(|target| covers(target, meta.target()))
            && self.level.is_none_or(|level| *meta.level() <= level)
            && self.fields.iter().all(|name| meta.fields().field(name).is_some())
    }
}

/// Whether a row of this target could beget another: storing rows makes sqlx speak, on threads of its own too.
fn is_own(target: &str) -> bool {
    const PACKAGES: [&str; 6] =
        ["tracing_ledger", "sqlx", "sqlx_core", "sqlx_postgres", "sqlx_sqlite", "sqlx_mysql"];
    PACKAGES.contains(&target.split("::").next().unwrap_or(target))
}

/// A target names itself and every module below it, as in `EnvFilter`.
fn covers(pattern: &super::model::Pattern, target: &str) -> bool {
    let mut part = target;
    loop {
        if pattern.matches(part) {
            return true;
        }
        match part.rsplit_once("::") {
            Some((above, _)) => part = above,
            None => return false,
        }
    }
}

/// Whether the event says an error (`true`) or a returned value: `#[instrument(err)]` emits an unnamed event
/// with the one field `error`, `ret` one with `return`.
fn verdict(meta: &Metadata<'_>) -> Option<bool> {
    let mut fields = meta.fields().iter().map(|field| field.name());
    let is_error = match (fields.next(), fields.next()) {
        (Some("error"), None) => true,
        (Some("return"), None) => false,
        _ => return None,
    };
    (meta.is_event() && meta.name().starts_with("event ")).then_some(is_error)
}

fn site(meta: &'static Metadata<'static>) -> Option<Site> {
    Some((meta.file()?, meta.line()?, meta.target()))
}
