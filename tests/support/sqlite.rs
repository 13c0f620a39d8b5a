//! A SQLite file of one's own.

use tempfile::TempDir;

/// A database file that is not there yet, in a folder that goes when this is dropped.
pub struct SqliteFile {
    dir: TempDir,
}

impl SqliteFile {
    #[expect(clippy::new_without_default, reason = "it makes a folder, which no default should")]
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("ledger.sqlite3")
    }

    /// `sqlite:` and the path.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }
}
