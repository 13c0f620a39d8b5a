//! Keeps damaged bytes, so that a person can look at them.

use std::io;
use std::ops::Range;

use super::disk::{Disk, read_some, write_all};

/// The extension of files that hold damaged bytes.
pub(super) const EXTENSION: &str = ".damaged";
/// The most of these files: a disk that fails everywhere must not fill itself with the proof.
const FILES: usize = 64;
/// The most bytes that are copied from one stretch.
const STRETCH_BYTES: u64 = 1024 * 1024;

/// Copies a stretch of a segment to `<segment>.<offset>.damaged`, unless there are enough of these already.
pub(super) fn keep<D: Disk>(
    disk: &D,
    from: &mut D::File,
    segment: &str,
    stretch: Range<u64>,
) -> io::Result<()> {
    if stretch.is_empty() || has_enough(disk)? {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let wanted = (stretch.end - stretch.start).min(STRETCH_BYTES);
    read_some(from, &mut bytes, stretch.start, wanted as usize)?;
    let mut copy = disk.create(&format!("{segment}.{}{EXTENSION}", stretch.start))?;
    write_all(&mut copy, &bytes, 0).1
}

/// Keeps a whole segment under another name, or deletes it when enough are kept.
pub(super) fn retire(disk: &impl Disk, segment: &str) -> io::Result<()> {
    if has_enough(disk)? {
        return disk.remove(segment);
    }
    disk.rename(segment, &format!("{segment}{EXTENSION}"))
}

fn has_enough(disk: &impl Disk) -> io::Result<bool> {
    Ok(disk.names()?.iter().filter(|name| name.ends_with(EXTENSION)).count() >= FILES)
}
