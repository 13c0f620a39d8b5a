//! Real kills, real full disks: each test starts itself as another process and does the harm from outside.

use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use super::{OPTIONS, drain, number, row};
use crate::row::Row;
use crate::spool::Spool;

/// Set in the other process: the directory of its spool.
const DIR: &str = "LEDGER_TEST_SPOOL";

/// How the other process is started: by itself, or by a shell with `$DIR` and the process itself as `"$@"`.
enum Under {
    Nothing,
    Shell(&'static str),
    /// The same with mounts of its own.
    Mounts(&'static str),
}

fn temporary() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a temporary directory");
    let dir = parent.path().join("spool");
    (parent, dir)
}

fn dir() -> Option<PathBuf> {
    env::var_os(DIR).map(PathBuf::from)
}

/// Starts `test` of this module again.
fn start(test: &str, dir: &Path, under: &Under) -> (Child, BufReader<ChildStdout>) {
    let mut command = match under {
        Under::Nothing => Command::new(this()),
        Under::Shell(script) => shell("sh", &[], script),
        Under::Mounts(script) => shell("unshare", unshare(), script),
    };
    command.args(["--exact", &format!("spool::tests::processes::{test}"), "--nocapture"]);
    command.env(DIR, dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the test starts itself");
    let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    (child, stdout)
}

fn this() -> PathBuf {
    env::current_exe().expect("this test is a file")
}

fn shell(program: &str, before: &[&str], script: &str) -> Command {
    let mut command = Command::new(program);
    command.args(before).args(["-ec", &format!("{script}; exec \"$@\""), "sh"]).arg(this());
    command
}

/// Root has the right to mount; others have it in a user namespace, where the kernel lets them.
fn unshare() -> &'static [&'static str] {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if root { &["--mount", "sh"] } else { &["--mount", "--map-root-user", "sh"] }
}

/// Whether mounts can be tried here. CI must be able to.
#[expect(clippy::print_stderr, reason = "a test that could not run says so")]
fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    let tried = command.args(unshare()).args(["-c", "mount -t tmpfs none /mnt"]).output();
    let can = tried.as_ref().is_ok_and(|output| output.status.success());
    assert!(can || env::var_os("CI").is_none(), "mounts are not allowed here, and CI needs them: {tried:?}");
    if !can {
        eprintln!("NOT TESTED: mounts are not allowed here, run this as root: {tried:?}");
    }
    can
}

/// The numbers in the output of the other process.
fn reported(lines: impl Iterator<Item = String>) -> Vec<u64> {
    lines.filter_map(|line| line.strip_prefix("on disk ")?.parse().ok()).collect()
}

/// Waits for the other process to end well; the one number that it reported.
fn ended_well((mut child, stdout): (Child, BufReader<ChildStdout>)) -> u64 {
    let reported = reported(stdout.lines().map_while(Result::ok));
    assert!(child.wait().expect("it ends").success());
    assert_eq!(reported.len(), 1, "{reported:?}");
    reported[0]
}

#[expect(clippy::print_stdout, reason = "this is how the other process speaks to the test")]
fn say(number: u64) {
    println!("\non disk {number}");
    io::stdout().flush().expect("the test listens");
}

fn open(dir: &Path) -> Spool {
    Spool::open(dir, OPTIONS).expect("the directory can be used")
}

fn numbers(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(number).collect()
}

#[test]
fn appended_rows_survive_sigkill() {
    if let Some(dir) = dir() {
        let mut spool = open(&dir);
        for number in 0.. {
            spool.append(&mut vec![row(number)]).expect("there is room");
            say(number);
        }
    }
    let (_parent, dir) = temporary();
    for _ in 0..5 {
        let (mut child, mut stdout) = start("appended_rows_survive_sigkill", &dir, &Under::Nothing);
        assert_eq!(reported(stdout.by_ref().lines().take(500).map_while(Result::ok))[..3], [0, 1, 2]);
        child.kill().expect("it is there to be killed");
        let last = reported(stdout.lines().map_while(Result::ok)).last().copied();
        child.wait().expect("it is gone");

        let mut spool = open(&dir);
        let found = drain(&mut spool);
        let count = found.rows.len() as u64;
        assert_eq!((numbers(&found.rows), found.lost), ((0..count).collect(), 0));
        assert!(count > last.unwrap_or(200), "{count} records, and {last:?} was reported as on disk");
        spool.acknowledge(found.up_to).expect("it can be written");
    }
}

