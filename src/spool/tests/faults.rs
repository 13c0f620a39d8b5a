//! A disk that is full or failing: the spool counts exactly the rows that it has, and the caller keeps the others.

use std::time::{Duration, Instant};

use super::memory::{DiskFault, MemoryDisk};
use super::{OPTIONS, drain, number, row};
use crate::row::Row;
use crate::spool::format::{PAYLOAD_LIMIT, frame_bytes};
use crate::spool::{AppendError, SMALLEST_LIMIT, Spool, SpoolOptions, segment};

fn open(disk: &MemoryDisk, options: SpoolOptions) -> Spool<MemoryDisk> {
    Spool::on(disk.clone(), options).expect("the disk is good")
}

fn numbers(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(number).collect()
}

#[test]
fn a_short_or_interrupted_write_is_continued() {
    for fault in [DiskFault::Short(100), DiskFault::Interrupted] {
        let disk = MemoryDisk::default();
        let mut spool = open(&disk, OPTIONS);
        disk.fail(fault);
        spool.append(&mut (1..4).map(row).collect()).expect("there is room for the rest");
        assert_eq!(numbers(&drain(&mut open(&disk, OPTIONS)).rows), [1, 2, 3]);
    }
}

#[test]
fn a_disk_that_fills_up_takes_whole_records_and_more_once_it_has_room() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk, OPTIONS);
    spool.append(&mut vec![row(1)]).expect("there is room");
    let room = frame_bytes(&row(2)) + 10;
    disk.fail(DiskFault::Full(room));
    let mut rows: Vec<Row> = (2..5).map(row).collect();
    let error = spool.append(&mut rows).expect_err("there is room for one and a bit");
    assert_eq!(numbers(&rows), [3, 4]);
    let message = error.to_string();
    assert!(message.contains("cannot write to /memory/") && message.contains("free some space"), "{message}");
    let whole = frame_bytes(&row(1)) + frame_bytes(&row(2));
    assert_eq!(disk.contents(&segment::name(1)).map(|bytes| bytes.len()), Some(whole), "the bit is cut off");

    spool.append(&mut rows).expect("there is room again");
    assert_eq!(disk.contents(&segment::name(4)), None, "it is the same segment");
    assert_eq!(numbers(&drain(&mut open(&disk, OPTIONS)).rows), [1, 2, 3, 4]);
}

#[test]
fn a_failing_disk_ends_the_segment_and_what_it_left_there_is_not_read() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk, OPTIONS);
    spool.append(&mut vec![row(1)]).expect("the disk is good");
    disk.fail(DiskFault::Broken(2 * frame_bytes(&row(2)) + 10));
    let mut rows: Vec<Row> = (2..6).map(row).collect();
    spool.append(&mut rows).expect_err("the disk fails");
    assert_eq!(numbers(&rows), [4, 5]);

    spool.append(&mut vec![row(6)]).expect("another file works");
    assert!(disk.contents(&segment::name(4)).is_some(), "it is another segment");
    let found = drain(&mut open(&disk, OPTIONS));
    assert_eq!((numbers(&found.rows), found.lost), (vec![1, 2, 3, 6], 0));
}

#[test]
fn a_failed_sync_is_reported_and_ends_the_segment() {
    let disk = MemoryDisk::default();
    let every = Duration::from_secs(1);
    let mut spool = open(&disk, SpoolOptions { sync_interval: Some(every), ..OPTIONS });
    assert_eq!(spool.next_sync(), None, "there is nothing to sync");
    spool.append(&mut vec![row(1)]).expect("the disk is good");
    let due = spool.next_sync().expect("there is something to sync");
    disk.fail(DiskFault::Sync);
    assert!(spool.sync_if_due(due - every).is_ok(), "it is not due");
    let error = spool.sync_if_due(due).expect_err("the sync fails");
    assert!(error.is_spool() && error.to_string().contains("power loss"), "{error}");
    assert_eq!(spool.next_sync(), None, "it is not tried again on the same file");

    spool.append(&mut vec![row(2)]).expect("another file works");
    assert!(disk.contents(&segment::name(2)).is_some(), "it is another segment");
    spool.sync_if_due(Instant::now() + 2 * every).expect("another file can be synced");
    assert_eq!(numbers(&drain(&mut spool).rows), [1, 2]);
}

#[test]
fn a_full_spool_refuses_the_newest_and_has_room_again_when_the_oldest_are_stored() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk, SpoolOptions { limit_bytes: SMALLEST_LIMIT, sync_interval: None });
    let mut rows: Vec<Row> = (0..2000).map(row).collect();
    let error = spool.append(&mut rows).expect_err("there is not room for all");
    assert!(matches!(error, AppendError::Full { .. }), "{error}");
    assert!(error.to_string().contains("spool_limit"), "{error}");
    let kept = spool.pending();
    assert_eq!(numbers(&rows), (kept..2000).collect::<Vec<_>>());
    spool.append(&mut rows).expect_err("it is still full");
    assert_eq!(spool.pending(), kept);

    let batch = spool.next_batch(kept as usize / 2, usize::MAX).expect("they can be read");
    spool.acknowledge(batch.up_to).expect("the disk takes it");
    assert!(spool.append(&mut rows).is_err() && spool.pending() > kept - batch.rows.len() as u64);
    let found = drain(&mut open(&disk, OPTIONS));
    assert_eq!((found.rows.len() as u64, found.lost), (spool.pending(), 0));
    assert!(found.rows.is_sorted_by_key(number));
}

