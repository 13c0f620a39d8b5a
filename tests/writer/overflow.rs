//! A full queue does what its policy says, and counts it.

use std::thread;
use std::time::{Duration, Instant};

use tracing_ledger::Overflow;
use tracing_ledger::store::Memory;

use crate::books::{DEADLINE, SOON, emit, gate, numbers, open, untimed};

/// Two records of room behind a batch of one that stands before a closed gate.
macro_rules! full {
    ($policy:expr => $dispatch:ident, $guard:ident, $keeper:ident) => {
        let (store, $keeper) = gate();
        let ($dispatch, $guard) = open(untimed().queue_capacity(2).batch_size(1).overflow($policy), store);
        emit(&$dispatch, [0]);
        $keeper.wait();
        emit(&$dispatch, [1, 2]);
    };
}

#[test]
fn the_newest_is_refused_by_default() {
    full!(Overflow::default() => dispatch, guard, keeper);
    emit(&dispatch, [3]);
    let memory = keeper.leave();
    let stats = guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!(numbers(&memory.rows()), [0, 1, 2]);
    assert_eq!((stats.offered, stats.accepted, stats.refused.queue_full, stats.written), (4, 3, 1, 3));
}

#[test]
fn the_oldest_gives_way_when_asked_to() {
    full!(Overflow::EvictOldest => dispatch, guard, keeper);
    emit(&dispatch, [3]);
    let memory = keeper.leave();
    let stats = guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!(numbers(&memory.rows()), [0, 2, 3], "the batch in hand is not the queue's");
    assert_eq!((stats.offered, stats.accepted, stats.dropped.evicted, stats.written), (4, 4, 1, 3));
}

#[test]
fn a_caller_that_may_wait_gets_its_row_in() {
    full!(Overflow::Block(DEADLINE) => dispatch, guard, keeper);
    let memory = thread::scope(|scope| {
        scope.spawn(|| emit(&dispatch, 3..10));
        keeper.leave()
    });
    let stats = guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!(numbers(&memory.rows()), (0..10).collect::<Vec<_>>());
    assert_eq!(stats.refused.total(), 0);
}

#[test]
fn callers_and_writer_never_miss_each_other() {
    let memory = Memory::default();
    let options = untimed().queue_capacity(2).batch_size(1).overflow(Overflow::Block(DEADLINE));
    let (dispatch, guard) = open(options, memory.clone());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| emit(&dispatch, 0..2000));
        }
    });
    // The last one may be short of a batch; every other was written without the clock.
    let stats = guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!((stats.written, stats.refused.total()), (8000, 0));
}

#[test]
fn a_caller_waits_no_longer_than_it_may() {
    full!(Overflow::Block(SOON) => dispatch, guard, keeper);
    let started = Instant::now();
    emit(&dispatch, [3]);
    let waited = started.elapsed();
    assert!(SOON <= waited && waited < DEADLINE / 2, "{waited:?}");
    assert_eq!(guard.stats().refused.queue_full, 1);
    keeper.leave();
    guard.shutdown(DEADLINE).expect("the gate is open");
}

#[test]
fn a_shutdown_sends_waiting_callers_on_their_way() {
    full!(Overflow::Block(Duration::MAX) => dispatch, guard, keeper);
    thread::scope(|scope| {
        let caller = scope.spawn(|| emit(&dispatch, [3]));
        let error = guard.shutdown(SOON).expect_err("the gate is shut");
        assert!(error.to_string().contains("of 3 rows accepted 0 are written"), "{error}");
        caller.join().expect("it is let go");
    });
    keeper.leave();
}
