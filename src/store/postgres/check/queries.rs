//! Looks for columns that take every row, and that the queries of the documentation cannot read.

use sqlx::postgres::PgConnection;

use super::super::classify::StepError;
use super::all;
use crate::finding::{Checkup, Health};
use crate::store::TableName;

/// The columns of a table, and their types, if these queries need others.
const OTHER_TYPES: &str = "SELECT a.attname::text, format_type(COALESCE(NULLIF(t.typbasetype, 0), t.oid), -1) \
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') \
     WHERE a.attrelid = to_regclass('observability_events') AND NOT a.attisdropped AND COALESCE(NULLIF(t.typbasetype, 0), t.oid) <> \
     CASE a.attname WHEN 'context' THEN 'jsonb'::regtype WHEN 'created_at' THEN 'timestamptz'::regtype END ORDER BY 1 DESC";

/// Names such columns in one line.
pub(super) async fn look(
    connection: &mut PgConnection,
    name: &TableName,
    checkup: &mut Checkup,
) -> Result<(), StepError> {
    let found: Vec<(String, String)> = all(connection, name, OTHER_TYPES).await?;
    if found.is_empty() {
        return Ok(());
    }
    let (mut faults, mut changes) = (Vec::new(), Vec::new());
    for (column, declared) in &found {
        let (fault, wanted, value) = remedy(column, declared);
        faults.push(format!("{column} is of type {declared}, so {fault}"));
        changes.push(format!("ALTER COLUMN {column} TYPE {wanted} USING {value}"));
    }
    let (faults, changes) = (faults.join(", and "), changes.join(", "));
    let text = format!("{faults}: ALTER TABLE {} {changes}", name.quoted());
    checkup.note("queries", Health::Warning, text);
    Ok(())
}

/// Which queries fail, the type that mends them, and how it gets the values.
fn remedy(column: &str, declared: &str) -> (&'static str, &'static str, &'static str) {
    match (column, declared) {
        ("context", "json") => ("jsonb_pretty(context) fails", "jsonb", "context::jsonb"),
        ("context", _) => ("context ->> 'outcome' fails", "jsonb", "context::jsonb"),
        (_, "timestamp without time zone") => (
            "created_at > now() - interval '1 hour' is right in the time zone UTC alone",
            "timestamptz",
            "created_at AT TIME ZONE 'UTC'",
        ),
        _ => ("created_at > now() - interval '1 hour' fails", "timestamptz", "created_at::timestamptz"),
    }
}
