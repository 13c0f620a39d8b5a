//! Logs that are read several times, each time from their beginning.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::report::log::{Logs, UnreadLines};
use crate::rules::Rules;
use crate::store::read::{Reading, RowSource, Selection};

pub(super) struct FreshLogs {
    files: Vec<PathBuf>,
    rules: Rules,
    is_read: bool,
    /// Those of the last time.
    pub(super) unread: UnreadLines,
}

impl FreshLogs {
    pub(super) fn new(files: Vec<PathBuf>, rules: Rules) -> Self {
        Self { files, rules, is_read: false, unread: UnreadLines::default() }
    }
}

impl RowSource for FreshLogs {
    async fn read(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), Error> {
        if self.is_read && self.files.iter().any(|file| file == Path::new("-")) {
            return Err(Error::config(
                "the id leads to other ids, and stdin can be read only once: give the log as a file",
            ));
        }
        self.is_read = true;
        let mut logs = Logs::new(self.files.clone(), &self.rules);
        logs.read(selection, each).await?;
        self.unread = logs.into_unread();
        Ok(())
    }
}
