//! The real directory: its modes, its links, its lock.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{OPTIONS, drain, number, row};
use crate::error::Error;
use crate::finding::{Checkup, Health};
use crate::row::Row;
use crate::spool::{Spool, ack, look, quarantine, segment};

pub(super) fn temporary() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a temporary directory");
    let dir = parent.path().join("spool");
    (parent, dir)
}

pub(super) fn open(dir: &Path) -> Spool {
    Spool::open(dir, OPTIONS).expect("the directory can be used")
}

#[track_caller]
pub(super) fn refused(dir: &Path, words: &[&str]) -> Error {
    let error = Spool::open(dir, OPTIONS).err().expect("it is refused");
    let message = error.to_string();
    assert!(error.is_spool(), "{message}");
    assert!(words.iter().all(|word| message.contains(word)), "{message:?} lacks one of {words:?}");
    error
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o7777
}

pub(super) fn numbers(rows: &[Row]) -> Vec<u64> {
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
fn new_files_and_directories_are_for_the_owner_alone() {
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
    for open_to in [0o702, 0o777] {
        fs::set_permissions(&dir, fs::Permissions::from_mode(open_to)).expect("it is ours");
        refused(&dir, &["can be written by others", "chmod 700"]);
    }
    for open_to in [0o755, 0o2770] {
        fs::set_permissions(&dir, fs::Permissions::from_mode(open_to)).expect("it is ours");
        drop(open(&dir));
    }
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

pub(super) fn open_again(spool: Spool, dir: &Path) -> Spool {
    drop(spool);
    open(dir)
}

#[test]
fn an_unreachable_segment_is_waited_for_and_costs_nothing() {
    let (_parent, dir) = temporary();
    let mut spool = open(&dir);
    spool.append(&mut vec![row(1)]).expect("it can be written");
    let mut spool = open_again(spool, &dir);
    let (at, moved) = (dir.join(segment::name(1)), dir.join("moved"));
    fs::rename(&at, &moved).expect("it is there");
    symlink("nowhere", &at).expect("it can be made");
    let error = spool.next_batch(9, usize::MAX).expect_err("it is a link");
    assert!(error.to_string().contains("cannot open"), "{error}");
    fs::rename(&moved, &at).expect("it is there");
    assert_eq!(numbers(&drain(&mut spool).rows), [1]);
}

#[test]
fn a_quarantine_file_that_cannot_be_read_is_unknown() {
    let (_parent, dir) = temporary();
    drop(open(&dir));
    fs::create_dir(dir.join(quarantine::NAME)).expect("it can be made");
    let mut checkup = Checkup::default();
    look(&dir, &mut checkup);
    let found = checkup.findings.iter().find(|finding| finding.topic == "quarantine");
    assert_eq!(found.map(|finding| finding.health), Some(Health::Unknown));
}
