//! The real directory: its modes, its links, its lock, and what happens when it goes away.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{OPTIONS, drain, number, row};
use crate::spool::{Spool, ack, quarantine, segment};
use crate::{Error, Row};

fn temporary() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a temporary directory");
    let dir = parent.path().join("spool");
    (parent, dir)
}

fn open(dir: &Path) -> Spool {
    Spool::open(dir, OPTIONS).expect("the directory can be used")
}

#[track_caller]
fn refused(dir: &Path, words: &[&str]) -> Error {
    let error = Spool::open(dir, OPTIONS).err().expect("it is refused");
    let message = error.to_string();
    assert!(error.is_spool(), "{message}");
    assert!(words.iter().all(|word| message.contains(word)), "{message:?} lacks one of {words:?}");
    error
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn numbers(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(number).collect()
}

/// Leaves one file of each kind there, and sees that each is for the owner alone.
#[track_caller]
fn write_every_file(dir: &Path) {
    let mut spool = open(dir);
    spool.append(&mut vec![row(1)]).expect("it can be written");
    let batch = drain(&mut spool);
    spool.acknowledge(batch.up_to).expect("it can be written");
    spool.quarantine(&row(1), "bad").expect("it can be written");
    for name in ["lock", ack::NAME, quarantine::NAME, &segment::name(1)] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
    assert_eq!(fs::read_dir(dir).expect("it is there").count(), 4, "and nothing else");
}

#[test]
fn what_is_made_is_for_the_owner_alone() {
    let (_parent, dir) = temporary();
    let below = dir.join("a/b");
    write_every_file(&below);
    for made in [&dir, &dir.join("a"), &below] {
        assert_eq!(mode(made), 0o700, "{}", made.display());
    }
}

#[test]
fn a_directory_that_is_there_keeps_its_mode_and_its_files_are_for_the_owner_alone() {
    let (_parent, dir) = temporary();
    fs::create_dir(&dir).expect("it can be made");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("it is ours");
    write_every_file(&dir);
    assert_eq!(mode(&dir), 0o755);
}

#[test]
fn a_link_in_the_place_of_the_directory_is_refused() {
    let (parent, dir) = temporary();
    fs::create_dir(parent.path().join("elsewhere")).expect("it can be made");
    symlink(parent.path().join("elsewhere"), &dir).expect("it can be made");
    refused(&dir, &["spool is a symbolic link", "name the directory"]);
}

#[test]
fn a_link_in_the_directory_is_not_followed() {
    for name in ["lock", "probe"] {
        let (parent, dir) = temporary();
        drop(open(&dir));
        let target = parent.path().join("precious");
        fs::write(&target, "precious").expect("it can be written");
        fs::remove_file(dir.join(name)).ok();
        symlink(&target, dir.join(name)).expect("it can be made");
        refused(&dir, &["symbolic link"]);
        assert_eq!(fs::read_to_string(&target).expect("it is there"), "precious", "{name}");
    }
}

#[test]
fn a_link_in_the_place_of_a_file_that_is_written_later_is_not_followed() {
    let (parent, dir) = temporary();
    let mut spool = open(&dir);
    let target = parent.path().join("precious");
    fs::write(&target, "precious").expect("it can be written");
    for name in [&segment::name(1), ack::NAME, quarantine::NAME] {
        symlink(&target, dir.join(name)).expect("it can be made");
    }
    let mut rows = vec![row(1)];
    spool.append(&mut rows).expect_err("it is a link");
    assert_eq!(numbers(&rows), [1]);
    spool.quarantine(&row(1), "bad").expect_err("it is a link");
    fs::remove_file(dir.join(segment::name(1))).expect("it is there");
    spool.append(&mut rows).expect("it is no link any more");
    let batch = drain(&mut spool);
    spool.acknowledge(batch.up_to).expect_err("it is a link");
    assert_eq!(fs::read_to_string(&target).expect("it is there"), "precious");
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let (_parent, dir) = temporary();
    fs::create_dir(&dir).expect("it can be made");
    for open_to in [0o720, 0o702, 0o777] {
        fs::set_permissions(&dir, fs::Permissions::from_mode(open_to)).expect("it is ours");
        refused(&dir, &["can be written by others", "chmod 700"]);
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("it is ours");
    drop(open(&dir));
}

#[expect(clippy::print_stderr, reason = "a test that could not run says so")]
#[test]
fn a_directory_of_another_user_is_refused() {
    let (_parent, dir) = temporary();
    drop(open(&dir));
    let own = fs::metadata(&dir).expect("it is there").uid();
    if let Err(error) = chown(&dir, Some(own + 1), None) {
        eprintln!("NOT TESTED: run this as root, who may give a directory away: {error}");
        return;
    }
    refused(&dir, &["spool belongs to another user", "give it to the service's user"]);
    chown(&dir, Some(own), None).expect("it was possible before");
    drop(open(&dir));
}

#[test]
fn a_file_or_a_device_in_the_place_of_the_directory_is_refused() {
    let (_parent, dir) = temporary();
    fs::write(&dir, "").expect("it can be written");
    refused(&dir, &["is not a directory"]);
    refused(&dir.join("below"), &["spool/below"]);
}

#[test]
fn a_directory_has_one_owner_at_a_time() {
    let (_parent, dir) = temporary();
    let first = open(&dir);
    let pid = format!("in use by process {}", std::process::id());
    refused(&dir, &[&pid, "a spool directory of its own"]);
    drop(first);
    drop(open(&dir));
}

#[test]
fn other_files_are_left_alone() {
    let (_parent, dir) = temporary();
    drop(open(&dir));
    let others = ["README", "00000000000000000001.segment2", "1.segment1"];
    for name in others {
        fs::write(dir.join(name), "mine").expect("it can be written");
    }
    let mut spool = open(&dir);
    spool.append(&mut vec![row(1)]).expect("it can be written");
    assert_eq!(numbers(&drain(&mut open_again(spool, &dir)).rows), [1]);
    assert!(others.iter().all(|name| fs::read_to_string(dir.join(name)).is_ok_and(|text| text == "mine")));
}

fn open_again(spool: Spool, dir: &Path) -> Spool {
    drop(spool);
    open(dir)
}

#[test]
fn a_directory_that_is_deleted_is_made_again_with_what_is_in_memory() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut (1..4).map(row).collect()).expect("it can be written");
    assert_eq!(spool.next_batch(1, usize::MAX).expect("it is in memory").up_to, 2);
    fs::remove_dir_all(&dir).expect("it is ours");

    spool.append(&mut vec![row(4)]).expect("it is made again");
    let said = spool.take_trouble().expect("it is said").to_string();
    assert!(said.contains("were removed from the spool directory"), "{said}");
    assert_eq!(mode(&dir), 0o700);
    refused(&dir, &["in use by process"]);
    let found = drain(&mut open_again(spool, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![2, 3, 4], 0));
}

