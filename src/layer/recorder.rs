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
use super::visitor::FieldVisitor;
use crate::queue::Queue;
use crate::record::{Fields, Record, Verdict};
use crate::rules::model::SuccessTest;
use crate::rules::plan::{Action, Plan, Plans, RowPlan};

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
        let mut cursor = self.spans.cursor(id);
        let outer = current.as_ref().or(attrs.parent());
        let (parent, number) =
            outer.map_or((None, None), |outer| self.parent(&mut cursor, row, outer, id, ctx));
        let may_be_counted = parent.is_some() && row.is_some_and(|row| row.is_collected);
        let open = match cursor.reuse(id) {
            Some(open) => open,
            None => cursor.begin(id, plan),
        };
        open.reset(plan);
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
        fields.give_back_clear();
    }

    /// The nearest of these spans, from the inside outwards, that is followed.
    pub(super) fn followed<'a, S>(&self, scope: impl Iterator<Item = SpanRef<'a, S>>) -> Option<Id>
    where
        S: for<'b> LookupSpan<'b> + 'a,
    {
        scope.map(|span| span.id()).find(|id| self.spans.with(id, |_| ()).is_some())
    }

    /// The nearest enclosing span that is followed, where `outer` is the one that encloses the span, and the number of the
    /// call within the one that numbers it.
    #[inline]
    fn parent<S>(
        &self,
        cursor: &mut Cursor<'_>,
        row: Option<&RowPlan>,
        outer: &Id,
        id: &Id,
        ctx: &Context<'_, S>,
    ) -> (Option<Id>, Option<u32>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let numbered = row.and_then(|row| Some((row, row.numbered_within.as_ref()?)));
        // The usual end of the search, without asking the registry.
        let parent = match cursor.get(outer) {
            Some(open) => {
                let number = numbered.and_then(|(row, within)| open.next_number(row, within));
                if numbered.is_none() || number.is_some() {
                    return (Some(outer.clone()), number);
                }
                outer.clone()
            }
            None => {
                // The registry may close a span when it lets go of one.
                cursor.rest();
                let Some(parent) = self.farther_parent(id, ctx) else { return (None, None) };
                parent
            }
        };
        let number = numbered.and_then(|(row, within)| self.number(cursor, row, within, parent.clone()));
        (Some(parent), number)
    }

    #[cold]
    fn farther_parent<S>(&self, id: &Id, ctx: &Context<'_, S>) -> Option<Id>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.followed(ctx.span(id)?.scope().skip(1))
    }

    /// Goes outwards through the followed spans until `f` breaks.
    #[inline(always)]
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

    /// The number of a new call within the nearest of these spans that numbers its kind.
    #[cold]
    fn number(&self, cursor: &mut Cursor<'_>, row: &RowPlan, within: &Arc<str>, from: Id) -> Option<u32> {
        let mut number = None;
        self.outwards(cursor, from, |open| {
            number = open.next_number(row, within);
            if number.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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

    /// Makes the record of an event, and hands it over.
    fn event_row<S>(
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
            self.complete(&mut self.spans.cursor(&parent), &mut record.fields, missing, parent);
        }
        record.redact();
        if record.has_row() {
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
        self.outwards(&mut self.spans.cursor(&nearest), nearest, |open| {
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
        if let Some(cursor) = self.spans.at(id) {
            values.record(&mut FieldVisitor { cursor, place: self.spans.place(id), id });
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
        let current = self.entered.exit(id, ctx);
        let Some(mut cursor) = self.spans.at(id) else { return };
        let Some(open) = cursor.get(id) else { return };
        if open.record.head.plan.row().is_some() {
            open.exit(Instant::now(), || self.entered.known(current), EnteredSpans::thread());
        }
        if OtelIds::IS_ON && open.has_ids_after(1) {
            cursor.rest();
            self.join_otel(id, ctx);
        }
    }

    pub(super) fn close<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Some(mut cursor) = self.spans.at(id) else { return };
        if OtelIds::IS_ON && cursor.get(id).is_some_and(|open| open.has_ids_after(0)) {
            cursor.rest();
            self.join_otel(id, ctx);
        }
        let Some(mut open) = cursor.take(id) else { return };
        if let Some(shape) = &open.record.head.plan.shape {
            open.judge(shape, EnteredSpans::thread());
        }
        if let Some(row) = open.record.head.plan.row()
            && let Some(parent) = open.parent.take()
        {
            let missing = Missing::of(&open.record, row);
            self.complete(&mut cursor, &mut open.record.fields, missing, parent);
        }
        let detached = self.hand_over(&mut open);
        open.clear();
        cursor.put_back(id, open);
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
            Action::Row(row) => {
                // A rule for all events of `err`, say, must not keep the outcome from the span around them.
                if let Some(is_error) = row.verdict {
                    self.verdict(plan, is_error, event, ctx);
                }
                self.event_row(plan, row, event, ctx);
            }
            Action::Verdict { is_error } => self.verdict(plan, *is_error, event, ctx),
            Action::Inherited | Action::Taken => {}
        }
    }

    #[cold]
    pub(super) fn close_in_child<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if let Some(span) = ctx.span(id) {
            self.refuse_in_child(span.metadata());
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
