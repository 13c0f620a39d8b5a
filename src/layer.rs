//! The layer: opens a record when a span begins, collects its fields, ends it, hands it over.
//!
//! All of the hot path is here and in [`crate::record`]. What it promises:
//!
//! - A callsite that no rule needs stays disabled, and other layers see what they saw without this one: the
//!   layer brings its own per-layer filter.
//! - No user code runs under a lock: fields are formatted first, then stored.
//! - Every look-up may fail (a parent filtered out, a span closed), and then the record does without.

use std::any::TypeId;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Metadata, Subscriber};
use tracing_subscriber::filter::{Filtered, LevelFilter};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::open::{Open, OpenSpans, Within};
use crate::panic_message;
use crate::queue::{Queue, Refusal};
use crate::record::{Fields, Record, Scratch, Tally, Verdict};
use crate::rules::Rules;
use crate::rules::model::{Collect, SuccessTest};
use crate::rules::plan::{Action, Carried, Plan, Plans, Row};

/// Puts spans and tracing events that the rules name on the ledger.
///
/// Made by [`layer`](crate::layer()) or [`builder`](crate::builder()), together with the
/// [`Guard`](crate::Guard) that writes the rows: keep that one alive.
///
/// It carries its own filter. A *global* filter (an `EnvFilter` added as a layer of its own) still hides
/// spans from every layer, this one included: attach such filters to the layer they are meant for, with
/// [`Layer::with_filter`].
pub struct LedgerLayer<S> {
    filtered: Filtered<Recorder, RuleFilter, S>,
}

impl<S> LedgerLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    pub(crate) fn new(rules: Rules, queue: Arc<Queue>) -> Self {
        let plans = Arc::new(Plans::new(rules));
        panic_message::listen();
        let filter = RuleFilter { plans: Arc::clone(&plans) };
        let recorder = Recorder { plans, spans: OpenSpans::default(), queue };
        Self { filtered: recorder.with_filter(filter) }
    }
}

impl<S> fmt::Debug for LedgerLayer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerLayer").finish_non_exhaustive()
    }
}

/// Lets through what the rules need.
struct RuleFilter {
    plans: Arc<Plans>,
}

impl<S> Filter<S> for RuleFilter {
    /// `sometimes`, never `always`: with `always` this filter is not asked again, and a stale answer that
    /// another layer's filter left on the thread (sqlx asks `log_enabled!`) would count as its own, and lose
    /// spans (tokio-rs/tracing#2519).
    fn callsite_enabled(&self, meta: &'static Metadata<'static>) -> Interest {
        self.plans.register(meta).map_or_else(Interest::never, |_| Interest::sometimes())
    }

    fn enabled(&self, meta: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.plans.may_have(meta)
    }
}

/// Collects what the filter let through.
struct Recorder {
    plans: Arc<Plans>,
    spans: OpenSpans,
    queue: Arc<Queue>,
}

impl Open {
    fn exit(&mut self, now: Instant, is_home: bool) {
        let panicked = thread::panicking() && !self.was_entered_unwinding();
        if self.left || self.was_home && !is_home && !panicked {
            return;
        }
        self.was_home = is_home;
        let head = &mut self.record.head;
        head.ended = now;
        if let Some(within) = &self.within {
            head.extra.get_or_insert_default().tallies.clone_from(&within.tallies);
        }
        if panicked {
            head.panicked = true;
            head.extra.get_or_insert_default().message = panic_message::last(head.started);
        }
        self.left = panicked || head.verdict.is_some();
    }

    /// A span that was never entered has no exit to tell what ended within it.
    fn tell_tallies(&mut self) {
        if let Some(within) = self.within.take() {
            let told = &mut self.record.head.extra.get_or_insert_default().tallies;
            if told.is_empty() {
                *told = within.tallies;
            }
        }
    }

    /// Pairs this exit with an enter that came while the thread was unwinding already, if there was one.
    fn was_entered_unwinding(&mut self) -> bool {
        let before = self.entered_unwinding;
        self.entered_unwinding = before.saturating_sub(1);
        before > 0
    }
}

impl Within {
    /// The book of a new span, where its rule collects anything.
    fn of(row: &Row) -> Option<Box<Self>> {
        let count = row.rule.collect.len();
        (count > 0).then(|| Box::new(Self { tallies: vec![Tally::default(); count], ..Self::default() }))
    }

