//! Every record is somewhere: the sums of the account come out whatever happens.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tracing_ledger::store::Failure;
use tracing_ledger::{Overflow, Row, Stats};

use crate::books::{Answers, DEADLINE, assert_sums, emit, failed, is_loss, numbers, open};

const THREADS: u64 = 4;
const ROWS: u64 = 2000;

/// Offers from several threads to a small queue over a store that fails in every way.
fn run(overflow: Overflow) -> (Stats, usize) {
    let rows = Arc::new(Mutex::new(HashSet::new()));
    let kept = Arc::clone(&rows);
    let mut calls = 0_u64;
    let store = Answers(move |batch: &[Row], _| {
        calls += 1;
        if numbers(batch).iter().any(|number| number % 397 == 0) {
            return failed(Failure::Quarantine);
        }
        match calls % 50 {
            7 => return failed(Failure::Retry),
            19 => return failed(Failure::Halve),
            _ => {
                let rows = batch.iter().filter(|row| !is_loss(row)).map(|row| row.id);
                kept.lock().expect("no test panics with it").extend(rows);
            }
        }
        Ok(())
    });
    let builder = tracing_ledger::builder().queue_capacity(100).batch_size(40).overflow(overflow);
    let (dispatch, guard) = open(builder.flush_interval(Duration::from_millis(5)), store);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let dispatch = &dispatch;
            scope.spawn(move || emit(dispatch, thread * ROWS..(thread + 1) * ROWS));
        }
    });
    let stats = guard.shutdown(DEADLINE).expect("what fails is tried again");
    let rows = rows.lock().expect("no test panics with it").len();
    (stats, rows)
}

#[test]
fn the_sums_come_out_under_every_policy() {
    for overflow in [Overflow::Refuse, Overflow::EvictOldest, Overflow::Block(DEADLINE)] {
        let (stats, rows) = run(overflow);
        assert_sums(&stats);
        assert_eq!(stats.offered, THREADS * ROWS, "{overflow:?}: {stats}");
        assert_eq!((stats.written, stats.in_flight), (rows as u64, 0), "{overflow:?}: {stats}");
        match overflow {
            Overflow::Block(_) => assert_eq!(stats.accepted, stats.offered, "{stats}"),
            Overflow::EvictOldest => assert_eq!(stats.refused.queue_full, 0, "{stats}"),
            _ => assert_eq!(stats.dropped.evicted, 0, "{stats}"),
        }
    }
}

#[test]
fn the_account_reads_as_two_sums() {
    assert_eq!(
        Stats::default().to_string(),
        "offered 0 = accepted 0 + refused 0 (queue_full 0, shutdown 0, forked 0); accepted 0 = \
         in_flight 0 + spooled 0 + written 0 + quarantined 0 + dropped 0 (evicted 0, corrupt 0)"
    );
}
