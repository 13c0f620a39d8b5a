//! Follows spans from their beginning to their end.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::entered::EnteredSpans;
use super::inherit::Lacks;
use crate::layer::spans::{Cursor, OpenSpan, Spans};
use crate::queue::Queue;
use crate::record::{Detached, Fields, Scratch, Verdict};
use crate::rules::model::SuccessTest;
use crate::rules::plan::{Action, Plan, Plans, RowPlan, is_same_kind};

thread_local! {
    /// The filter has let an event through just now.
    static HEARD: Cell<bool> = const { Cell::new(false) };
}

/// Collects what the filter let through.
pub(super) struct Recorder {
    pub(super) plans: Arc<Plans>,
    pub(super) spans: Spans,
    pub(super) entered: EnteredSpans,
    pub(super) queue: Arc<Queue>,
}

impl Recorder {
    /// The nearest of these spans, from the inside outwards, that is followed.
    pub(super) fn followed<'a, S>(&self, scope: impl Iterator<Item = SpanRef<'a, S>>) -> Option<Id>
    where
        S: for<'b> LookupSpan<'b> + 'a,
    {
        scope.map(|span| span.id()).find(|id| self.spans.with(id, |_| ()).is_some())
    }

    /// The nearest enclosing span that is followed, where `outer` is the one that encloses the span.
    pub(super) fn parent<S>(
        &self,
        walk: &mut Cursor<'_>,
        outer: &Id,
        id: &Id,
        ctx: &Context<'_, S>,
    ) -> Option<Id>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // The usual end of the search, without asking the registry.
        if walk.get(outer).is_some() {
            return Some(outer.clone());
        }
        // What the registry lets go of may close a span.
        walk.rest();
        self.followed(ctx.span(id)?.scope().skip(1))
    }

    /// Goes outwards through the followed spans until `f` says that it has all it wants.
    pub(super) fn outwards(
        &self,
        walk: &mut Cursor<'_>,
        from: Option<Id>,
        mut f: impl FnMut(&mut OpenSpan) -> ControlFlow<()>,
    ) {
        let mut next = from;
        while let Some(id) = next {
            let Some(open) = walk.get(&id) else { return };
            if f(open).is_break() {
                return;
            }
            next = open.parent.clone();
        }
    }

    /// The number of a new call within the nearest enclosing span that numbers its kind.
    pub(super) fn number(&self, walk: &mut Cursor<'_>, row: &RowPlan, parent: Option<Id>) -> Option<u32> {
        let within = row.numbered_within.as_ref()?;
        let mut number = None;
        self.outwards(walk, parent, |open| {
            if open.record.head.plan.row().is_none_or(|outer| !is_same_kind(&outer.event_type, within)) {
                return ControlFlow::Continue(());
            }
            number = Some(open.within.get_or_insert_default().next_number(&row.event_type));
            ControlFlow::Break(())
        });
        number
    }

    /// Has enclosing spans give a record what it lacks, as far as they can; they in turn count it.
    pub(super) fn complete(
        &self,
        walk: &mut Cursor<'_>,
        fields: &mut Fields,
        mut lacks: Lacks,
        from: Option<Id>,
    ) {
        if !lacks.is_nothing() {
            self.outwards(walk, from, |outer| {
                lacks.take_from(outer, &self.plans, fields);
                if lacks.is_nothing() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }
    }

    pub(super) fn point<S>(
        &self,
        plan: &'static Plan,
        row: &'static RowPlan,
        event: &tracing::Event<'_>,
        ctx: &Context<'_, S>,
    ) where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut record = Detached::new(plan);
        event.record(&mut record.fields);
        let lacks = Lacks::of(&record, row);
        let scope = ctx.event_span(event).into_iter().flat_map(|span| span.scope());
        let parent = self.followed(scope);
        self.complete(&mut self.spans.walk(), &mut record.fields, lacks, parent);
        record.redact();
        if let Some(admission) = self.queue.admit() {
            self.queue.push(admission, &mut record);
        }
    }

    /// Takes the word of `#[instrument(err, ret)]` for the span it stands beside.
    pub(super) fn verdict<S>(
        &self,
        beside: &Plan,
        is_error: bool,
        event: &tracing::Event<'_>,
        ctx: &Context<'_, S>,
    ) where
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
        let is_cut = failed && fields.truncated;
        self.spans.with(&span.id(), |open| {
            open.record.fields.truncated |= is_cut;
            let head = &mut open.record.head;
            head.matched = matched.or(head.matched);
            head.verdict = Some(if failed { Verdict::Failed } else { Verdict::Returned });
            if message.is_some() {
                head.extra.get_or_insert_default().message = message;
            }
        });
    }

    pub(super) fn record(&self, id: &Id, values: &tracing::span::Record<'_>) {
        if self.spans.may_follow(id) && !self.queue.is_forked() {
            values.record(&mut self.spans.collect(id));
        }
    }

    pub(super) fn enter(&self, id: &Id) {
        self.entered.enter(id);
        if thread::panicking() && !self.queue.is_forked() {
            self.spans.with(id, |open| open.entered_unwinding = open.entered_unwinding.saturating_add(1));
        }
    }

    pub(super) fn exit<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // Not under the lock: it may be the registry's last look at a span, which then closes.
        let current = self.entered.exit(id, ctx);
        if !self.spans.may_follow(id) || self.queue.is_forked() {
            return;
        }
        let now = Instant::now();
        self.spans.with(id, |open| open.exit(now, current));
    }

    pub(super) fn close<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if self.queue.is_forked() {
            return self.close_in_child(id, ctx);
        }
        if !self.spans.may_follow(id) {
            return;
        }
        let mut walk = self.spans.walk();
        let Some(open) = walk.get(id) else { return };
        let Some(row) = open.record.head.plan.row() else { return walk.end(id) };
        open.tell_tallies();
        let parted = match open.parent.take() {
            None => self.hand_over(open),
            Some(parent) => {
                let lacks = Lacks::of(&open.record, row);
                let mut fields = std::mem::take(&mut open.record.fields);
                self.complete(&mut walk, &mut fields, lacks, Some(parent));
                // It ends but once: its place is still its own.
                let Some(open) = walk.get(id) else { return };
                open.record.fields = fields;
                self.hand_over(open)
            }
        };
        walk.end(id);
        walk.rest();
        if let Some(mut record) = parted
            && let Some(admission) = self.queue.admit()
        {
            self.queue.push(admission, &mut record);
        }
    }

    /// Hands over the record of a span that ends, or returns it where making room for it may take a while.
    #[inline]
    fn hand_over(&self, open: &mut OpenSpan) -> Option<Detached> {
        open.record.redact();
        (!self.queue.try_push(&mut open.record)).then(|| open.record.part())
    }

    /// Whether the filter has let an event through since this was asked last.
    pub(super) fn has_heard() -> bool {
        HEARD.take()
    }

    /// `ctx` is that of no filter.
    pub(super) fn event<S>(&self, event: &tracing::Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if self.queue.is_forked() {
            return self.refuse_in_child(event.metadata());
        }
        let Some(plan) = self.plans.get_or_register(event.metadata()) else { return };
        match &plan.action {
            Action::Row(row) => self.point(plan, row, event, ctx),
            Action::Verdict { is_error } => self.verdict(plan, *is_error, event, ctx),
            Action::Carry => {}
        }
    }

    /// A forked child touches no lock; it only counts what it does not record.
    #[cold]
    pub(super) fn close_in_child<S>(&self, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if let Some(span) = ctx.span(id) {
            self.refuse_in_child(span.metadata());
        }
    }

    #[cold]
    fn refuse_in_child(&self, meta: &Metadata<'_>) {
        if self.plans.makes_rows(meta) {
            self.queue.refuse_forked();
        }
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        // First, as to register a callsite takes a lock.
        if self.queue.is_forked() {
            return;
        }
        let Some(plan) = self.plans.get_or_register(attrs.metadata()) else { return };
        self.plans.refresh();
        // Before its fields are formatted: a `Debug` may enter spans of its own.
        let current = if attrs.is_contextual() { self.entered.current(&ctx) } else { None };
        let mut fields = Scratch::new();
        attrs.record(&mut *fields);
        let row = plan.row();
        let mut walk = self.spans.walk();
        let outer = current.as_ref().or(attrs.parent());
        let parent = outer.and_then(|outer| self.parent(&mut walk, outer, id, &ctx));
        let number = row.and_then(|row| self.number(&mut walk, row, parent.clone()));
        let may_be_counted = parent.is_some() && row.is_some_and(|row| row.is_collected);
        let open = walk.begin(id, plan);
        open.parent = parent;
        open.home = current.filter(|_| may_be_counted);
        open.record.head.number = number;
        if let Some(row) = row {
            open.open_book(row);
        }
        std::mem::swap(&mut open.record.fields, &mut *fields);
    }

    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        HEARD.set(true);
    }
}
