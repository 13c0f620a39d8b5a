//! A full queue does what its policy says, and counts it.

use std::thread;
use std::time::Duration;

use tracing_ledger::{Overflow, RECORD_LIMIT, Rules};

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
    assert_eq!(numbers(&memory.events()), [0, 1, 2]);
    assert_eq!((stats.offered, stats.accepted, stats.refused.queue_full, stats.written), (4, 3, 1, 3));
}

#[test]
fn the_oldest_gives_way_when_asked_to() {
    full!(Overflow::DropOldest => dispatch, guard, keeper);
    emit(&dispatch, [3]);
    let memory = keeper.leave();
    let stats = guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!(numbers(&memory.events()), [0, 2, 3], "the batch in hand is not the queue's");
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
    assert_eq!(numbers(&memory.events()), (0..10).collect::<Vec<_>>());
    assert_eq!(stats.refused.total(), 0);
}

#[test]
fn a_caller_waits_no_longer_than_it_may() {
    full!(Overflow::Block(SOON) => dispatch, guard, keeper);
    emit(&dispatch, [3]);
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

#[test]
fn a_record_over_the_limit_is_refused() {
    let rules: Rules = r#"
        [[rule]]
        span = "outer"
        [[rule]]
        span = "inner"
        inherit = ["a", "b", "c", "d", "e", "f", "g", "h"]
    "#
    .parse()
    .expect("the rules are right");
    let text = "x".repeat(8 * 1024);
    let text = text.as_str();
    let (dispatch, guard) = open(untimed().rules(rules), gate().0);
    tracing::dispatcher::with_default(&dispatch, || {
        let _outer = tracing::info_span!(
            "outer",
            a = text,
            b = text,
            c = text,
            d = text,
            e = text,
            f = text,
            g = text,
            h = text
        )
        .entered();
        let inner = tracing::info_span!(
            "inner",
            i = text,
            j = text,
            k = text,
            l = text,
            m = text,
            n = text,
            o = text,
            p = text
        );
        drop(inner);
    });
    assert!(16 * text.len() >= RECORD_LIMIT);
    let stats = guard.shutdown(DEADLINE).expect("the outer span is written");
    assert_eq!((stats.offered, stats.refused.too_large, stats.written), (2, 1, 1));
}
