//! The next process sends the rows that a process leaves in the spool, as the same rows.

use std::sync::{Arc, Mutex};

use tracing_ledger::store::{Attempt, Failure, Memory};
use tracing_ledger::{Overflow, Row};

use support::until_on_disk;

use crate::books::{
    Answers, DEADLINE, SOON, SpoolDir, assert_sums, away, context, emit, failed, gate, is_loss, numbers,
    open, until, untimed,
};

#[test]
fn a_restart_sends_what_was_spooled() {
    let dir = SpoolDir::new();
    let left = dir.leave(0..10);
    assert_eq!((left.accepted, left.spooled, left.in_flight, left.written), (10, 10, 0, 0));

    let memory = Memory::default();
    let (dispatch, guard) = open(dir.builder(), memory.clone());
    let inherited = guard.stats();
    assert_eq!((inherited.offered, inherited.accepted), (10, 10), "they count from the start");
    emit(&dispatch, 10..15);
    let stats = guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!((stats.offered, stats.written, stats.spooled), (15, 15, 0));
    assert_eq!(numbers(&memory.rows()), (0..15).collect::<Vec<_>>());
    assert_sums(&stats);

    let (_dispatch, guard) = open(dir.builder(), Memory::default());
    assert_eq!(guard.stats().accepted, 0, "and nothing is sent a third time");
}

#[test]
fn rows_of_an_earlier_process_are_the_same_rows_and_marked_as_replayed() {
    let dir = SpoolDir::new();
    let tries = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tries);
    let store = Answers(move |batch: &[Row], _| {
        seen.lock().expect("no test panics with it").push(batch.to_vec());
        failed(Failure::Retry)
    });
    let (dispatch, guard) = open(dir.builder(), store);
    emit(&dispatch, 0..5);
    guard.flush(SOON).expect_err("the database is away");
    until_on_disk(&guard);
    guard.shutdown(SOON).expect("everything is on disk");
    let before = tries.lock().expect("no test panics with it")[0].clone();

    let (seen, tries) = crossbeam_channel::unbounded();
    let store = Answers(move |batch: &[Row], attempt| {
        seen.send((batch.to_vec(), attempt)).ok();
        Ok(())
    });
    let (dispatch, guard) = open(dir.builder(), store);
    guard.flush(DEADLINE).expect("the store takes everything");
    assert_eq!(tries.recv(), Ok((before, Attempt::Replay)));
    emit(&dispatch, [5]);
    guard.shutdown(DEADLINE).expect("the store takes everything");
    assert_eq!(tries.recv().map(|(_, attempt)| attempt), Ok(Attempt::First), "its own are not");
}

#[test]
fn a_backlog_of_many_batches_goes_before_what_is_new() {
    let dir = SpoolDir::new();
    dir.leave(0..1000);
    let memory = Memory::default();
    let (dispatch, guard) = open(dir.builder().batch_size(7), memory.clone());
    emit(&dispatch, 1000..1100);
    guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!(numbers(&memory.rows()), (0..1100).collect::<Vec<_>>());
}

#[test]
fn a_batch_that_is_written_in_part_is_sent_again_and_loses_no_row() {
    let dir = SpoolDir::new();
    let (store, keeper) = gate();
    let (dispatch, guard) = open(dir.builder().batch_size(4), store);
    emit(&dispatch, 0..8);
    assert_eq!(keeper.wait(), 4);
    keeper.let_one_in();
    assert_eq!(keeper.wait(), 4);
    until_on_disk(&guard);
    let stats = guard.shutdown(SOON).expect("everything is on disk");
    assert_eq!((stats.written, stats.spooled), (4, 4));
    keeper.wait_for_end();
    let before = numbers(&keeper.leave().rows());

    let (_, rows) = dir.next_process();
    assert_eq!([before, numbers(&rows)].concat(), (0..8).collect::<Vec<_>>());
}

#[test]
fn two_ledgers_do_not_share_a_directory() {
    let dir = SpoolDir::new();
    let (_dispatch, guard) = open(dir.builder(), Memory::default());
    let built = untimed().spool_dir(dir.path()).build_with::<tracing_subscriber::Registry>(Memory::default());
    let error = built.expect_err("the first has it");
    assert!(error.is_spool(), "{error}");
    assert!(error.to_string().contains("give each process a spool directory of its own"), "{error}");
    guard.shutdown(DEADLINE).expect("there is nothing to write");
    drop(open(dir.builder(), Memory::default()));
}

#[test]
fn rows_on_losses_outlive_the_process_too() {
    let dir = SpoolDir::new();
    let options = dir.builder().queue_capacity(2).overflow(Overflow::EvictOldest);
    let (dispatch, guard) = open(options, away());
    // Faster than the disk: the queue holds two.
    until("some are pushed out", || {
        emit(&dispatch, 0..100);
        guard.stats().dropped.evicted > 0
    });
    until_on_disk(&guard);
    let left = guard.shutdown(SOON).expect("everything is on disk");
    assert_sums(&left);

    let (stats, rows) = dir.next_process();
    let losses: Vec<serde_json::Value> = rows.iter().filter(|row| is_loss(row)).map(context).collect();
    assert_eq!(stats.written, left.spooled + losses.len() as u64, "the rows on losses count, now");
    assert!(losses.iter().all(|loss| loss["cause"] == "evicted"), "{losses:?}");
    let count: u64 = losses.iter().filter_map(|loss| loss["count"].as_u64()).sum();
    assert_eq!(count, left.dropped.evicted);
}
