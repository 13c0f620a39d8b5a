//! A guard that is only dropped writes what it can in a bounded time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use tracing_ledger::Guard;
use tracing_ledger::store::Memory;

use crate::books::{DEADLINE, emit, gate, open, untimed};

#[test]
fn accepted_records_are_written() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed(), memory.clone());
    emit(&dispatch, 0..10);
    drop(guard);
    assert_eq!(memory.rows().len(), 10);
}

#[test]
fn a_store_that_hangs_costs_no_more_than_the_timeout() {
    let (store, keeper) = gate();
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, [0]);
    let started = Instant::now();
    drop(guard);
    assert!((Guard::DROP_TIMEOUT..DEADLINE / 2).contains(&started.elapsed()));
    keeper.wait_for_end();
}

#[test]
fn a_panic_that_unwinds_through_the_guard_goes_on() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed(), memory.clone());
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _guard = guard;
        emit(&dispatch, 0..10);
        panic!("as the test wants");
    }));
    assert!(unwound.is_err());
    assert_eq!(memory.rows().len(), 10);
}

#[test]
fn a_guard_dropped_at_once_leaves_a_layer_that_refuses() {
    let memory = Memory::default();
    let (dispatch, _) = open(untimed(), memory.clone());
    emit(&dispatch, 0..10);
    assert!(memory.rows().is_empty());
}