    fn next_number(&mut self, event_type: &Arc<str>) -> u32 {
        let Some((_, next)) = self.numbers.iter_mut().find(|(of, _)| of == event_type) else {
            self.numbers.push((Arc::clone(event_type), 1));
            return 0;
        };
        let number = *next;
        *next = number.saturating_add(1);
        number
    }
}

/// Counts a row that ended within a span; says whether the span's rule collects its kind.
fn tally(tallies: &mut [Tally], collects: &[Collect], event_type: &str, total: Duration) -> bool {
    let mut collected = false;
    for (_, tally) in collects.iter().zip(tallies).filter(|(collect, _)| &*collect.of == event_type) {
        tally.count = tally.count.saturating_add(1);
        tally.total = tally.total.saturating_add(total);
        collected = true;
    }
    collected
}

/// What is left to do for a span that closes, which must not be done under its lock.
enum Left {
    /// Its record lacks what enclosing spans, from this one outwards, may give.
    Lookup(Lacks, Id),
    /// The queue has no room for its record at once.
    Room(Refusal),
}

/// What a record still lacks, on the way outwards through the spans around it.
struct Lacks {
    row: &'static Row,
    /// Inherited names that no span has given yet.
    names: Carried,
    /// It is a call that no enclosing span has counted yet.
    is_uncounted: bool,
    /// Its share of the time within its kind: none for a call within a call of its own kind.
    time: Duration,
    /// When the call ended: its span may close later, when the last to hold it lets go.
    ended: Instant,
}

impl Lacks {
    fn of(record: &Record, row: &'static Row) -> Self {
        let plan = record.head.plan;
        let own = record.fields.own_indices().filter_map(|field| plan.gives(field));
        let names = own.fold(row.wants, |names, index| names & !(1 << index));
        let is_uncounted = row.is_span && row.is_collected;
        Self { row, names, is_uncounted, time: record.head.duration(), ended: record.head.ended }
    }

    fn is_nothing(&self) -> bool {
        self.names == 0 && !self.is_uncounted
    }

    fn take_from(&mut self, outer: &mut Open, plans: &Plans, given: &mut Fields) {
        let plan = outer.record.head.plan;
        let Some(outer_row) = plan.row() else {
            if self.row.rule.inherits_from(plan.meta.name()) {
                self.inherit(plan, &outer.record.fields, given);
            }
            return;
        };
        if self.is_uncounted {
            self.is_uncounted = !self.count_in(outer, &outer_row.rule.collect);
        }
        if outer_row.event_type == self.row.event_type {
            self.time = Duration::ZERO;
        }
        self.inherit(plan, &outer.record.fields, given);
        for (index, value) in plans.constants(outer_row) {
            if self.names & (1 << index) != 0 {
                self.names &= !(1 << index);
                given.inherit_constant(index, value);
            }
        }
    }

    /// Says whether the outer span collects calls of this kind.
    fn count_in(&self, outer: &mut Open, collects: &[Collect]) -> bool {
        let Some(within) = &mut outer.within else { return false };
        let head = &mut outer.record.head;
        // What was told at the outer span's exit lacks a call that had ended by then, and closes only now.
        if self.ended <= head.ended
            && let Some(extra) = &mut head.extra
        {
            tally(&mut extra.tallies, collects, &self.row.event_type, self.time);
        }
        tally(&mut within.tallies, collects, &self.row.event_type, self.time)
    }

    fn inherit(&mut self, plan: &Plan, fields: &Fields, given: &mut Fields) {
        given.inherit(fields, |field| {
            let index = plan.gives(field).filter(|index| self.names & (1 << index) != 0)?;
            self.names &= !(1 << index);
            Some((index, plan.redacts(field)))
        });
    }
}

