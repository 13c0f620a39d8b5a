//! The bytes of one record. The page of the module [`spool`](super) describes them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc, Table};
use uuid::Uuid;

use crate::row::Row;
use crate::severity::Severity;

/// How a frame begins. Its first and last byte occur in no UTF-8 text, so that no string that was recorded can
/// pass for a frame when a reader looks for the next one.
pub(super) const MAGIC: [u8; 4] = [0xFF, b'T', b'L', 0xFE];
/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 20;
/// The largest payload. The largest record that the queue takes has a fifth of this size, even with every byte escaped.
pub(super) const PAYLOAD_LIMIT: usize = 4 * 1024 * 1024;
/// No frame is longer.
pub(super) const FRAME_LIMIT: usize = HEADER_BYTES + PAYLOAD_LIMIT;
/// The payload of a row with nothing in it.
const SMALLEST_PAYLOAD: usize = 16 + 8 + 1 + 1 + 3 * 4;
/// No frame is shorter.
pub(super) const SMALLEST_FRAME: usize = HEADER_BYTES + SMALLEST_PAYLOAD;

const HAS_RESTAURANT: u8 = 1;
const HAS_BOOKING: u8 = 2;

static CASTAGNOLI: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The checksum of everything in `parts`, one after the other.
pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut digest = CASTAGNOLI.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// How many bytes the frame of a row takes.
pub(super) fn frame_bytes(row: &Row) -> usize {
    let uuids = [row.restaurant_id, row.booking_id];
    let texts = row.source.len() + row.event_type.len() + row.context.len();
    SMALLEST_FRAME + 16 * uuids.iter().flatten().count() + texts
}

/// Appends the frame of a row that is not over [`PAYLOAD_LIMIT`].
pub(super) fn encode(into: &mut Vec<u8>, sequence: u64, row: &Row) {
    let start = into.len();
    let length = frame_bytes(row) - HEADER_BYTES;
    into.extend(MAGIC);
    into.extend(word(length));
    into.extend(sequence.to_le_bytes());
    into.extend([0; 4]);
    payload(into, row);
    let (header, payload) = into[start..].split_at_mut(HEADER_BYTES);
    let checksum = checksum(&[&header[4..16], payload]);
    header[16..].copy_from_slice(&checksum.to_le_bytes());
}

fn payload(into: &mut Vec<u8>, row: &Row) {
    let restaurant = if row.restaurant_id.is_some() { HAS_RESTAURANT } else { 0 };
    let booking = if row.booking_id.is_some() { HAS_BOOKING } else { 0 };
    into.extend(row.id.as_bytes());
    into.extend(microseconds(row.created_at).to_le_bytes());
    into.extend([severity_number(row.severity), restaurant | booking]);
    for uuid in [row.restaurant_id, row.booking_id].into_iter().flatten() {
        into.extend(uuid.as_bytes());
    }
    for text in [&*row.source, &*row.event_type, &*row.context] {
        into.extend(word(text.len()));
        into.extend(text.as_bytes());
    }
}

/// A length as four bytes; no length in a frame is over [`PAYLOAD_LIMIT`].
fn word(length: usize) -> [u8; 4] {
    (length as u32).to_le_bytes()
}

/// Microseconds since 1970, a part of one cut off; times further away than an `i64` reaches become its ends.
pub(super) fn microseconds(time: SystemTime) -> i64 {
    let whole = |distance: Duration| i64::try_from(distance.as_micros());
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after).unwrap_or(i64::MAX),
        Err(before) => whole(before.duration()).map_or(i64::MIN, |micros| -micros),
    }
}

/// The time that many microseconds from 1970, where the system's clock can express it.
pub(super) fn time(microseconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_micros(microseconds.unsigned_abs());
    if microseconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
        Severity::Critical => 3,
    }
}

fn severity(number: u8) -> Option<Severity> {
    [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical].get(usize::from(number)).copied()
}

/// The bytes before a payload.
#[derive(Clone, Copy)]
pub(super) struct Header {
    /// Bytes of the payload.
    pub(super) length: usize,
    pub(super) sequence: u64,
    bytes: [u8; HEADER_BYTES],
}

