//! The layer's own per-layer filter: lets through what the rules need, and nothing else because of this layer.
//!
//! The filter keeps its answer in a bit on the thread. Whatever asks tracing before the call itself has begun, such as
//! the value of a field, changes that bit (tokio-rs/tracing#2704). So the layer decides by the plan of the callsite,
//! and calls the filter only so that its bit is cleared.

use std::any;
use std::sync::Arc;

use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{Filtered, LevelFilter};
use tracing_subscriber::layer::{Context, Filter, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::census::Census;
use crate::queue::Queue;
use crate::rules::plan::Plans;

/// The filter around nothing.
pub(super) type Gate<S> = Filtered<Nothing, RuleFilter, S>;

pub(super) fn gate<S>(plans: &Arc<Plans>, census: &Arc<Census>, queue: &Arc<Queue>) -> Gate<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let (plans, census, queue) = (Arc::clone(plans), Arc::clone(census), Arc::clone(queue));
    Nothing.with_filter(RuleFilter { plans, census, queue })
}

/// Panics with the remedy if `fmt()` made the subscriber: such a subscriber takes no layer with a filter, and would itself
/// panic without the remedy. The program is just composing its subscriber, so no call is lost.
pub(super) fn refuse_fmt_subscriber<S>() {
    assert!(
        !any::type_name::<S>().contains("tracing_subscriber::fmt::Subscriber"),
        "tracing-ledger: the ledger has a filter of its own, which `tracing_subscriber::fmt().finish()` does not take: \
         write `tracing_subscriber::registry().with(ledger).with(tracing_subscriber::fmt::layer())` instead"
    );
}

/// A layer that does nothing.
pub(super) struct Nothing;

impl<S: Subscriber> Layer<S> for Nothing {}

/// Lets through what the rules need.
pub(super) struct RuleFilter {
    plans: Arc<Plans>,
    census: Arc<Census>,
    queue: Arc<Queue>,
}

impl<S> Filter<S> for RuleFilter {
    /// `sometimes`, never `always`: tracing then asks every filter anew for each call. After `always` it would not, and
    /// an answer that another question left on the thread (sqlx asks `log_enabled!`) would count as the answer of the
    /// filters beside this one, which lose spans (tokio-rs/tracing#2519).
    fn callsite_enabled(&self, meta: &'static Metadata<'static>) -> Interest {
        let may_be_wanted = if self.queue.is_forked() {
            // Registering takes a lock, which a thread of the parent may have held at the fork.
            self.plans.makes_rows(meta)
        } else {
            self.census.register(meta);
            self.plans.register(meta) || self.plans.is_discovering() && !Plans::is_barred(meta.target())
        };
        if may_be_wanted { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, meta: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.plans.may_have(meta)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // A hint of TRACE would lift the bound of a global filter, while none leaves it as it is.
        Some(self.plans.max_level()).filter(|level| *level < LevelFilter::TRACE)
    }
}
