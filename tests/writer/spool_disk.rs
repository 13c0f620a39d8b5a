//! Records get onto disk whatever the database does, as far as there is room.

use std::fs::{self, File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tracing::Dispatch;
use tracing_ledger::store::{Attempt, Failure, InsertError, Memory, Store};
use tracing_ledger::{Guard, Row};

use crate::books::{
    Answers, DEADLINE, Gate, Keeper, SMALL_LIMIT, SOON, SpoolDir, assert_sums, away, emit, failed, gate,
    give_away, is_loss, numbers, open, until,
};

/// The promise of the manual.
const ON_DISK_WITHIN: Duration = Duration::from_millis(20);

#[test]
fn an_insert_that_hangs_keeps_no_record_off_the_disk() {
    let dir = SpoolDir::new();
    let (store, keeper) = gate();
    let (dispatch, guard) = open(dir.builder().batch_size(3), store);
    emit(&dispatch, 0..3);
    keeper.wait();
    emit(&dispatch, 3..8);
    until("all are on disk", || guard.stats().spooled == 8);
    assert_eq!(guard.stats().in_flight, 0);
    let memory = keeper.leave();
    assert_eq!(guard.shutdown(DEADLINE).expect("the gate is open").written, 8);
    assert_eq!(numbers(&memory.rows()), (0..8).collect::<Vec<_>>());
}

#[test]
fn a_store_that_fails_keeps_no_record_off_the_disk() {
    for failure in [Failure::Retry, Failure::Hold] {
        let dir = SpoolDir::new();
        let (dispatch, guard) = open(dir.builder(), Answers(move |_: &[_], _| failed(failure)));
        emit(&dispatch, 0..3);
        guard.flush(SOON).expect_err("the store fails");
        emit(&dispatch, 3..8);
        until("all are on disk", || guard.stats().spooled == 8);
        assert_sums(&guard.stats());
    }
}

/// Compared with a thread that sleeps for so long, which is late too on a machine with other work: by the fastest
/// quarter, and loosely by the 90th percentile for a writer that is slow only now and then.
#[test]
fn a_record_is_on_disk_within_20_milliseconds() {
    const TRIES: usize = 99;
    let dir = SpoolDir::new();
    let (dispatch, guard) = open(dir.builder(), away());
    let (mut records, mut sleepers): (Vec<_>, Vec<_>) = (0..TRIES as u64)
        .map(|number| {
            let started = Instant::now();
            let sleeper = thread::spawn(move || {
                thread::sleep(ON_DISK_WITHIN);
                started.elapsed()
            });
            emit(&dispatch, [number]);
            until("it is on disk", || guard.stats().spooled == number + 1);
            (started.elapsed(), sleeper.join().expect("it only sleeps"))
        })
        .unzip();
    records.sort_unstable();
    sleepers.sort_unstable();
    for (rank, factor) in [(TRIES / 4, 1.0), (TRIES * 9 / 10, 5.0)] {
        let (record, sleeper) = (records[rank], sleepers[rank]);
        assert!(
            record <= sleeper.mul_f64(factor),
            "rank {rank} of {TRIES}: {record:?}, a sleeper {sleeper:?}"
        );
    }
}

#[test]
fn a_full_spool_leaves_records_in_the_queue_and_goes_on_when_there_is_room() {
    let dir = SpoolDir::new();
    let (store, keeper) = gate();
    let (dispatch, guard) = open(dir.small(), store);
    dir.fill(&dispatch, &guard);
    assert!(dir.bytes() <= SMALL_LIMIT, "{}", dir.bytes());

    let memory = keeper.leave();
    let stats = guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!((stats.written, stats.in_flight, stats.spooled), (stats.accepted, 0, 0), "{stats}");
    assert_eq!(numbers(&memory.rows()).len() as u64, stats.written);
    assert_sums(&stats);
}

#[test]
fn nobody_else_can_read_the_spool() {
    let dir = SpoolDir::new();
    dir.leave(0..3);
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path()), 0o700);
    let files: Vec<_> = fs::read_dir(dir.path()).expect("it is there").flatten().collect();
    assert!(files.len() >= 2, "{files:?}");
    assert!(files.iter().all(|file| mode(&file.path()) == 0o600), "{files:?}");
}

