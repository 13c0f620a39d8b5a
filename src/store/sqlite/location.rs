//! The file that a URL names, and whether the open file is still that file.
//!
//! SQLite keeps its file open. Once someone moves, deletes or replaces the file, a commit succeeds in a file that nobody
//! reads. So the store compares device and inode before and after each batch.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::error::Error;
use crate::escape::visible;

/// A database in a file or in memory.
#[derive(Clone)]
pub(super) struct Location {
    pub(super) options: SqliteConnectOptions,
    /// Absolute, so that it outlives a change of the working directory. `None` in memory.
    path: Option<PathBuf>,
}

/// A change of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The path names no file, or another one.
    Gone,
    /// The same for the write-ahead log beside the file.
    LogGone,
    /// The file is shorter than before, by a `VACUUM` or by damage.
    Shorter,
}

/// The identity of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// The file and its write-ahead log at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// With its length.
    file: Option<(Identity, u64)>,
    log: Option<Identity>,
}

impl Location {
    pub(super) fn from_url(url: &str) -> Result<Self, Error> {
        if !url.starts_with("sqlite:") {
            return Err(unreadable("it does not begin with sqlite:"));
        }
        let options: SqliteConnectOptions =
            url.parse().map_err(|error: sqlx::Error| unreadable(visible(&error.to_string())))?;
        if is_set(&options, "mode=memory") {
            return Ok(Self { options, path: None });
        }
        check(options.get_filename())?;
        let path = std::path::absolute(options.get_filename()).map_err(unreadable)?;
        Ok(Self { options: options.filename(&path), path: Some(path) })
    }

    /// Refuses a URL that allows no writes.
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        match ["mode=ro", "immutable=true"].into_iter().find(|parameter| is_set(&self.options, parameter)) {
            Some(parameter) => Err(Error::config(format!(
                "the SQLite URL has {parameter}, but the ledger writes: leave the parameter out"
            ))),
            None => Ok(()),
        }
    }

    /// The name of a file that should be there and is not.
    #[cfg(feature = "report")]
    pub(super) fn missing(&self) -> Option<String> {
        let path = self.path.as_deref().filter(|path| !path.exists())?;
        path.file_name().map(|name| visible(&name.to_string_lossy()))
    }

    /// The file, by whatever name; `None` in memory.
    #[cfg(feature = "report")]
    pub(super) fn place(&self) -> Option<String> {
        let path = self.path.as_deref()?;
        Some(format!("{:?}", fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())))
    }

    /// The file that is there now; `None` for a database in memory.
    pub(super) fn look(&self) -> Option<Seen> {
        self.path.as_deref().map(Seen::at)
    }
}

impl Seen {
    /// The change since `before`.
    pub(super) fn change(&self, before: &Self) -> Option<Change> {
        let (Some((file, length)), Some((file_before, length_before))) = (self.file, before.file) else {
            return Some(Change::Gone);
        };
        match () {
            () if file != file_before => Some(Change::Gone),
            () if length < length_before => Some(Change::Shorter),
            () if before.log.is_some() && self.log != before.log => Some(Change::LogGone),
            () => None,
        }
    }

    fn at(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let identity = |file: &fs::Metadata| Identity { device: file.dev(), inode: file.ino() };
        Self {
            file: fs::metadata(path).ok().map(|file| (identity(&file), file.len())),
            log: fs::metadata(log).ok().map(|file| identity(&file)),
        }
    }
}

/// Whether the driver has understood `parameter`.
fn is_set(options: &SqliteConnectOptions, parameter: &str) -> bool {
    // The driver panics over a URL of some relative paths.
    let url = options.clone().filename("/").to_url_lossy();
    url.query().is_some_and(|query| query.split('&').any(|set| set == parameter))
}

/// Refuses names that SQLite takes for something else than a file.
fn check(path: &Path) -> Result<(), Error> {
    let text = path.to_string_lossy();
    if text.starts_with("file:") {
        return Err(unreadable("it has the form of SQLite's own URIs: leave file: out"));
    }
    if text.chars().any(char::is_control) {
        return Err(unreadable("its path has a control character, such as a line feed at the end"));
    }
    // An empty name makes a file that SQLite deletes at once.
    let is_file = !text.trim().is_empty() && path.file_name().is_some() && !text.ends_with('/');
    if !is_file {
        return Err(unreadable("its path names no file"));
    }
    Ok(())
}

fn unreadable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::config(
        "the SQLite URL cannot be read: use sqlite:PATH or sqlite::memory:, with a ? in the path as %3F",
    )
    .caused_by(why)
}
