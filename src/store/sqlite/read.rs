//! Reads rows back, one at a time.

use sqlx::AssertSqlSafe;

use super::{Sqlite, classify};
use crate::error::Error;
use crate::store::read::{ReadRow, Reading, RowSource, Rows, Selection, next};

/// SQLite has no arrays, so the event types are one JSON array. Times of the ledger compare as text; rows with other
/// times are compared when they are read.
const COLUMNS: &str = "created_at, event_type, source, severity, \
     CASE typeof(restaurant_id) WHEN 'blob' THEN hex(restaurant_id) ELSE restaurant_id END, \
     CASE typeof(booking_id) WHEN 'blob' THEN hex(booking_id) ELSE booking_id END, context \
     FROM observability_events \
     WHERE (?1 IS NULL OR event_type IN (SELECT value FROM json_each(?1))) \
     AND (created_at IS NULL OR created_at NOT GLOB '????-??-??T??:??:??.??????Z' \
     OR (?2 IS NULL OR created_at >= ?2) AND (?3 IS NULL OR created_at < ?3))";

/// A view may lack it, so it is read only where it is asked for.
const ID: &str = "CASE typeof(id) WHEN 'blob' THEN hex(id) ELSE id END";

impl RowSource for Sqlite {
    fn passes_whole_rows(&self) -> bool {
        true
    }

    async fn read(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), Error> {
        let read = self.rows(selection, each).await;
        read.map_err(|error| classify::read_error(&error).reworded(|message| self.table.in_message(message)))
    }
}

impl Sqlite {
    async fn rows(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), sqlx::Error> {
        let event_types = selection.read_types();
        let event_types = event_types.map(|types| serde_json::Value::from(types).to_string());
        let select = format!("SELECT {}, {COLUMNS}", if selection.asks_for_id() { ID } else { "NULL" });
        let query = sqlx::query_as(AssertSqlSafe(self.table.in_sql(&select).into_owned()))
            .bind(event_types)
            .bind(selection.since_text())
            .bind(selection.until_text());
        let mut rows: Rows<'_> = query.fetch(self.connection().await?);
        while let Some(columns) = next(&mut rows).await? {
            selection.offer(&ReadRow::from(columns), each);
        }
        Ok(())
    }
}
