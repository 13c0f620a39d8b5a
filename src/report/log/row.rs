//! Rows that were exported: objects of JSON, and CSV.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Cursor, SeekFrom};

use csv::{Position, Reader, ReaderBuilder, StringRecord};
use serde_json::Value;
use serde_json::value::RawValue;

use super::line::FieldMap;
use crate::store::read::{ReadRow, moment};

/// More bytes than this in one row are quotes that nobody closed.
const LONGEST_ROW: usize = 4 * 1024 * 1024;

/// The columns of an export without a header, as `schema.sql` has them.
const COLUMNS: [&str; 8] =
    ["id", "created_at", "source", "event_type", "severity", "context", "restaurant_id", "booking_id"];

/// The columns in camel case.
const CAMEL_COLUMNS: [&str; 4] = ["eventType", "createdAt", "restaurantId", "bookingId"];

/// A row as a line of JSON; `None` if it is another object. Its numbers keep their text: `1.10` is not `1.1`.
pub(super) fn of_json(line: &str) -> Option<Result<ReadRow, &'static str>> {
    if !["event_type", "eventType"].iter().any(|name| line.contains(name)) {
        return None;
    }
    let mut object = RawObject::read(line)?.0;
    let has = |name: &str| object.contains_key(name);
    // With `flatten_event` a line of the fmt layer may have such a field too.
    let is_event = has("level") && (has("target") || has("timestamp"));
    if is_event || !["event_type", "eventType"].into_iter().any(has) {
        return None;
    }
    let mut columns = FieldMap::new();
    for name in COLUMNS.iter().chain(&CAMEL_COLUMNS) {
        let Some(raw) = object.remove(*name).filter(|raw| raw.get() != "null") else { continue };
        let text = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
        columns.insert((*name).to_owned(), Value::String(text));
    }
    if !columns.contains_key("context") {
        columns.insert("context".to_owned(), RawObject(object).to_string().into());
    }
    Some(of_object(columns))
}

/// An object whose values keep their text.
pub(super) struct RawObject(pub(super) BTreeMap<String, Box<RawValue>>);

impl RawObject {
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }
}

impl fmt::Display for RawObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