#[test]
fn only_what_was_handed_out_can_be_acknowledged() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk, OPTIONS);
    spool.append(&mut vec![row(1), row(2)]).expect("the disk is good");
    spool.next_batch(1, usize::MAX).expect("it can be read");
    spool.acknowledge(u64::MAX).expect("the disk is good");
    assert_eq!(spool.pending(), 1);
    assert_eq!(numbers(&drain(&mut open(&disk, OPTIONS)).rows), [2]);
}

#[test]
fn a_row_that_is_too_large_stays_with_the_caller_and_those_before_it_get_in() {
    let mut spool = open(&MemoryDisk::default(), OPTIONS);
    let huge = Row { context: "x".repeat(PAYLOAD_LIMIT), ..row(2) };
    let mut rows = vec![row(1), huge, row(3)];
    let error = spool.append(&mut rows).expect_err("it is too large");
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error}");
    assert_eq!(numbers(&rows), [2, 3]);
    rows.remove(0);
    spool.append(&mut rows).expect("the others fit");
    assert_eq!(numbers(&drain(&mut spool).rows), [1, 3]);
}

#[test]
fn the_largest_row_comes_back() {
    let disk = MemoryDisk::default();
    let room = PAYLOAD_LIMIT - (frame_bytes(&Row { context: String::new(), ..row(1) }) - 20);
    let largest = Row { context: "x".repeat(room), ..row(1) };
    open(&disk, OPTIONS).append(&mut vec![largest.clone(), row(2)]).expect("it fits");
    assert_eq!(drain(&mut open(&disk, OPTIONS)).rows, [largest, row(2)]);
}

#[test]
fn a_batch_ends_at_its_rows_or_its_bytes() {
    let disk = MemoryDisk::default();
    open(&disk, OPTIONS).append(&mut (0..10).map(row).collect()).expect("the disk is good");
    let mut spool = open(&disk, OPTIONS);
    spool.append(&mut (10..13).map(row).collect()).expect("the disk is good");
    let mut sizes = Vec::new();
    for (rows, bytes) in [(4, usize::MAX), (99, 2 * frame_bytes(&row(0))), (99, usize::MAX)] {
        let batch = spool.next_batch(rows, bytes).expect("they can be read");
        sizes.push((batch.rows.len(), batch.may_be_stored));
    }
    assert_eq!(sizes, [(4, true), (2, true), (7, true)]);
    spool.append(&mut vec![row(13)]).expect("the disk is good");
    let batch = spool.next_batch(99, 1).expect("they can be read");
    assert_eq!((numbers(&batch.rows), batch.may_be_stored), (vec![13], false), "it is of this process");
    assert!(spool.unread().is_empty() && spool.pending() == 14);
}

#[test]
fn a_backlog_is_read_from_disk_while_more_is_appended() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk, SpoolOptions { limit_bytes: 32 * SMALLEST_LIMIT, ..OPTIONS });
    for number in 0..1000 {
        spool.append(&mut vec![row(number)]).expect("the disk is good");
    }
    let first = spool.next_batch(300, usize::MAX).expect("they can be read");
    spool.append(&mut (1000..1100).map(row).collect()).expect("the disk is good");
    let rest = drain(&mut spool);
    let all: Vec<u64> = first.rows.iter().chain(&rest.rows).map(number).collect();
    assert_eq!((all, rest.lost), ((0..1100).collect(), 0));
}

#[test]
fn an_acknowledgement_that_failed_is_written_again_where_room_is_wanted() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk, SpoolOptions { limit_bytes: SMALLEST_LIMIT, ..OPTIONS });
    let large = |number| {
        let mut row = row(number);
        row.context = format!("{{\"n\":{number},\"text\":\"{}\"}}", "x".repeat(40 * 1024));
        row
    };
    spool.append(&mut vec![large(1)]).expect("there is room for one");
    let batch = spool.next_batch(9, usize::MAX).expect("it can be read");
    let full = spool.append(&mut vec![large(2)]).expect_err("and not for two");
    assert!(matches!(full, AppendError::Full { .. }), "{full}");
    disk.fail(DiskFault::Full(0));
    spool.acknowledge(batch.up_to).expect_err("the disk is full");

    spool.append(&mut vec![large(2)]).expect("the first is stored");
    assert_eq!(numbers(&drain(&mut spool).rows), [2]);
}
