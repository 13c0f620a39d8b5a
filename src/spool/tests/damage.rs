//! Damage loses what it hits, and nothing else; it is counted, and never keeps a spool from opening.

use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::memory::{MemoryDisk, MemoryFile};
use super::{OPTIONS, drain, full_row, number, row};
use crate::row::Row;
use crate::spool::disk::Disk as _;
use crate::spool::format::{encode, frame_bytes};
use crate::spool::scan::Scanner;
use crate::spool::{Spool, ack, damage, segment};

fn open(disk: &MemoryDisk) -> Spool<MemoryDisk> {
    Spool::on(disk.clone(), OPTIONS).expect("damage keeps no spool from opening")
}

/// Five rows, and their frames.
fn five() -> (Vec<Row>, Vec<u8>) {
    let rows: Vec<Row> = (1..6).map(|n| if n == 3 { full_row(n) } else { row(n) }).collect();
    let mut bytes = Vec::new();
    for (row, sequence) in rows.iter().zip(1..) {
        encode(&mut bytes, sequence, row);
    }
    (rows, bytes)
}

/// Puts a segment of the rows with these numbers.
fn put(disk: &MemoryDisk, numbers: RangeInclusive<u64>) {
    let name = segment::name(*numbers.start());
    let mut bytes = Vec::new();
    for number in numbers {
        encode(&mut bytes, number, &row(number));
    }
    disk.put(&name, &bytes);
}

/// Opens a spool with that as its one segment; what comes out, and how many records are counted as lost.
fn survivors(bytes: &[u8]) -> (Vec<Row>, u64) {
    let disk = MemoryDisk::default();
    disk.put(&segment::name(1), bytes);
    let mut spool = open(&disk);
    let torn = spool.torn();
    let found = drain(&mut spool);
    (found.rows, found.lost + torn)
}

#[test]
fn a_segment_cut_anywhere_keeps_every_whole_record() {
    let (rows, bytes) = five();
    let mut ends = vec![0];
    ends.extend(rows.iter().scan(0, |end, row| {
        *end += frame_bytes(row);
        Some(*end)
    }));
    for length in 0..bytes.len() {
        let whole = ends.iter().filter(|end| **end > 0 && **end <= length).count();
        let (found, lost) = survivors(&bytes[..length]);
        assert_eq!(found, rows[..whole], "cut at {length}");
        assert_eq!(lost, u64::from(!ends.contains(&length)), "cut at {length}");
    }
}

#[test]
fn a_flipped_bit_anywhere_costs_one_record_which_is_counted() {
    let (rows, bytes) = five();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let (found, lost) = survivors(&bad);
        let kept: Vec<&Row> = rows.iter().filter(|row| found.contains(row)).collect();
        assert!(found.iter().eq(kept), "bit {bit}: in order, none altered, none invented");
        assert_eq!((found.len(), lost), (4, 1), "bit {bit}");
    }
}

#[test]
fn any_stretch_of_zeros_costs_what_it_covers() {
    let (rows, bytes) = five();
    for start in 0..bytes.len() {
        for length in [1, 20, 64, 200] {
            let mut bad = bytes.clone();
            let end = bytes.len().min(start + length);
            bad[start..end].fill(0);
            let (found, lost) = survivors(&bad);
            assert!(found.iter().all(|row| rows.contains(row)));
            let missing = (rows.len() - found.len()) as u64;
            assert!(lost <= missing && (lost > 0) == (missing > 0), "{start} to {end}: {lost} of {missing}");
        }
    }
}

#[test]
fn damage_before_the_last_segment_is_counted_to_the_record_and_kept() {
    let (_, mut bytes) = five();
    let disk = MemoryDisk::default();
    let second_and_third = frame_bytes(&row(1))..frame_bytes(&row(1)) + 100;
    bytes[second_and_third.clone()].fill(0xA5);
    disk.put(&segment::name(1), &bytes);
    put(&disk, 6..=7);

    let mut spool = open(&disk);
    assert_eq!(spool.pending(), 7);
    let found = drain(&mut spool);
    let numbers: Vec<u64> = found.rows.iter().map(number).collect();
    assert_eq!(found.lost + numbers.len() as u64, 7);
    assert!(numbers.starts_with(&[1]) && numbers.ends_with(&[4, 5, 6, 7]), "{numbers:?}");
    let failure = spool.take_failure().expect("a failure is reported").to_string();
    assert!(failure.contains("damaged at byte") && failure.contains(&segment::name(1)), "{failure}");
    let kept = format!("{}.{}{}", segment::name(1), second_and_third.start, damage::EXTENSION);
    let kept = disk.contents(&kept).expect("the stretch is kept");
    assert!(kept.starts_with(&[0xA5; 100]));
}

