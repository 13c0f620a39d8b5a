//! A batch in the [binary format of COPY](https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.4).
//!
//! Text and CSV would need escaping. Of the binary format the server parses only the JSON.

use std::slice::Iter;

use uuid::Uuid;

use crate::row::Row;
use crate::store::{Failure, InsertError, time};

/// The columns in the order of [`encode`].
pub(super) const STATEMENT: &str = "COPY observability_events \
     (id, created_at, source, event_type, severity, context, restaurant_id, booking_id) \
     FROM STDIN (FORMAT binary)";

const COLUMNS: i16 = 8;
/// The signature, no flags, no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
const NULL: i32 = -1;
const JSONB_VERSION: u8 = 1;
/// Microseconds from 1970 to 2000, where Postgres begins to count.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The size of a piece in bytes, give or take a row. A piece stays in the processor's cache on its way through the driver
/// and the kernel, and the server reads it while the next one is made.
const PIECE: usize = 16 * 1024;

/// The batch in pieces, to be sent one after the other.
pub(super) fn encode(batch: &[Row]) -> impl Iterator<Item = Result<Vec<u8>, InsertError>> {
    let mut rows = batch.iter();
    let mut is_first = true;
    std::iter::from_fn(move || {
        let is_over = !is_first && rows.len() == 0;
        (!is_over).then(|| piece(&mut rows, std::mem::take(&mut is_first)))
    })
}

fn piece(rows: &mut Iter<'_, Row>, is_first: bool) -> Result<Vec<u8>, InsertError> {
    let mut out = Vec::with_capacity(PIECE + PIECE / 8);
    if is_first {
        out.extend_from_slice(HEADER);
    }
    for row in rows.by_ref() {
        encode_row(&mut out, row)?;
        if out.len() >= PIECE {
            break;
        }
    }
    if rows.len() == 0 {
        out.extend_from_slice(&TRAILER.to_be_bytes());
    }
    Ok(out)
}

fn encode_row(out: &mut Vec<u8>, row: &Row) -> Result<(), InsertError> {
    out.extend_from_slice(&COLUMNS.to_be_bytes());
    field(out, &[row.id.as_bytes()])?;
    field(out, &[&created_at(row)?.to_be_bytes()])?;
    field(out, &[row.source.as_bytes()])?;
    field(out, &[row.event_type.as_bytes()])?;
    field(out, &[row.severity.as_str().as_bytes()])?;
    field(out, &[&[JSONB_VERSION], row.context.as_bytes()])?;
    optional(out, row.restaurant_id)?;
    optional(out, row.booking_id)
}

/// Writes one field: the length of all its parts, then the parts.
fn field(out: &mut Vec<u8>, parts: &[&[u8]]) -> Result<(), InsertError> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = i32::try_from(length).map_err(|_| {
        InsertError::new(
            Failure::Quarantine,
            "a value of the row is longer than the 1 GB that Postgres takes",
        )
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

fn created_at(row: &Row) -> Result<i64, InsertError> {
    Ok(time::created_at(row)?.as_microsecond() - POSTGRES_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::severity::Severity;

    fn sample() -> Row {
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
        let encoded = encode(&[sample()]).collect::<Result<Vec<_>, _>>().expect("encodes").concat();
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
    fn many_rows_are_cut_into_pieces_of_one_size() {
        let batch = vec![Row { restaurant_id: Some(Uuid::nil()), ..sample() }; 5000];
        let pieces: Vec<_> = encode(&batch).collect::<Result<_, _>>().expect("encodes");
        let (last, full) = pieces.split_last().expect("there is one");
        assert!(full.len() > 5 && last.len() <= PIECE);
        assert!(full.iter().all(|piece| (PIECE..PIECE + 200).contains(&piece.len())));
        let row = encode(&batch[..1]).next().expect("one").expect("encodes").len() - HEADER.len() - 2;
        assert_eq!(pieces.concat().len(), HEADER.len() + batch.len() * row + 2);
    }
}
