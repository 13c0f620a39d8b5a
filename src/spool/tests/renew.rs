//! Somebody removes the files of a spool: it notices, and the directory can be opened again.

use std::fs;
use std::path::Path;

use super::files::{mode, numbers, open, open_again, refused, temporary};
use super::{drain, row};
use crate::spool::{Spool, segment};

fn filled(dir: &Path, rows: std::ops::Range<u64>) -> Spool {
    let mut spool = open(dir);
    spool.append(&mut rows.map(row).collect()).expect("it can be written");
    assert!(spool.is_there());
    spool
}

/// Opens the directory again; the rows in it, and how many are lost.
fn opened_again(spool: Spool, dir: &Path) -> (Vec<u64>, u64) {
    assert!(!spool.is_there(), "nothing is removed");
    let found = drain(&mut open_again(spool, dir));
    (numbers(&found.rows), found.lost)
}

#[test]
fn a_directory_that_is_deleted_is_made_again() {
    let (_parent, dir) = temporary();
    let spool = filled(&dir, 1..4);
    fs::remove_dir_all(&dir).expect("it is there");
    assert!(!spool.is_there());
    let new = open_again(spool, &dir);
    assert_eq!((new.pending(), new.unread(), mode(&dir)), (0, 1..1, 0o700));
    refused(&dir, &["in use by process"]);
}

#[test]
fn a_lock_that_is_deleted_costs_nothing() {
    let (_parent, dir) = temporary();
    let mut spool = filled(&dir, 1..5);
    let first = spool.next_batch(1, usize::MAX).expect("it can be read");
    spool.acknowledge(first.up_to).expect("it can be written");
    fs::remove_file(dir.join("lock")).expect("it is there");
    assert_eq!(opened_again(spool, &dir), (vec![2, 3, 4], 0));
}

#[test]
fn a_segment_that_is_deleted_costs_its_own_rows() {
    let (_parent, dir) = temporary();
    let mut spool = open_again(filled(&dir, 1..2), &dir);
    spool.append(&mut vec![row(2)]).expect("it can be written");
    fs::remove_file(dir.join(segment::name(2))).expect("it is there");
    assert_eq!(spool.unread(), 1..3);
    assert_eq!(opened_again(spool, &dir), (vec![1], 0));
    assert_eq!(open(&dir).unread(), 1..2, "the numbers tell which rows are lost");
}

#[test]
fn a_directory_that_is_moved_away_keeps_its_rows() {
    let (parent, dir) = temporary();
    let spool = filled(&dir, 1..4);
    let moved = parent.path().join("moved");
    fs::rename(&dir, &moved).expect("it is there");
    assert_eq!(opened_again(spool, &dir), (vec![], 0));
    assert_eq!(numbers(&drain(&mut open(&moved)).rows), [1, 2, 3]);
}

#[test]
fn a_directory_that_another_process_made_anew_is_its_own() {
    let (_parent, dir) = temporary();
    let first = filled(&dir, 1..4);
    fs::remove_dir_all(&dir).expect("it is there");
    let second = filled(&dir, 11..14);
    assert!(!first.is_there());
    drop(first);
    refused(&dir, &["in use by process"]);
    assert_eq!(numbers(&drain(&mut open_again(second, &dir)).rows), [11, 12, 13]);
}
