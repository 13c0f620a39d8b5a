//! The layer: opens a record when a span begins, collects its fields, ends it, hands it over.
//!
//! All of the hot path is here and in [`crate::record`]. What it promises:
//!
//! - A callsite that no rule needs stays disabled, and other layers see what they saw without this one: the
//!   layer brings its own per-layer filter.
//! - No user code runs under a lock: fields are formatted first, then stored. Never are the extensions of two
//!   spans held at once.
//! - Every look-up may fail (a parent filtered out, a span closed), and then the record does without.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use smallvec::{SmallVec, smallvec};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Metadata, Subscriber};
use tracing_subscriber::filter::{Filtered, LevelFilter};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::panic_message;
use crate::queue::Queue;
use crate::record::{Collector, Fields, OneText, Record, Tally, Value, Verdict};
use crate::rules::Rules;
use crate::rules::model::SuccessTest;
use crate::rules::plan::{Action, Carried, Plan, Plans, Row};

/// Puts spans and tracing events that the rules name on the ledger.
///
/// Made by [`layer`](crate::layer()) or [`builder`](crate::builder()), together with the
/// [`Guard`](crate::Guard) that writes the rows: keep that one alive.
///
/// It carries its own filter. A *global* filter (an `EnvFilter` added as a layer of its own) still hides
/// spans from every layer, this one included: attach such filters to the layer they are meant for, with
/// [`Layer::with_filter`]. One ledger to a subscriber: a second would take over the first one's open spans.
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
        Self { filtered: Recorder { plans, queue }.with_filter(filter) }
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
        self.plans.get(meta).is_some_and(|plan| self.plans.wants(plan))
    }
}

/// Collects what the filter let through.
struct Recorder {
    plans: Arc<Plans>,
    queue: Arc<Queue>,
}

/// A span with a rule, while it is open.
struct Open {
    record: Record,
    /// Entered while the thread was already unwinding: the panic is not this span's.
    entered_unwinding: u32,
    /// The call has told its outcome and left; a later enter and exit is only its future being dropped.
    left: bool,
    /// Next number by event type of the spans numbered within this one.
    numbers: SmallVec<[(Arc<str>, u32); 1]>,
    /// What has ended within this span so far, one for each of the rule's `collect`.
    tallies: SmallVec<[Tally; 2]>,
}

/// A span without a rule whose fields are inherited.
struct Carrier {
    plan: &'static Plan,
    fields: Fields,
}

impl Open {
    fn new(record: Record, row: &Row, number: Option<u32>) -> Self {
        let tallies: SmallVec<[Tally; 2]> = smallvec![Tally::default(); row.rule.collect.len()];
        Self {
            record: Record { number, tallies: tallies.clone(), ..record },
            entered_unwinding: 0,
            left: false,
            numbers: SmallVec::new(),
            tallies,
        }
    }

    fn exit(&mut self, now: Instant) {
        let panicked = thread::panicking() && !self.was_entered_unwinding();
        if self.left {
            return;
        }
        self.record.ended = now;
        self.record.tallies.copy_from_slice(&self.tallies);
        if panicked {
            self.record.ending.panicked = true;
            self.record.ending.message = panic_message::last(self.record.started);
        }
        self.left = panicked || self.record.ending.verdict.is_some();
    }

    /// Pairs this exit with an enter that came while the thread was unwinding already, if there was one.
    fn was_entered_unwinding(&mut self) -> bool {
        let before = self.entered_unwinding;
        self.entered_unwinding = before.saturating_sub(1);
        before > 0
    }

    fn next_number(&mut self, event_type: &Arc<str>) -> u32 {
        let counter = match self.numbers.iter().position(|(of, _)| of == event_type) {
            Some(at) => &mut self.numbers[at].1,
            None => {
                self.numbers.push((Arc::clone(event_type), 0));
                let last = self.numbers.len() - 1;
                &mut self.numbers[last].1
            }
        };
        let number = *counter;
        *counter = number.saturating_add(1);
        number
    }

