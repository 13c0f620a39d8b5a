//! What the rules say of one callsite, worked out once when tracing registers it.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use once_cell::sync::OnceCell;
use tracing::Metadata;

use super::Rules;
use super::model::{MAX_INHERITED, MatchKind, Rule, Silent, SuccessTest};

/// A set of inherited names, a bit each, by their place in [`Plans::inherited`].
pub(crate) type Carried = u64;

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
    /// This callsite has been seen to tell its outcome by a `return` event.
    reports: AtomicBool,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// A span or tracing event that becomes a row.
    Row(Row),
    /// A span that no rule names, kept for the fields that rules inherit from it.
    Carry,
    /// Possibly the event of `#[instrument(err)]` or `#[instrument(ret)]`.
    Verdict(Verdict),
}

/// How the records of one callsite become rows.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) rule: Arc<Rule>,
    pub(crate) event_type: Arc<str>,
    pub(crate) source: Arc<str>,
    /// By field index.
    pub(crate) fields: Vec<Slot>,
    /// Inherited names this row wants, with the key of each.
    pub(crate) inherits: Vec<(u8, Slot)>,
    pub(crate) wants: Carried,
    /// The span declares a field that tells its outcome, so that silence means it was cut short.
    pub(crate) declares_outcome: bool,
}

/// Where a field's value goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot {
    Context(String),
    /// Into the object of `rule.nest[0]`, under this key.
    Nested(usize, String),
    Success,
    Reason,
    Result,
}

