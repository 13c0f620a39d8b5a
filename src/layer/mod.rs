//! The layer: opens a record when a span begins, collects its fields, ends it, hands it over.
//!
//! All of the hot path is here and in [`crate::record`]. Most of it is generic and compiled in the host's crate, so
//! what it calls is marked `#[inline]`. Its promises:
//!
//! - A callsite that no rule needs stays disabled, and other layers see what they saw without this one: the layer
//!   brings its own per-layer filter.
//! - No user code runs under a lock: fields are formatted first, then stored.
//! - Every look-up may fail (a parent filtered out, a span closed), and then the record does without.
//! - A forked child takes no lock: each hook below looks for the fork first.

mod entered;
mod gate;
mod ids;
mod inherit;
mod missing;
mod panic_message;
mod recorder;
mod span;
mod spans;
mod visitor;

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use self::gate::{Gate, gate, refuse_fmt_subscriber};
use self::recorder::Recorder;
use crate::census::Census;
use crate::queue::Queue;
#[cfg(test)]
use crate::rules::Rules;
use crate::rules::plan::Plans;

/// Records the spans and events that the rules name.
///
/// Made by [`layer`](crate::layer()) or [`builder`](crate::builder()), together with the
/// [`Guard`](crate::Guard) that writes the rows: keep that one alive.
///
/// It carries its own filter. A *global* filter (an `EnvFilter` added as a layer of its own) still hides
/// spans from every layer, this one included: attach such filters to the layer they are meant for, with
/// [`Layer::with_filter`].
///
/// Add it to a [`registry`](tracing_subscriber::registry()). `tracing_subscriber::fmt().finish()` takes no layers with
/// filters, so to add the ledger to it panics: add `fmt::layer()` to the registry too.
pub struct LedgerLayer<S> {
    gate: Gate<S>,
    recorder: Recorder,
    census: Arc<Census>,
}

impl<S> LedgerLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    pub(crate) fn of(plans: Arc<Plans>, census: Arc<Census>, queue: Arc<Queue>) -> Self {
        Self { gate: gate(&plans, &census, &queue), recorder: Recorder::new(plans, queue), census }
    }

    #[cfg(test)]
    pub(crate) fn new(rules: Rules, max_level: LevelFilter, queue: Arc<Queue>) -> Self {
        let plans = Arc::new(Plans::new(rules, max_level));
        Self::of(Arc::clone(&plans), Arc::new(Census::new(plans)), queue)
    }

    /// The calls under way, for the guard.
    pub(crate) fn calls(&self) -> OpenCalls {
        self.recorder.calls()
    }
}

/// The calls under way.
pub(crate) use self::spans::OpenCalls;

/// Lets rows have the messages of panics, by way of the process's panic hook.
pub(crate) use self::panic_message::listen as listen_to_panics;

impl<S> fmt::Debug for LedgerLayer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LedgerLayer").finish_non_exhaustive()
    }
}

/// The gate decides which callsites are disabled, and the recorder which spans and events are recorded. Neither asks the other.
impl<S> Layer<S> for LedgerLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        refuse_fmt_subscriber::<S>();
        self.census.added();
        self.gate.on_layer(subscriber);
    }

    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.gate.on_register_dispatch(dispatch);
        self.recorder.otel.registered(dispatch);
        self.census.belongs_to(dispatch);
    }

    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        self.gate.register_callsite(meta)
    }

    fn enabled(&self, meta: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
        self.gate.enabled(meta, ctx)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // tracing asks for the level when a subscriber is installed.
        self.census.installed();
        self.gate.max_level_hint()
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.gate.on_new_span(attrs, id, ctx.clone());
        if !self.recorder.is_forked() {
            self.recorder.begin(attrs, id, &ctx);
        }
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, _: Context<'_, S>) {
        if !self.recorder.is_forked() {
            self.recorder.record(id, values);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.gate.on_event(event, ctx.clone());
        if self.recorder.is_forked() {
            self.recorder.refuse_in_child(event.metadata());
        } else {
            self.recorder.event(event, &ctx);
        }
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        if !self.recorder.is_forked() {
            self.recorder.enter(id);
        }
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        if !self.recorder.is_forked() {
            self.recorder.exit(id, &ctx);
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        if self.recorder.is_forked() {
            self.recorder.close_in_child(&id, &ctx);
        } else {
            self.recorder.close(&id, &ctx);
        }
    }

    #[expect(
        unsafe_code,
        reason = "the registry finds per-layer filters by this, so a wrapper must pass it on"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(std::ptr::from_ref(self).cast());
        }
        // The census asks whether this is the subscriber of a thread.
        if id == TypeId::of::<Arc<Census>>() {
            return Some(std::ptr::from_ref(&self.census).cast());
        }
        // SAFETY: the pointer it returns points into `self.gate`, which lives as long as `self`; the
        // function called has the contract of this one.
        unsafe { self.gate.downcast_raw(id) }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;
    use tracing_subscriber::prelude::*;

    use super::*;
    use crate::queue::Overflow;

    /// The test holds the lock, as a thread of the parent may have held it at the fork.
    #[test]
    fn a_forked_child_waits_for_no_lock() {
        let queue = Arc::new(Queue::new(100, Overflow::Refuse, 10).in_a_child());
        let layer = LedgerLayer::<Registry>::new(Rules::builtin(), LevelFilter::TRACE, Arc::clone(&queue));
        let plans = Arc::clone(layer.recorder.plans());
        let registry = tracing_subscriber::registry().with(layer);
        let _held = plans.hold_sites();
        tracing::subscriber::with_default(registry, || {
            tracing::info!(name: "auto_assign.started", target: "test", "first met here");
            tracing::info_span!(target: "test", "quote_tables_for_booking").in_scope(|| ());
        });
        assert_eq!(queue.account.stats().refused.forked, 2);
    }
}