#[test]
fn a_directory_that_is_moved_away_is_made_again_before_the_next_segment() {
    let (parent, dir) = temporary();
    let mut spool = open(&dir);
    fs::rename(&dir, parent.path().join("moved")).expect("it is ours");
    spool.append(&mut vec![row(1)]).expect("it is made again");
    assert_eq!(numbers(&drain(&mut open_again(spool, &dir)).rows), [1]);
}

#[test]
fn a_segment_that_is_deleted_is_written_again_from_memory() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut vec![row(1)]).expect("it can be written");
    let mut spool = open_again(spool, &dir);
    spool.append(&mut vec![row(2)]).expect("it can be written");
    fs::remove_file(dir.join(segment::name(2))).expect("it is there");
    spool.append(&mut vec![row(3)]).expect("it is written again");
    let found = drain(&mut open_again(spool, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![1, 2, 3], 0));
}

#[test]
fn an_unreachable_segment_is_waited_for_and_costs_nothing() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut vec![row(1)]).expect("it can be written");
    let mut spool = open_again(spool, &dir);
    let (at, aside) = (dir.join(segment::name(1)), dir.join("aside"));
    fs::rename(&at, &aside).expect("it is there");
    symlink("nowhere", &at).expect("it can be made");
    let error = spool.next_batch(9, usize::MAX).expect_err("it is a link");
    assert!(error.to_string().contains("cannot open"), "{error}");
    fs::rename(&aside, &at).expect("it is there");
    assert_eq!(numbers(&drain(&mut spool).rows), [1]);
}

/// Whatever the first owner tries fails, and is not written or removed here.
#[track_caller]
fn assert_kept_out(first: &mut Spool, up_to: u64, reason: &str) {
    let mut rows = vec![row(21)];
    let errors = [
        first.acknowledge(up_to).expect_err("it is not ours").to_string(),
        first.quarantine(&row(1), "bad").expect_err("it is not ours").to_string(),
        first.append(&mut rows).expect_err("it is not ours").to_string(),
    ];
    assert!(errors.iter().all(|error| error.contains(reason)), "{errors:?}");
    assert_eq!(numbers(&rows), [21], "it is still the caller's");
}

