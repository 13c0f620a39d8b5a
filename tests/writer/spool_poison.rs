//! A row that the database refuses can be read, corrected and sent again by a person.

use std::fs;

use tracing_ledger::Event;
use tracing_ledger::store::{Failure, Memory};

use crate::books::{Answers, DEADLINE, SpoolDir, assert_sums, emit, failed, give_away, numbers, open};

/// Refuses a batch with the number 7 in it.
fn refuses_7(batch: &[Event]) -> bool {
    numbers(batch).contains(&7)
}

#[test]
fn poison_is_kept_in_a_file_corrected_and_sent_as_the_same_row() {
    let dir = SpoolDir::new();
    let picky =
        Answers(|batch: &[Event], _| if refuses_7(batch) { failed(Failure::Quarantine) } else { Ok(()) });
    let (dispatch, guard) = open(dir.builder(), picky);
    emit(&dispatch, 0..30);
    guard.flush(DEADLINE).expect("one row is set aside");
    let poison = guard.quarantined();
    let stats = guard.shutdown(DEADLINE).expect("one row is set aside");
    assert_eq!((stats.written, stats.quarantined, stats.spooled), (29, 1, 0));
    assert_sums(&stats);

    let line = fs::read_to_string(dir.file("quarantine.jsonl")).expect("the file is there");
    assert!(line.contains(r#""reason":"the test says no""#), "{line}");
    let corrected = line.replace(r#""number":7"#, r#""number":77"#);
    assert_ne!(line, corrected);
    fs::write(dir.file("replay.jsonl"), corrected).expect("it can be written");

    let memory = Memory::default();
    let (_dispatch, guard) = open(dir.builder(), memory.clone());
    let stats = guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!((stats.accepted, stats.written), (1, 1));
    let events = memory.events();
    assert_eq!(numbers(&events), [77]);
    assert_eq!((events[0].id, events[0].created_at), (poison[0].id, poison[0].created_at));
    assert!(!dir.file("replay.jsonl").exists(), "it is taken in once");
}

#[test]
fn what_drift_holds_stays_in_the_spool() {
    let dir = SpoolDir::new();
    let (dispatch, guard) = open(dir.builder(), Answers(|_: &[_], _| failed(Failure::Quarantine)));
    emit(&dispatch, 0..100);
    guard.flush(crate::books::SOON).expect_err("everything is refused");
    let stats = guard.shutdown(crate::books::DISK_TIME).expect("everything is on disk");
    assert_eq!((stats.quarantined, stats.spooled), (0, 100));
    assert!(!dir.file("quarantine.jsonl").exists());

    let memory = Memory::default();
    let (_dispatch, guard) = open(dir.builder(), memory.clone());
    guard.shutdown(DEADLINE).expect("the schema is mended");
    assert_eq!(memory.events().len(), 100);
}

#[test]
fn a_few_bad_rows_at_the_start_hold_up_nobody_behind_them_on_disk() {
    let dir = SpoolDir::new();
    let picky = Answers(|batch: &[Event], _| {
        if numbers(batch).iter().any(|number| *number < 3) { failed(Failure::Quarantine) } else { Ok(()) }
    });
    let (dispatch, guard) = open(dir.builder(), picky);
    emit(&dispatch, 0..29);
    guard.flush(crate::books::SOON).expect_err("three of twenty-nine may be a bad schema");
    emit(&dispatch, 29..60);
    let stats = guard.shutdown(DEADLINE).expect("three of sixty are bad rows");
    assert_eq!((stats.written, stats.quarantined, stats.spooled), (57, 3, 0));
    assert_sums(&stats);

    let memory = Memory::default();
    let (_dispatch, guard) = open(dir.builder(), memory.clone());
    guard.shutdown(DEADLINE).expect("memory is there");
    assert!(memory.events().is_empty(), "all is acknowledged");
}

#[test]
fn poison_holds_up_nobody_where_the_directory_is_anothers() {
    let dir = SpoolDir::new();
    let mut ours = Some(dir.path());
    let picky = Answers(move |batch: &[Event], _| {
        ours.take().iter().for_each(|path| give_away(path));
        if refuses_7(batch) { failed(Failure::Quarantine) } else { Ok(()) }
    });
    let (dispatch, guard) = open(dir.builder(), picky);
    emit(&dispatch, 0..30);
    guard.flush(DEADLINE).expect("one row is set aside");
    assert_eq!(guard.quarantined().len(), 1, "in memory");
    let stats = guard.shutdown(DEADLINE).expect("nothing is left");
    assert_eq!((stats.written, stats.quarantined, stats.spooled, stats.in_flight), (29, 1, 0, 0));
    assert!(!dir.file("quarantine.jsonl").exists(), "it is not ours");
}
