//! Rows that were exported: objects of JSON, and CSV.

use std::io::{BufRead, Cursor, Read};

use csv::{ReaderBuilder, StringRecord};
use serde_json::Value;

use super::line::Fields;
use crate::store::read::{ReadRow, moment};

/// The columns of an export without a header, as `schema.sql` has them.
const COLUMNS: [&str; 8] =
    ["id", "created_at", "source", "event_type", "severity", "context", "restaurant_id", "booking_id"];

/// A row as an object: its columns, in snake or camel case. Without a `context`, all other keys are the context.
pub(super) fn of_object(mut object: Fields) -> Result<ReadRow, &'static str> {
    let mut column = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| object.remove(*name))?;
        match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    };
    let event_type = column(["event_type", "eventType"]).ok_or("it has no event_type")?;
    let created_at = column(["created_at", "createdAt"]);
    let [source, severity] = ["source", "severity"].map(|name| column([name, name]));
    let restaurant_id = column(["restaurant_id", "restaurantId"]);
    let booking_id = column(["booking_id", "bookingId"]);
    let context = column(["context", "context"]);
    object.remove("id");
    Ok(ReadRow {
        created_at: created_at.as_deref().and_then(moment_of_export),
        event_type,
        source,
        severity,
        restaurant_id,
        booking_id,
        context: context.or_else(|| Some(Value::Object(object).to_string())),
    })
}

/// Postgres writes `2026-11-01 12:00:00.5+00`.
fn moment_of_export(text: &str) -> Option<jiff::Timestamp> {
    let hours = |text: &str| {
        let sign = text.len().checked_sub(3)?;
        matches!(text.as_bytes().get(sign), Some(b'+' | b'-')).then(|| moment(&format!("{text}:00")))?
    };
    moment(text).or_else(|| hours(text))
}

/// Whether the first line of a log begins a table of CSV.
pub(super) fn begins_csv(line: &str) -> bool {
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    let mut first = StringRecord::new();
    if !matches!(reader.read_record(&mut first), Ok(true)) {
        return false;
    }
    first.iter().any(|name| name == "event_type") || has_values(&first)
}

/// Whether the record is a row, and no header. A row that goes on in the next line has fewer columns at first.
fn has_values(record: &StringRecord) -> bool {
    record.get(0).is_some_and(|id| uuid::Uuid::try_parse(id).is_ok())
        && record.get(1).and_then(moment_of_export).is_some()
}

/// Reads a table of CSV. Its first line was read already. Passes each row on, or the line and why it cannot be read.
pub(super) fn read_csv(
    first: &str,
    rest: impl BufRead,
    mut each: impl FnMut(u64, Result<ReadRow, &'static str>),
) {
    let table = Cursor::new(format!("{first}\n").into_bytes()).chain(rest);
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(table);
    let (mut header, mut record) = (None, StringRecord::new());
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => {
                each(reader.position().line(), Err("it is no CSV in UTF-8"));
                if error.is_io_error() {
                    return;
                }
                continue;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        let columns: &Vec<String> = match &mut header {
            Some(columns) => columns,
            none if has_values(&record) => none.insert(COLUMNS.map(str::to_owned).to_vec()),
            none => {
                *none = Some(record.iter().map(str::to_owned).collect());
                continue;
            }
        };
        // An empty field is null, as `\copy` writes it.
        let fields = columns.iter().zip(&record).filter(|(_, text)| !text.is_empty());
        let object = fields.map(|(column, text)| (column.clone(), Value::from(text))).collect();
        let complete =
            if record.len() == columns.len() { Ok(object) } else { Err("it has another number of fields") };
        each(line, complete.and_then(of_object));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_read_with_a_header_and_without() {
        let id = "018f0000-0000-7000-8000-000000000000";
        let row = format!("{id},2026-11-01 12:00:00.5+00,s,e,info,\"{{\"\"a\"\": \"\"x,\ny\"\"}}\",,{id}\n");
        for (header, lines) in
            [("", 3), ("id,created_at,source,event_type,severity,context,restaurant_id,booking_id\n", 4)]
        {
            let table = format!("{header}{row}short,row\n");
            let (first, rest) = table.split_once('\n').expect("lines");
            assert!(begins_csv(first), "{first}");
            let mut rows = Vec::new();
            read_csv(first, rest.as_bytes(), |line, row| rows.push((line, row)));
            let [(_, Ok(read)), (line, Err(_))] = rows.as_slice() else { panic!("{rows:?}") };
            assert_eq!(*line, lines);
            assert_eq!(read.created_at.map(|at| at.to_string()).as_deref(), Some("2026-11-01T12:00:00.5Z"));
            assert_eq!((read.booking_id.as_deref(), read.restaurant_id.as_deref()), (Some(id), None));
            assert_eq!(read.context.as_deref(), Some("{\"a\": \"x,\ny\"}"));
        }
        assert!(!begins_csv("2026-11-01T12:00:00Z  INFO work: close, a, b"));
    }
}
