//! Follows spans from their beginning to their end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::entered::EnteredSpans;
use super::ids::OtelIds;
use super::missing::Missing;
use super::span::OpenSpan;
use super::spans::{Cursor, OpenCalls, Spans};
use crate::queue::Queue;
use crate::record::{Fields, Record, Verdict};
use crate::rules::model::SuccessTest;
use crate::rules::plan::{Action, Plan, Plans, RowPlan, is_same_kind};

/// Collects what the rules name.
pub(super) struct Recorder {
    plans: Arc<Plans>,
    pub(super) spans: Spans,
    entered: EnteredSpans,
    queue: Arc<Queue>,
    pub(super) otel: OtelIds,
}

impl Recorder {
    pub(super) fn new(plans: Arc<Plans>, queue: Arc<Queue>) -> Self {
        let (spans, entered, otel) = Default::default();
        Self { plans, spans, entered, queue, otel }
    }

    pub(super) fn calls(&self) -> OpenCalls {
        self.spans.calls()
    }

    #[cfg(test)]
    pub(super) fn plans(&self) -> &Arc<Plans> {
        &self.plans
    }

    /// Whether this process is a forked child, which records nothing.
    #[inline]
    pub(super) fn is_forked(&self) -> bool {
        self.queue.is_forked()
    }

    #[inline]
    pub(super) fn begin<S>(&self, attrs: &Attributes<'_>, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(plan) = self.plans.get_or_register(attrs.metadata()) else { return };
        // Before its fields are formatted: a `Debug` may enter spans of its own.
        let current = if attrs.is_contextual() { self.entered.current(ctx) } else { None };
        let mut fields = Fields::of_thread();
        attrs.record(&mut *fields);
        let row = plan.row();
        let mut cursor = self.spans.cursor();
        let outer = current.as_ref().or(attrs.parent());
        let parent = outer.and_then(|outer| self.parent(&mut cursor, outer, id, ctx));
        let number = match (row, &parent) {
            (Some(row), Some(parent)) => self.number(&mut cursor, row, parent),
            _ => None,
        };
        let may_be_counted = parent.is_some() && row.is_some_and(|row| row.is_collected);
        let open = cursor.begin(id, plan);
        open.parent = parent;
        open.home = current.filter(|_| may_be_counted);
        open.record.head.number = number;
        if let Some(row) = row {
            open.prepare_tallies(row);
        }
        std::mem::swap(&mut open.record.fields, &mut fields);
        if row.is_some_and(|row| row.has_ids) {
            self.join(&mut cursor, id);
        }
        cursor.rest();
        fields.give_back();
    }

