//! A row that the database rejects can be read, corrected and sent again by a person.

use std::{env, fs};

use tracing_ledger::Row;
use tracing_ledger::store::{Failure, Memory, Store};

use crate::books::{
    Answers, DEADLINE, SOON, SpoolDir, assert_sums, emit, failed, give_away, numbers, open, until,
};

/// Set in a process that a test starts.
const CHILD: &str = "LEDGER_TEST_QUARANTINE";

/// A store that rejects every batch with such a number in it.
fn picky(is_bad: fn(u64) -> bool) -> impl Store {
    Answers(
        move |batch: &[Row], _| {
            if numbers(batch).into_iter().any(is_bad) { failed(Failure::Quarantine) } else { Ok(()) }
        },
    )
}

/// Rejects a batch with the number 7 in it.
fn has_7(batch: &[Row]) -> bool {
    numbers(batch).contains(&7)
}

#[test]
fn a_rejected_row_is_kept_in_a_file_corrected_and_sent_as_the_same_row() {
    let dir = SpoolDir::new();
    let (dispatch, guard) = open(dir.builder(), picky(|number| number == 7));
    emit(&dispatch, 0..30);
    guard.flush(DEADLINE).expect("one row is quarantined");
    let quarantined = guard.quarantined();
    let stats = guard.shutdown(DEADLINE).expect("one row is quarantined");
    assert_eq!((stats.written, stats.quarantined, stats.spooled), (29, 1, 0));
    assert_sums(&stats);

    let line = fs::read_to_string(dir.file("quarantine.jsonl")).expect("the file is there");
    assert!(line.contains(r#""reason":"the test says no""#), "{line}");
    let corrected = line.replace(r#""number":7"#, r#""number":77"#);
    assert_ne!(line, corrected);
    fs::write(dir.file("replay.jsonl"), corrected).expect("it can be written");

    let (stats, rows) = dir.next_process();
    assert_eq!((stats.accepted, stats.written), (1, 1));
    assert_eq!(numbers(&rows), [77]);
    assert_eq!((rows[0].id, rows[0].created_at), (quarantined[0].row.id, quarantined[0].row.created_at));
    assert!(!dir.file("replay.jsonl").exists(), "it is taken in once");
}

#[test]
fn a_quarantine_file_that_cannot_be_written_holds_up_no_row() {
    let dir = SpoolDir::new();
    let (dispatch, guard) = open(dir.builder().batch_size(10), picky(|number| number % 100 == 7));
    fs::create_dir(dir.file("quarantine.jsonl")).expect("it is not there yet");
    emit(&dispatch, 0..100);
    let stats = guard.flush(DEADLINE).expect("nothing waits for the file");
    assert_eq!((stats.written, stats.quarantined, stats.spooled), (99, 1, 0), "{stats}");
    assert_sums(&stats);
    assert_eq!(numbers(guard.quarantined().iter().map(|quarantined| &quarantined.row)), [7], "in memory");

    fs::remove_dir(dir.file("quarantine.jsonl")).expect("it is empty");
    emit(&dispatch, 100..200);
    let stats = guard.shutdown(DEADLINE).expect("nothing is left");
    assert_eq!((stats.written, stats.quarantined, stats.spooled), (198, 2, 0), "{stats}");
    let kept = fs::read_to_string(dir.file("quarantine.jsonl")).expect("it can be written again");
    assert!(kept.contains(r#""number":107"#) && kept.lines().count() == 1, "{kept}");
    let (_dispatch, guard) = open(dir.builder(), Memory::default());
    assert_eq!(guard.stats().accepted, 0, "all is acknowledged");
}

#[test]
fn a_notice_says_that_the_quarantine_file_cannot_be_written() {
    const TEST: &str = "a_notice_says_that_the_quarantine_file_cannot_be_written";
    if env::var(CHILD).is_ok() {
        let dir = SpoolDir::new();
        let (dispatch, guard) = open(dir.builder(), picky(|number| number == 7));
        fs::create_dir(dir.file("quarantine.jsonl")).expect("it is not there yet");
        emit(&dispatch, 0..30);
        guard.shutdown(DEADLINE).expect("nothing waits for the file");
        return;
    }
    let name = format!("spool_quarantine::{TEST}");
    let output = support::this_test(&name).env(CHILD, "1").output().expect("it starts");
    let stderr = String::from_utf8(output.stderr).expect("it is text");
    let lines = stderr.lines().filter(|line| line.contains("so quarantined rows are kept in memory"));
    assert!(
        lines.clone().count() == 1 && lines.clone().all(|line| line.contains("quarantine.jsonl")),
        "{stderr}"
    );
}

#[test]
fn many_rejected_rows_do_not_wait_for_the_quarantine_file() {
    let dir = SpoolDir::new();
    let store = picky(|number| number.is_multiple_of(20));
    let (dispatch, guard) = open(dir.builder().batch_size(100), store);
    fs::create_dir(dir.file("quarantine.jsonl")).expect("it is not there yet");
    emit(&dispatch, 0..4000);
    let stats = guard.shutdown(DEADLINE).expect("nothing waits for the file");
    assert_eq!((stats.quarantined, stats.written), (200, 3800), "{stats}");
}

#[test]
fn rows_held_by_drift_stay_in_the_spool() {
    let dir = SpoolDir::new();
    let (dispatch, guard) = open(dir.builder(), Answers(|_: &[_], _| failed(Failure::Quarantine)));
    emit(&dispatch, 0..100);
    guard.flush(SOON).expect_err("everything is rejected");
    support::until_on_disk(&guard);
    let stats = guard.shutdown(SOON).expect("everything is on disk");
    assert_eq!((stats.quarantined, stats.spooled), (0, 100));
    assert!(!dir.file("quarantine.jsonl").exists());

    let (_, rows) = dir.next_process();
    assert_eq!(rows.len(), 100);
}

#[test]
fn a_few_bad_rows_at_the_start_delay_no_row_behind_them_on_disk() {
    let dir = SpoolDir::new();
    let (dispatch, guard) = open(dir.builder(), picky(|number| number < 3));
    emit(&dispatch, 0..29);
    guard.flush(SOON).expect_err("three of twenty-nine may be a bad schema");
    emit(&dispatch, 29..60);
    let stats = guard.shutdown(DEADLINE).expect("three of sixty are bad rows");
    assert_eq!((stats.written, stats.quarantined, stats.spooled), (57, 3, 0));
    assert_sums(&stats);

    let (_, rows) = dir.next_process();
    assert!(rows.is_empty(), "all is acknowledged");
}

#[test]
fn bad_rows_of_a_deleted_directory_delay_no_other() {
    let dir = SpoolDir::new();
    bad_rows_in_memory_alone(&dir, || (), || fs::remove_dir_all(dir.path()).expect("it is ours"));
}

#[test]
fn bad_rows_that_bypassed_a_failing_disk_delay_no_other() {
    let dir = SpoolDir::new();
    let block = || {
        fs::remove_dir_all(dir.path()).expect("it is ours");
        fs::write(dir.path(), "in the way").expect("it can be written");
    };
    bad_rows_in_memory_alone(&dir, block, || fs::remove_file(dir.path()).expect("it is ours"));
}

/// Three rows are held that are on no disk when others come, and are bad of themselves.
fn bad_rows_in_memory_alone(dir: &SpoolDir, before: impl FnOnce(), then: impl FnOnce()) {
    let (dispatch, guard) = open(dir.builder(), picky(|number| number < 3));
    before();
    emit(&dispatch, 0..3);
    until("they are held", || guard.flush(SOON).expect_err("late").to_string().contains("says no"));
    then();
    emit(&dispatch, 3..100);
    let stats = guard.flush(DEADLINE).expect("three of a hundred are bad rows");
    assert_eq!((stats.written, stats.quarantined, stats.spooled), (97, 3, 0), "{stats}");
    assert_sums(&stats);
    assert_eq!(fs::read_to_string(dir.file("quarantine.jsonl")).expect("they are kept").lines().count(), 3);
    guard.shutdown(DEADLINE).expect("nothing is left");

    let (_dispatch, guard) = open(dir.builder(), Memory::default());
    assert_eq!(guard.stats().accepted, 0, "all is acknowledged");
}

#[test]
fn a_rejected_row_delays_no_other_where_the_directory_belongs_to_another_process() {
    let dir = SpoolDir::new();
    let (path, mut other) = (dir.path(), None);
    let picky = Answers(move |batch: &[Row], _| {
        other.get_or_insert_with(|| give_away(&path));
        if has_7(batch) { failed(Failure::Quarantine) } else { Ok(()) }
    });
    let (dispatch, guard) = open(dir.builder(), picky);
    emit(&dispatch, 0..30);
    guard.flush(DEADLINE).expect("one row is quarantined");
    assert_eq!(guard.quarantined().len(), 1, "in memory");
    let stats = guard.shutdown(DEADLINE).expect("nothing is left");
    assert_eq!((stats.written, stats.quarantined, stats.spooled, stats.in_flight), (29, 1, 0, 0));
    assert!(!dir.file("quarantine.jsonl").exists(), "it is not ours");
}