#[test]
fn rows_that_cannot_be_read_back_are_counted_and_reported() {
    let dir = SpoolDir::new();
    dir.leave(0..10);
    let segment: File = OpenOptions::new().write(true).open(&dir.segments()[0]).expect("a segment");
    segment.write_at(&[0; 64], 600).expect("it can be written");

    let (stats, rows) = dir.next_process();
    assert!((1..=2).contains(&stats.dropped.corrupt), "{stats}");
    assert_eq!((stats.accepted, stats.written), (10, 10 - stats.dropped.corrupt), "{stats}");
    assert_sums(&stats);
    let loss = rows.iter().find(|row| is_loss(row)).expect("the loss is a row");
    assert!(loss.context.contains(r#""cause":"corrupt""#), "{loss:?}");
}

/// The disk fails: a spool never costs a row that would be written without it.
#[test]
fn a_disk_that_fails_is_bypassed() {
    let dir = SpoolDir::new();
    let memory = Memory::default();
    let (dispatch, guard) = open(dir.builder(), memory.clone());
    dir.obstruct();
    emit(&dispatch, 0..100);
    let stats = guard.flush(DEADLINE).expect("memory is there");
    assert_eq!((stats.written, stats.in_flight), (100, 0), "{stats}");

    fs::remove_file(dir.path()).expect("it can be removed");
    emit(&dispatch, 100..110);
    let stats = guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!((stats.written, stats.in_flight), (110, 0), "{stats}");
    assert_sums(&stats);
    assert_eq!(numbers(&memory.rows()), (0..110).collect::<Vec<_>>());
}

/// A ledger with so many rows on disk. It has the first ten in hand.
fn ten_at_the_gate(dir: &SpoolDir, rows: u64) -> (Dispatch, Guard, Keeper) {
    let (store, keeper) = gate();
    let (dispatch, guard) = open(dir.builder().batch_size(10), store);
    emit(&dispatch, 0..rows);
    assert_eq!(keeper.wait(), 10);
    until("all are on disk", || guard.stats().spooled == rows);
    (dispatch, guard, keeper)
}

/// The writer may end a moment too late for the guard to see it: it waits for the store up to the deadline.
fn end_behind_the_gate(guard: Guard, keeper: &Keeper) {
    guard.shutdown(SOON).ok();
    keeper.wait_for_end();
}

#[test]
fn rows_that_bypassed_a_failing_disk_are_on_it_at_the_end_when_it_works_again() {
    let dir = SpoolDir::new();
    let (store, keeper) = gate();
    let (dispatch, guard) = open(dir.builder(), store);
    dir.obstruct();
    emit(&dispatch, 0..30);
    guard.flush(SOON).expect_err("the gate is shut");
    assert_eq!(keeper.wait(), 30);
    assert_eq!(guard.stats().in_flight, 30);

    fs::remove_file(dir.path()).expect("it can be removed");
    end_behind_the_gate(guard, &keeper);
    let (stats, rows) = dir.next_process();
    assert_eq!((stats.accepted, stats.written), (30, 30), "{stats}");
    assert_eq!(numbers(&rows), (0..30).collect::<Vec<_>>());
}

/// A store that takes batches of ten and no larger ones.
struct Narrow(Gate);

impl Store for Narrow {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        if batch.len() > 10 { failed(Failure::Halve) } else { self.0.insert(batch, attempt).await }
    }
}

#[test]
fn rows_that_are_written_before_the_end_are_not_put_on_disk() {
    let dir = SpoolDir::new();
    let (store, keeper) = gate();
    let (dispatch, guard) = open(dir.builder(), Narrow(store));
    dir.obstruct();
    emit(&dispatch, 0..20);
    guard.flush(SOON).expect_err("the gate is shut");
    assert_eq!(keeper.wait(), 10);
    keeper.let_one_in();
    assert_eq!(keeper.wait(), 10);

    fs::remove_file(dir.path()).expect("it can be removed");
    end_behind_the_gate(guard, &keeper);
    let (stats, rows) = dir.next_process();
    assert_eq!((stats.accepted, stats.written), (10, 10), "{stats}");
    assert_eq!(numbers(&rows), (10..20).collect::<Vec<_>>());
}

#[test]
fn rows_in_hand_when_the_directory_is_deleted_are_on_disk_again_at_the_end() {
    deleted_under_a_batch_in_hand(30..40);
}

#[test]
fn rows_in_hand_are_on_disk_again_if_nothing_is_written_before_the_end() {
    deleted_under_a_batch_in_hand(30..30);
}

fn deleted_under_a_batch_in_hand(later: Range<u64>) {
    let dir = SpoolDir::new();
    let (dispatch, guard, keeper) = ten_at_the_gate(&dir, 30);
    fs::remove_dir_all(dir.path()).expect("it is ours");
    let end = later.end;
    if !later.is_empty() {
        emit(&dispatch, later);
        until("the loss is counted", || guard.stats().dropped.corrupt == 20);
        until("the account is right", || guard.stats().in_flight + guard.stats().spooled == end - 20);
    }
    end_behind_the_gate(guard, &keeper);

    let (_, rows) = dir.next_process();
    let mut sent = numbers(&rows);
    sent.sort_unstable();
    assert_eq!(sent, (0..10).chain(30..end).collect::<Vec<_>>());
}

#[test]
fn rows_that_were_only_in_a_directory_that_is_deleted_are_counted_and_reported() {
    let dir = SpoolDir::new();
    dir.leave(0..40);
    let (store, keeper) = gate();
    let (dispatch, guard) = open(dir.builder().batch_size(10), store);
    assert_eq!(keeper.wait(), 10);
    fs::remove_dir_all(dir.path()).expect("it is there");
    emit(&dispatch, 40..45);
    until("the loss is counted", || guard.stats().dropped.corrupt == 30);
    let memory = keeper.leave();
    let stats = guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!((stats.written, stats.spooled, stats.in_flight), (15, 0, 0), "{stats}");
    assert_sums(&stats);
    let rows = memory.rows();
    assert!(numbers(&rows).ends_with(&[40, 41, 42, 43, 44]));
    let loss = rows.iter().find(|row| is_loss(row)).expect("the loss is a row");
    assert!(loss.context.contains(r#""count":30"#), "{loss:?}");
}

#[test]
fn no_row_waits_on_disk_where_the_directory_belongs_to_another_process() {
    let dir = SpoolDir::new();
    let (dispatch, guard, keeper) = ten_at_the_gate(&dir, 30);
    let _other = give_away(&dir.path());
    emit(&dispatch, 30..35);
    until("the rest is in memory", || guard.stats().in_flight == 15 && guard.stats().spooled == 0);
    let memory = keeper.leave();
    let stats = guard.shutdown(DEADLINE).expect("the gate is open");
    assert_eq!((stats.written, stats.spooled, stats.dropped.corrupt), (15, 0, 20), "{stats}");
    assert_eq!(numbers(&memory.rows()), (0..10).chain(30..35).collect::<Vec<_>>());
    assert_sums(&stats);
    assert!(dir.segments().is_empty(), "it is not ours");
}

#[test]
fn rows_of_the_new_generation_are_found_by_the_next_process() {
    let dir = SpoolDir::new();
    let (dispatch, guard, keeper) = ten_at_the_gate(&dir, 40);
    // The batch after the next is read ahead.
    keeper.let_one_in();
    assert_eq!(keeper.wait(), 10);
    fs::remove_dir_all(dir.path()).expect("it is ours");
    emit(&dispatch, 40..50);
    until("all but the batch in hand is on disk or lost", || {
        guard.stats().in_flight == 10 && guard.stats().spooled == 10
    });
    keeper.let_one_in();
    assert_eq!(keeper.wait(), 10);
    end_behind_the_gate(guard, &keeper);

    let (stats, rows) = dir.next_process();
    assert_eq!(stats.dropped.corrupt, 0, "{stats}");
    assert_eq!(numbers(&rows), (40..50).collect::<Vec<_>>());
}

/// Records a row with so many texts of 8 KiB.
fn emit_large(dispatch: &Dispatch, texts: usize, of: &str) {
    let text = of.repeat(8 * 1024 / of.len());
    tracing::dispatcher::with_default(dispatch, || match texts {
        5 => {
            tracing::info!(name: "auto_assign.started", number = 0, a = text, b = text, c = text, d = text, e = text)
        }
        _ => tracing::info!(
            name: "auto_assign.started", number = 0, a = text, b = text, c = text, d = text, e = text, f = text, g = text,
        ),
    });
}

#[test]
fn a_small_spool_is_emptied_for_a_large_row() {
    let dir = SpoolDir::new();
    let memory = Memory::default();
    let (dispatch, guard) = open(dir.builder().spool_limit(SMALL_LIMIT), memory.clone());
    for rows in 1..4 {
        emit_large(&dispatch, 5, "x");
        let stats = guard.flush(DEADLINE).expect("there is room for one at a time");
        assert_eq!(stats.written, rows, "{stats}");
    }
}

#[test]
fn a_row_that_is_larger_than_the_spool_is_quarantined_and_delays_no_other() {
    let dir = SpoolDir::new();
    let memory = Memory::default();
    let (dispatch, guard) = open(dir.builder().spool_limit(SMALL_LIMIT), memory.clone());
    // Each of its characters takes six in JSON.
    emit_large(&dispatch, 7, "\u{1}");
    emit(&dispatch, 1..200);
    let stats = guard.flush(DEADLINE).expect("the others go out");
    assert_eq!((stats.written, stats.quarantined), (199, 1), "{stats}");
    let kept = fs::read_to_string(dir.file("quarantine.jsonl")).expect("it is kept");
    assert!(kept.contains("too large for the spool, which takes 65536"), "{}", &kept[..200]);
}
