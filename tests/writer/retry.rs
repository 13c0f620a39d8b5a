//! Rows that the store does not take are tried again as the same rows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tracing_ledger::store::{Attempt, Failure};

use crate::books::{Answers, DEADLINE, SOON, emit, failed, numbers, open, until, untimed};

#[test]
fn a_retry_has_the_same_ids_and_times_and_says_that_it_is_one() {
    let tries = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tries);
    let store = Answers(move |batch: &[_], attempt| {
        let mut seen = seen.lock().expect("no test panics with it");
        seen.push((batch.to_vec(), attempt));
        if seen.len() < 3 { failed(Failure::Retry) } else { Ok(()) }
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..5);
    guard.shutdown(DEADLINE).expect("the third try goes through");
    let tries = tries.lock().expect("no test panics with it");
    let attempts: Vec<_> = tries.iter().map(|(_, attempt)| *attempt).collect();
    assert_eq!(attempts, [Attempt::First, Attempt::Retry, Attempt::Retry]);
    assert!(tries.iter().all(|(rows, _)| *rows == tries[0].0));
}

#[test]
fn the_next_batch_is_a_first_try_again() {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&attempts);
    let store = Answers(move |_: &[_], attempt| {
        let mut seen = seen.lock().expect("no test panics with it");
        seen.push(attempt);
        if seen.len() == 1 { failed(Failure::Retry) } else { Ok(()) }
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, [0]);
    guard.flush(DEADLINE).expect("the second try goes through");
    emit(&dispatch, [1]);
    guard.shutdown(DEADLINE).expect("so does the third");
    assert_eq!(
        *attempts.lock().expect("no test panics with it"),
        [Attempt::First, Attempt::Retry, Attempt::First]
    );
}

#[test]
fn a_store_that_panics_keeps_its_batch_and_its_thread() {
    let mut tries = Vec::new();
    let store = Answers(move |batch: &[_], attempt| {
        tries.push(attempt);
        assert!(tries.len() > 2, "the store panics twice, as the test wants");
        assert_eq!((batch.len(), attempt), (3, Attempt::Retry));
        Ok(())
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..3);
    let stats = guard.shutdown(DEADLINE).expect("the third try goes through");
    assert_eq!(stats.written, 3);
}

#[test]
fn a_batch_that_is_too_much_at_once_goes_in_halves() {
    let pieces = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&pieces);
    let store = Answers(move |batch: &[_], _| {
        if batch.len() > 2 {
            return failed(Failure::Halve);
        }
        seen.lock().expect("no test panics with it").push(numbers(batch));
        Ok(())
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..7);
    guard.shutdown(DEADLINE).expect("all pieces are small enough");
    let pieces = pieces.lock().expect("no test panics with it");
    assert_eq!(*pieces, [vec![0], vec![1, 2], vec![3, 4], vec![5, 6]]);
}

#[test]
fn rows_are_held_until_someone_fixes_the_database() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let store = Answers(
        move |_: &[_], _| {
            if is_mended.load(Ordering::Relaxed) { Ok(()) } else { failed(Failure::Hold) }
        },
    );
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..3);
    let error = guard.flush(SOON).expect_err("the table is not there");
    assert!(
        error.is_timeout() && error.to_string().ends_with("the last failure: the test says no"),
        "{error}"
    );
    emit(&dispatch, 3..5);
    mended.store(true, Ordering::Relaxed);
    let stats = guard.shutdown(DEADLINE).expect("it is now");
    assert_eq!((stats.written, stats.refused.total()), (5, 0));
}

#[test]
fn a_row_that_always_takes_too_long_holds_up_no_other_row() {
    for slow in [0, 3, 9] {
        let (stored, is_open) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, opened) = (Arc::clone(&stored), Arc::clone(&is_open));
        let store = Answers(move |batch: &[_], _| {
            let numbers = numbers(batch);
            if numbers.contains(&slow) && !opened.load(Ordering::Relaxed) {
                return failed(Failure::Halve);
            }
            seen.lock().expect("no test panics with it").extend(numbers);
            Ok(())
        });
        let (dispatch, guard) = open(untimed(), store);
        emit(&dispatch, 0..10);
        guard.flush(SOON).expect_err("one row waits");
        emit(&dispatch, 10..20);
        until("the others are written", || {
            guard.flush(SOON).expect_err("one row waits");
            guard.stats().written == 19
        });
        is_open.store(true, Ordering::Relaxed);
        let stats = guard.shutdown(DEADLINE).expect("a stop tries it again");
        assert_eq!((stats.written, stats.in_flight), (20, 0), "{stats}");
        let mut stored = stored.lock().expect("no test panics with it").clone();
        stored.sort_unstable();
        assert_eq!(stored, (0..20).collect::<Vec<_>>());
    }
}
