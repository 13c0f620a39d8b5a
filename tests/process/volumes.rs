//! A spool on volumes as orchestrators mount them, and as uids change between two starts. Only root can act as other
//! users, so each test needs root, and a process of its own.

use std::fs::{self, Permissions};
use std::future::pending;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::thread;

use support::{DEADLINE, alone};
use tracing::Dispatch;
use tracing_ledger::store::{Attempt, InsertError, Memory, Store};
use tracing_ledger::{Error, Guard, Row, builder};
use tracing_subscriber::prelude::*;

const SERVICE: u32 = 1000;
/// The group that Kubernetes calls `fsGroup`.
const GROUP: u32 = 2000;
const ROWS: usize = 10;

struct Hanging;

impl Store for Hanging {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        pending().await
    }
}

/// The process acts as that user, with the group as an additional one.
#[expect(unsafe_code, reason = "std cannot change the user")]
fn act_as(user: u32, groups: &[u32]) {
    // SAFETY: they take no memory but the slice, for as long as the call takes.
    let changed = unsafe {
        libc::seteuid(0) == 0
            && libc::setgroups(groups.len(), groups.as_ptr()) == 0
            && libc::setegid(user) == 0
            && libc::seteuid(user) == 0
    };
    assert!(changed, "{}", std::io::Error::last_os_error());
}

fn act_as_root() {
    act_as(0, &[]);
}

/// Runs a test as root in a process of its own, with an empty directory that all users can reach.
#[expect(clippy::print_stderr, reason = "a test that could not run says so")]
fn as_root(name: &str, test: impl FnOnce(&Path)) {
    alone(&format!("volumes::{name}"), || {
        let volume = tempfile::tempdir().expect("a temporary folder");
        if volume.path().metadata().expect("it is there").uid() != 0 {
            eprintln!("NOT TESTED: run this as root, who may act as other users");
            return;
        }
        fs::set_permissions(volume.path(), Permissions::from_mode(0o755)).expect("it is ours");
        test(volume.path());
        act_as_root();
    });
}

/// As kubelet does for `fsGroup`, at every start of a pod.
fn prepare_as_kubelet(path: &Path) {
    chown(path, None, Some(GROUP)).expect("root may");
    let found = path.metadata().expect("it is there");
    let more = if found.is_dir() { 0o2770 } else { 0o660 };
    fs::set_permissions(path, Permissions::from_mode(found.mode() | more)).expect("root may");
    if found.is_dir() {
        let entries = fs::read_dir(path).expect("it can be read");
        entries.for_each(|entry| prepare_as_kubelet(&entry.expect("it can be read").path()));
    }
}

fn open(spool: &Path, store: impl Store) -> Result<(Dispatch, Guard), Error> {
    let (layer, guard) = builder().spool_dir(spool).build_with(store)?;
    Ok((tracing_subscriber::registry().with(layer).into(), guard))
}

/// A service whose database is down leaves rows.
fn leave_rows(spool: &Path) {
    let (dispatch, guard) = open(spool, Hanging).expect("a ledger");
    tracing::dispatcher::with_default(&dispatch, || {
        (0..ROWS).for_each(|number| tracing::info!(name: "auto_assign.started", number));
    });
    while guard.stats().spooled < ROWS as u64 {
        thread::yield_now();
    }
    guard.shutdown(std::time::Duration::ZERO).expect("they are on disk");
}

fn send_rows(spool: &Path) {
    let memory = Memory::default();
    let (_dispatch, guard) = open(spool, memory.clone()).expect("a ledger");
    guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!(memory.rows().len(), ROWS);
}

#[track_caller]
fn assert_refused(spool: &Path, words: &[&str]) {
    let error = open(spool, Memory::default()).map(|_| ()).expect_err("it is refused");
    assert!(error.is_spool());
    words.iter().for_each(|word| assert!(format!("{error:#}").contains(word), "{word}: {error:#}"));
}

