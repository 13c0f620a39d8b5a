//! A batch as the [binary format of COPY](https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.4).
//!
//! Binary because text and CSV need escaping, and because the server then parses nothing but the JSON.

use std::slice::Iter;

use uuid::Uuid;

use crate::Row;
use crate::store::{Failure, InsertError, time};

/// The columns as [`encode`] writes them.
pub(super) const STATEMENT: &str = "COPY observability_events \
     (id, created_at, source, event_type, severity, context, restaurant_id, booking_id) \
     FROM STDIN (FORMAT binary)";

const COLUMNS: i16 = 8;
/// The signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
const NULL: i32 = -1;
const JSONB_VERSION: u8 = 1;
/// Microseconds from 1970, where we count from, to 2000, where Postgres does.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// Bytes after which a piece is sent, give or take an event. A piece stays in the processor's cache on its way
/// through the driver and the kernel, and the server begins with the first while the next is made.
const PIECE: usize = 16 * 1024;

/// The batch in pieces to be sent one after the other.
pub(super) fn encode(batch: &[Row]) -> impl Iterator<Item = Result<Vec<u8>, InsertError>> {
    let mut events = batch.iter();
    let mut is_first = true;
    std::iter::from_fn(move || {
        let is_over = !is_first && events.len() == 0;
        (!is_over).then(|| piece(&mut events, std::mem::take(&mut is_first)))
    })
}

fn piece(events: &mut Iter<'_, Row>, is_first: bool) -> Result<Vec<u8>, InsertError> {
    let mut out = Vec::with_capacity(PIECE + PIECE / 8);
    if is_first {
        out.extend_from_slice(HEADER);
    }
    for event in events.by_ref() {
        row(&mut out, event)?;
        if out.len() >= PIECE {
            break;
        }
    }
    if events.len() == 0 {
        out.extend_from_slice(&TRAILER.to_be_bytes());
    }
    Ok(out)
}

fn row(out: &mut Vec<u8>, event: &Row) -> Result<(), InsertError> {
    out.extend_from_slice(&COLUMNS.to_be_bytes());
    field(out, &[event.id.as_bytes()])?;
    field(out, &[&created_at(event)?.to_be_bytes()])?;
    field(out, &[event.source.as_bytes()])?;
    field(out, &[event.event_type.as_bytes()])?;
    field(out, &[event.severity.as_str().as_bytes()])?;
    field(out, &[&[JSONB_VERSION], event.context.as_bytes()])?;
    optional(out, event.restaurant_id)?;
    optional(out, event.booking_id)
}

/// Writes one field: the length of all parts, then the parts.
fn field(out: &mut Vec<u8>, parts: &[&[u8]]) -> Result<(), InsertError> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = i32::try_from(length).map_err(|_| {
        InsertError::new(Failure::Quarantine, "a field of the event is longer than Postgres can take, 1 GB")
    })?;
    out.extend_from_slice(&length.to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
    Ok(())
}

fn optional(out: &mut Vec<u8>, id: Option<Uuid>) -> Result<(), InsertError> {
    match id {
        Some(id) => field(out, &[id.as_bytes()]),
        None => {
            out.extend_from_slice(&NULL.to_be_bytes());
            Ok(())
        }
    }
}

fn created_at(event: &Row) -> Result<i64, InsertError> {
    let time = time::created_at(event)?;
    Ok(time.as_microsecond() - POSTGRES_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::Severity;

    fn event() -> Row {
        Row {
            id: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            created_at: UNIX_EPOCH + Duration::from_micros(946_684_800_000_001),
            source: "s".into(),
            event_type: "t".into(),
            severity: Severity::Warning,
            context: "{}".to_owned(),
            restaurant_id: None,
            booking_id: Some(Uuid::nil()),
        }
    }

    #[test]
    fn a_row_is_laid_out_as_the_manual_says() {
        let encoded = encode(&[event()]).collect::<Result<Vec<_>, _>>().expect("encodes").concat();
        let mut expected = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x08".to_vec();
        expected.extend(b"\0\0\0\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10");
        expected.extend(b"\0\0\0\x08\0\0\0\0\0\0\0\x01");
        expected.extend(b"\0\0\0\x01s\0\0\0\x01t\0\0\0\x07warning");
        expected.extend(b"\0\0\0\x03\x01{}\xff\xff\xff\xff");
        expected.extend([0, 0, 0, 16].into_iter().chain([0; 16]));
        expected.extend(b"\xff\xff");
        assert_eq!(encoded, expected);
    }

    #[test]
    fn many_events_are_cut_into_pieces_of_one_size() {
        let batch = vec![Row { restaurant_id: Some(Uuid::nil()), ..event() }; 5000];
        let pieces: Vec<_> = encode(&batch).collect::<Result<_, _>>().expect("encodes");
        let (last, full) = pieces.split_last().expect("there is one");
        assert!(full.len() > 5 && last.len() <= PIECE);
        assert!(full.iter().all(|piece| (PIECE..PIECE + 200).contains(&piece.len())));
        let row = encode(&batch[..1]).next().expect("one").expect("encodes").len() - HEADER.len() - 2;
        assert_eq!(pieces.concat().len(), HEADER.len() + batch.len() * row + 2);
    }
}
