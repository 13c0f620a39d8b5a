//! The calls that the spool makes to a file system, so that tests can use a worse one than any real.

use std::io;
use std::path::Path;

use crate::error::Error;

/// A directory that the spool has for itself.
pub(crate) trait Disk {
    type File: DiskFile;

    /// Where it is, for messages.
    fn path(&self) -> &Path;
    /// Whether it is there and locked by this process.
    fn is_owned(&self) -> bool;
    /// The names in it, in no order.
    fn names(&self) -> io::Result<Vec<String>>;
    /// The file of that name to read and write, created if it is missing.
    fn edit(&self, name: &str) -> io::Result<Self::File>;
    /// The file of that name to read.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes names that came or went survive a power loss.
    fn sync(&self) -> io::Result<()>;

    /// The file of that name, emptied.
    fn create(&self, name: &str) -> io::Result<Self::File> {
        let mut file = self.edit(name)?;
        file.set_bytes(0)?;
        Ok(file)
    }

    /// An error about one of its files, as [`failed`].
    fn failed(&self, what: &str, name: &str, error: io::Error) -> Error {
        failed(what, &self.path().join(name), error)
    }
}

/// An open file, read and written by position.
pub(crate) trait DiskFile {
    fn bytes(&self) -> io::Result<u64>;
    fn read_at(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    fn set_bytes(&mut self, bytes: u64) -> io::Result<()>;
    /// Makes the written bytes survive a power loss.
    fn sync(&mut self) -> io::Result<()>;
    /// Whether it still has a name.
    fn is_linked(&self) -> bool;
}

/// Appends up to `wanted` bytes from `offset + into.len()` on; fewer only at the end of the file.
pub(super) fn read_some(
    file: &mut impl DiskFile,
    into: &mut Vec<u8>,
    offset: u64,
    wanted: usize,
) -> io::Result<()> {
    let start = into.len();
    into.resize(start + wanted, 0);
    let mut filled = start;
    let mut read = Ok(());
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                (read, filled) = (Err(error), start);
                break;
            }
        }
    }
    into.truncate(filled);
    read
}

/// Writes all of `bytes` with as few calls as the file system allows; how many are written, and the error that ended it.
pub(super) fn write_all(file: &mut impl DiskFile, bytes: &[u8], offset: u64) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write_at(&bytes[written..], offset + written as u64) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Whether the disk fails under an existing file: a later try will not succeed.
pub(super) fn is_damage(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    const OF_THE_FILE_SYSTEM: i32 = libc::EUCLEAN;
    #[cfg(not(target_os = "linux"))]
    const OF_THE_FILE_SYSTEM: i32 = libc::EIO;
    matches!(error.raw_os_error(), Some(libc::EIO | OF_THE_FILE_SYSTEM))
}

/// Whether there is no space now. There may be some later.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// An error that says what failed, on which path, why, and what to do.
pub(super) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull => "free some space on its file system",
        io::ErrorKind::QuotaExceeded => "raise the quota of the service's user, or free some of its space",
        io::ErrorKind::FileTooLarge => "raise the file size limit of the service (ulimit -f)",
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing, or name a spool directory elsewhere",
        io::ErrorKind::PermissionDenied => {
            "let the service's user read and write there (chown -R, chmod 700, or fsGroup in Kubernetes)"
        }
        io::ErrorKind::NotADirectory => "name a path whose parents are directories",
        io::ErrorKind::NotFound => "make its parent directory, and keep others from removing it",
        _ if error.raw_os_error() == Some(libc::ELOOP) => {
            "put a file or directory there in place of the symbolic link"
        }
        io::ErrorKind::Unsupported => "name a spool directory on a local file system",
        _ => "see the kernel's log for the state of the disk",
    };
    Error::spool(format!("{what} {}: {remedy}", path.display())).caused_by(error)
}