    /// The nearest of these spans, from the inside outwards, that is followed.
    pub(super) fn followed<'a, S>(&self, scope: impl Iterator<Item = SpanRef<'a, S>>) -> Option<Id>
    where
        S: for<'b> LookupSpan<'b> + 'a,
    {
        scope.map(|span| span.id()).find(|id| self.spans.with(id, |_| ()).is_some())
    }

    /// The nearest enclosing span that is followed, where `outer` is the one that encloses the span.
    #[inline]
    fn parent<S>(&self, cursor: &mut Cursor<'_>, outer: &Id, id: &Id, ctx: &Context<'_, S>) -> Option<Id>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // The usual end of the search, without asking the registry.
        if cursor.get(outer).is_some() {
            return Some(outer.clone());
        }
        // The registry may close a span when it lets go of one.
        cursor.rest();
        self.farther_parent(id, ctx)
    }

    #[cold]
    fn farther_parent<S>(&self, id: &Id, ctx: &Context<'_, S>) -> Option<Id>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.followed(ctx.span(id)?.scope().skip(1))
    }

    /// Goes outwards through the followed spans until `f` says that it has all it wants.
    #[inline]
    pub(super) fn outwards(
        &self,
        cursor: &mut Cursor<'_>,
        from: Id,
        mut f: impl FnMut(&mut OpenSpan) -> ControlFlow<()>,
    ) {
        let mut next = from;
        while let Some(open) = cursor.get(&next) {
            if f(open).is_break() {
                return;
            }
            let Some(outer) = &open.parent else { return };
            next = outer.clone();
        }
    }

    /// The number of a new call within the nearest enclosing span that numbers its kind.
    #[inline]
    fn number(&self, cursor: &mut Cursor<'_>, row: &RowPlan, parent: &Id) -> Option<u32> {
        let within = row.numbered_within.as_ref()?;
        let mut number = None;
        self.outwards(cursor, parent.clone(), |open| {
            if open.record.head.plan.row().is_none_or(|outer| !is_same_kind(&outer.event_type, within)) {
                return ControlFlow::Continue(());
            }
            number = Some(open.children.get_or_insert_default().next_number(&row.event_type));
            ControlFlow::Break(())
        });
        number
    }

    /// Lets enclosing spans give a record what it misses, as far as they can, and count it.
    #[inline]
    fn complete(&self, cursor: &mut Cursor<'_>, fields: &mut Fields, mut missing: Missing, from: Id) {
        if !missing.is_nothing() {
            self.outwards(cursor, from, |outer| {
                missing.take_from(outer, &self.plans, fields);
                if missing.is_nothing() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }
    }

    fn point<S>(
        &self,
        plan: &'static Plan,
        row: &'static RowPlan,
        event: &tracing::Event<'_>,
        ctx: &Context<'_, S>,
    ) where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut record = Record::new(plan);
        event.record(&mut *record.fields);
        let missing = Missing::of(&record, row);
        if row.has_ids {
            record.head.extra.get_or_insert_default().ids = self.ids_around(event, ctx);
        }
        let scope = ctx.event_span(event).into_iter().flat_map(|span| span.scope());
        if let Some(parent) = self.followed(scope) {
            self.complete(&mut self.spans.cursor(), &mut record.fields, missing, parent);
        }
        record.redact();
        if !record.is_left_out() {
            self.queue.offer(record);
        }
    }

    /// Gives fields of an event to the nearest span around it whose rule takes them.
    #[cold]
    fn give<S>(&self, plan: &'static Plan, event: &tracing::Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let scope = ctx.event_span(event).into_iter().flat_map(|span| span.scope());
        let Some(nearest) = self.followed(scope) else { return };
        let mut fields = Fields::of_thread();
        event.record(&mut *fields);
        self.outwards(&mut self.spans.cursor(), nearest, |open| {
            let slots = open.record.head.plan.row().and_then(|row| plan.slots_in(row));
            let Some(slots) = slots else { return ControlFlow::Continue(()) };
            open.fields_mut().take(&fields, slots);
            ControlFlow::Break(())
        });
        fields.give_back();
    }

    /// Takes the outcome that `#[instrument(err, ret)]` reports for its span.
    fn verdict<S>(&self, beside: &Plan, is_error: bool, event: &tracing::Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(span) = ctx.event_span(event) else { return };
        let plan = self.plans.get(span.metadata()).filter(|plan| plan.is_beside(beside));
        let Some((plan, row)) = plan.and_then(|plan| Some((plan, plan.row()?))) else { return };
        let mut fields = Fields::of_thread();
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
        // The end of a text that was cut might have matched.
        let is_cut = fields.truncated && (failed || matched == Some(false));
        self.spans.with(&span.id(), |open| {
            open.record.fields.truncated |= is_cut;
            let head = &mut open.record.head;
            head.matched = matched.or(head.matched);
            head.verdict = Some(if failed { Verdict::Failed } else { Verdict::Returned });
            if message.is_some() {
                head.extra.get_or_insert_default().message = message;
            }
        });
        fields.give_back();
    }

    pub(super) fn record(&self, id: &Id, values: &tracing::span::Record<'_>) {
        if let Some(mut collector) = self.spans.collect(id) {
            values.record(&mut collector);
        }
    }

    pub(super) fn enter(&self, id: &Id) {
        self.entered.enter(id);
        if thread::panicking() {
            self.spans.with(id, OpenSpan::enter_unwinding);
        }
    }

    pub(super) fn exit<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // Not under the lock: this may drop the registry's last reference to a span, which then closes.
        let current = self.entered.exit(id, ctx);
        if !self.spans.may_follow(id) {
            return;
        }
        let is_to_join = self.spans.with(id, |open| {
            if open.record.head.plan.row().is_some() {
                open.exit(Instant::now(), current, EnteredSpans::thread());
            }
            open.has_ids_after(1)
        });
        if OtelIds::IS_ON && is_to_join == Some(true) {
            self.join_otel(id, ctx);
        }
    }

    pub(super) fn close<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if !self.spans.may_follow(id) {
            return;
        }
        let mut cursor = self.spans.cursor();
        if OtelIds::IS_ON && cursor.get(id).is_some_and(|open| open.has_ids_after(0)) {
            cursor.rest();
            self.join_otel(id, ctx);
        }
        let Some(open) = cursor.get(id) else { return };
        if let Some(shape) = &open.record.head.plan.shape {
            open.judge(shape, EnteredSpans::thread());
        }
        if let Some(row) = open.record.head.plan.row()
            && let Some(parent) = open.parent.take()
        {
            let missing = Missing::of(&open.record, row);
            let mut fields = Fields::of_thread();
            std::mem::swap(&mut open.record.fields, &mut fields);
            self.complete(&mut cursor, &mut fields, missing, parent);
            // The span ends but once: its place is still its own.
            if let Some(open) = cursor.get(id) {
                std::mem::swap(&mut open.record.fields, &mut fields);
            }
            fields.give_back();
        }
        let detached = cursor.end(id, |open| self.hand_over(open)).flatten();
        cursor.rest();
        if let Some(record) = detached {
            self.queue.offer(record);
        }
    }

    /// Hands over the record of a span that ends, or returns it where making room for it may take a while.
    #[inline]
    fn hand_over(&self, open: &mut OpenSpan) -> Option<Record> {
        if !open.is_call() {
            return None;
        }
        open.copy_tallies();
        open.record.redact();
        (!self.queue.try_push(&mut open.record)).then(|| open.record.part())
    }

    pub(super) fn event<S>(&self, event: &tracing::Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(plan) = self.plans.get_or_register(event.metadata()) else { return };
        if plan.is_taken() {
            self.give(plan, event, ctx);
        }
        match &plan.action {
            Action::Row(row) => self.point(plan, row, event, ctx),
            Action::Verdict { is_error } => self.verdict(plan, *is_error, event, ctx),
            Action::Carry | Action::Give => {}
        }
    }

    /// Counts a record of a forked child, without a lock.
    #[cold]
    pub(super) fn refuse_in_child(&self, meta: &Metadata<'_>) {
        if self.plans.makes_rows(meta) {
            self.queue.refuse_forked();
        }
    }
}
