//! The environment variables and the home directory, as a test may replace them.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::Error;

/// Looks up a variable.
pub(in super::super) struct Environment<'a>(pub(in super::super) &'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'static> {
    pub(in super::super) fn of_process() -> Self {
        Self(&|name| std::env::var_os(name))
    }
}

impl Environment<'_> {
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let not_utf8 = |_| Error::config(format!("the environment variable {name} is no UTF-8; correct it"));
        (self.0)(name).map(OsString::into_string).transpose().map_err(not_utf8)
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.0)(name).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    pub(super) fn in_home(&self, file: &str) -> Option<PathBuf> {
        Some(self.path("HOME").or_else(std::env::home_dir)?.join(file))
    }

    /// The path of a file in `~/.postgresql`, if it is there.
    pub(super) fn file_in_home(&self, file: &str) -> Option<String> {
        let path = self.in_home(".postgresql")?.join(file);
        if path.exists() { path.to_str().map(str::to_owned) } else { None }
    }
}
