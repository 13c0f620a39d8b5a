//! Once it is warm, the layer allocates next to nothing on the thread of the caller.
//!
//! A gate for CI that counts and measures no time: the nanoseconds of a span depend on the machine, its allocations do
//! not.

use std::sync::Barrier;
use std::thread;

use crate::counting::allocations_of_this_thread;
use support::{DEADLINE, gated};
use tracing::field::Empty;
use tracing::{Dispatch, Span, info, info_span};
use tracing_ledger::store::{Memory, Store};
use tracing_ledger::{Builder, Guard, builder};
use tracing_subscriber::{Registry, prelude::*};

/// The chunks in which records travel: a few allocations for fifty records, while the writer has the ones used
/// before.
const FOR_CHUNKS: f64 = 0.1;

/// Of each burst, which is flushed before the next: the queue never fills.
const SPANS: u64 = 5_000;

fn ledger(builder: Builder, store: impl Store) -> (Dispatch, Guard) {
    let (layer, guard) = builder.build_with::<Registry>(store).expect("a ledger");
    (tracing_subscriber::registry().with(layer).into(), guard)
}

/// Allocations of each run of `work` on this thread, on average, once a burst has warmed it. `settle` comes after
/// every burst, and is not counted.
fn allocations(dispatch: &Dispatch, work: impl Fn(), settle: impl Fn()) -> f64 {
    let burst = || {
        let before = allocations_of_this_thread();
        tracing::dispatcher::with_default(dispatch, || (0..SPANS).for_each(|_| work()));
        let spent = allocations_of_this_thread() - before;
        settle();
        spent
    };
    burst();
    (burst() + burst()) as f64 / (2 * SPANS) as f64
}

/// As [`allocations`], with everything written between two bursts.
fn written(work: impl Fn()) -> f64 {
    let (dispatch, guard) = ledger(builder(), Memory::default());
    let spent = allocations(&dispatch, work, || {
        guard.flush(DEADLINE).expect("memory takes everything");
    });
    assert_eq!(guard.stats().refused.total(), 0);
    spent
}

/// A planner call: fields of five types, two of them known only at the end.
fn quote() {
    let span = info_span!(
        "quote_tables_for_booking",
        booking_id = %"0190e6a4-0000-7000-8000-000000000001",
        trigger = "creation",
        party_size = 4_u64,
        strategy.require_adjacency = true,
        load = 0.75,
        success = Empty,
        reason = Empty,
    );
    span.in_scope(|| {
        Span::current().record("success", false);
        Span::current().record("reason", "No suitable tables available");
    });
}

#[test]
fn a_span_is_recorded_without_allocating() {
    let spent = written(quote);
    assert!(spent <= FOR_CHUNKS, "{spent} allocations per span");
}

#[test]
fn a_span_that_inherits_is_recorded_without_allocating() {
    let within = || info_span!("carries", flow = "inline").in_scope(quote);
    let spent = written(within);
    assert!(spent <= FOR_CHUNKS, "{spent} allocations per span");
}

#[test]
fn a_job_and_its_calls_are_recorded_without_allocating() {
    let spent = written(|| {
        let job = info_span!("auto_assign.job", trigger = "creation", max_attempts = 2, result = Empty);
        job.in_scope(|| {
            quote();
            quote();
            Span::current().record("result", "exhausted");
        });
    });
    assert!(spent <= 3.0 * FOR_CHUNKS, "{spent} allocations per job");
}

#[test]
fn threads_that_record_at_once_allocate_no_more() {
    let (dispatch, guard) = ledger(builder().queue_capacity(8 * 3 * SPANS as usize), Memory::default());
    let together = || {
        thread::scope(|scope| {
            let threads = [(); 8].map(|()| scope.spawn(|| allocations(&dispatch, quote, || {})));
            threads.map(|thread| thread.join().expect("it does not panic"))
        })
    };
    for spent in together() {
        // Nobody waits for the writer: the records that it has not reached are in new chunks, each of a few allocations.
        assert!(spent <= 2.0 * FOR_CHUNKS, "{spent} allocations per span");
    }
    let stats = guard.shutdown(DEADLINE).expect("memory takes everything");
    assert_eq!(stats.refused.total(), 0);
}

/// Every thread has a span under way, so that no two of them may share a place.
#[test]
fn more_threads_than_processors_allocate_no_more() {
    const THREADS: usize = 96;
    const CALLS: u64 = 200;
    let (dispatch, guard) = ledger(builder(), Memory::default());
    let barrier = Barrier::new(THREADS);
    let work = || {
        tracing::dispatcher::with_default(&dispatch, || {
            let job = info_span!("auto_assign.job", trigger = "creation", result = "exhausted");
            let _entered = job.enter();
            (0..CALLS).for_each(|_| quote());
            // From here on all threads have a span under way, and are warm.
            barrier.wait();
            let before = allocations_of_this_thread();
            (0..CALLS).for_each(|_| quote());
            let spent = allocations_of_this_thread() - before;
            barrier.wait();
            spent as f64 / CALLS as f64
        })
    };
    let together = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect::<Vec<_>>()
    });
    for spent in together {
        assert!(spent <= 3.0 * FOR_CHUNKS, "{spent} allocations per span");
    }
    let stats = guard.shutdown(DEADLINE).expect("memory takes everything");
    assert_eq!(stats.refused.total(), 0);
}

#[test]
fn a_callsite_of_no_rule_allocates_nothing() {
    let spent = written(|| {
        info_span!("of_no_rule", value = 1).in_scope(|| info!(value = 2, "of no rule"));
    });
    assert_eq!(spent, 0.0);
}

#[test]
fn a_full_queue_refuses_without_allocating() {
    let (gate, store) = gated(Memory::default());
    let (dispatch, guard) = ledger(builder().queue_capacity(SPANS as usize / 10), store);
    let spent = allocations(&dispatch, quote, || {});
    assert_eq!(spent, 0.0);
    assert!(guard.stats().refused.queue_full >= 2 * SPANS);
    gate.open();
    guard.shutdown(DEADLINE).expect("the gate is open");
}

#[test]
fn a_ledger_that_is_shut_down_allocates_nothing() {
    let (dispatch, guard) = ledger(builder(), Memory::default());
    guard.shutdown(DEADLINE).expect("nothing is left to write");
    assert_eq!(allocations(&dispatch, quote, || {}), 0.0);
}
