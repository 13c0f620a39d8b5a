//! Looks at a spool directory without taking possession of it.

use std::fs;
use std::path::Path;

use super::directory;
use crate::error::Error;
use crate::finding::Checkup;

const QUARANTINE: &str = "quarantine.jsonl";

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
    let rows = fs::read_to_string(path.join(QUARANTINE)).map_or(0, |text| text.lines().count());
    if rows > 0 {
        checkup.wrong(
            "quarantine",
            format!(
                "{rows} rows that the database rejected are in {place}/{QUARANTINE}: correct them and send them again, as the \
                 page on reliability says, or remove the file"
            ),
        );
    } else {
        checkup.ok("quarantine", "no rejected row is kept");
    }
}

fn sizes(path: &Path) -> Result<(usize, u64), Error> {
    let cannot = |error| {
        Error::spool(format!("cannot read the spool directory {}", path.display()))
            .caused_by(error as std::io::Error)
    };
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
