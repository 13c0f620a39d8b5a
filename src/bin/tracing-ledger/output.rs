//! The formats and the destinations of answers.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write as _};
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
        replace(file, beside.as_ref(), text)
    };
    written.map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}

/// The new file has the rights of the old one before it has a text.
fn replace(file: &Path, beside: &Path, text: &str) -> io::Result<()> {
    // A run that was killed may have left one with other rights.
    fs::remove_file(beside).ok();
    let mut new = File::create_new(beside)?;
    if let Ok(old) = fs::metadata(file) {
        new.set_permissions(old.permissions())?;
    }
    new.write_all(text.as_bytes())?;
    fs::rename(beside, file)
}