#[test]
fn the_end_of_a_segment_that_is_not_the_last_is_counted_by_the_next_one() {
    let (_, bytes) = five();
    let disk = MemoryDisk::default();
    disk.put(&segment::name(1), &bytes[..frame_bytes(&row(1)) + 3]);
    put(&disk, 6..=6);
    let found = drain(&mut open(&disk));
    assert_eq!((found.rows, found.lost), (vec![row(1), row(6)], 4));
}

#[test]
fn a_torn_end_is_cut_off_kept_and_counted_once() {
    let (_, bytes) = five();
    let disk = MemoryDisk::default();
    disk.put(&segment::name(1), &bytes[..bytes.len() - 1]);
    assert_eq!(open(&disk).torn(), 1);
    let whole = bytes.len() - frame_bytes(&row(5));
    assert_eq!(disk.contents(&segment::name(1)).as_deref(), Some(&bytes[..whole]));
    let kept = disk.contents(&format!("{}.{whole}.damaged", segment::name(1)));
    assert_eq!(kept.as_deref(), Some(&bytes[whole..bytes.len() - 1]));
    assert_eq!(open(&disk).torn(), 0);
}

#[test]
fn behind_damage_too_the_next_segment_takes_over_where_its_name_says() {
    let disk = MemoryDisk::default();
    let mut bytes = Vec::new();
    for (sequence, row) in [(1, row(1)), (2, row(2)), (3, row(33))] {
        encode(&mut bytes, sequence, &row);
    }
    bytes[frame_bytes(&row(1)) + 30] ^= 1;
    disk.put(&segment::name(1), &bytes);
    put(&disk, 3..=3);
    let found = drain(&mut open(&disk));
    assert_eq!((found.rows, found.lost), (vec![row(1), row(3)], 1));
}

#[test]
fn a_missing_segment_is_counted_by_its_neighbours() {
    let disk = MemoryDisk::default();
    put(&disk, 1..=1);
    put(&disk, 100..=100);
    let found = drain(&mut open(&disk));
    assert_eq!((found.rows, found.lost), (vec![row(1), row(100)], 98));
}

#[test]
fn a_segment_that_cannot_be_read_is_counted_stepped_over_and_kept() {
    let (_, bytes) = five();
    let disk = MemoryDisk::default();
    disk.put(&segment::name(1), &bytes);
    put(&disk, 6..=6);
    disk.make_unreadable(&segment::name(1));

    let mut spool = open(&disk);
    let found = drain(&mut spool);
    assert_eq!((found.rows, found.lost), (vec![row(6)], 5));
    spool.acknowledge(found.up_to).expect("the disk takes it");
    assert_eq!(disk.contents(&segment::name(1)), None);
    assert_eq!(disk.contents(&format!("{}.damaged", segment::name(1))), Some(bytes));
}

#[test]
fn an_unreadable_last_segment_gives_no_number_away_twice() {
    let (_, bytes) = five();
    let disk = MemoryDisk::default();
    disk.put(&segment::name(1), &bytes);
    disk.make_unreadable(&segment::name(1));
    let mut spool = open(&disk);
    spool.append(&mut vec![row(6)]).expect("the disk takes it");
    let found = drain(&mut spool);
    assert_eq!(found.rows, [row(6)]);
    assert!(found.lost >= 5, "{}", found.lost);
}