#[test]
fn the_second_start_on_a_volume_with_fs_group_sends_the_backlog() {
    as_root("the_second_start_on_a_volume_with_fs_group_sends_the_backlog", |volume| {
        let spool = volume.join("ledger");
        fs::create_dir(volume.join("lost+found")).expect("root may");
        prepare_as_kubelet(volume);
        act_as(SERVICE, &[GROUP]);
        leave_rows(&spool);
        act_as_root();
        prepare_as_kubelet(volume);
        act_as(SERVICE, &[GROUP]);
        send_rows(&spool);
    });
}

#[test]
fn the_mount_point_itself_is_a_spool() {
    as_root("the_mount_point_itself_is_a_spool", |volume| {
        let lost = volume.join("lost+found");
        fs::create_dir(&lost).expect("root may");
        prepare_as_kubelet(volume);
        fs::set_permissions(&lost, Permissions::from_mode(0o700)).expect("root may");
        act_as(SERVICE, &[GROUP]);
        leave_rows(volume);
        act_as_root();
        prepare_as_kubelet(volume);
        // A new image runs as another user of the same group.
        act_as(SERVICE + 1, &[GROUP]);
        send_rows(volume);
        assert!(lost.is_dir());
    });
}

#[test]
fn files_of_an_earlier_user_are_named() {
    as_root("files_of_an_earlier_user_are_named", |volume| {
        prepare_as_kubelet(volume);
        act_as(SERVICE, &[GROUP]);
        leave_rows(volume);
        act_as(SERVICE + 1, &[GROUP]);
        assert_refused(
            volume,
            &["/lock: let the service's user read and write there", "chown -R", "fsGroup"],
        );
    });
}

#[test]
fn a_directory_of_an_earlier_user_is_refused_by_name() {
    as_root("a_directory_of_an_earlier_user_is_refused_by_name", |volume| {
        let spool = volume.join("ledger");
        prepare_as_kubelet(volume);
        act_as(SERVICE, &[GROUP]);
        leave_rows(&spool);
        act_as_root();
        prepare_as_kubelet(volume);
        act_as(SERVICE + 1, &[GROUP]);
        assert_refused(&spool, &["belongs to another user (uid 1000, and the service has 1001)", "chown -R"]);
        act_as_root();
        chown(&spool, Some(SERVICE + 1), None).expect("root may");
        act_as(SERVICE + 1, &[GROUP]);
        send_rows(&spool);
    });
}

#[test]
fn a_mount_of_root_alone_names_the_remedy() {
    as_root("a_mount_of_root_alone_names_the_remedy", |volume| {
        act_as(SERVICE, &[]);
        assert_refused(volume, &["chown -R, chmod 700, or fsGroup in Kubernetes"]);
        assert_refused(&volume.join("ledger"), &["cannot make the spool directory", "fsGroup"]);
    });
}

#[test]
fn a_group_that_the_service_is_not_in_is_refused() {
    as_root("a_group_that_the_service_is_not_in_is_refused", |volume| {
        let spool = volume.join("ledger");
        fs::create_dir(&spool).expect("root may");
        chown(&spool, Some(SERVICE), Some(GROUP)).expect("root may");
        fs::set_permissions(&spool, Permissions::from_mode(0o2770)).expect("root may");
        act_as(SERVICE, &[]);
        assert_refused(
            &spool,
            &["can be written by others (mode 2770, gid 2000)", "a group of the service's user"],
        );
        act_as(SERVICE, &[GROUP]);
        drop(open(&spool, Memory::default()).expect("a ledger"));
    });
}

#[expect(clippy::print_stderr, reason = "a test that could not run says so")]
#[test]
fn a_mount_that_is_read_only_names_the_remedy() {
    as_root("a_mount_that_is_read_only_names_the_remedy", |volume| {
        let mount = |arguments: &[&str]| {
            let mount = std::process::Command::new("mount").args(arguments).arg(volume).output();
            mount.is_ok_and(|mount| mount.status.success())
        };
        if !mount(&["-t", "tmpfs", "-o", "ro,mode=700", "tmpfs"]) {
            eprintln!("NOT TESTED: this machine lets nobody mount");
            return;
        }
        assert_refused(volume, &["mount it for writing"]);
        assert_refused(&volume.join("ledger"), &["mount it for writing"]);
        let unmounted = std::process::Command::new("umount").arg(volume).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    });
}
