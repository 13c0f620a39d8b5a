//! A dispatcher that is registered and never anybody's default, so that tracing never believes there is only one.
//!
//! While only one is registered, tracing asks not that one but *the calling thread's default* what it wants of a
//! callsite (`Rebuilder::JustOne` in tracing-core's `callsite.rs`). Within a subscriber, from where the layer has
//! interests rebuilt, and on a thread with a default of its own, that may be none: and then callsites are off, for
//! everybody and for good. As soon as there are two, it asks each of them.

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher};

/// Registers one, for as long as it is kept.
pub(crate) fn register() -> Dispatch {
    Dispatch::new(Bystander)
}

/// It wants nothing, and says whatever leaves the answer of the others as it is.
struct Bystander;

impl Subscriber for Bystander {
    /// What the thread's own subscriber wants: two like answers make one, two unlike ones an `enabled` call for
    /// every event.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        dispatcher::get_default(|own| own.register_callsite(metadata))
    }

    /// Without it the level of the whole program would be TRACE.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
