//! A batch in the [text format of COPY](https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.55.9.2).
//!
//! The binary format saves the server up to a fifth of the time, but a column of another type than expected may
//! silently take it for something else. Text means the same to every type.

use std::slice::Iter;

use crate::columns::ColumnMap;
use crate::row::Row;
use crate::store::filled::Filled;
use crate::store::{InsertError, time};

const NULL: &str = "\\N";
/// The size of a piece in bytes, give or take a row. A piece stays in the processor's cache on its way through the driver
/// and the kernel, and the server reads it while the next one is made.
const PIECE: usize = 16 * 1024;

/// The batch in pieces, to be sent one after the other.
pub(super) fn encode(
    batch: &[Row],
    columns: &ColumnMap,
) -> impl Iterator<Item = Result<Vec<u8>, InsertError>> {
    let mut rows = batch.iter();
    std::iter::from_fn(move || (rows.len() > 0).then(|| piece(&mut rows, columns)))
}

fn piece(rows: &mut Iter<'_, Row>, columns: &ColumnMap) -> Result<Vec<u8>, InsertError> {
    let mut out = Vec::with_capacity(PIECE + PIECE / 8);
    for row in rows.by_ref() {
        encode_row(&mut out, row, columns)?;
        if out.len() >= PIECE {
            break;
        }
    }
    Ok(out)
}

fn encode_row(out: &mut Vec<u8>, row: &Row, columns: &ColumnMap) -> Result<(), InsertError> {
    let filled = Filled::new(row, columns);
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    out.extend_from_slice(row.id.hyphenated().encode_lower(&mut buffer).as_bytes());
    for value in [
        time::text(time::created_at(row)?).as_str(),
        &row.source,
        &row.event_type,
        row.severity.as_str(),
        &filled.context,
    ] {
        out.push(b'\t');
        escape(out, value);
    }
    for (name, id) in [("restaurant_id", filled.restaurant_id), ("booking_id", filled.booking_id)] {
        if !columns.has(name) {
            continue;
        }
        out.push(b'\t');
        let id = id.map(|id| &*id.hyphenated().encode_lower(&mut buffer));
        out.extend_from_slice(id.unwrap_or(NULL).as_bytes());
    }
    for value in &filled.own {
        out.push(b'\t');
        match value {
            Some(value) => escape(out, value),
            None => out.extend_from_slice(NULL.as_bytes()),
        }
    }
    out.push(b'\n');
    Ok(())
}

fn escape(out: &mut Vec<u8>, value: &str) {
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\\');
        out.push(match rest[at] {
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            byte => byte,
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use uuid::Uuid;

    use super::*;
    use crate::severity::Severity;

    fn sample() -> Row {
        Row {
            id: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            created_at: UNIX_EPOCH + Duration::from_micros(946_684_800_000_001),
            source: "s\t\r".into(),
            event_type: "\\.\n".into(),
            severity: Severity::Warning,
            context: r#"{"a":"\n"}"#.to_owned(),
            restaurant_id: None,
            booking_id: Some(Uuid::nil()),
        }
    }

    #[test]
    fn a_row_is_laid_out_as_the_manual_says() {
        let encoded = encode(&[sample()], &ColumnMap::default())
            .collect::<Result<Vec<_>, _>>()
            .expect("encodes")
            .concat();
        let expected = "01020304-0506-0708-090a-0b0c0d0e0f10\t2000-01-01T00:00:00.000001Z\ts\\t\\r\t\\\\.\\n\twarning\t\
             {\"a\":\"\\\\n\"}\t\\N\t00000000-0000-0000-0000-000000000000\n";
        assert_eq!(String::from_utf8(encoded).expect("text"), expected);
    }

    #[test]
    fn many_rows_are_cut_into_pieces_of_one_size() {
        let batch = vec![Row { restaurant_id: Some(Uuid::nil()), ..sample() }; 5000];
        let pieces: Vec<_> =
            encode(&batch, &ColumnMap::default()).collect::<Result<_, _>>().expect("encodes");
        let (last, full) = pieces.split_last().expect("there is one");
        assert!(full.len() > 5 && last.len() <= PIECE + 200);
        assert!(full.iter().all(|piece| (PIECE..PIECE + 200).contains(&piece.len())));
        let row = encode(&batch[..1], &ColumnMap::default()).next().expect("one").expect("encodes").len();
        assert_eq!(pieces.concat().len(), batch.len() * row);
    }
}
