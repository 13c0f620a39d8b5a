//! A flush returns when all is written that was accepted before it, or when its time is up.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tracing_ledger::store::{Attempt, Failure, InsertError, Memory, Store};
use tracing_ledger::{Overflow, Row};

use crate::books::{Answers, DEADLINE, SOON, emit, failed, gate, numbers, open, untimed};

#[test]
fn a_flush_writes_every_accepted_record() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed().batch_size(7), memory.clone());
    for end in [1, 30, 31] {
        let start = memory.rows().len() as u64;
        emit(&dispatch, start..end);
        let stats = guard.flush(DEADLINE).expect("memory is there");
        assert_eq!((stats.written, stats.in_flight), (end, 0));
        assert_eq!(numbers(&memory.rows()), (0..end).collect::<Vec<_>>());
    }
}

#[test]
fn a_flush_with_nothing_to_write_returns() {
    let (_, guard) = open(untimed(), gate().0);
    assert_eq!(guard.flush(DEADLINE).expect("there is nothing").accepted, 0);
}

#[test]
fn a_late_flush_says_how_many_rows_are_written_and_how_many_are_not() {
    let (store, keeper) = gate();
    let (dispatch, guard) = open(untimed().batch_size(2), store);
    emit(&dispatch, 0..2);
    keeper.wait();
    emit(&dispatch, 2..5);
    let error = guard.flush(SOON).expect_err("the gate is shut");
    assert!(error.is_timeout());
    assert_eq!(
        error.to_string(),
        "flush: after 20ms, of 5 rows accepted 0 are written, 0 are quarantined and 5 are not written; the \
         database is slow to answer, or the timeout is too short"
    );
    keeper.leave();
    assert_eq!(guard.flush(DEADLINE).expect("the gate is open").written, 5);
}

#[test]
fn a_flush_has_the_store_tried_soon() {
    let (tried, tries) = crossbeam_channel::unbounded();
    let store = Answers(move |_: &[Row], _| {
        tried.send(()).ok();
        failed(Failure::Retry)
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, [0]);
    // Without a flush, the last waits would be of some seconds, and all of them together of more than half a minute.
    for _ in 0..10 {
        guard.flush(SOON).expect_err("the database is away");
        tries.recv_timeout(DEADLINE / 12).expect("it is tried");
    }
}

#[test]
fn many_flushes_leave_a_database_that_is_down_alone() {
    let tries = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&tries);
    let store = Answers(move |_: &[Row], _| {
        seen.fetch_add(1, Ordering::Relaxed);
        failed(Failure::Retry)
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, [0]);
    let mut flushes = 0;
    while tries.load(Ordering::Relaxed) < 6 {
        guard.flush(Duration::ZERO).expect_err("the database is away");
        flushes += 1;
    }
    assert!(flushes > 60, "the store is tried again for one in {flushes} / 6 flushes");
}

#[test]
fn a_flush_does_not_wait_for_later_records() {
    let (store, keeper) = gate();
    let (dispatch, guard) = open(untimed().batch_size(1), store);
    emit(&dispatch, [0]);
    keeper.wait();
    thread::scope(|scope| {
        let flush = scope.spawn(|| guard.flush(DEADLINE));
        // Every row that is written makes place for one more, for as long as the flush lasts.
        let mut number = 1;
        while !flush.is_finished() {
            emit(&dispatch, [number]);
            number += 1;
            keeper.let_one_in();
        }
        assert!(flush.join().expect("no panic").is_ok());
    });
    keeper.leave();
}

#[test]
fn flushes_from_many_threads_are_all_answered() {
    let (dispatch, guard) = open(untimed(), Memory::default());
    thread::scope(|scope| {
        for thread in 0..4 {
            let (dispatch, guard) = (&dispatch, &guard);
            scope.spawn(move || {
                for round in 0..50 {
                    emit(dispatch, [thread * 50 + round]);
                    guard.flush(DEADLINE).expect("memory is there");
                }
            });
        }
    });
    assert_eq!(guard.stats().written, 200);
}

#[test]
fn a_flush_does_not_overlook_a_row_that_busy_threads_overtake() {
    let rows = Arc::new(Mutex::new(HashSet::new()));
    let kept = Arc::clone(&rows);
    let store = Answers(move |batch: &[Row], _| {
        kept.lock().expect("no test panics with it").extend(numbers(batch));
        Ok(())
    });
    let options = untimed().queue_capacity(2000).overflow(Overflow::Block(DEADLINE));
    let (dispatch, guard) = open(options, store);
    let done = AtomicBool::new(false);
    let overlooked: Vec<u64> = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                emit(&dispatch, 1000..1100);
            }
        });
        let is_overlooked = |number: &u64| {
            emit(&dispatch, [*number]);
            guard.flush(DEADLINE).ok();
            !rows.lock().expect("no test panics with it").contains(number)
        };
        let overlooked = (0..20).filter(is_overlooked).collect();
        done.store(true, Ordering::Relaxed);
        overlooked
    });
    assert!(overlooked.is_empty(), "{overlooked:?}");
}

#[test]
fn a_handle_flushes_until_the_guard_has_shut_down() {
    let (dispatch, guard) = open(untimed(), Memory::default());
    let handle = guard.handle();
    emit(&dispatch, 0..3);
    let on_another_thread = thread::spawn({
        let handle = handle.clone();
        move || handle.flush(DEADLINE).expect("memory is there").written
    });
    assert_eq!(on_another_thread.join().expect("no panic"), 3);

    let last = guard.shutdown(DEADLINE).expect("nothing is left");
    assert_eq!(handle.stats(), last);
    let error = handle.flush(DEADLINE).expect_err("the writer is gone");
    assert!(error.is_closed() && error.to_string().contains("shut down"), "{error}");
}

/// A store whose future cannot leave its thread.
struct Local(Memory);

impl Store for Local {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        let alone = Rc::new(());
        let stored = self.0.insert(batch, attempt).await;
        drop(alone);
        stored
    }
}

#[test]
fn the_future_of_a_store_need_not_be_send() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed(), Local(memory.clone()));
    emit(&dispatch, 0..3);
    assert_eq!(guard.flush(DEADLINE).expect("memory is there").written, 3);
    assert_eq!(numbers(&memory.rows()), [0, 1, 2]);
}
