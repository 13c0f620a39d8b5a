//! Reads rows back, one at a time.

use sqlx::AssertSqlSafe;

use super::location::Change;
use super::{Sqlite, classify};
use crate::error::Error;
use crate::store::read::{ExtraColumns, ReadRow, Reading, RowSource, RowStream, Selection, next};
use crate::store::table_name::quoted;

/// SQLite has no arrays, so the event types are one JSON array. Times of the ledger compare as text; rows with other
/// times are compared when they are read.
const SELECT: &str = "SELECT CASE typeof(id) WHEN 'blob' THEN hex(id) ELSE id END, created_at, event_type, source, severity, \
     CASE typeof(restaurant_id) WHEN 'blob' THEN hex(restaurant_id) ELSE restaurant_id END, \
     CASE typeof(booking_id) WHEN 'blob' THEN hex(booking_id) ELSE booking_id END, context, \
     NULL FROM observability_events \
     WHERE (?1 IS NULL OR event_type IN (SELECT value FROM json_each(?1))) \
     AND (created_at IS NULL OR created_at NOT GLOB '????-??-??T??:??:??.??????Z' \
     OR (?2 IS NULL OR created_at >= ?2) AND (?3 IS NULL OR created_at < ?3))";

/// A function takes no more than 127 values, two for each column.
const MOST_COLUMNS: usize = 63;

/// The columns that SQLite does not make itself.
const COLUMNS: &str = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0";

impl RowSource for Sqlite {
    fn passes_whole_rows(&self) -> bool {
        true
    }

    async fn read(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), Error> {
        // A report that follows the rows reads the whole of a new file, so it has to know that there is one.
        let read = match self.changed_file().await {
            Some((Change::Gone, _)) => Err(classify::read_from_changed()),
            _ => self.rows(selection, each).await.map_err(|error| classify::read_error(&error)),
        };
        let error = match (read, self.location.missing()) {
            (Ok(()), _) => return Ok(()),
            (Err(_), Some(name)) => classify::read_from_missing(&name),
            (Err(error), None) => error,
        };
        Err(error.reworded(|message| self.table.in_message(message)))
    }
}

impl Sqlite {
    pub(in crate::store) fn place(&self) -> Option<String> {
        self.location.place()
    }

    async fn rows(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), sqlx::Error> {
        let event_types = selection.read_types();
        let event_types = event_types.map(|types| serde_json::Value::from(types).to_string());
        let select = select(&self.extra_columns(selection).await?);
        let query = sqlx::query_as(AssertSqlSafe(self.table.in_sql(&select).into_owned()))
            .bind(event_types)
            .bind(selection.since_text())
            .bind(selection.until_text());
        let mut rows: RowStream<'_> = query.fetch(self.connection().await?);
        while let Some(columns) = next(&mut rows).await? {
            selection.offer(&ReadRow::from(columns), each);
        }
        Ok(())
    }

    async fn extra_columns(&mut self, selection: &Selection) -> Result<ExtraColumns, sqlx::Error> {
        let table = self.table.to_string();
        let name = table.rsplit('.').next().unwrap_or_default().to_owned();
        let names = sqlx::query_scalar(COLUMNS).bind(name).fetch_all(self.connection().await?).await?;
        Ok(ExtraColumns::new(names, &selection.columns))
    }
}

/// The statement for a table with these columns.
fn select(extra: &ExtraColumns) -> String {
    let mut select = SELECT.to_owned();
    for name in ["id", "restaurant_id", "booking_id"] {
        if !extra.has(name) {
            let column = format!("CASE typeof({name}) WHEN 'blob' THEN hex({name}) ELSE {name} END");
            select = select.replace(&column, "NULL");
        }
    }
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let value = |(key, name): &(String, String)| format!("{}, CAST({} AS TEXT)", literal(key), quoted(name));
    let values: Vec<_> = extra.all().iter().take(MOST_COLUMNS).map(value).collect();
    if !values.is_empty() {
        // A patch leaves out what is null.
        let object = format!("context, json_patch('{{}}', json_object({})) FROM", values.join(", "));
        select = select.replace("context, NULL FROM", &object);
    }
    select
}
