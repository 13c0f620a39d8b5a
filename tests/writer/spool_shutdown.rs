//! With a spool, a shutdown keeps its deadline and every row, in whatever state it comes.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing::Dispatch;
use tracing_ledger::Guard;
use tracing_ledger::store::{Failure, Store};
use tracing_subscriber::prelude::*;

use crate::books::{Answers, SOON, SpoolDir, away, emit, failed, gate, numbers, open};

const ROWS: u64 = 500;
/// How much later than its deadline a shutdown may return on a busy machine.
const SLACK: Duration = Duration::from_secs(60);
/// Long enough for a busy machine to get everything onto disk; then the database is waited for in vain.
const DISK_TIME: Duration = Duration::from_secs(2);

/// The rows are sent by the next process, however this one ended.
#[track_caller]
fn assert_all_are_sent(dir: &SpoolDir) {
    let (_, rows) = dir.next_process();
    assert_eq!(numbers(&rows), (0..ROWS).collect::<Vec<_>>());
}

/// Ends a ledger over that store in the given way.
#[track_caller]
fn ends(store: impl Store, how: impl FnOnce(&Dispatch, Guard)) {
    let dir = SpoolDir::new();
    let (dispatch, guard) = open(dir.builder().batch_size(100), store);
    emit(&dispatch, 0..ROWS);
    how(&dispatch, guard);
    assert_all_are_sent(&dir);
}

/// Does it, and panics when it takes longer than that.
#[track_caller]
fn by<T>(deadline: Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    assert!(started.elapsed() < deadline + SLACK, "{:?}", started.elapsed());
    done
}

fn shut_down(_: &Dispatch, guard: Guard) {
    let stats = by(DISK_TIME, || guard.shutdown(DISK_TIME)).expect("everything is on disk");
    assert_eq!((stats.spooled, stats.in_flight), (ROWS, 0), "{stats}");
}

#[test]
fn every_row_is_on_disk_in_time_with_an_insert_that_hangs() {
    let (store, keeper) = gate();
    ends(store, |dispatch, guard| {
        keeper.wait();
        shut_down(dispatch, guard);
    });
}

#[test]
fn every_row_is_on_disk_in_time_between_two_tries() {
    ends(away(), |dispatch, guard| {
        guard.flush(SOON).expect_err("the database is away");
        shut_down(dispatch, guard);
    });
}

#[test]
fn every_row_is_on_disk_in_time_while_rows_are_held() {
    ends(Answers(|_: &[_], _| failed(Failure::Hold)), shut_down);
}

#[test]
fn every_row_is_on_disk_in_time_with_a_store_that_panics() {
    ends(Answers(|_: &[_], _| panic!("as the test wants")), shut_down);
}

#[test]
fn every_row_is_on_disk_in_time_inside_a_current_thread_runtime() {
    ends(away(), |dispatch, guard| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { shut_down(dispatch, guard) });
    });
}

#[test]
fn every_row_is_on_disk_in_time_within_a_span() {
    ends(away(), |dispatch, guard| {
        tracing::dispatcher::with_default(dispatch, || {
            let _span = tracing::info_span!("no rule names it").entered();
            shut_down(dispatch, guard);
        });
    });
}

#[test]
fn every_row_is_on_disk_in_time_when_the_guard_is_only_dropped() {
    let (store, keeper) = gate();
    ends(store, |_, guard| {
        keeper.wait();
        by(Guard::DROP_TIMEOUT, || drop(guard));
    });
}

#[test]
fn every_row_is_on_disk_in_time_while_a_panic_unwinds() {
    let (store, keeper) = gate();
    ends(store, |_, guard| {
        keeper.wait();
        let unwound = by(Guard::DROP_TIMEOUT, || {
            catch_unwind(AssertUnwindSafe(move || {
                let _guard = guard;
                panic!("as the test wants");
            }))
        });
        assert!(unwound.is_err());
    });
}

/// Dropped by a panic, from within a span, inside a current-thread runtime, with no room in spool or queue, and over a
/// Postgres that takes the connection and never answers.
#[test]
fn every_row_is_on_disk_in_time_in_the_worst_place_of_all() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("127.0.0.1 has a free port");
    let address = silent.local_addr().expect("a bound socket has an address");
    let dir = SpoolDir::new();
    let (layer, guard) =
        dir.small().build(&format!("postgres://nobody@{address}/nothing")).expect("a ledger");
    let dispatch = tracing_subscriber::registry().with(layer).into();
    dir.fill(&dispatch, &guard);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let unwound = by(Guard::DROP_TIMEOUT, || {
        tracing::dispatcher::with_default(&dispatch, || {
            catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    let _span = tracing::info_span!("auto_assign.job").entered();
                    let _guard = guard;
                    panic!("as the test wants");
                })
            }))
        })
    });
    assert!(unwound.is_err());
}

#[test]
fn a_shutdown_without_time_leaves_the_rows_on_disk_a_moment_later() {
    let (store, keeper) = gate();
    ends(store, |_, guard| {
        // The writer may end a moment too late for the guard to see it.
        by(Duration::ZERO, || guard.shutdown(Duration::ZERO)).ok();
        keeper.wait_for_end();
    });
}

#[test]
fn a_shutdown_with_a_full_spool_says_how_many_rows_are_not_on_disk() {
    let dir = SpoolDir::new();
    let (store, keeper) = gate();
    let (dispatch, guard) = open(dir.small(), store);
    dir.fill(&dispatch, &guard);
    let on_disk = guard.stats().spooled;
    let error = by(SOON, || guard.shutdown(SOON)).expect_err("there is no room for what is in the queue");
    assert!(error.is_timeout(), "{error}");
    let message = error.to_string();
    assert!(message.contains("are not written; ") && message.contains(" more wait on disk"), "{message}");
    // A last piece may still have found room meanwhile: then it is on disk, and every row is counted once.
    let numbers = message.split(' ').filter_map(|word| word.parse::<u64>().ok());
    let [accepted, written, quarantined, lacking, waiting] = numbers.collect::<Vec<_>>()[..] else {
        panic!("five numbers: {message}")
    };
    assert_eq!(accepted, written + quarantined + lacking + waiting, "{message}");
    assert!(lacking > 0 && waiting >= on_disk, "{message}");
    keeper.wait_for_end();
}
