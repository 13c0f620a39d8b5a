//! A shutdown writes what there is, refuses what comes, and keeps its deadline.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use tracing_ledger::store::{Failure, Memory};

use crate::books::{Answers, DEADLINE, SOON, emit, failed, gate, numbers, open, untimed};

#[test]
fn records_before_a_shutdown_are_written_and_later_ones_refused() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed(), memory.clone());
    emit(&dispatch, 0..10);
    let stats = guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!((stats.written, stats.in_flight), (10, 0));
    emit(&dispatch, 10..20);
    assert_eq!(memory.rows().len(), 10);
}

#[test]
fn a_shutdown_cuts_an_insert_that_hangs_and_the_thread_ends() {
    let (store, keeper) = gate();
    let (dispatch, guard) = open(untimed().batch_size(3), store);
    emit(&dispatch, 0..5);
    keeper.wait();
    let error = guard.shutdown(SOON).expect_err("the gate is shut");
    assert!(error.is_timeout());
    assert!(error.to_string().contains("of 5 rows accepted 0 are written, 0 are quarantined and 5 are not"));
    keeper.wait_for_end();
}

#[test]
fn a_shutdown_ends_the_wait_between_two_tries() {
    let (tried, tries) = bounded(1000);
    let store = Answers(move |_: &[_], _| {
        tried.send(()).ok();
        failed(Failure::Retry)
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, [0]);
    guard.flush(Duration::ZERO).expect_err("the database is away");
    tries.recv_timeout(DEADLINE).expect("it is tried");
    let error = guard.shutdown(SOON).expect_err("it still is");
    assert!(error.is_timeout(), "{error}");
    let end = std::iter::repeat_with(|| tries.recv_timeout(DEADLINE)).find_map(Result::err);
    assert_eq!(end, Some(RecvTimeoutError::Disconnected), "the writer ends");
}

#[test]
fn a_store_that_blocks_its_thread_does_not_hold_up_the_caller() {
    let (release, blocked) = bounded::<()>(0);
    let store = Answers(move |_: &[_], _| {
        blocked.recv().ok();
        Ok(())
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, [0]);
    let started = Instant::now();
    let error = guard.shutdown(SOON).expect_err("the store does not answer");
    assert!(error.is_timeout() && started.elapsed() < DEADLINE / 2, "{error}");
    drop(release);
}

#[test]
fn a_shutdown_without_time_writes_nothing_and_says_so() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed(), memory.clone());
    emit(&dispatch, 0..5);
    let error = guard.shutdown(Duration::ZERO).expect_err("there was no time");
    assert!(error.is_timeout() && error.to_string().contains("5 are not written"), "{error}");
    assert!(memory.rows().is_empty());
}

#[test]
fn a_record_on_its_way_is_either_written_or_refused() {
    for _ in 0..100 {
        let memory = Memory::default();
        let (dispatch, guard) = open(untimed().batch_size(4), memory.clone());
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| emit(&dispatch, 0..100));
            }
            let stats = guard.shutdown(DEADLINE).expect("nothing is left behind");
            assert_eq!(stats.in_flight, 0);
            assert_eq!(stats.written, numbers(&memory.rows()).len() as u64);
        });
    }
}
