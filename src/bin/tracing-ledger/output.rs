//! The formats and the destinations of answers.

use std::error::Error;
use std::fs;
use std::path::Path;

use clap::ValueEnum;

use super::print;

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned tables
    #[default]
    Text,
    /// Markdown tables, such as for a pull request
    Md,
    /// One JSON object
    Json,
    /// One line for each figure
    Csv,
    /// A page with charts: one file that needs no network
    Html,
}

/// Writes to this file, or else to stdout.
pub(crate) fn write(out: Option<&Path>, text: &str) -> Result<(), Box<dyn Error>> {
    let Some(file) = out else { return Ok(print(text)?) };
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    // A link or a device, such as /dev/stdout, stays what it is. A file is written beside the one that it replaces, so that a
    // full disk leaves the old one.
    let written = if fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
        fs::write(file, text)
    } else {
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, file))
    };
    written.map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}
