//! Batches are as large as they may be, and no row waits long for one.

use tracing_ledger::Builder;

use crate::books::{DEADLINE, emit, gate, open, untimed};

#[test]
fn a_full_batch_does_not_wait_for_the_clock() {
    let (store, keeper) = gate();
    let (dispatch, _guard) = open(untimed().batch_size(3), store);
    emit(&dispatch, 0..3);
    assert_eq!(keeper.wait(), 3);
    keeper.leave();
}

#[test]
fn rows_behind_a_slow_insert_go_in_full_batches() {
    let (store, keeper) = gate();
    let (dispatch, guard) = open(untimed().batch_size(3), store);
    emit(&dispatch, 0..3);
    assert_eq!(keeper.wait(), 3);
    emit(&dispatch, 3..11);
    for _ in 0..2 {
        keeper.let_one_in();
        assert_eq!(keeper.wait(), 3);
    }
    keeper.leave();
    assert_eq!(guard.shutdown(DEADLINE).expect("the gate is open").written, 11);
}

#[test]
fn a_single_row_goes_when_its_time_has_come() {
    let (store, keeper) = gate();
    let (dispatch, _guard) = open(untimed().flush_interval(Builder::DEFAULT_FLUSH_INTERVAL), store);
    emit(&dispatch, [0]);
    assert_eq!(keeper.wait(), 1);
    keeper.leave();
}