#[test]
fn two_processes_do_not_share_a_directory_and_death_lets_go_of_it() {
    if let Some(dir) = dir() {
        let _spool = open(&dir);
        say(1);
        io::stdin().read_to_end(&mut Vec::new()).expect("the test holds stdin open");
        return;
    }
    let (_parent, dir) = temporary();
    let test = "two_processes_do_not_share_a_directory_and_death_lets_go_of_it";
    let (mut child, stdout) = start(test, &dir, &Under::Nothing);
    let mut lines = stdout.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("on disk")), "it opened the spool");
    let error = Spool::open(&dir, OPTIONS).err().expect("the other has it").to_string();
    assert!(error.contains(&format!("in use by process {}", child.id())), "{error}");
    child.kill().expect("it is there to be killed");
    child.wait().expect("it is gone");
    drop(open(&dir));
}

/// Appends until the disk takes no more, and reports how many it took.
fn fill_up(dir: &Path, remedy: &str) {
    let mut spool = open(dir);
    let mut left: Vec<Row> = (0..20_000).map(row).collect();
    let error = spool.append(&mut left).expect_err("the disk is small").to_string();
    assert!(error.contains(remedy), "{error}");
    assert_eq!(numbers(&left), (20_000 - left.len() as u64..20_000).collect::<Vec<_>>());
    drop(spool);
    let found = drain(&mut open(dir));
    assert_eq!((found.rows.len() + left.len(), found.lost), (20_000, 0), "what is not left is on disk");
    assert!(numbers(&found.rows).is_sorted());
    say(found.rows.len() as u64);
}

#[test]
fn a_disk_that_is_really_full_keeps_what_it_has() {
    let test = "a_disk_that_is_really_full_keeps_what_it_has";
    if let Some(dir) = dir() {
        return fill_up(&dir, "free some space");
    }
    if !can_mount() {
        return;
    }
    let (_parent, dir) = temporary();
    std::fs::create_dir(&dir).expect("it can be made");
    let script = "mount -t tmpfs -o size=256k,mode=700 none \"$LEDGER_TEST_SPOOL\"";
    let on_disk = ended_well(start(test, &dir, &Under::Mounts(script)));
    assert!(on_disk > 1000, "{on_disk}");
}

/// A spool alone on a disk of 256 KiB.
fn on_a_small_disk(test: &str) {
    if !can_mount() {
        return;
    }
    let (_parent, dir) = temporary();
    std::fs::create_dir(&dir).expect("it can be made");
    let script = "mount -t tmpfs -o size=256k,mode=700 none \"$LEDGER_TEST_SPOOL\"";
    assert_eq!(ended_well(start(test, &dir, &Under::Mounts(script))), 1);
}

/// Appends until the disk takes no more; the number of the first row that is left.
fn fill(spool: &mut Spool) -> u64 {
    let mut left: Vec<Row> = (0..20_000).map(row).collect();
    spool.append(&mut left).expect_err("the disk is small");
    number(&left[0])
}

#[test]
fn a_disk_that_the_spool_has_filled_is_freed_once_all_is_stored() {
    if let Some(dir) = dir() {
        let mut spool = open(&dir);
        let taken = fill(&mut spool);
        let before = drain(&mut spool);
        assert_eq!(before.rows.len() as u64, taken);
        spool.acknowledge(before.up_to).expect("it has its place");
        // As many as there were: nothing of the old ones is left.
        spool.append(&mut (0..taken).map(row).collect()).expect("there is room again");
        assert_eq!(drain(&mut spool).rows.len() as u64, taken);
        return say(1);
    }
    on_a_small_disk("a_disk_that_the_spool_has_filled_is_freed_once_all_is_stored");
}