/// A row as an object: its columns, in snake or camel case. Without a `context`, all other keys are the context.
pub(super) fn of_object(mut object: FieldMap) -> Result<ReadRow, &'static str> {
    let mut column = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| object.remove(*name))?;
        match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    };
    let id = column(["id", "id"]);
    let event_type = column(["event_type", "eventType"]).ok_or("it has no event_type")?;
    let created_at = column(["created_at", "createdAt"]);
    let [source, severity] = ["source", "severity"].map(|name| column([name, name]));
    let restaurant_id = column(["restaurant_id", "restaurantId"]);
    let booking_id = column(["booking_id", "bookingId"]);
    let context = column(["context", "context"]);
    Ok(ReadRow {
        id,
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

/// The table that the first line of a log begins, if it is of CSV. Spreadsheets of some languages write `;`.
pub(super) fn begins_csv(line: &str) -> Option<CsvTable> {
    [b',', b';'].into_iter().map(CsvTable::new).find_map(|mut table| {
        let first = table.records.read(line)?;
        (first.iter().any(|name| name == "event_type") || has_values(&first)).then_some(table)
    })
}

/// Whether the record is a row, and no header. A row that goes on in the next line has fewer columns at first.
fn has_values(record: &StringRecord) -> bool {
    record.get(0).is_some_and(|id| uuid::Uuid::try_parse(id).is_ok())
        && record.get(1).and_then(moment_of_export).is_some()
}

/// A table of CSV, line by line. A row may go on in the next line, within quotes.
pub(super) struct CsvTable {
    columns: Vec<String>,
    /// The lines of a row whose quotes are open, and the number of the first.
    open: String,
    from: u64,
    records: Records,
}

impl CsvTable {
    fn new(delimiter: u8) -> Self {
        Self { columns: Vec::new(), open: String::new(), from: 0, records: Records::new(delimiter) }
    }

    /// Passes on each row that is complete, or the number of its first line and why it cannot be read.
    pub(super) fn line(
        &mut self,
        number: u64,
        line: &str,
        each: &mut dyn FnMut(u64, Result<ReadRow, &'static str>),
    ) {
        let begins_again =
            !self.open.is_empty() && self.records.read(line).is_some_and(|record| has_values(&record));
        if begins_again || self.open.len() > LONGEST_ROW {
            self.finish(each);
        }
        if self.open.is_empty() {
            self.from = number;
        } else {
            self.open.push('\n');
        }
        self.open.push_str(line);
        if self.open.matches('"').count().is_multiple_of(2) {
            let text = std::mem::take(&mut self.open);
            if let Some(row) = self.row(&text) {
                each(self.from, row);
            }
        }
    }

    /// A row that never ends is unreadable.
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(u64, Result<ReadRow, &'static str>)) {
        if !std::mem::take(&mut self.open).is_empty() {
            each(self.from, Err("its quotes are not closed"));
        }
    }

    /// `None` for a blank line and for a header, which each file in the same input may have.
    fn row(&mut self, text: &str) -> Option<Result<ReadRow, &'static str>> {
        let record = self.records.read(text)?;
        if self.columns.is_empty() {
            let is_row = has_values(&record);
            let columns = if is_row {
                COLUMNS.map(str::to_owned).to_vec()
            } else {
                record.iter().map(str::to_owned).collect()
            };
            self.columns = columns;
            if !is_row {
                return None;
            }
        }
        if record.iter().eq(self.columns.iter().map(String::as_str)) {
            return None;
        }
        if record.len() != self.columns.len() {
            return Some(Err("it has another number of fields than the table has columns"));
        }
        // An empty field is null, as `\copy` writes it.
        let fields = self.columns.iter().zip(&record).filter(|(_, text)| !text.is_empty());
        Some(of_object(fields.map(|(column, text)| (column.clone(), Value::from(text))).collect()))
    }
}

/// Reads records one by one. A new reader for each would take longer than the record, because it builds its tables.
struct Records(Reader<Cursor<Vec<u8>>>);

impl Records {
    fn new(delimiter: u8) -> Self {
        let mut reader = ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(delimiter);
        Self(reader.from_reader(Cursor::default()))
    }

    fn read(&mut self, text: &str) -> Option<StringRecord> {
        *self.0.get_mut() = Cursor::new(text.as_bytes().to_vec());
        self.0.seek_raw(SeekFrom::Start(0), Position::new()).ok()?;
        let mut record = StringRecord::new();
        matches!(self.0.read_record(&mut record), Ok(true)).then_some(record)
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
            let table = format!("{header}{row}{id},\"open\n{row}short,row\n\"open");
            let mut rows = Vec::new();
            let mut read = begins_csv(table.lines().next().expect("lines")).expect("a table");
            let each = &mut |line, row| rows.push((line, row));
            for (index, line) in table.lines().enumerate() {
                read.line(index as u64 + 1, line, each);
            }
            read.finish(each);
            let unread: Vec<_> = rows.iter().filter(|(_, row)| row.is_err()).map(|(line, _)| *line).collect();
            assert_eq!(unread, [lines, lines + 3, lines + 4]);
            rows.retain(|(_, row)| row.is_ok());
            let [(_, Ok(read)), (_, Ok(again))] = rows.as_slice() else { panic!("{rows:?}") };
            assert_eq!(read, again);
            assert_eq!(read.created_at.map(|at| at.to_string()).as_deref(), Some("2026-11-01T12:00:00.5Z"));
            assert_eq!((read.booking_id.as_deref(), read.restaurant_id.as_deref()), (Some(id), None));
            assert_eq!(read.context.as_deref(), Some("{\"a\": \"x,\ny\"}"));
        }
        assert!(begins_csv("2026-11-01T12:00:00Z  INFO work: close, a, b").is_none());
    }
}
