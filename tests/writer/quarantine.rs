//! Events the store will never take are set aside, one by one, unless they are too many to be at fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tracing_ledger::store::{Failure, Store};
use tracing_ledger::{Event, QUARANTINE_KEPT};

use crate::books::{Answers, DEADLINE, SOON, emit, failed, numbers, open, untimed};

/// A store that refuses every batch with a poisonous number in it, and counts what it is asked.
fn picky(is_poison: impl Fn(u64) -> bool + Send + 'static) -> (impl Store, Arc<AtomicUsize>) {
    let statements = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&statements);
    let store = Answers(move |batch: &[Event], _| {
        counter.fetch_add(1, Ordering::Relaxed);
        if numbers(batch).into_iter().any(&is_poison) { failed(Failure::Quarantine) } else { Ok(()) }
    });
    (store, statements)
}

#[test]
fn one_event_in_a_thousand_is_found_in_21_statements() {
    let (store, statements) = picky(|number| number == 617);
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..1000);
    let stats = guard.flush(DEADLINE).expect("all the others are written");
    assert_eq!((stats.written, stats.quarantined, stats.in_flight), (999, 1, 0));
    assert_eq!(numbers(&guard.quarantined()), [617]);
    assert!(statements.load(Ordering::Relaxed) <= 21);
}

#[test]
fn a_tenth_of_a_batch_is_set_aside_and_more_is_held() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let (store, _) = picky(move |number| number % 10 == 0 && !is_mended.load(Ordering::Relaxed));
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..100);
    let stats = guard.flush(DEADLINE).expect("ten of a hundred are bad events");
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
fn a_small_batch_cannot_tell_and_sets_its_events_aside() {
    let (store, _) = picky(|_| true);
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..19);
    let stats = guard.shutdown(DEADLINE).expect("all are dealt with");
    assert_eq!(stats.quarantined, 19);
}

#[test]
fn the_latest_are_kept_for_inspection_and_all_are_counted() {
    let (store, _) = picky(|_| true);
    let (dispatch, guard) = open(untimed().batch_size(10), store);
    let all = QUARANTINE_KEPT as u64 + 15;
    emit(&dispatch, 0..all);
    let stats = guard.flush(DEADLINE).expect("all are dealt with");
    assert_eq!(stats.quarantined, all);
    assert_eq!(numbers(&guard.quarantined()), (15..all).collect::<Vec<_>>());
}