/// `err` or `ret`: which, and whether a span of the same place is known to have a rule.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) is_error: bool,
    known: AtomicBool,
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
    sites: RwLock<HashSet<Site>>,
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
        Self { rules, inherited, by_callsite: Table::default(), sites: RwLock::default() }
    }

    /// Works out the plan of a callsite and keeps it. Tracing may ask more than once for the same one.
    pub(crate) fn register(&self, meta: &'static Metadata<'static>) -> Option<&'static Plan> {
        if let Some(plan) = self.by_callsite.get(meta) {
            return Some(plan);
        }
        let plan = self.plan(meta)?;
        if meta.is_span()
            && matches!(plan.action, Action::Row(_))
            && let Some(site) = site(meta)
        {
            self.sites.write().unwrap_or_else(PoisonError::into_inner).insert(site);
        }
        Some(self.by_callsite.insert(meta, plan))
    }

    /// The plan of a registered callsite; `None` for one that no rule needs.
    pub(crate) fn get(&self, meta: &Metadata<'_>) -> Option<&'static Plan> {
        self.by_callsite.get(meta)
    }

    /// Whether this callsite is wanted now.
    ///
    /// An `err` or `ret` event may be registered before its span, so it is held against the known places
    /// when it happens.
    pub(crate) fn wants(&self, plan: &Plan) -> bool {
        let Action::Verdict(verdict) = &plan.action else { return true };
        verdict.known.load(Ordering::Relaxed) || {
            let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
            let known = site(plan.meta).is_some_and(|site| sites.contains(&site));
            verdict.known.store(known, Ordering::Relaxed);
            known
        }
    }

    fn plan(&self, meta: &'static Metadata<'static>) -> Option<Plan> {
        if is_own(meta.target()) {
            return None;
        }
        let named = self.rules.list.iter().find(|rule| rule.matches.names(meta));
        let action = match named {
            Some(rule) => Action::Row(self.row(rule, meta)),
            None if meta.is_span() => Action::Carry,
            None => Action::Verdict(Verdict::of(meta)?),
        };
        let gives: Vec<_> = match &action {
            Action::Row(row) => meta.fields().iter().map(|field| self.gives(row, field.name())).collect(),
            Action::Carry => meta.fields().iter().map(|field| self.carries(meta, field.name())).collect(),
            Action::Verdict(_) => Vec::new(),
        };
        if matches!(action, Action::Carry) && gives.iter().all(Option::is_none) {
            return None;
        }
        Some(Plan { meta, action, gives, reports: AtomicBool::new(false) })
    }

    fn row(&self, rule: &Arc<Rule>, meta: &'static Metadata<'static>) -> Row {
        let owned = |given: &Option<Arc<str>>, else_: &str| given.clone().unwrap_or_else(|| else_.into());
        let fields: Vec<_> = meta.fields().iter().map(|field| rule.slot(field.name(), meta)).collect();
        let inherits: Vec<_> = (rule.inherit.iter())
            .filter_map(|name| Some((self.index_of(name)?, rule.slot(name, meta))))
            .collect();
        Row {
            event_type: owned(&rule.event, meta.name()),
            source: owned(&rule.source, meta.target()),
            wants: inherits.iter().fold(0, |set, (index, _)| set | 1 << index),
            declares_outcome: fields.iter().any(|slot| matches!(slot, Slot::Success | Slot::Result)),
            rule: Arc::clone(rule),
            fields,
            inherits,
        }
    }

    /// A span with a rule gives its fields under their own names and under those the rule gives them.
    fn gives(&self, row: &Row, name: &str) -> Option<u8> {
        let renamed = row.rule.rename.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str());
        renamed.and_then(|key| self.index_of(key)).or_else(|| self.index_of(name))
    }

    /// A span without a rule gives what some rule asks of spans like it.
    fn carries(&self, meta: &Metadata<'_>, name: &str) -> Option<u8> {
        let asked =
            |rule: &Arc<Rule>| rule.inherit.iter().any(|n| n == name) && rule.inherits_from(meta.name());
        self.rules.list.iter().any(asked).then(|| self.index_of(name)).flatten()
    }

    fn index_of(&self, name: &str) -> Option<u8> {
        self.inherited.iter().position(|n| n == name).and_then(|index| u8::try_from(index).ok())
    }

    /// Constants of an enclosing span's rule that spans below may inherit.
    pub(crate) fn constant<'a>(&self, row: &'a Row, index: u8) -> Option<&'a serde_json::Value> {
        let name = self.inherited.get(usize::from(index))?;
        row.rule.set.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl Plan {
    pub(crate) fn row(&self) -> Option<&Row> {
        match &self.action {
            Action::Row(row) => Some(row),
            Action::Carry | Action::Verdict(_) => None,
        }
    }

    /// Which inherited name the field gives to spans below.
    pub(crate) fn gives(&self, field: usize) -> Option<u8> {
        self.gives.get(field).copied().flatten()
    }

    /// Whether a field of that index is worth keeping.
    pub(crate) fn keeps(&self, field: usize) -> bool {
        !matches!(self.action, Action::Carry) || self.gives(field).is_some()
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

    /// What silence of this callsite means; see "Outcome of a call" in the README.
    pub(crate) fn silence(&self) -> Silent {
        let Some(row) = self.row() else { return Silent::Unknown };
        row.rule.silent.unwrap_or(if row.declares_outcome || self.reports.load(Ordering::Relaxed) {
            Silent::Cancelled
        } else {
            Silent::Unknown
        })
    }
}

impl Rule {
    fn slot(&self, name: &str, meta: &Metadata<'_>) -> Slot {
        let is = |input: &str, key: &Option<String>| {
            // The field may also be called by its key, unless the span has one by the input name too.
            key.as_deref()
                .is_some_and(|key| name == input || (name == key && meta.fields().field(input).is_none()))
        };
        if meta.is_span() && self.success.test != SuccessTest::Bool && name == self.success.field {
            // The field a comparison reads stays in the context: a status is worth more than its verdict.
            return Slot::Context(self.key_of(name));
        }
        if meta.is_span() && is(&self.success.field, &self.keys.success) {
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
                let key = nest.keys.iter().find(|(from, _)| from == rest).map_or(rest, |(_, to)| to);
                return Slot::Nested(index, key.to_owned());
            }
        }
        Slot::Context(self.key_of(name))
    }

    fn key_of(&self, name: &str) -> String {
        let renamed = self.rename.iter().find(|(from, _)| from == name);
        renamed.map_or(name, |(_, to)| to.as_str()).to_owned()
    }

    pub(crate) fn inherits_from(&self, span: &str) -> bool {
        self.inherit_from.iter().any(|pattern| pattern.matches(span))
    }
}