#[test]
fn without_an_acknowledgement_everything_is_sent_again_and_nothing_counts_as_lost() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk);
    spool.append(&mut (1..4).map(row).collect()).expect("the disk takes it");
    let up_to = spool.next_batch(2, usize::MAX).expect("they can be read").up_to;
    spool.acknowledge(up_to).expect("the disk takes it");
    assert_eq!(drain(&mut open(&disk)).rows, [row(3)]);

    disk.put(ack::NAME, &[0xFF; 5000]);
    let found = drain(&mut open(&disk));
    assert_eq!((found.rows.len(), found.lost), (3, 0));
}

#[test]
fn either_slot_of_the_acknowledgement_is_enough_to_lose_nothing() {
    let disk = MemoryDisk::default();
    for round in 0..3 {
        let mut spool = open(&disk);
        let found = drain(&mut spool);
        spool.acknowledge(found.up_to).expect("the disk takes it");
        spool.append(&mut vec![row(round), row(round + 10)]).expect("the disk takes it");
    }
    let good = disk.contents(ack::NAME).expect("it is there");
    for byte in (0..16).chain(4096..4112) {
        let mut bad = good.clone();
        bad[byte] ^= 1;
        let disk = disk.copy();
        disk.put(ack::NAME, &bad);
        let found = drain(&mut open(&disk));
        assert_eq!(found.lost, 0, "byte {byte}");
        assert!(found.rows.ends_with(&[row(2), row(12)]), "byte {byte}");
    }
}

#[test]
fn a_good_slot_is_not_written_over_to_take_its_place() {
    let disk = MemoryDisk::default();
    let mut spool = open(&disk);
    spool.append(&mut (1..4).map(row).collect()).expect("the disk takes it");
    let up_to = spool.next_batch(2, usize::MAX).expect("they can be read").up_to;
    spool.acknowledge(up_to).expect("the disk takes it");
    let good = disk.contents(ack::NAME).expect("it is there");
    for cut in [16, good.len()] {
        disk.put(ack::NAME, &good[..cut]);
        open(&disk).append(&mut vec![row(4)]).expect("the disk takes it");
        assert_eq!(disk.contents(ack::NAME), Some(good.clone()), "cut at {cut}");
    }
    assert_eq!(drain(&mut open(&disk)).rows, [row(3), row(4), row(4)]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Good frames, bits of frames and noise in any order.
    #[test]
    fn the_scanner_finds_only_what_is_there(parts in prop::collection::vec(part(), 0..20)) {
        let bytes = parts.concat();
        let disk = MemoryDisk::default();
        disk.put("any", &bytes);
        let mut scanner: Scanner<MemoryFile> = Scanner::new(disk.open("any").expect("it is there"), 0..1 << 40);
        let mut before = None;
        while let Some(found) = scanner.next().expect("memory can be read") {
            prop_assert!(before < Some(found.sequence));
            before = Some(found.sequence);
            let mut frame = Vec::new();
            encode(&mut frame, found.sequence, &found.row);
            let place = found.damage.end as usize;
            prop_assert_eq!(&bytes[place..place + frame.len()], &frame);
        }
        prop_assert_eq!(scanner.tail().end, bytes.len() as u64);
    }

    #[test]
    fn any_directory_opens(segment_bytes in prop::collection::vec(any::<u8>(), 0..300), ack_bytes in prop::collection::vec(any::<u8>(), 0..5000), first in any::<u64>()) {
        let disk = MemoryDisk::default();
        disk.put(&segment::name(first), &segment_bytes);
        disk.put(ack::NAME, &ack_bytes);
        let mut spool = open(&disk);
        let found = drain(&mut spool);
        prop_assert!(found.rows.is_empty());
        spool.append(&mut vec![row(1)]).expect("the disk takes it");
        prop_assert_eq!(drain(&mut spool).rows, [row(1)]);
    }
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    let frame = (0..50_u64, 0..100_u64).prop_map(|(sequence, number)| {
        let mut bytes = Vec::new();
        encode(&mut bytes, sequence, &row(number));
        bytes
    });
    prop_oneof![
        4 => frame.clone(),
        2 => (frame, 1..100_usize).prop_map(|(frame, length)| frame[..length.min(frame.len())].to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..100),
        1 => Just(vec![0xFF, b'T', b'L', 0xFE]),
    ]
}
