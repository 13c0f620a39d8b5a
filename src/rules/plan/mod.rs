//! The plan of one callsite, worked out once when tracing registers it.
//!
//! A plan lives to the end of the program, as its callsite does. Each ledger has its own plans: a program that builds
//! one ledger after the other, as tests do, leaks a few hundred bytes per ledger and callsite.

mod advice;
mod annotation;
mod discovery;
mod filled;
mod kinds;
mod made;
mod matching;
mod names;
mod plans;
mod shape;
mod table;
mod take;
mod unknown;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;
use tracing::Metadata;

pub(crate) use self::advice::Wanted;
pub(crate) use self::annotation::remedy;
pub(crate) use self::kinds::EventKind;
use self::made::Made;
pub(crate) use self::names::{NameField, NameFields};
pub(crate) use self::plans::Plans;
pub(crate) use self::shape::{PROVING_CALLS, Shape};
use self::take::Taker;
use self::unknown::Unknown;
use super::model::{Redact, RuleSpec, Silent, SuccessTest};
use super::redact::Redaction;

/// A set of inherited names, a bit each, by their place in [`Plans::inherited`].
pub(crate) type NameSet = u64;

/// How the spans or events of one callsite are treated.
///
/// A record on its way holds a plain reference: closing a span touches no reference count that other cores touch too.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) meta: &'static Metadata<'static>,
    pub(crate) action: Action,
    /// By slot: the name under which spans within it inherit the field, if any.
    inheritable: Vec<Option<u8>>,
    /// The names that spans within it may inherit.
    pub(crate) inheritable_names: NameSet,
    /// A `return` event of this callsite has reported an outcome.
    reports: AtomicBool,
    /// Set when another filter has begun to hide that event: the moment at which it came again, if it did.
    lost: OnceCell<Mutex<Option<Instant>>>,
    /// The `return` event of its `ret`, if tracing knows one.
    return_event: OnceCell<&'static Metadata<'static>>,
    /// The shape of its spans, if nothing else tells how a silent call ended.
    pub(crate) shape: Option<Shape>,
    /// The rules that take fields of this event.
    takers: Vec<Taker>,
    made: Made,
    /// The notices about its rows so far, a bit for each [`RowNotice`].
    given: AtomicU8,
    unknown: Unknown,
}

/// A notice about the rows of a callsite, which comes once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RowNotice {
    Unknown,
    EventType,
    Source,
    Severity,
    Success,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// A span or event that becomes a row.
    Row(RowPlan),
    /// A span that no rule names, kept for the fields that rules inherit from it.
    Inherited,
    /// The event of `#[instrument(err)]` or `#[instrument(ret)]` beside a span with a rule.
    Verdict { is_error: bool },
    /// An event without a row, whose fields the span around it takes.
    Taken,
}

/// How the records of one callsite become rows.
#[derive(Debug)]
pub(crate) struct RowPlan {
    pub(crate) rule: Arc<RuleSpec>,
    pub(crate) event_type: Arc<str>,
    pub(crate) source: Arc<str>,
    /// The fields from which a record has another event type or source.
    pub(crate) names: Option<Box<NameFields>>,
    /// The field that leaves the row out where it is `false`.
    pub(crate) left_out_by: Option<usize>,
    /// For an event of `#[instrument(err)]` or `#[instrument(ret)]`: whether it reports an error.
    pub(crate) verdict: Option<bool>,
    /// By slot: the fields of the callsite, then those that are taken from events.
    pub(crate) fields: Vec<Destination>,
    /// The slots of the fields that the rule takes, in its order.
    taken: Vec<u16>,
    /// Inherited names this row wants, with the key of each.
    pub(crate) inherits: Vec<(u8, Destination)>,
    pub(crate) wants: NameSet,
    pub(crate) is_span: bool,
    /// Its rows have the ids that join them.
    pub(crate) has_ids: bool,
    /// The kinds of rows that it collects, one for each of the rule's `collect`.
    pub(crate) collects: Vec<Arc<str>>,
    /// The kind of span that numbers it.
    pub(crate) numbered_within: Option<Arc<str>>,
    /// Some rule collects rows of this kind.
    pub(crate) is_collected: bool,
    /// The span declares a field that tells its outcome, so that silence means it was cut short.
    pub(crate) declares_outcome: bool,
    /// Few rules redact anything.
    pub(crate) redaction: Option<Box<Redaction>>,
}

/// Where a field's value goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Destination {
    Context(String),
    /// Not into the context: it names the row's event type, source or severity.
    Name,
    /// Milliseconds under the first key, if the value is a time; a bare number counts units of this length. Another value has
    /// the second key.
    Time {
        key: String,
        unit: Duration,
        other: String,
    },
    /// The field `error`, under this key where the row has the text of an error or panic.
    Error(String),
    /// Into the object of `rule.nest[0]`, under this key.
    Nested(usize, String),
    Success,
    Reason,
    Result,
}