impl super::model::Match {
    fn names(&self, meta: &Metadata<'_>) -> bool {
        let kind = if meta.is_span() { MatchKind::Span } else { MatchKind::Point };
        self.kind == kind
            && self.names.iter().any(|pattern| pattern.matches(meta.name()))
            && self.target.as_ref().is_none_or(|target| covers(target, meta.target()))
            && self.level.is_none_or(|level| *meta.level() <= level)
            && self.fields.iter().all(|name| meta.fields().field(name).is_some())
    }
}

/// Whether a row of this target could beget another: storing rows makes sqlx speak, on threads of its own too.
fn is_own(target: &str) -> bool {
    let package = target.split("::").next().unwrap_or(target);
    package == "tracing_ledger" || package == "sqlx" || package.starts_with("sqlx_")
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

impl Verdict {
    /// `#[instrument(err)]` emits an unnamed event with the one field `error`, `ret` one with `return`.
    fn of(meta: &Metadata<'_>) -> Option<Self> {
        let mut fields = meta.fields().iter().map(|field| field.name());
        let is_error = match (fields.next(), fields.next()) {
            (Some("error"), None) => true,
            (Some("return"), None) => false,
            _ => return None,
        };
        let unnamed = meta.is_event() && meta.name().starts_with("event ");
        unnamed.then(|| Self { is_error, known: AtomicBool::new(false) })
    }
}

fn site(meta: &'static Metadata<'static>) -> Option<Site> {
    Some((meta.file()?, meta.line()?, meta.target()))
}

/// Callsite → plan: append-only open addressing, read without a lock on every span.
///
/// Only callsites that matter are in it, so a look-up of any other ends at an empty cell. A full stretch of
/// cells continues in the next, larger table.
#[derive(Debug)]
struct Table {
    cells: Box<[OnceCell<&'static Plan>]>,
    next: OnceCell<Box<Table>>,
}

/// Cells looked at in one table before going on to the next.
const STRETCH: usize = 8;

impl Default for Table {
    fn default() -> Self {
        Self::with_cells(256)
    }
}

impl Table {
    fn with_cells(cells: usize) -> Self {
        Self { cells: (0..cells).map(|_| OnceCell::new()).collect(), next: OnceCell::new() }
    }

    fn get(&self, meta: &Metadata<'_>) -> Option<&'static Plan> {
        let mut table = self;
        loop {
            for cell in table.stretch(meta) {
                let plan = cell.get()?;
                if plan.meta.callsite() == meta.callsite() {
                    return Some(plan);
                }
            }
            table = table.next.get()?;
        }
    }

    /// Keeps the plan, or returns the one another thread has put there meanwhile.
    fn insert(&self, meta: &'static Metadata<'static>, plan: Plan) -> &'static Plan {
        let plan: &'static Plan = Box::leak(Box::new(plan));
        let mut table = self;
        loop {
            for cell in table.stretch(meta) {
                let kept = cell.get_or_init(|| plan);
                if kept.meta.callsite() == meta.callsite() {
                    return kept;
                }
            }
            let twice = table.cells.len() * 2;
            table = table.next.get_or_init(|| Box::new(Self::with_cells(twice)));
        }
    }

    fn stretch(&self, meta: &Metadata<'_>) -> impl Iterator<Item = &OnceCell<&'static Plan>> {
        let mask = self.cells.len() - 1;
        let start = hash(meta);
        (0..STRETCH).map(move |step| &self.cells[(start + step) & mask])
    }
}

/// A callsite is its address; multiplying spreads neighbouring ones (Fibonacci hashing, Knuth, The Art of
/// Computer Programming, volume 3, section 6.4).
fn hash(meta: &Metadata<'_>) -> usize {
    let mut address = Address(0);
    meta.callsite().hash(&mut address);
    (address.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

/// Takes the address that [`tracing::callsite::Identifier`] hashes.
struct Address(u64);

impl Hasher for Address {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_usize(&mut self, address: usize) {
        self.0 ^= address as u64;
    }
}
