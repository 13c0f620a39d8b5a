//! A person can read, correct and send again the rows that the store rejects.

use std::collections::HashSet;

use super::memory::{DiskFault, MemoryDisk};
use super::model::die;
use super::{OPTIONS, drain, number, row};
use crate::row::Row;
use crate::spool::disk::Disk as _;
use crate::spool::quarantine::{NAME as QUARANTINE, to_line};
use crate::spool::{SMALLEST_LIMIT, Spool, SpoolOptions};

const REPLAY: &str = "replay.jsonl";

fn open(disk: &MemoryDisk) -> Spool<MemoryDisk> {
    Spool::on(disk.clone(), OPTIONS).expect("the disk is good")
}

fn text(disk: &MemoryDisk, name: &str) -> String {
    String::from_utf8(disk.contents(name).expect("it is there")).expect("it is text")
}

fn done(disk: &MemoryDisk) -> Vec<String> {
    let names = disk.names().expect("the disk is good");
    names.into_iter().filter(|name| name.starts_with("replay.done-") && name.ends_with(".jsonl")).collect()
}

fn lines(rows: impl IntoIterator<Item = Row>) -> String {
    rows.into_iter().map(|row| to_line(&row, "bad") + "\n").collect()
}

#[test]
fn a_quarantined_row_is_corrected_and_replayed_under_its_id() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk);
    spool.quarantine(&row(1), "the number is too low").expect("the disk is good");
    let quarantined = text(&disk, QUARANTINE);
    assert!(quarantined.starts_with(r#"{"reason":"the number is too low","id":"#), "{quarantined}");

    disk.put(REPLAY, quarantined.replace(r#"{"n":1}"#, r#"{"n": 7}"#).as_bytes());
    let mut spool = open(&disk);
    let replayed = spool.take_replay().expect("it can be read");
    assert_eq!((replayed.taken, replayed.left, spool.pending()), (1, 0, 1));
    let batch = drain(&mut spool);
    assert_eq!(batch.rows, [Row { context: r#"{"n": 7}"#.to_owned(), ..row(1) }]);
    assert_eq!((disk.contents(REPLAY), done(&disk).len()), (None, 1));
}

#[test]
fn replayed_rows_may_be_stored_already() {
    let disk = MemoryDisk::default();
    disk.put(REPLAY, lines([row(1)]).as_bytes());
    let mut spool = open(&disk);
    spool.take_replay().expect("it can be read");
    assert!(spool.next_batch(1, usize::MAX).expect("it can be read").may_be_stored);
}

#[test]
fn wrong_lines_stay_behind_as_they_are_and_are_named() {
    let disk = MemoryDisk::default();
    let wrong = "{\"id\": nonsense}\n\u{FFFD} é\n";
    let file = format!("{}\n\r\n{wrong}{}", lines([row(1)]), lines([row(2)]).trim_end());
    disk.put(REPLAY, file.as_bytes());
    let mut spool = open(&disk);
    let replayed = spool.take_replay().expect("it can be read");
    assert_eq!((replayed.taken, replayed.left), (2, 2));
    assert!(replayed.reasons[0].starts_with("line 4 of replay.jsonl: "), "{:?}", replayed.reasons);
    assert_eq!(drain(&mut spool).rows, [row(1), row(2)]);
    assert_eq!(text(&disk, REPLAY), wrong);
    assert_eq!(text(&disk, &done(&disk)[0]), file, "nothing of what a person wrote is gone");
}

#[test]
fn lines_that_the_spool_has_no_room_for_stay_behind() {
    let disk = MemoryDisk::default();
    disk.put(REPLAY, lines((0..2000).map(row)).as_bytes());
    let options = SpoolOptions { limit_bytes: SMALLEST_LIMIT, sync_interval: None };
    let mut spool = Spool::on(disk.clone(), options).expect("the disk is good");
    let replayed = spool.take_replay().expect("it can be read");
    assert_eq!(replayed.taken + replayed.left, 2000);
    assert!(replayed.reasons[0].contains("the spool is full"), "{:?}", replayed.reasons);
    assert_eq!(text(&disk, REPLAY), lines((replayed.taken..2000).map(row)));
}

#[test]
fn without_a_file_there_is_nothing_to_replay() {
    let replayed = open(&MemoryDisk::default()).take_replay().expect("there is nothing to fail");
    assert_eq!((replayed.taken, replayed.left), (0, 0));
}

/// At every single call that changes the disk.
#[test]
fn a_crash_while_replaying_loses_no_line() {
    let file = format!("{}wrong\n{}", lines([row(1)]), lines([row(2)]));
    for calls in 0..40 {
        let disk = MemoryDisk::default();
        disk.put(REPLAY, file.as_bytes());
        let mut spool = open(&disk);
        disk.fail(DiskFault::Kill { call: calls, bytes: 7 });
        spool.take_replay().ok();
        disk.end_process();

        let mut spool = open(&disk);
        spool.take_replay().expect("the disk is good");
        let found: Vec<u64> = drain(&mut spool).rows.iter().map(number).collect();
        assert!(found.contains(&1) && found.contains(&2), "killed at call {calls}: {found:?}");
        assert_eq!(text(&disk, REPLAY), "wrong\n", "killed at call {calls}");
    }
}

/// So many lines that several segments are closed on the way.
#[test]
fn a_loss_of_power_after_a_replay_loses_no_line() {
    let options = SpoolOptions { limit_bytes: SMALLEST_LIMIT, sync_interval: None };
    for dice in 0..64 {
        let disk = MemoryDisk::default();
        disk.put(REPLAY, lines((1..=300).map(row)).as_bytes());
        disk.settle();
        let mut spool = Spool::on(disk.clone(), options).expect("the disk is good");
        assert_eq!(spool.take_replay().expect("the disk is good").taken, 300);
        drop(spool);
        disk.lose_power(die(dice << 40));
        let mut spool = Spool::on(disk.clone(), options).expect("the disk is good");
        spool.take_replay().expect("the disk is good");
        let found: HashSet<u64> = drain(&mut spool).rows.iter().map(number).collect();
        assert_eq!(found, (1..=300).collect(), "dice {dice}");
    }
}

#[test]
fn a_loss_of_power_keeps_the_line_of_a_quarantined_row() {
    for dice in 0..64 {
        let disk = MemoryDisk::default();
        open(&disk).quarantine(&row(1), "bad").expect("the disk is good");
        disk.lose_power(die(dice << 40));
        assert_eq!(text(&disk, QUARANTINE), lines([row(1)]), "dice {dice}");
    }
}

#[test]
fn a_quarantine_file_that_cannot_be_written_is_an_error_and_keeps_whole_lines() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk);
    spool.quarantine(&row(1), "bad").expect("the disk is good");
    disk.fail(DiskFault::Full(10));
    let error = spool.quarantine(&row(2), "bad").expect_err("the disk is full");
    assert!(error.to_string().contains("quarantine.jsonl") && error.is_spool(), "{error}");
    spool.quarantine(&row(3), "bad").expect("the disk has room again");
    assert_eq!(text(&disk, QUARANTINE), lines([row(1), row(3)]));
}

#[test]
fn a_row_rejected_after_the_quarantine_file_was_moved_away_gets_a_new_file() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk);
    spool.quarantine(&row(1), "bad").expect("the disk is good");
    disk.rename(QUARANTINE, REPLAY).expect("the disk is good");
    spool.quarantine(&row(2), "bad").expect("the disk is good");
    assert_eq!((text(&disk, REPLAY), text(&disk, QUARANTINE)), (lines([row(1)]), lines([row(2)])));
    assert_eq!(spool.take_replay().expect("it can be read").taken, 1);
}

#[test]
fn a_torn_line_of_the_quarantine_file_damages_no_other() {
    let disk = MemoryDisk::default();
    disk.put(QUARANTINE, b"{\"reason\":\"a cras");
    open(&disk).quarantine(&row(1), "bad").expect("the disk is good");
    assert_eq!(text(&disk, QUARANTINE), format!("{{\"reason\":\"a cras\n{}", lines([row(1)])));
}
