//! The directory on disk: one process owns it, only its user may read it, and no symbolic link is followed.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile, failed};
use crate::error::Error;

/// Locked by the process that owns the directory. It holds the id of that process, for the message to a second one.
const LOCK: &str = "lock";

/// A directory on disk, owned by this process until it is dropped.
///
/// The lock belongs to the open file: the kernel releases it however the process ends. A forked child that
/// outlives its parent keeps it; one that calls `exec` does not.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Locked as long as it is open.
    lock: File,
}

impl Directory {
    /// Takes possession of the directory, and makes it if it is missing.
    pub(super) fn own(path: &Path) -> Result<Self, Error> {
        // The process may change its working directory later.
        let path = std::path::absolute(path)
            .map_err(|error| failed("cannot tell the place of the spool directory", path, error))?;
        make(&path)?;
        Ok(Self { lock: lock(&path)?, path })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Disk for Directory {
    type File = File;

    fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the lock file is still the one in the directory. If either was deleted, another process could lock a new
    /// one.
    fn is_owned(&self) -> bool {
        let (Ok(found), Ok(lock)) = (self.at(LOCK).symlink_metadata(), self.lock.metadata()) else {
            return false;
        };
        (found.dev(), found.ino()) == (lock.dev(), lock.ino())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn edit(&self, name: &str) -> io::Result<File> {
        regular(writable().create(true).truncate(false).open(self.at(name))?)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        regular(private().read(true).open(self.at(name))?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.at(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

fn make(path: &Path) -> Result<(), Error> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|error| failed("cannot make the spool directory", path, error))?;
            fs::symlink_metadata(path)
        }
        found => found,
    };
    check(path, &found.map_err(|error| failed("cannot look at the spool directory", path, error))?)
}

/// Whether the directory exists.
///
/// # Errors
/// When this process may not own it or write to it, or may not make it where it is missing.
pub(super) fn look(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Err(error) if is_missing(&error) => look_above(path).map(|()| false),
        Err(error) => Err(failed("cannot look at the spool directory", path, error)),
        Ok(found) => {
            check(path, &found)?;
            try_access(path).map_err(|error| failed("cannot write to the spool directory", path, error))?;
            Ok(true)
        }
    }
}

/// Whether a directory can be made there.
fn look_above(path: &Path) -> Result<(), Error> {
    let cannot = |error| failed("cannot tell the place of the spool directory", path, error);
    let path = std::path::absolute(path).map_err(cannot)?;
    let is_there = |above: &&Path| !above.symlink_metadata().is_err_and(|error| is_missing(&error));
    let Some(above) = path.ancestors().skip(1).find(is_there) else { return Ok(()) };
    let tried = fs::metadata(above).and_then(|found| match found.is_dir() {
        true => try_access(above),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    let what = format!("the spool directory {} is not there and cannot be made in", path.display());
    tried.map_err(|error| failed(&what, above, error))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether this process may make files there, as far as the system can tell without a try.
#[expect(unsafe_code, reason = "std does not ask the system for it")]
fn try_access(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path ends with a NUL and outlives the call.
    let status =
        unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn check(path: &Path, found: &Metadata) -> Result<(), Error> {
    let wrong = if found.is_symlink() {
        "is a symbolic link: name the directory it leads to".to_owned()
    } else if !found.is_dir() {
        "is not a directory: name a directory, or a path where one can be made".to_owned()
    } else if !is_own(found) {
        format!(
            "belongs to another user (uid {}, and the service has {}), who could plant rows in it: give it to the \
             service's user (chown -R), or name another one",
            found.uid(),
            user()
        )
    } else if others_may_write(found) {
        format!(
            "can be written by others (mode {:o}, gid {}), who could plant rows in it: chmod 700 it, give it to a group \
             of the service's user, mount it with dir_mode=0700 where the file system has no modes, or name a new \
             directory inside it",
            found.mode() & 0o7777,
            found.gid()
        )
    } else {
        return Ok(());
    };
    Err(Error::spool(format!("the spool directory {} {wrong}", path.display())))
}

fn lock(path: &Path) -> Result<File, Error> {
    let at = path.join(LOCK);
    let cannot = |error| failed("cannot lock the spool directory with", &at, error);
    let mut file = writable().create(true).truncate(false).open(&at).and_then(regular).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => {
            // Only for the message to a second process, which is shorter if the disk is full.
            file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).ok();
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(Error::spool(format!(
            "the spool directory {} is in use{}: give each process a spool directory of its own",
            path.display(),
            owner(&mut file)
        ))),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// ` by process 4321`, where its owner could write that.
fn owner(lock: &mut File) -> String {
    let mut pid = String::new();
    let read = lock.take(20).read_to_string(&mut pid);
    let is_number = read.is_ok() && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!(" by process {pid}") } else { String::new() }
}

/// Refuses a pipe or a device in the place of a file.
fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

fn writable() -> OpenOptions {
    let mut options = private();
    options.read(true).write(true);
    options
}

/// Whether it is of the user that this process acts as, or of root, as the mount point of a volume is.
fn is_own(found: &Metadata) -> bool {
    found.uid() == user() || found.uid() == 0
}

#[expect(unsafe_code, reason = "std does not tell the user of the process")]
fn user() -> u32 {
    // SAFETY: it takes nothing, and always succeeds.
    unsafe { libc::geteuid() }
}

/// Whether users may write to it who share no group with this process. Its own groups may: an orchestrator gives a volume
/// to one of them and makes it writable, at each start anew (`fsGroup` in Kubernetes).
fn others_may_write(found: &Metadata) -> bool {
    let mode = found.mode();
    mode & 0o002 != 0 || (mode & 0o020 != 0 && !is_own_group(found.gid()))
}

#[expect(unsafe_code, reason = "std does not tell the groups of the process")]
fn is_own_group(gid: u32) -> bool {
    // SAFETY: it takes nothing, and always succeeds.
    if gid == unsafe { libc::getegid() } {
        return true;
    }
    // SAFETY: with no room it only counts.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut groups = vec![0; usize::try_from(count).unwrap_or_default()];
    // SAFETY: there is room for as many as the call may write.
    let count = unsafe { libc::getgroups(groups.len() as i32, groups.as_mut_ptr()) };
    groups.iter().take(usize::try_from(count).unwrap_or_default()).any(|group| *group == gid)
}

/// Files of the owner alone, links not followed, and no waiting for the other end of a pipe.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

impl DiskFile for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn set_bytes(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn is_linked(&self) -> bool {
        // If this fails, the next write reports the failure.
        self.metadata().map_or(true, |found| found.nlink() > 0)
    }
}
