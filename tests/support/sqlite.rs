//! A SQLite file of one's own.

use tempfile::TempDir;

/// A database file that is not there yet, in a folder that goes when this is dropped.
pub(crate) struct SqliteFile {
    dir: TempDir,
}

impl SqliteFile {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("ledger.sqlite3")
    }

    /// `sqlite:` and the path.
    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }
}
