//! Rows the store will never take are quarantined, one by one, unless they are too many to be bad rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tracing_ledger::store::{Failure, Store};
use tracing_ledger::{Guard, Row};

use crate::books::{Answers, DEADLINE, SOON, emit, failed, numbers, open, until, untimed};

/// A store that rejects every batch with a bad number in it, and counts its calls.
fn picky(is_bad: impl Fn(u64) -> bool + Send + 'static) -> (impl Store, Arc<AtomicUsize>) {
    refusing(Failure::Quarantine, is_bad)
}

/// The same with another failure.
fn refusing(
    failure: Failure,
    is_bad: impl Fn(u64) -> bool + Send + 'static,
) -> (impl Store, Arc<AtomicUsize>) {
    let statements = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&statements);
    let store = Answers(move |batch: &[Row], _| {
        let numbers = numbers(batch);
        counter.fetch_add(usize::from(!numbers.is_empty()), Ordering::Relaxed);
        if numbers.into_iter().any(&is_bad) { failed(failure) } else { Ok(()) }
    });
    (store, statements)
}

#[test]
fn one_row_in_a_thousand_is_found_in_21_statements() {
    let (store, statements) = picky(|number| number == 617);
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..1000);
    let stats = guard.flush(DEADLINE).expect("all the others are written");
    assert_eq!((stats.written, stats.quarantined, stats.in_flight), (999, 1, 0));
    let kept = guard.quarantined();
    assert_eq!(numbers(kept.iter().map(|kept| &kept.row)), [617]);
    assert_eq!(kept[0].reason, "the test says no");
    assert!(statements.load(Ordering::Relaxed) <= 21);
}

#[test]
fn one_row_that_may_be_at_fault_is_found_in_one_statement_more() {
    for bad in [0, 499, 500, 617, 999] {
        let (store, statements) = refusing(Failure::Reject, move |number| number == bad);
        let (dispatch, guard) = open(untimed(), store);
        emit(&dispatch, 0..1000);
        let stats = guard.flush(DEADLINE).expect("all the others are written");
        assert_eq!((stats.written, stats.quarantined, stats.in_flight), (999, 1, 0));
        assert_eq!(numbers(guard.quarantined().iter().map(|kept| &kept.row)), [bad]);
        assert!(statements.load(Ordering::Relaxed) <= 22, "{statements:?} for {bad}");
    }
}

#[test]
fn a_table_that_takes_nothing_is_seen_in_a_few_statements() {
    for rows in [1, 2, 3, 1000] {
        let mended = Arc::new(AtomicBool::new(false));
        let is_mended = Arc::clone(&mended);
        let (store, statements) = refusing(Failure::Reject, move |_| !is_mended.load(Ordering::Relaxed));
        let (dispatch, guard) = open(untimed(), store);
        emit(&dispatch, 0..rows);
        let error = guard.flush(Duration::ZERO).expect_err("everything is refused");
        assert!(error.is_timeout(), "{error}");
        until("it is held", || {
            guard.flush(Duration::ZERO).expect_err("late").to_string().contains("says no")
        });
        assert!(statements.load(Ordering::Relaxed) <= 10, "{statements:?} for {rows}");
        assert_eq!(guard.stats().quarantined, 0);
        mended.store(true, Ordering::Relaxed);
        let stats = guard.flush(DEADLINE).expect("the table is mended");
        assert_eq!((stats.written, stats.quarantined), (rows, 0));
    }
}

#[test]
fn a_tenth_of_a_batch_is_quarantined_and_more_is_held() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let (store, _) = picky(move |number| number % 10 == 0 && !is_mended.load(Ordering::Relaxed));
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..100);
    let stats = guard.flush(DEADLINE).expect("ten of a hundred are bad rows");
    assert_eq!((stats.written, stats.quarantined), (90, 10));

    emit(&dispatch, (0..101).rev());
    let error = guard.flush(SOON).expect_err("eleven of a hundred and one are a bad schema");
    assert!(error.is_timeout(), "{error}");
    assert_eq!(guard.stats().quarantined, 10);
    mended.store(true, Ordering::Relaxed);
    let stats = guard.flush(DEADLINE).expect("the schema is mended");
    assert_eq!((stats.written, stats.quarantined), (191, 10));
}

#[test]
fn when_everything_is_refused_rows_that_come_one_by_one_are_held_too() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let (store, _) = picky(move |_| !is_mended.load(Ordering::Relaxed));
    let (dispatch, guard) = open(untimed(), store);
    for number in 0..2 {
        emit(&dispatch, [number]);
        guard.flush(DEADLINE).expect("the first two may be bad rows");
    }
    emit(&dispatch, 2..10);
    let error = guard.flush(SOON).expect_err("more are a bad schema");
    assert!(error.is_timeout(), "{error}");
    mended.store(true, Ordering::Relaxed);
    let stats = guard.flush(DEADLINE).expect("the schema is mended");
    assert_eq!((stats.written, stats.quarantined), (8, 2));
}

#[test]
fn a_few_bad_rows_at_the_start_hold_up_nobody() {
    let (store, _) = picky(|number| number < 3);
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..29);
    guard.flush(SOON).expect_err("three of twenty-nine may be a bad schema");
    emit(&dispatch, 29..60);
    let stats = guard.flush(DEADLINE).expect("three of sixty are bad rows");
    assert_eq!((stats.written, stats.quarantined), (57, 3));
}

#[test]
fn a_schema_that_is_mended_is_noticed_although_a_row_is_bad_of_itself() {
    for bad in 0..30 {
        let mended = Arc::new(AtomicBool::new(false));
        let is_mended = Arc::clone(&mended);
        let (store, _) = picky(move |number| number == bad || !is_mended.load(Ordering::Relaxed));
        let (dispatch, guard) = open(untimed(), store);
        emit(&dispatch, 0..30);
        guard.flush(Duration::ZERO).expect_err("everything is refused");
        until("it is held", || {
            guard.flush(Duration::ZERO).expect_err("late").to_string().contains("says no")
        });
        mended.store(true, Ordering::Relaxed);
        let stats = guard.flush(DEADLINE).expect("the schema is mended");
        assert_eq!((stats.written, stats.quarantined), (29, 1));
    }
}

#[test]
fn the_latest_are_kept_for_inspection_and_all_are_counted() {
    let (store, _) = picky(|number| number % 10 == 0);
    let (dispatch, guard) = open(untimed(), store);
    let bad = Guard::QUARANTINE_KEPT as u64 + 15;
    for number in 0..bad {
        emit(&dispatch, number * 10..number * 10 + 10);
        guard.flush(DEADLINE).expect("all are dealt with");
    }
    assert_eq!(guard.stats().quarantined, bad);
    let kept: Vec<_> = (15..bad).map(|number| number * 10).collect();
    assert_eq!(numbers(guard.quarantined().iter().map(|kept| &kept.row)), kept);
}