impl Recorder {
    /// The nearest of these spans, from the inside outwards, that is followed.
    fn followed<'a, S>(&self, scope: impl Iterator<Item = SpanRef<'a, S>>) -> Option<Id>
    where
        S: for<'b> LookupSpan<'b> + 'a,
    {
        scope.map(|span| span.id()).find(|id| self.spans.with(id, |_| ()).is_some())
    }

    /// The nearest enclosing span that is followed.
    fn parent<S>(&self, attrs: &Attributes<'_>, id: &Id, ctx: &Context<'_, S>) -> Option<Id>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // The usual end of the search, without a look-up.
        if attrs.is_root() || attrs.is_contextual() && ctx.current_span().id().is_none() {
            return None;
        }
        self.followed(ctx.span(id)?.scope().skip(1))
    }

    /// Goes outwards through the followed spans until `f` says that it has all it wants.
    fn outwards(&self, from: Option<Id>, mut f: impl FnMut(&mut Open) -> ControlFlow<()>) {
        let mut next = from;
        while let Some(id) = next {
            let step = self.spans.with(&id, |open| (f(open), open.parent.clone()));
            let Some((ControlFlow::Continue(()), parent)) = step else { return };
            next = parent;
        }
    }

    /// The number of a new call within the nearest enclosing span that numbers its kind.
    fn number(&self, row: &Row, parent: Option<&Id>) -> Option<u32> {
        let (within, _) = row.rule.number_within.as_ref()?;
        let mut number = None;
        self.outwards(parent.cloned(), |open| {
            if open.record.head.plan.row().is_none_or(|outer| outer.event_type != *within) {
                return ControlFlow::Continue(());
            }
            number = Some(open.within.get_or_insert_default().next_number(&row.event_type));
            ControlFlow::Break(())
        });
        number
    }

    /// What enclosing spans give to the record; they in turn count it.
    fn given(&self, mut lacks: Lacks, from: Option<Id>) -> Scratch {
        let mut given = Scratch::new();
        if !lacks.is_nothing() {
            self.outwards(from, |outer| {
                lacks.take_from(outer, &self.plans, &mut given);
                if lacks.is_nothing() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }
        given
    }

    /// Does what was left to do and hands the record over.
    fn finish(&self, id: &Id, left: Left) {
        let (given, admission) = match left {
            Left::Lookup(lacks, parent) => (Some(self.given(lacks, Some(parent))), self.queue.admit()),
            Left::Room(refusal) => (None, self.queue.insist(refusal)),
        };
        self.spans.end(id, |open| {
            if let Some(admission) = admission {
                if let Some(given) = &given {
                    open.record.fields.merge(given);
                    open.record.redact();
                }
                self.queue.push(admission, &mut open.record);
            }
            None::<()>
        });
    }

    fn point<S>(
        &self,
        plan: &'static Plan,
        row: &'static Row,
        event: &tracing::Event<'_>,
        ctx: &Context<'_, S>,
    ) where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut record = Record::new(plan);
        event.record(&mut record.fields);
        let lacks = Lacks::of(&record, row);
        let scope = ctx.event_span(event).into_iter().flat_map(|span| span.scope());
        record.fields.merge(&self.given(lacks, self.followed(scope)));
        record.redact();
        if let Some(admission) = self.queue.admit() {
            self.queue.push(admission, &mut record);
        }
    }

    /// Takes the word of `#[instrument(err, ret)]` for the span it stands beside.
    fn verdict<S>(&self, beside: &Plan, is_error: bool, event: &tracing::Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = ctx.event_span(event) else { return };
        let plan = self.plans.get(span.metadata()).filter(|plan| plan.is_beside(beside));
        let Some((plan, row)) = plan.and_then(|plan| Some((plan, plan.row()?))) else { return };
        let mut fields = Scratch::new();
        event.record(&mut *fields);
        let text = fields.first_text();
        // `ret` alone prints the whole `Result`.
        let failed = is_error || text.starts_with("Err(");
        if !is_error {
            plan.saw_report();
        }
        let matched = match &row.rule.success.test {
            SuccessTest::ReturnMatches(wanted) if !is_error => Some(text.contains(wanted.as_str())),
            _ => None,
        };
        let message = failed.then(|| text.into());
        self.spans.with(&span.id(), |open| {
            let head = &mut open.record.head;
            head.matched = matched.or(head.matched);
            head.verdict = Some(if failed { Verdict::Failed } else { Verdict::Returned });
            if message.is_some() {
                head.extra.get_or_insert_default().message = message;
            }
        });
    }

    fn record(&self, id: &Id, values: &tracing::span::Record<'_>) {
        if !self.queue.is_forked() {
            values.record(&mut self.spans.collect(id));
        }
    }

    fn enter(&self, id: &Id) {
        if thread::panicking() && !self.queue.is_forked() {
            self.spans.with(id, |open| open.entered_unwinding = open.entered_unwinding.saturating_add(1));
        }
    }

    fn exit<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if self.queue.is_forked() {
            return;
        }
        let now = Instant::now();
        let home = self.spans.with(id, |open| {
            if open.home.is_none() {
                open.exit(now, false);
            }
            open.home.clone()
        });
        if let Some(home) = home.flatten() {
            // Not under the lock: it may be the registry's last look at a span, which then closes.
            let is_home = ctx.current_span().id() == Some(&home);
            self.spans.with(id, |open| open.exit(now, is_home));
        }
    }

    fn close<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if self.queue.is_forked() {
            return self.close_in_child(id, ctx);
        }
        let left = self.spans.end(id, |open| {
            let row = open.record.head.plan.row()?;
            open.tell_tallies();
            if let Some(parent) = open.parent.take() {
                let lacks = Lacks::of(&open.record, row);
                if !lacks.is_nothing() {
                    return Some(Left::Lookup(lacks, parent));
                }
            }
            open.record.redact();
            self.queue.try_push(&mut open.record).err().map(Left::Room)
        });
        if let Some(left) = left {
            self.finish(id, left);
        }
    }

    /// A forked child touches no lock; it only counts what it does not record.
    #[cold]
    fn close_in_child<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let plan = ctx.span(id).and_then(|span| self.plans.get(span.metadata()));
        if plan.is_some_and(|plan| plan.row().is_some()) {
            self.queue.refuse_forked();
        }
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(plan) = self.plans.get_or_register(attrs.metadata()).filter(|_| !self.queue.is_forked())
        else {
            return;
        };
        self.plans.refresh();
        let mut fields = Scratch::new();
        attrs.record(&mut *fields);
        let parent = self.parent(attrs, id, &ctx);
        let row = plan.row();
        let number = row.and_then(|row| self.number(row, parent.as_ref()));
        let may_be_counted = parent.is_some() && row.is_some_and(|row| row.is_collected);
        let home =
            if may_be_counted && attrs.is_contextual() { ctx.current_span().id().cloned() } else { None };
        self.spans.begin(id, plan, |open| {
            open.parent = parent;
            open.home = home;
            open.record.head.number = number;
            open.within = row.and_then(Within::of);
            std::mem::swap(&mut open.record.fields, &mut *fields);
        });
    }

    fn on_event(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) {
        let Some(plan) = self.plans.get_or_register(event.metadata()) else { return };
        match &plan.action {
            Action::Row(_) if self.queue.is_forked() => self.queue.refuse_forked(),
            _ if self.queue.is_forked() => {}
            Action::Row(row) => self.point(plan, row, event, &ctx),
            Action::Verdict { is_error } => self.verdict(plan, *is_error, event, &ctx),
            Action::Carry => {}
        }
    }
}