/// Whether both are the same event type. Mostly their addresses suffice.
#[inline]
pub(crate) fn is_same_kind(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// A place in the source: `#[instrument]` gives its span and its `err` and `ret` events the same one.
type Site = (&'static str, u32, &'static str);

fn site(meta: &'static Metadata<'static>) -> Option<Site> {
    Some((meta.file()?, meta.line()?, meta.target()))
}

impl Plan {
    fn new(
        meta: &'static Metadata<'static>,
        action: Action,
        inheritable: Vec<Option<u8>>,
        inheritable_names: NameSet,
        takers: Vec<Taker>,
        unknown: Unknown,
    ) -> Self {
        let shape = match &action {
            Action::Row(row) if row.may_be_silent() => Some(Shape::default()),
            _ => None,
        };
        let (reports, lost, return_event, made, given) = Default::default();
        Self {
            meta,
            action,
            inheritable,
            inheritable_names,
            reports,
            lost,
            return_event,
            shape,
            takers,
            made,
            given,
            unknown,
        }
    }

    #[inline]
    pub(crate) fn row(&self) -> Option<&RowPlan> {
        match &self.action {
            Action::Row(row) => Some(row),
            Action::Inherited | Action::Verdict { .. } | Action::Taken => None,
        }
    }

    /// Whether some rule takes fields of this event.
    pub(crate) fn is_taken(&self) -> bool {
        !self.takers.is_empty()
    }

    /// The slots in the records of `row` for fields of this event, by their index; `None` where its rule takes none.
    pub(crate) fn slots_in<'a>(&'a self, row: &'a RowPlan) -> Option<impl Fn(usize) -> Option<u16> + 'a> {
        let taker = self.takers.iter().find(|taker| Arc::ptr_eq(&taker.rule, &row.rule))?;
        Some(move |field| row.taken.get(taker.fields.get(field).copied().flatten()?).copied())
    }

    /// Which inherited name the field gives to spans below.
    pub(crate) fn inheritable(&self, field: usize) -> Option<u8> {
        self.inheritable.get(field).copied().flatten()
    }

    /// How the field's values are redacted, also where a span below inherits them.
    pub(crate) fn redacts(&self, field: usize) -> Option<Redact> {
        self.row()?.redaction.as_ref()?.field(field)
    }

    /// Whether `event` is the `err` or `ret` event that `#[instrument]` put beside this span.
    pub(crate) fn is_beside(&self, event: &Plan) -> bool {
        site(self.meta).is_some() && site(self.meta) == site(event.meta)
    }

    /// Notes an event beside this span.
    fn note_event(&self, event: &Plan) {
        if matches!(event.action, Action::Verdict { is_error: false }) {
            self.return_event.get_or_init(|| event.meta);
        }
    }

    pub(crate) fn saw_report(&self) {
        // A plain store on every call would move the cache line between cores.
        if !self.reports.load(Ordering::Relaxed) {
            if let Some(mut came_again) = self.lost() {
                *came_again = Some(Instant::now());
            }
            self.reports.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a `return` event of this callsite has reported an outcome.
    pub(crate) fn reports(&self) -> bool {
        self.reports.load(Ordering::Relaxed)
    }

    /// Whether this notice about the callsite is the first of its kind.
    pub(crate) fn is_first(&self, notice: RowNotice) -> bool {
        let bit = 1 << notice as u8;
        self.given.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    fn has_given(&self, notice: RowNotice) -> bool {
        self.given.load(Ordering::Relaxed) & (1 << notice as u8) != 0
    }

    /// Whether this callsite reported its return values at that moment.
    pub(crate) fn reported_at(&self, ended: Instant) -> bool {
        self.reports() && self.lost().is_none_or(|came_again| came_again.is_some_and(|since| since <= ended))
    }

    fn lost(&self) -> Option<MutexGuard<'_, Option<Instant>>> {
        self.lost.get().map(|lost| lost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether another filter hid the event of its `ret` from a call that ended at that moment, so that silence means
    /// nothing.
    pub(crate) fn is_return_hidden(&self, ended: Instant) -> bool {
        self.return_event.get().is_some() && !self.reported_at(ended)
    }

    /// The event of its `ret`, if that has reported an outcome.
    pub(crate) fn reported_by(&self) -> Option<&'static Metadata<'static>> {
        self.return_event.get().copied().filter(|_| self.reports())
    }

    /// Notes that another filter has begun to hide the event of its `ret`.
    pub(crate) fn note_lost_return(&self) {
        self.lost.get_or_init(Mutex::default);
        self.reports.store(false, Ordering::Relaxed);
    }

    /// Whether the callsite may still prove that it is a function.
    pub(crate) fn is_learning(&self) -> bool {
        self.shape.as_ref().is_some_and(Shape::is_open) && !self.reports()
    }

    /// How a silent call that ended at that moment is judged: see `docs/outcomes.md`.
    pub(crate) fn silence(&self, ended: Instant) -> Silent {
        let Some(row) = self.row() else { return Silent::Unknown };
        let is_cut_short = (row.declares_outcome || self.reported_at(ended)) && !self.is_return_hidden(ended);
        row.rule.silent.unwrap_or(if is_cut_short { Silent::Cancelled } else { Silent::Unknown })
    }
}

impl RowPlan {
    /// Whether neither the rule nor a field of the callsite says how a silent call ended.
    fn may_be_silent(&self) -> bool {
        let is_matched = matches!(self.rule.success.test, SuccessTest::ReturnMatches(_));
        self.is_span && !self.declares_outcome && !is_matched && self.rule.silent.is_none()
    }
}