    /// Counts a row that ended within this span; says whether the rule collects its kind.
    fn tally(&mut self, row: &Row, event_type: &str, total: Duration) -> bool {
        let mut collects = false;
        for (collect, tally) in row.rule.collect.iter().zip(&mut self.tallies) {
            if &*collect.of == event_type {
                tally.count = tally.count.saturating_add(1);
                tally.total = tally.total.saturating_add(total);
                collects = true;
            }
        }
        collects
    }
}

impl Recorder {
    fn collect(plan: &'static Plan, record: impl FnOnce(&mut Collector<'_>)) -> Fields {
        let mut collector = Collector { plan, fields: Fields::default() };
        record(&mut collector);
        collector.fields
    }

    /// The number of this call within the nearest enclosing span that numbers its kind.
    fn number<S>(row: &Row, span: &SpanRef<'_, S>) -> Option<u32>
    where
        S: for<'a> LookupSpan<'a>,
    {
        let (within, _) = row.rule.number_within.as_ref()?;
        span.scope().skip(1).find_map(|ancestor| {
            let mut extensions = ancestor.extensions_mut();
            let open = extensions.get_mut::<Open>()?;
            let is_within = open.record.plan.row().is_some_and(|outer| outer.event_type == *within);
            is_within.then(|| open.next_number(&row.event_type))
        })
    }

    /// Looks outwards once for everything the record needs of enclosing spans.
    fn look_outwards<'a, S>(
        &self,
        record: &mut Record,
        row: &Row,
        scope: impl Iterator<Item = SpanRef<'a, S>>,
        is_span: bool,
    ) where
        S: for<'b> LookupSpan<'b> + 'a,
    {
        let own = record.fields.iter().filter_map(|(slot, _)| record.plan.gives(slot));
        let mut missing = own.fold(row.wants, |set, index| set & !(1 << index));
        let mut uncounted = is_span;
        let mut total = record.duration();
        for ancestor in scope {
            if missing == 0 && !uncounted {
                break;
            }
            let mut extensions = ancestor.extensions_mut();
            if let Some(open) = extensions.get_mut::<Open>() {
                let Some(outer) = open.record.plan.row() else { continue };
                if uncounted && open.tally(outer, &row.event_type, total) {
                    uncounted = false;
                }
                if outer.event_type == row.event_type {
                    // A call within a call of its kind: its time is already in the outer one's.
                    total = Duration::ZERO;
                }
                give(open.record.plan, &open.record.fields, &mut missing, &mut record.inherited);
                self.give_constants(outer, &mut missing, &mut record.inherited);
            } else if let Some(carrier) = extensions.get_mut::<Carrier>()
                && row.rule.inherits_from(carrier.plan.meta.name())
            {
                give(carrier.plan, &carrier.fields, &mut missing, &mut record.inherited);
            }
        }
    }

    fn give_constants(&self, outer: &Row, missing: &mut Carried, inherited: &mut Fields) {
        if outer.rule.set.is_empty() {
            return;
        }
        for index in (0..64_u8).filter(|index| *missing & (1 << index) != 0).collect::<SmallVec<[u8; 8]>>() {
            if let Some(value) = self.plans.constant(outer, index).and_then(constant) {
                inherited.set(usize::from(index), value);
                *missing &= !(1 << index);
            }
        }
    }

    fn point<S>(&self, plan: &'static Plan, row: &Row, event: &tracing::Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let fields = Self::collect(plan, |collector| event.record(collector));
        let mut record = Record::new(plan, fields);
        if row.wants != 0 {
            let scope = ctx.event_span(event).into_iter().flat_map(|span| span.scope());
            self.look_outwards(&mut record, row, scope, false);
        }
        self.queue.offer(record);
    }

    /// Takes the word of `#[instrument(err, ret)]` for the span it stands beside.
    fn verdict<S>(beside: &Plan, is_error: bool, event: &tracing::Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = ctx.event_span(event) else { return };
        let Some((plan, row)) = span
            .extensions()
            .get::<Open>()
            .and_then(|open| Some((open.record.plan, open.record.plan.row()?)))
            .filter(|(plan, _)| plan.is_beside(beside))
        else {
            return;
        };
        let mut text = OneText::default();
        event.record(&mut text);
        let text = text.text();
        // `ret` alone prints the whole `Result`.
        let failed = is_error || text.starts_with("Err(");
        if !is_error {
            plan.saw_report();
        }
        let matched = match &row.rule.success.test {
            SuccessTest::ReturnMatches(wanted) if !is_error => Some(text.contains(wanted.as_str())),
            _ => None,
        };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let ending = &mut open.record.ending;
            ending.matched = matched.or(ending.matched);
            if failed {
                ending.message = Some(text.into());
            }
            ending.verdict = Some(if failed { Verdict::Failed } else { Verdict::Returned });
        }
    }
}

