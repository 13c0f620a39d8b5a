//! Logs that are named twice: their rows would count twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::input::{self, Input, NextLine};
use crate::error::Error;
use crate::report::hash::hash;

/// Refuses logs that are the same.
pub(super) fn refuse_twice(files: &[PathBuf]) -> Result<(), Error> {
    named_twice(files).map_or(Ok(()), |(one, other)| {
        Err(Error::config(format!(
            "the logs {} and {} are the same, so their rows would count twice: name one of them",
            one.display(),
            other.display()
        )))
    })
}

/// The first two names of one file, or two files with the same lines, also if one is packed.
pub(in crate::report) fn named_twice(files: &[PathBuf]) -> Option<(&Path, &Path)> {
    let mut heads = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let head = head(file);
        let is_same = |(other, its_head): &(&PathBuf, Option<u64>)| {
            is_one_file(other, file) || head.is_some() && head == *its_head && has_same_lines(other, file)
        };
        if let Some((other, _)) = files[..number].iter().zip(heads.iter().copied()).find(is_same) {
            return Some((other, file));
        }
        heads.push(head);
    }
    None
}

/// `None` for what can be read only once, or cannot be read, and for a log of one line at most: it may be the header of a table
/// without rows.
fn head(file: &Path) -> Option<u64> {
    let input = open(file)?;
    let lines = input.head().trim_ascii_end();
    lines.contains(&b'\n').then(|| hash(lines))
}

fn open(file: &Path) -> Option<Input> {
    fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    Input::new(input::open(file).ok()?).ok()
}

fn is_one_file(one: &Path, other: &Path) -> bool {
    one == other || place(one).is_ok_and(|found| place(other).is_ok_and(|place| place == found))
}

/// The device and the number of the file there: a file may have several names.
#[cfg(unix)]
fn place(file: &Path) -> io::Result<impl PartialEq + use<>> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(file)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn place(file: &Path) -> io::Result<impl PartialEq + use<>> {
    fs::canonicalize(file)
}

fn has_same_lines(one: &Path, other: &Path) -> bool {
    let Some((mut one, mut other)) = open(one).zip(open(other)) else { return false };
    loop {
        match (one.next(), other.next()) {
            (Ok(None), Ok(None)) => return true,
            (Ok(Some(NextLine::Line(line))), Ok(Some(NextLine::Line(same)))) if line == same => {}
            (Ok(Some(NextLine::Unreadable(_))), Ok(Some(NextLine::Unreadable(_)))) => {}
            _ => return false,
        }
    }
}