/// What begins or happens goes by way of the filter. What concerns a span that has begun goes to the recorder at
/// once: it knows by the id whether it follows the span, where the filter would look up the span each time.
impl<S> Layer<S> for LedgerLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        self.filtered.on_register_dispatch(subscriber);
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.filtered.on_layer(subscriber);
    }

    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        self.filtered.register_callsite(meta)
    }

    fn enabled(&self, meta: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
        self.filtered.enabled(meta, ctx)
    }

    fn event_enabled(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) -> bool {
        self.filtered.event_enabled(event, ctx)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.filtered.max_level_hint()
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.filtered.on_new_span(attrs, id, ctx);
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, _: Context<'_, S>) {
        self.filtered.inner().record(id, values);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        self.filtered.on_follows_from(id, follows, ctx);
    }

    fn on_event(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) {
        self.filtered.on_event(event, ctx);
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.filtered.inner().enter(id);
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        self.filtered.inner().exit(id, &ctx);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.filtered.inner().close(&id, &ctx);
    }

    fn on_id_change(&self, old: &Id, new: &Id, ctx: Context<'_, S>) {
        self.filtered.on_id_change(old, new, ctx);
    }

    #[expect(
        unsafe_code,
        reason = "the registry finds per-layer filters by this, so a wrapper must pass it on"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(std::ptr::from_ref(self).cast());
        }
        // SAFETY: the pointer it returns points into `self.filtered`, which lives as long as `self`; the
        // contract of this function is the same as that of the one called.
        unsafe { self.filtered.downcast_raw(id) }
    }
}
