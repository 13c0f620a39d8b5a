//! The checks of the fuzzer of segments: see `fuzz/fuzz_targets/segment.rs`.

use std::io;

use super::disk::DiskFile;
use super::format::{HEADER_BYTES, Header, checksum, encode};
use super::scan::{ScannedRecord, Scanner};
use crate::row::Row;

/// The number of the record that is appended to see whether it is found. Behind it no record counts.
const LAST: u64 = u64::MAX / 2 - 1;

/// Gives all bytes that look like a frame the right checksum, so that the scanner decodes their payload.
pub fn seal(bytes: &mut [u8]) {
    for start in 0..bytes.len() {
        let frame = &mut bytes[start..];
        let Some(end) = Header::parse(frame).map(|header| HEADER_BYTES + header.length) else { continue };
        if let Some(payload) = frame.get(HEADER_BYTES..end) {
            let checksum = checksum(&[&frame[4..16], payload]);
            frame[16..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        }
    }
}

/// Reads the bytes as a segment.
///
/// # Panics
/// When a record comes out that is not there, in this place and byte by byte, when numbers do not grow, when damage is
/// not reported, or when a record behind these bytes is not found.
pub fn check(bytes: &[u8]) {
    let last = Row::new(std::time::UNIX_EPOCH, "fuzz", "last");
    let mut segment = bytes.to_vec();
    encode(&mut segment, LAST, &last);
    let mut scanner = Scanner::new(Bytes(&segment), 0..LAST + 1);
    let (mut end, mut next, mut latest) = (0, 0, None);
    while let Some(found) = scanner.next().expect("memory can be read") {
        assert!(found.sequence >= next, "{} after {next}", found.sequence);
        assert_eq!(found.damage.start, end, "nothing is passed over in silence");
        end = scanner.tail().start;
        check_bytes(&segment, &found, end);
        next = found.sequence + 1;
        latest = Some(found);
    }
    assert_eq!(scanner.tail(), end..segment.len() as u64);
    // A frame may claim the last number before, or these bytes as its own.
    let is_found = latest.is_some_and(|latest| latest.sequence == LAST || end > bytes.len() as u64);
    assert!(is_found, "the record behind all this is lost");
}

fn check_bytes(segment: &[u8], found: &ScannedRecord, end: u64) {
    let mut frame = Vec::new();
    encode(&mut frame, found.sequence, &found.row);
    let start = end - frame.len() as u64;
    assert_eq!(found.damage.end, start);
    assert_eq!(segment[start as usize..end as usize], frame, "the record has the bytes of the segment");
}

struct Bytes<'a>(&'a [u8]);

impl DiskFile for Bytes<'_> {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&mut self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_bytes(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn is_linked(&self) -> bool {
        true
    }
}
