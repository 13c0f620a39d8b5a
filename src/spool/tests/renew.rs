//! Somebody removes the files of a spool, and it goes on as a new generation.

use std::fs;
use std::path::Path;

use super::files::{mode, numbers, open, open_again, refused, temporary};
use super::{OPTIONS, drain, row};
use crate::spool::{Remains, Spool, SpooledRows, segment};

/// Goes on as the writer does, which has handed on all rows that it has read.
fn renew(mut old: Spool, dir: &Path) -> (Spool, Remains) {
    assert!(!old.is_there(), "nothing is removed");
    old.vacate();
    let new = Spool::renew(dir, OPTIONS).expect("the directory can be had again");
    let remains = old.remains(SpooledRows::default(), Some(&new));
    (new, remains)
}

fn filled(dir: &Path, rows: std::ops::Range<u64>) -> Spool {
    let mut spool = open(dir);
    spool.append(&mut rows.map(row).collect()).expect("it can be written");
    assert!(spool.is_there());
    spool
}

#[track_caller]
fn assert_remains(remains: &Remains, rows: &[u64], lost: u64, repeated: u64) {
    assert_eq!((numbers(&remains.rows), remains.lost, remains.repeated), (rows.to_vec(), lost, repeated));
}

#[test]
fn rows_in_memory_outlive_the_directory() {
    let (_parent, dir) = temporary();
    let mut spool = filled(&dir, 1..4);
    assert_eq!(spool.next_batch(1, usize::MAX).expect("it is in memory").up_to, 2);
    fs::remove_dir_all(&dir).expect("it is there");
    let (new, remains) = renew(spool, &dir);
    assert_remains(&remains, &[2, 3], 0, 0);
    assert_eq!((new.pending(), mode(&dir)), (0, 0o700));
    refused(&dir, &["in use by process"]);
}

#[test]
fn rows_that_were_only_on_disk_are_counted_as_lost() {
    let (_parent, dir) = temporary();
    let mut spool = open_again(filled(&dir, 1..4), &dir);
    spool.append(&mut vec![row(4)]).expect("it can be written");
    fs::remove_dir_all(&dir).expect("it is there");
    assert_remains(&renew(spool, &dir).1, &[4], 3, 0);
}

#[test]
fn rows_that_are_read_ahead_and_not_handed_on_are_in_memory() {
    let (_parent, dir) = temporary();
    let mut spool = open_again(filled(&dir, 1..6), &dir);
    let ahead = spool.next_batch(2, usize::MAX).expect("it can be read");
    fs::remove_dir_all(&dir).expect("it is there");
    let new = Spool::renew(&dir, OPTIONS).expect("the directory can be had again");
    assert_remains(&spool.remains(ahead, Some(&new)), &[1, 2], 3, 0);
}

#[test]
fn a_lock_that_is_deleted_costs_nothing() {
    let (_parent, dir) = temporary();
    let mut spool = filled(&dir, 1..5);
    let first = spool.next_batch(1, usize::MAX).expect("it is in memory");
    spool.acknowledge(first.up_to).expect("it can be written");
    spool.next_batch(1, usize::MAX).expect("it is in memory");
    fs::remove_file(dir.join("lock")).expect("it is there");
    let (mut new, remains) = renew(spool, &dir);
    assert_remains(&remains, &[], 0, 1);
    let found = drain(&mut new);
    assert_eq!((numbers(&found.rows), found.lost), (vec![2, 3, 4], 0));
}

#[test]
fn a_segment_that_is_deleted_is_made_up_from_memory() {
    let (_parent, dir) = temporary();
    let mut spool = open_again(filled(&dir, 1..2), &dir);
    spool.append(&mut vec![row(2)]).expect("it can be written");
    fs::remove_file(dir.join(segment::name(2))).expect("it is there");
    let (mut new, remains) = renew(spool, &dir);
    assert_remains(&remains, &[2], 0, 0);
    assert_eq!(numbers(&drain(&mut new).rows), [1]);
}

#[test]
fn a_directory_that_is_moved_away_is_written_no_more() {
    let (parent, dir) = temporary();
    let spool = filled(&dir, 1..4);
    let moved = parent.path().join("moved");
    fs::rename(&dir, &moved).expect("it is there");
    let (mut new, remains) = renew(spool, &dir);
    assert_remains(&remains, &[1, 2, 3], 0, 0);
    new.append(&mut remains.rows.clone()).expect("it is made again");
    assert_eq!(numbers(&drain(&mut open(&moved)).rows), [1, 2, 3], "as it was when it was moved");
    assert_eq!(numbers(&drain(&mut open_again(new, &dir)).rows), [1, 2, 3]);
}

#[test]
fn a_directory_that_is_out_of_reach_for_a_while_is_still_ours() {
    let (parent, dir) = temporary();
    let mut spool = filled(&dir, 1..2);
    let moved = parent.path().join("moved");
    fs::rename(&dir, &moved).expect("it is there");
    fs::write(&dir, "").expect("it can be written");
    assert!(spool.is_away() && Spool::renew(&dir, OPTIONS).is_err(), "there is a file in its place");
    fs::remove_file(&dir).expect("it is there");
    fs::rename(&moved, &dir).expect("it is there");
    assert!(spool.is_there());
    spool.append(&mut vec![row(2)]).expect("it is back");
    refused(&dir, &["in use by process"]);
    let found = drain(&mut open_again(spool, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![1, 2], 0));
}

#[test]
fn a_directory_that_another_process_made_anew_is_its_own() {
    let (_parent, dir) = temporary();
    let mut first = open_again(filled(&dir, 1..4), &dir);
    first.append(&mut vec![row(4)]).expect("it can be written");
    fs::remove_dir_all(&dir).expect("it is there");
    let second = filled(&dir, 11..14);
    let renew = || Spool::renew(&dir, OPTIONS).err().expect("it is not ours").to_string();
    assert!(renew().contains("is in use by process"));
    drop(second);
    assert!(renew().contains("was taken by another process"));
    assert!(!first.is_there() && !first.is_away());
    let error = first.next_batch(9, usize::MAX).expect_err("its rows are not ours");
    let error = format!("{error:#}");
    assert!(error.contains("another process"), "{error}");
    first.vacate();
    assert_remains(&first.remains(SpooledRows::default(), None), &[4], 3, 0);
    let found = drain(&mut open(&dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![11, 12, 13], 0));
}

#[test]
fn a_directory_that_cannot_be_used_is_vacant_for_the_next_try() {
    let (_parent, dir) = temporary();
    fs::create_dir(&dir).expect("it can be made");
    let in_the_way = dir.join("probe");
    fs::create_dir(&in_the_way).expect("it can be made");
    assert!(Spool::renew(&dir, OPTIONS).is_err());
    fs::remove_dir(&in_the_way).expect("it is empty");
    Spool::renew(&dir, OPTIONS).expect("it can be used");
}