/// Hands a span's fields to a record below it, the missing ones only.
fn give(plan: &Plan, fields: &Fields, missing: &mut Carried, inherited: &mut Fields) {
    for (slot, value) in fields.iter() {
        if let Some(index) = plan.gives(slot)
            && *missing & (1 << index) != 0
        {
            inherited.set(usize::from(index), value);
            *missing &= !(1 << index);
        }
    }
}

fn constant(value: &serde_json::Value) -> Option<Value<'_>> {
    match value {
        serde_json::Value::Bool(value) => Some(Value::Bool(*value)),
        serde_json::Value::String(text) => Some(Value::Text(text)),
        serde_json::Value::Number(number) => {
            number.as_i64().map(Value::I64).or_else(|| number.as_f64().map(Value::F64))
        }
        _ => None,
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(plan) = self.plans.get(attrs.metadata()) else { return };
        let fields = Self::collect(plan, |collector| attrs.record(collector));
        let Some(span) = ctx.span(id) else { return };
        match &plan.action {
            Action::Row(row) => {
                let number = Self::number(row, &span);
                let open = Open::new(Record::new(plan, fields), row, number);
                span.extensions_mut().replace(open);
            }
            Action::Carry => {
                span.extensions_mut().replace(Carrier { plan, fields });
            }
            Action::Verdict(_) => {}
        }
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let Some(plan) = self.plans.get(span.metadata()) else { return };
        let late = Self::collect(plan, |collector| values.record(collector));
        let mut extensions = span.extensions_mut();
        if let Some(open) = extensions.get_mut::<Open>() {
            open.record.fields.merge(&late);
        } else if let Some(carrier) = extensions.get_mut::<Carrier>() {
            carrier.fields.merge(&late);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) {
        let Some(plan) = self.plans.get(event.metadata()) else { return };
        match &plan.action {
            Action::Row(row) => self.point(plan, row, event, &ctx),
            Action::Verdict(verdict) => Self::verdict(plan, verdict.is_error, event, &ctx),
            Action::Carry => {}
        }
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if thread::panicking()
            && let Some(span) = ctx.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            open.entered_unwinding = open.entered_unwinding.saturating_add(1);
        }
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        let now = Instant::now();
        if let Some(span) = ctx.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            open.exit(now);
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(&id) else { return };
        let Some(Open { mut record, .. }) = span.extensions_mut().remove::<Open>() else { return };
        let plan = record.plan;
        let Some(row) = plan.row() else { return };
        self.look_outwards(&mut record, row, span.scope().skip(1), true);
        self.queue.offer(record);
    }
}

/// All of it is the filtered recorder's doing.
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

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, ctx: Context<'_, S>) {
        self.filtered.on_record(id, values, ctx);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        self.filtered.on_follows_from(id, follows, ctx);
    }

    fn on_event(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) {
        self.filtered.on_event(event, ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.filtered.on_enter(id, ctx);
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        self.filtered.on_exit(id, ctx);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.filtered.on_close(id, ctx);
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
