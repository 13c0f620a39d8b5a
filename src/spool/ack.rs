//! How far the store has everything: one number, kept so that no crash can make it too high.
//!
//! The file has two slots of 16 bytes, 4096 bytes apart so that they share no block of the disk. Each holds the
//! lowest sequence number that is not acknowledged (`u64`), four bytes `TLAK`, and the CRC-32C of these twelve.
//! They are written in turn, in place: a write that is torn harms the older number, and the other stands. Of
//! two good slots the higher counts. With no good slot everything that is still in the segments is replayed.
//!
//! Both slots get their room on disk before the first segment. Otherwise segments could fill the disk, no number could
//! be written, and no segment would ever be deleted. A slot without a number holds zeros, and is not a good slot.

use std::io;

use super::disk::{Disk, DiskFile, read_some, write_all};
use super::format::checksum;

pub(super) const NAME: &str = "acknowledged";
const MARK: [u8; 4] = *b"TLAK";
const SLOT_BYTES: usize = 16;
const SLOT_DISTANCE: u64 = 4096;

/// The acknowledgement on disk.
pub(super) struct Ack<F> {
    /// Open once there is a segment, or a number to keep.
    file: Option<F>,
    /// The slot to write next, 0 or 1.
    slot: u64,
    /// The number in the file.
    kept: Option<u64>,
    synced: bool,
}

impl<F: DiskFile> Ack<F> {
    /// Reads the file, if there is one. A file that cannot be read counts as none: rows that are sent again have the same ids.
    pub(super) fn read(disk: &impl Disk<File = F>) -> Self {
        let mut file = disk.open(NAME).ok();
        let [first, second] = [0, 1].map(|slot| file.as_mut().and_then(|file| read_slot(file, slot).ok()?));
        // `None` is less than any number.
        let slot = u64::from(first > second);
        Self { file: None, slot, kept: first.max(second), synced: false }
    }

    /// The number in the file: everything below is acknowledged.
    pub(super) fn kept(&self) -> Option<u64> {
        self.kept
    }

    /// Takes the place of both slots on the disk, once for each file. No number in a slot is written over.
    pub(super) fn reserve(&mut self, disk: &impl Disk<File = F>) -> io::Result<()> {
        self.file = Some(self.take_file(disk)?);
        Ok(())
    }

    pub(super) fn write(&mut self, disk: &impl Disk<File = F>, number: u64) -> io::Result<()> {
        let mut file = self.take_file(disk)?;
        write_all(&mut file, &slot(number), self.slot * SLOT_DISTANCE).1?;
        self.file = Some(file);
        self.slot = 1 - self.slot;
        self.kept = Some(number);
        self.synced = false;
        Ok(())
    }

    /// Makes the number survive a power loss. Then the records below it can be deleted.
    pub(super) fn sync(&mut self, disk: &impl Disk<File = F>) -> io::Result<()> {
        let Some(number) = self.kept.filter(|_| !self.synced) else { return Ok(()) };
        // Into the other slot too: once the segments are gone, an older number would make them count as lost.
        self.write(disk, number)?;
        // After a sync that fails the file is opened anew, because a second sync of the same file would report success.
        let mut file = self.take_file(disk)?;
        file.sync()?;
        disk.sync()?;
        self.file = Some(file);
        self.synced = true;
        Ok(())
    }

    /// The open file, or the file opened anew with a place for both slots.
    fn take_file(&mut self, disk: &impl Disk<File = F>) -> io::Result<F> {
        if let Some(file) = self.file.take() {
            return Ok(file);
        }
        let mut file = disk.edit(NAME)?;
        for place in [0, 1] {
            // A slot that cannot be read just now may be good, and is left as it is.
            if read_slot(&mut file, place)?.is_none() {
                write_all(&mut file, &[0; SLOT_BYTES], place * SLOT_DISTANCE).1?;
            }
        }
        Ok(file)
    }
}

fn slot(number: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..12].copy_from_slice(&MARK);
    let checksum = checksum(&[&bytes[..12]]);
    bytes[12..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The number in a slot; `None` for one that is not good.
fn read_slot(file: &mut impl DiskFile, place: u64) -> io::Result<Option<u64>> {
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    read_some(file, &mut bytes, place * SLOT_DISTANCE, SLOT_BYTES)?;
    let number = bytes.first_chunk().map(|number| u64::from_le_bytes(*number));
    Ok(number.filter(|number| bytes == slot(*number)))
}