#[test]
fn a_disk_that_an_earlier_process_has_filled_is_freed_once_all_is_stored() {
    if let Some(dir) = dir() {
        let taken = fill(&mut open(&dir));
        let mut spool = open(&dir);
        // In two: each slot of the acknowledgement is written.
        for rows in [1, usize::MAX] {
            let batch = spool.next_batch(rows, usize::MAX).expect("they can be read");
            spool.acknowledge(batch.up_to).expect("it has its place");
        }
        spool.append(&mut (0..taken).map(row).collect()).expect("there is room again");
        assert_eq!(open_again(spool, &dir).pending(), taken);
        return say(1);
    }
    on_a_small_disk("a_disk_that_an_earlier_process_has_filled_is_freed_once_all_is_stored");
}

fn open_again(spool: Spool, dir: &Path) -> Spool {
    drop(spool);
    open(dir)
}

#[test]
fn a_limit_on_the_size_of_files_only_makes_them_smaller() {
    let test = "a_limit_on_the_size_of_files_only_makes_them_smaller";
    if let Some(dir) = dir() {
        let mut spool = open(&dir);
        let mut left: Vec<Row> = (0..3000).map(row).collect();
        let mut refusals = 0;
        while let Err(error) = spool.append(&mut left) {
            assert!(error.to_string().contains("ulimit -f"), "{error}");
            refusals += 1;
        }
        return say(refusals);
    }
    let (_parent, dir) = temporary();
    // In blocks of 512 bytes; the signal would end the process before the error is seen.
    let script = "trap '' XFSZ; ulimit -f 128";
    let refusals = ended_well(start(test, &dir, &Under::Shell(script)));
    assert!(refusals > 0);
    let found = drain(&mut open(&dir));
    assert_eq!((numbers(&found.rows), found.lost), ((0..3000).collect(), 0));
}

#[test]
fn a_read_only_directory_is_refused_with_the_remedy() {
    let test = "a_read_only_directory_is_refused_with_the_remedy";
    if let Some(dir) = dir() {
        let error = Spool::open(&dir, OPTIONS).err().expect("nothing can be written").to_string();
        assert!(error.contains("mount it for writing"), "{error}");
        return say(0);
    }
    if !can_mount() {
        return;
    }
    let (_parent, dir) = temporary();
    drop(open(&dir));
    let script = "mount --bind \"$LEDGER_TEST_SPOOL\" \"$LEDGER_TEST_SPOOL\"; \
                  mount -o remount,bind,ro \"$LEDGER_TEST_SPOOL\"";
    ended_well(start(test, &dir, &Under::Mounts(script)));
}

#[test]
fn a_relative_directory_stays_where_it_is_when_the_process_changes_its_own() {
    let test = "a_relative_directory_stays_where_it_is_when_the_process_changes_its_own";
    if let Some(dir) = dir() {
        let parent = dir.parent().expect("it has one");
        env::set_current_dir(parent).expect("it is there");
        let mut spool = open(Path::new("spool"));
        spool.append(&mut vec![row(1)]).expect("there is room");
        env::set_current_dir(parent.join("elsewhere")).expect("it is there");
        spool.append(&mut vec![row(2)]).expect("there is room");
        let batch = spool.next_batch(1, usize::MAX).expect("it can be read");
        spool.acknowledge(batch.up_to).expect("there is room");
        return say(spool.pending());
    }
    let (parent, dir) = temporary();
    let elsewhere = parent.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("it can be made");
    assert_eq!(ended_well(start(test, &dir, &Under::Nothing)), 1);
    assert_eq!(std::fs::read_dir(elsewhere).expect("it is there").count(), 0);
    assert_eq!(numbers(&drain(&mut open(&dir)).rows), [2]);
}