#[test]
fn a_directory_that_another_process_made_anew_is_its_own() {
    let (_parent, dir) = temporary();
    let mut first = open(&dir);
    first.append(&mut (1..4).map(row).collect()).expect("it can be written");
    let batch = first.next_batch(9, usize::MAX).expect("it is in memory");
    fs::remove_dir_all(&dir).expect("it is ours");
    let mut second = open(&dir);
    second.append(&mut (11..14).map(row).collect()).expect("it can be written");
    assert_kept_out(&mut first, batch.up_to, "is in use by process");
    drop(second);
    assert_kept_out(&mut first, batch.up_to, "was taken by another process");
    let acknowledged = fs::read(dir.join(ack::NAME)).expect("its place is taken");
    assert!(acknowledged.iter().all(|byte| *byte == 0) && !dir.join(quarantine::NAME).exists());
    let found = drain(&mut open(&dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![11, 12, 13], 0));
}

#[test]
fn a_process_that_finds_no_lock_takes_over() {
    let (_parent, dir) = temporary();
    let mut first = open(&dir);
    first.append(&mut (1..4).map(row).collect()).expect("it can be written");
    let batch = first.next_batch(9, usize::MAX).expect("it is in memory");
    fs::remove_file(dir.join("lock")).expect("it is ours");
    let mut second = open(&dir);
    second.append(&mut vec![row(4)]).expect("it can be written");
    assert_kept_out(&mut first, batch.up_to, "is in use by process");
    drop(first);
    let found = drain(&mut open_again(second, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![1, 2, 3, 4], 0));
}

#[test]
fn a_lock_that_is_deleted_is_made_again_and_costs_nothing() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut (1..4).map(row).collect()).expect("it can be written");
    fs::remove_file(dir.join("lock")).expect("it is ours");
    spool.append(&mut vec![row(4)]).expect("nobody else has it");
    assert!(spool.take_trouble().is_none(), "nothing is lost");
    refused(&dir, &["in use by process"]);
    let found = drain(&mut open_again(spool, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![1, 2, 3, 4], 0));
}

#[test]
fn a_directory_that_is_moved_away_is_written_to_no_more() {
    let (parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut (1..4).map(row).collect()).expect("it can be written");
    let first = spool.next_batch(1, usize::MAX).expect("it is in memory");
    spool.acknowledge(first.up_to).expect("it can be written");
    let moved = parent.path().join("moved");
    fs::rename(&dir, &moved).expect("it is ours");
    let second = spool.next_batch(1, usize::MAX).expect("it is in memory");
    spool.acknowledge(second.up_to).expect("it is made again");
    assert_eq!(numbers(&drain(&mut open(&moved)).rows), [2, 3], "as it was when it was moved");
    assert_eq!(numbers(&drain(&mut open_again(spool, &dir)).rows), [3]);
}

#[test]
fn a_directory_that_is_out_of_reach_for_a_while_is_still_ours() {
    let (parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut vec![row(1)]).expect("it can be written");
    let aside = parent.path().join("aside");
    fs::rename(&dir, &aside).expect("it is ours");
    fs::write(&dir, "").expect("it can be written");
    let mut rows = vec![row(2)];
    spool.append(&mut rows).expect_err("there is a file in its place");
    fs::remove_file(&dir).expect("it is ours");
    fs::rename(&aside, &dir).expect("it is ours");
    refused(&dir, &["in use by process"]);
    spool.append(&mut rows).expect("it is back");
    let found = drain(&mut open_again(spool, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![1, 2], 0));
}

/// Another process has made the directory anew, and is gone again.
fn take(dir: &Path, numbers: std::ops::Range<u64>) {
    fs::remove_dir_all(dir).expect("it is ours");
    open(dir).append(&mut numbers.map(row).collect()).expect("it can be written");
}

#[test]
fn rows_of_another_process_are_not_read_as_our_own() {
    for is_noticed in [false, true] {
        let (_parent, dir) = temporary();
        let mut spool = open(&dir);
        spool.append(&mut (1..4).map(row).collect()).expect("it can be written");
        let mut spool = open_again(spool, &dir);
        spool.append(&mut vec![row(4)]).expect("it can be written");
        take(&dir, 11..14);
        if is_noticed {
            spool.notice_removal().expect_err("it is not ours");
            fs::remove_file(dir.join("lock")).expect("it is there");
        }
        let found = drain(&mut spool);
        assert_eq!((numbers(&found.rows), found.lost), (vec![4], 3), "{is_noticed}");
        assert_eq!(numbers(&drain(&mut open(&dir)).rows), [11, 12, 13]);
    }
}