impl Header {
    /// The header at the start of `bytes`, when these can be one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = *bytes.first_chunk::<HEADER_BYTES>()?;
        let mut rest = Parser(bytes.strip_prefix(&MAGIC)?);
        let length = rest.word()?;
        let sequence = u64::from_le_bytes(rest.array()?);
        let plausible = (SMALLEST_PAYLOAD..=PAYLOAD_LIMIT).contains(&length);
        plausible.then_some(Self { length, sequence, bytes })
    }

    /// The row in `payload`, when it is the very one that was written under this header.
    pub(super) fn row(&self, payload: &[u8]) -> Option<Row> {
        let checksum = checksum(&[&self.bytes[4..16], payload]).to_le_bytes();
        if self.bytes[16..] == checksum { decode(payload) } else { None }
    }
}

fn decode(payload: &[u8]) -> Option<Row> {
    let mut reader = Parser(payload);
    let id = reader.uuid()?;
    let created_at = time(i64::from_le_bytes(reader.array()?))?;
    let [level, flags] = reader.array()?;
    if flags & !(HAS_RESTAURANT | HAS_BOOKING) != 0 {
        return None;
    }
    let row = Row {
        id,
        created_at,
        severity: severity(level)?,
        restaurant_id: reader.optional_uuid(flags & HAS_RESTAURANT != 0)?,
        booking_id: reader.optional_uuid(flags & HAS_BOOKING != 0)?,
        source: Arc::from(reader.text()?),
        event_type: Arc::from(reader.text()?),
        context: reader.text()?.to_owned(),
    };
    reader.0.is_empty().then_some(row)
}

/// Takes values off the front of the bytes that are left.
struct Parser<'a>(&'a [u8]);

impl<'a> Parser<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn word(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.array().map(Uuid::from_bytes)
    }

    /// `None` when the bytes run out, `Some(None)` for a row without this id.
    fn optional_uuid(&mut self, is_there: bool) -> Option<Option<Uuid>> {
        if is_there { self.uuid().map(Some) } else { Some(None) }
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.word()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{full_row, row};
    use super::*;

    fn frame(sequence: u64, row: &Row) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, sequence, row);
        bytes
    }

    #[test]
    fn a_row_comes_back_as_it_was() {
        for row in [row(1), full_row(2)] {
            let bytes = frame(7, &row);
            assert_eq!(bytes.len(), frame_bytes(&row));
            let header = Header::parse(&bytes).expect("a header");
            assert_eq!((header.sequence, header.length), (7, bytes.len() - HEADER_BYTES));
            assert_eq!(header.row(&bytes[HEADER_BYTES..]), Some(row));
        }
    }

    /// A change of these bytes is a change of the format: it needs another extension for segments.
    #[test]
    fn the_bytes_on_disk_are_those_of_the_first_version() {
        let row = Row {
            id: Uuid::from_bytes([0xAB; 16]),
            created_at: UNIX_EPOCH + Duration::from_micros(0x0102),
            source: "s".into(),
            event_type: "tt".into(),
            severity: Severity::Warning,
            context: "{}".to_owned(),
            restaurant_id: None,
            booking_id: Some(Uuid::from_bytes([0xCD; 16])),
        };
        let mut expected = vec![0xFF, b'T', b'L', 0xFE, 59, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        expected.extend(0x6557_50B2_u32.to_le_bytes());
        expected.extend([0xAB; 16]);
        expected.extend([2, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
        expected.extend([0xCD; 16]);
        expected.extend(b"\x01\0\0\0s\x02\0\0\0tt\x02\0\0\0{}");
        assert_eq!(frame(5, &row), expected);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let original = full_row(3);
        let good = frame(1, &original);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let read = Header::parse(&bad)
                .and_then(|header| header.row(bad.get(HEADER_BYTES..HEADER_BYTES + header.length)?));
            assert_eq!(read, None, "bit {bit}");
        }
    }

    #[test]
    fn times_before_1970_and_out_of_reach_are_kept_as_far_as_they_go() {
        for micros in [0, 1, -1, i64::from(i32::MIN), 4_102_444_800_000_000, i64::MIN, i64::MAX] {
            assert_eq!(time(micros).map(microseconds), Some(micros));
        }
        let nanos = UNIX_EPOCH + Duration::from_nanos(1_999);
        assert_eq!(microseconds(nanos), 1);
        let far = UNIX_EPOCH + Duration::from_secs(u64::MAX / 4);
        assert_eq!(microseconds(far), i64::MAX);
    }
}
