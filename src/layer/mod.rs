//! The layer: opens a record when a span begins, collects its fields, ends it, hands it over.
//!
//! All of the hot path is here and in [`crate::record`]. Most of it is generic and compiled in the host's crate, so that
//! what it calls is marked `#[inline]`. What it promises:
//!
//! - A callsite that no rule needs stays disabled, and other layers see what they saw without this one: the
//!   layer brings its own per-layer filter.
//! - No user code runs under a lock: fields are formatted first, then stored.
//! - Every look-up may fail (a parent filtered out, a span closed), and then the record does without.

mod entered;
mod inherit;
mod panic_message;
mod recorder;
mod span;
pub(crate) mod spans;

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Metadata, Subscriber};
use tracing_subscriber::filter::{Filtered, LevelFilter};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use self::entered::EnteredSpans;
use self::recorder::Recorder;
use crate::layer::spans::Spans;

use crate::queue::Queue;
use crate::rules::Rules;
use crate::rules::plan::Plans;

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
        let filter = RuleFilter { plans: Arc::clone(&plans), queue: Arc::clone(&queue) };
        let recorder = Recorder { plans, spans: Spans::default(), entered: EnteredSpans::default(), queue };
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
    queue: Arc<Queue>,
}

impl<S> Filter<S> for RuleFilter {
    /// `sometimes`, never `always`: with `always` this filter is not asked again, and a stale answer that
    /// another layer's filter left on the thread (sqlx asks `log_enabled!`) would count as its own, and lose
    /// spans (tokio-rs/tracing#2519).
    fn callsite_enabled(&self, meta: &'static Metadata<'static>) -> Interest {
        let is_wanted = if self.queue.is_forked() {
            // To register takes a lock, which a thread of the parent may have held at the fork.
            self.plans.makes_rows(meta)
        } else {
            self.plans.register(meta).is_some()
        };
        if is_wanted { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, meta: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.plans.may_have(meta)
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

    /// The filter knows whether the event is for us. But it hides spans that are not followed, and takes one that the
    /// thread is in for the parent of those: so it only tells.
    fn on_event(&self, event: &tracing::Event<'_>, ctx: Context<'_, S>) {
        self.filtered.on_event(event, ctx.clone());
        if Recorder::has_heard() {
            self.filtered.inner().event(event, &ctx);
        }
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

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;
    use tracing_subscriber::prelude::*;

    use super::*;
    use crate::queue::Overflow;

    /// As a thread of the parent may have held it at the fork.
    #[test]
    fn a_forked_child_waits_for_no_lock() {
        let queue = Arc::new(Queue::new(100, Overflow::DropNewest, 10).in_a_child());
        let layer = LedgerLayer::<Registry>::new(Rules::builtin(), Arc::clone(&queue));
        let plans = Arc::clone(&layer.filtered.inner().plans);
        let registry = tracing_subscriber::registry().with(layer);
        let _held = plans.hold_sites();
        tracing::subscriber::with_default(registry, || {
            tracing::info!(name: "auto_assign.started", target: "test", "first met here");
            tracing::info_span!(target: "test", "quote_tables_for_booking").in_scope(|| ());
        });
        assert_eq!(queue.account.stats().refused.forked, 2);
    }
}
