//! Losses become rows of the table, once it takes rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tracing_ledger::store::{Attempt, Failure, InsertError, Memory, Store};
use tracing_ledger::{Overflow, Row, Severity};

use crate::books::{
    Answers, DEADLINE, Gate, SpoolDir, context, emit, failed, gate, is_loss, numbers, open, until, untimed,
};

/// The contexts of the rows on losses.
fn losses(memory: &Memory) -> Vec<Value> {
    let rows = memory.rows();
    let losses = rows.iter().filter(|row| is_loss(row));
    losses.map(context).collect()
}

/// The most by which a time in a row may be behind the clock.
const MICROSECOND: Duration = Duration::from_micros(1);

fn time(text: &Value) -> SystemTime {
    let time = text.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    time.unwrap_or_else(|| panic!("{text} is no time")).into()
}

#[test]
fn rows_that_a_full_queue_refused_are_one_row() {
    let (store, keeper) = gate();
    let (dispatch, guard) = open(untimed().queue_capacity(2).batch_size(1), store);
    emit(&dispatch, [0]);
    keeper.wait();
    emit(&dispatch, [1, 2]);
    let before = SystemTime::now();
    emit(&dispatch, 3..10);
    let after = SystemTime::now();
    let memory = keeper.leave();
    let stats = guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!((stats.refused.queue_full, stats.written), (7, 3), "its own row is not in the account");
    let rows = losses(&memory);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["cause"], &rows[0]["count"]), (&"queue_full".into(), &7.into()));
    let [first, last] = ["first", "last"].map(|key| time(&rows[0][key]));
    assert!(
        before <= first + MICROSECOND && first < last && last <= after,
        "{rows:?}: {before:?}, {after:?}"
    );

    let rows = memory.rows();
    let row = rows.iter().find(|row| is_loss(row)).expect("there is one");
    assert_eq!((&*row.source, row.severity), ("tracing-ledger", Severity::Warning));
    assert_eq!(row.created_at, last, "it is of the time of the last loss");
}

#[test]
fn rows_on_losses_come_with_the_first_rows_after_them() {
    let (store, keeper) = gate();
    let (dispatch, guard) = open(untimed().queue_capacity(2).batch_size(1), store);
    emit(&dispatch, [0]);
    keeper.wait();
    emit(&dispatch, 1..10);
    for _ in 0..2 {
        keeper.let_one_in();
        keeper.wait();
    }
    assert_eq!((numbers(&keeper.memory.rows()), losses(&keeper.memory).len()), (vec![0], 1));
    let memory = keeper.leave();
    guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!(losses(&memory).len(), 1, "not a second one at the end");
}

#[test]
fn rows_that_came_while_the_ledger_shut_down_are_one_row() {
    let (store, keeper) = gate();
    let options = untimed().queue_capacity(2).batch_size(1).overflow(Overflow::Block(Duration::MAX));
    let (dispatch, guard) = open(options, store);
    emit(&dispatch, [0]);
    keeper.wait();
    emit(&dispatch, [1, 2]);
    let (memory, stats) = thread::scope(|scope| {
        let caller = scope.spawn(|| emit(&dispatch, [3]));
        let shutdown = scope.spawn(|| guard.shutdown(DEADLINE).expect("the gate is open"));
        // There is no room for it, and it is let go when the queue is closed.
        caller.join().expect("it is refused");
        (keeper.leave(), shutdown.join().expect("it is in time"))
    });
    assert_eq!((stats.refused.shutdown, stats.written), (1, 3), "{stats}");
    let rows = losses(&memory);
    assert_eq!((&rows[0]["cause"], &rows[0]["count"]), (&"shutdown".into(), &1.into()));
}

#[test]
fn without_a_loss_there_is_no_row() {
    let memory = Memory::default();
    let (dispatch, guard) = open(untimed(), memory.clone());
    emit(&dispatch, 0..10);
    guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!(memory.rows().len(), 10);
}

#[test]
fn a_table_that_rejects_rows_on_losses_gets_all_other_rows() {
    let store = Answers(move |batch: &[Row], _| {
        let refuses = |row| is_loss(row) || numbers([row]).iter().any(|number| [3, 13].contains(number));
        if batch.iter().any(refuses) { failed(Failure::Quarantine) } else { Ok(()) }
    });
    let (dispatch, guard) = open(untimed(), store);
    emit(&dispatch, 0..20);
    guard.flush(DEADLINE).expect("a tenth is quarantined");
    emit(&dispatch, 20..60);
    let stats = guard.shutdown(DEADLINE).expect("nothing is held, though one more is refused");
    assert_eq!((stats.written, stats.quarantined), (58, 2), "a row on losses is nobody's loss");
}

/// A table that lets no rows on losses through, until a person mends it.
struct Guarded {
    table: Gate,
    says: Failure,
    is_mended: Arc<AtomicBool>,
}

impl Store for Guarded {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        if batch.iter().any(is_loss) && !self.is_mended.load(Ordering::Relaxed) {
            return failed(self.says);
        }
        self.table.insert(batch, attempt).await
    }
}

#[test]
fn a_table_that_rejects_rows_on_losses_for_a_while_gets_all_other_rows_and_then_them() {
    for says in [Failure::Hold, Failure::Quarantine] {
        let (table, keeper) = gate();
        let is_mended = Arc::new(AtomicBool::new(false));
        let store = Guarded { table, says, is_mended: Arc::clone(&is_mended) };
        let (dispatch, guard) = open(untimed().queue_capacity(2).batch_size(1), store);
        emit(&dispatch, [0]);
        keeper.wait();
        emit(&dispatch, 1..10);
        let memory = keeper.leave();
        guard.flush(DEADLINE).expect("the gate is open");
        emit(&dispatch, [10]);
        let stats = guard.flush(DEADLINE).expect("no row on losses stands before it");
        assert_eq!((stats.refused.queue_full, stats.written, stats.quarantined), (7, 4, 0));
        assert!(losses(&memory).is_empty());

        is_mended.store(true, Ordering::Relaxed);
        guard.shutdown(DEADLINE).expect("the gate is open");
        let rows = losses(&memory);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["count"], 7);
    }
}

#[test]
fn rows_on_losses_that_the_table_never_took_are_sent_by_the_next_process() {
    let dir = SpoolDir::new();
    let (table, keeper) = gate();
    let store = Guarded { table, says: Failure::Hold, is_mended: Arc::default() };
    let builder = dir.builder().queue_capacity(2).overflow(Overflow::EvictOldest);
    let (dispatch, guard) = open(builder, store);
    drop(keeper.leave());
    // Faster than the disk: the queue holds two.
    until("some are pushed out", || {
        emit(&dispatch, 0..100);
        guard.stats().dropped.evicted > 0
    });
    guard.flush(DEADLINE).expect("the gate is open");
    let lost = guard.shutdown(DEADLINE).expect("all that counts is written").dropped.evicted;

    let (_, rows) = dir.next_process();
    let losses = rows.iter().filter(|row| is_loss(row));
    let counts: u64 = losses.filter_map(|loss| context(loss)["count"].as_u64()).sum();
    assert_eq!(counts, lost);
}
