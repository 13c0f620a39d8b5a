//! The columns that may have rejected a value. For an `INSERT` the server names the type and the value, but no column.

use sqlx::postgres::PgDatabaseError;

use super::table::{FilledColumn, TableFound};
use crate::columns::ColumnMap;
use crate::row::Row;
use crate::store::filled::Filled;
use crate::store::table_name::quoted;

/// A value is too long for its column.
const TOO_LONG: &str = "22001";

/// A column that may have rejected a value.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) column: String,
    key: Option<String>,
    declared: String,
    is_enum: bool,
    value: String,
}

/// The suspects for these rows. Columns that are never suspects have types that take all their values.
pub(super) fn suspects(
    error: &PgDatabaseError,
    table: &TableFound,
    rows: &[Row],
    columns: &ColumnMap,
) -> Vec<Suspect> {
    if !error.code().starts_with("22") {
        return Vec::new();
    }
    let mut suspects: Vec<Suspect> = Vec::new();
    for row in rows {
        for (name, value) in values(row, columns) {
            let is_new = !suspects.iter().any(|known| known.column == name);
            let column = table.filled.iter().find(|column| is_new && column.name == name);
            if let Some(column) = column.filter(|column| may_reject(column, &value, error)) {
                let FilledColumn { key, declared, is_enum, .. } = column;
                let (key, declared, is_enum) = (key.clone(), declared.clone(), *is_enum);
                suspects.push(Suspect { column: name, key, declared, is_enum, value });
            }
        }
    }
    suspects
}

/// Whether the error may be about this value.
fn may_reject(column: &FilledColumn, value: &str, error: &PgDatabaseError) -> bool {
    let message = error.message();
    if error.code() == TOO_LONG {
        return column.length.is_some_and(|length| value.chars().count() > length);
    }
    // Without a value are "numeric field overflow" and "invalid input syntax for type json".
    let names_type = || !message.contains('"') && message.contains(column.declared.trim_end_matches('b'));
    !column.is_text && (message.contains(&format!("\"{value}\"")) || names_type())
}

/// The columns that may be too narrow, with their values.
fn values(row: &Row, columns: &ColumnMap) -> Vec<(String, String)> {
    let words =
        [("source", &*row.source), ("event_type", &*row.event_type), ("severity", row.severity.as_str())];
    let words = words.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = columns.own().map(|(_, name)| name.to_owned()).zip(Filled::new(row, columns).own);
    words.into_iter().chain(own.filter_map(|(name, value)| Some((name, value?)))).collect()
}

/// The text that names the columns and the statement to run.
pub(super) fn remedy(suspects: &[Suspect], sqlstate: &str, table: &str) -> String {
    let name = |suspect: &Suspect| match &suspect.key {
        Some(key) => format!("{:?}, which the field {key:?} fills,", suspect.column),
        None => format!("{:?}", suspect.column),
    };
    let names: Vec<_> = suspects.iter().map(name).collect();
    let alters: Vec<_> = suspects
        .iter()
        .map(|suspect| format!("ALTER COLUMN {} TYPE text", quoted(&suspect.column)))
        .collect();
    let alter = format!("let the owner run ALTER TABLE {table} {}", alters.join(", "));
    let (one, many) = match sqlstate {
        TOO_LONG => ("is too short", "are too short"),
        _ => ("takes no such value", "may be the one that takes no such value"),
    };
    let (subject, verb) = if suspects.len() == 1 { ("the column", one) } else { ("the columns", many) };
    let words = suspects.iter().filter(|suspect| suspect.is_enum).map(|suspect| {
        format!(", or ALTER TYPE {} ADD VALUE '{}'", suspect.declared, suspect.value.replace('\'', "''"))
    });
    format!("{subject} {} {verb}; {alter}{}", names.join(" and "), words.collect::<String>())
}
