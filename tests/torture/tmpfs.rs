//! Small disks: file systems in memory, mounted where nobody else sees them.
//!
//! The whole suite runs in a mount namespace of its own when it may, so that its mounts are gone with its last process,
//! however that ends.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Set in a namespace of its own.
const INSIDE: &str = "LEDGER_TORTURE_NAMESPACE";
const UNSHARE: [&str; 3] = ["--mount", "--propagation", "private"];

/// Goes on in a mount namespace of its own, where the machine allows it. Returns only where it does not, or is
/// there already.
pub(crate) fn enter_namespace() {
    let probe = || Command::new("unshare").args(UNSHARE).arg("true").output();
    if is_available() || !probe().is_ok_and(|output| output.status.success()) {
        return;
    }
    let this = env::current_exe().expect("this program is a file");
    let error =
        Command::new("unshare").args(UNSHARE).arg(this).args(env::args_os().skip(1)).env(INSIDE, "1").exec();
    panic!("unshare worked a moment ago: {error}");
}

/// Whether there can be small disks.
pub(crate) fn is_available() -> bool {
    env::var_os(INSIDE).is_some()
}

/// A small disk, unmounted when it is dropped.
pub(crate) struct Tmpfs {
    dir: TempDir,
}

impl Tmpfs {
    /// A disk of that size for the owner of this folder.
    pub(crate) fn mount(owner: &Path, megabytes: u32) -> Self {
        let owner = fs::metadata(owner).expect("the folder is there");
        let dir = tempfile::Builder::new().prefix("ledger-disk-").tempdir().expect("a temporary folder");
        let options = format!("size={megabytes}m,mode=0700,uid={},gid={}", owner.uid(), owner.gid());
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], dir.path());
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Makes it a larger one, with all that is on it.
    pub(crate) fn grow(&self, megabytes: u32) {
        mount(&["-o", &format!("remount,size={megabytes}m")], self.path());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // What is still open there goes on and is gone with its process.
        Command::new("umount").arg("--lazy").arg(self.path()).status().ok();
    }
}

fn mount(arguments: &[&str], dir: &Path) {
    let output = Command::new("mount").args(arguments).arg(dir).output().expect("mount starts");
    assert!(output.status.success(), "mount failed: {}", String::from_utf8_lossy(&output.stderr));
}
