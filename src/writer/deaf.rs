//! The subscriber of the writer's own threads: it hears nothing.
//!
//! Whatever a store and its driver emit must not come back to the ledger as new records. The thread-local
//! default is the one place where that can be had for every layer at once.
//!
//! [`NoSubscriber`](tracing::subscriber::NoSubscriber) would cost the whole program: it has no level hint, which
//! lifts the global maximum to TRACE, and it is interested in nothing, which turns every callsite's `always`
//! into an `enabled` call per event. `Dispatch::none()` is worse: it is not registered, and a callsite first
//! reached on the writer's thread would be cached as disabled for everybody.
//!
//! One price is left, that of any thread-local default: while there is one anywhere in the process, tracing hands
//! on nothing that is emitted from within a subscriber, such as by a `Debug` that logs.

use std::cell::Cell;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher};

/// A subscriber that hears nothing. Each one asks every callsite anew: one is enough.
pub(super) fn dispatch() -> Dispatch {
    Dispatch::new(Deaf)
}

/// Makes it the calling thread's, until the thread exits.
pub(super) fn until_exit(deaf: &Dispatch) {
    thread_local! {
        static UNTIL_EXIT: Cell<Option<DefaultGuard>> = const { Cell::new(None) };
    }
    UNTIL_EXIT.set(Some(dispatcher::set_default(deaf)));
}

struct Deaf;

impl Subscriber for Deaf {
    /// The same interest as the calling thread's own subscriber has: joined with that it changes nothing.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        dispatcher::get_default(|own| own.register_callsite(metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    /// Reached where every other subscriber is always interested; the id is never looked at.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
