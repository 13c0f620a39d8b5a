//! Two threads that reach a callsite at once, for the first time, both get their row. Each test runs in a process of its
//! own, because it holds up tracing while it registers a callsite, which every other test would wait for.

use std::sync::{Arc, Barrier, Once};

use support::{DEADLINE, alone};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber, info, info_span};
use tracing_ledger::store::Memory;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// Holds up the registration of a callsite until somebody else has been there too.
struct Slow {
    name: &'static str,
    once: Once,
    begun: Arc<Barrier>,
    done: Arc<Barrier>,
}

impl<S: Subscriber> Layer<S> for Slow {
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        if meta.name() == self.name {
            self.once.call_once(|| {
                self.begun.wait();
                self.done.wait();
            });
        }
        Interest::always()
    }

    fn enabled(&self, _: &Metadata<'_>, _: Context<'_, S>) -> bool {
        true
    }
}

fn both_get_their_row(name: &'static str, call: fn()) {
    let (begun, done) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let memory = Memory::default();
    let (ledger, guard) = tracing_ledger::builder().build_with::<Registry>(memory.clone()).expect("a ledger");
    let slow = Slow { name, once: Once::new(), begun: Arc::clone(&begun), done: Arc::clone(&done) };
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(ledger).with(slow));
    std::thread::scope(|scope| {
        scope.spawn(|| tracing::dispatcher::with_default(&dispatch, call));
        begun.wait();
        tracing::dispatcher::with_default(&dispatch, call);
        done.wait();
    });
    let stats = guard.shutdown(DEADLINE).expect("everything is written");
    assert_eq!(stats.offered, 2, "{stats}");
}

#[test]
fn two_threads_at_a_new_span_both_get_their_row() {
    alone("first_calls_at_once::two_threads_at_a_new_span_both_get_their_row", || {
        let call = || info_span!("auto_assign.quote", success = true).in_scope(|| ());
        both_get_their_row("auto_assign.quote", call);
    });
}

#[test]
fn two_threads_at_a_new_event_both_get_their_row() {
    alone("first_calls_at_once::two_threads_at_a_new_event_both_get_their_row", || {
        let call = || info!(name: "auto_assign.started", status = "pending");
        both_get_their_row("auto_assign.started", call);
    });
}
