//! Looks at a spool directory, and leaves it to its owner.

use std::path::Path;
use std::{fs, io};

use super::disk::failed;
use super::{directory, quarantine};
use crate::error::Error;
use crate::finding::Checkup;

/// Notes the state of the directory.
pub(crate) fn look(path: &Path, checkup: &mut Checkup) {
    let place = path.display();
    match directory::look(path) {
        Ok(true) => {}
        Ok(false) => {
            return checkup.ok("spool", format!("{place} is not there yet, and is made at the start"));
        }
        Err(error) => return checkup.wrong("spool", format!("{error:#}")),
    }
    match sizes(path) {
        Ok((segments, bytes)) => {
            checkup.ok(
                "spool",
                format!("{place} has {bytes} bytes in {segments} segments on their way to the database"),
            );
        }
        Err(error) => checkup.unknown("spool", format!("{error:#}")),
    }
    let file = path.join(quarantine::NAME);
    match quarantined(&file) {
        Ok(0) => checkup.ok("quarantine", "no rejected row is kept"),
        Ok(rows) => checkup.wrong(
            "quarantine",
            format!(
                "{rows} rows that the database rejected are in {}: correct them and send them again, as the page on reliability \
                 says, or remove the file",
                file.display()
            ),
        ),
        Err(error) => checkup.unknown("quarantine", format!("{:#}", failed("cannot read", &file, error))),
    }
}

/// The number of rows in the file.
fn quarantined(file: &Path) -> io::Result<usize> {
    match fs::read(file) {
        Ok(bytes) => Ok(bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The number of segments and their bytes.
fn sizes(path: &Path) -> Result<(usize, u64), Error> {
    let cannot = |error| failed("cannot read the spool directory", path, error);
    let (mut segments, mut bytes) = (0, 0);
    for entry in fs::read_dir(path).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        if super::segment::number(&entry.file_name().to_string_lossy()).is_some() {
            segments += 1;
            bytes += entry.metadata().map_err(cannot)?.len();
        }
    }
    Ok((segments, bytes))
}