#[test]
fn nothing_counts_as_on_disk_where_another_process_has_the_directory() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut (1..4).map(row).collect()).expect("it can be written");
    let batch = spool.next_batch(1, usize::MAX).expect("it is in memory");
    assert!(spool.keeps(batch.up_to));
    take(&dir, 11..14);
    spool.acknowledge(batch.up_to).expect_err("it is not ours");
    assert!(!spool.keeps(batch.up_to) && !spool.keeps(spool.end()));
    assert_eq!(spool.take_recount(), Some(0));
    let batch = spool.next_batch(1, usize::MAX).expect("it is in memory");
    assert_eq!((numbers(&batch.rows), spool.keeps(batch.up_to)), (vec![2], false));

    fs::remove_dir_all(&dir).expect("it is nobody's");
    spool.append(&mut vec![row(4)]).expect("it is made again");
    assert_eq!(spool.take_recount(), Some(2));
    assert!(!spool.keeps(batch.up_to) && spool.keeps(spool.end()));
    assert_eq!(numbers(&drain(&mut open_again(spool, &dir)).rows), [3, 4]);
}

#[test]
fn nothing_counts_as_on_disk_where_the_directory_is_deleted_and_cannot_be_made_again() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut vec![row(1)]).expect("it can be written");
    fs::remove_dir_all(&dir).expect("it is ours");
    fs::write(&dir, "").expect("it can be written");
    spool.quarantine(&row(1), "bad").expect_err("there is a file in its place");
    assert!(!spool.keeps(spool.end()));
    assert_eq!(spool.take_recount(), Some(0));

    fs::remove_file(&dir).expect("it is ours");
    spool.notice_removal().expect("it is made again");
    assert_eq!(spool.take_recount(), Some(1));
    assert_eq!(numbers(&drain(&mut open_again(spool, &dir)).rows), [1]);
}

#[test]
fn a_directory_that_is_made_again_and_cannot_be_listed_is_tried_again_from_the_start() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut (1..4).map(row).collect()).expect("it can be written");
    let mut spool = open_again(spool, &dir);
    let batch = spool.next_batch(9, usize::MAX).expect("it can be read");
    fs::remove_dir_all(&dir).expect("it is ours");
    fs::create_dir(&dir).expect("it can be made");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("it is ours");
    symlink("nowhere", dir.join(segment::name(1))).expect("it can be made");
    let error = spool.notice_removal().expect_err("it cannot be opened").to_string();
    assert!(error.contains("cannot open"), "{error}");
    fs::remove_file(dir.join(segment::name(1))).expect("it is there");

    spool.append(&mut vec![row(4)]).expect("it is made again");
    let said = spool.take_trouble().expect("it is said").to_string();
    assert!(said.contains("were removed from the spool directory"), "{said}");
    assert!(!spool.keeps(batch.up_to), "it is in memory alone");
    assert_eq!(spool.take_recount(), Some(1));
    assert_eq!(numbers(&drain(&mut open_again(spool, &dir)).rows), [4]);
}

/// A spool whose directory was deleted while the rows 2 and 3 were handed out and not acknowledged; 4 to 6 are on disk.
fn gone_in_hand(dir: &Path) -> Spool {
    let mut spool = open(dir);
    spool.append(&mut (1..6).map(row).collect()).expect("it can be written");
    let first = spool.next_batch(1, usize::MAX).expect("it is in memory");
    spool.next_batch(2, usize::MAX).expect("it is in memory");
    fs::remove_dir_all(dir).expect("it is ours");
    spool.append(&mut vec![row(6)]).expect("it is made again");
    spool.acknowledge(first.up_to).expect("it can be written");
    spool
}

#[test]
fn rows_that_are_saved_under_new_numbers_are_not_missed_under_the_old() {
    let (_parent, dir) = temporary();
    let mut spool = gone_in_hand(&dir);
    spool.append(&mut vec![row(2), row(3)]).expect("it can be written");
    spool.forget_gone(true);
    let found = drain(&mut open_again(spool, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![4, 5, 6, 2, 3], 0));
}

#[test]
fn rows_that_could_not_be_saved_are_in_the_account_of_one_process_only() {
    let (_parent, dir) = temporary();
    let mut spool = gone_in_hand(&dir);
    spool.forget_gone(false);
    let found = drain(&mut open_again(spool, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![4, 5, 6], 0));
}

#[test]
fn rows_that_could_not_be_saved_and_are_in_a_file_that_was_spared_are_sent_from_there() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut (1..3).map(row).collect()).expect("it can be written");
    let mut spool = open_again(spool, &dir);
    spool.append(&mut (3..6).map(row).collect()).expect("it can be written");
    spool.next_batch(3, usize::MAX).expect("it can be read");
    fs::remove_file(dir.join(segment::name(3))).expect("it is there");
    spool.notice_removal().expect("it is written again");
    spool.forget_gone(false);
    let found = drain(&mut open_again(spool, &dir));
    assert_eq!((numbers(&found.rows), found.lost), (vec![1, 2, 4, 5], 1));
}
