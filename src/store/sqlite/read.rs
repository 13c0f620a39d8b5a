//! Reads rows back, one at a time.

use super::{Sqlite, classify};
use crate::error::Error;
use crate::store::read::{ReadRow, Rows, Selection, next};

/// SQLite has no arrays, so the event types are one JSON array. Times of the ledger compare as text; rows with other
/// times are compared when they are read.
const SELECT: &str = "SELECT created_at, event_type, \
     CASE typeof(booking_id) WHEN 'blob' THEN hex(booking_id) ELSE booking_id END, context \
     FROM observability_events \
     WHERE event_type IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR created_at IS NULL OR created_at >= ?2 \
     OR created_at NOT GLOB '????-??-??T??:??:??.??????Z')";

impl Sqlite {
    /// Passes every selected row to `each`, in no order, one at a time.
    pub(crate) async fn read(
        &mut self,
        selection: &Selection,
        each: impl FnMut(ReadRow),
    ) -> Result<(), Error> {
        self.rows(selection, each).await.map_err(|error| classify::read_error(&error))
    }

    async fn rows(
        &mut self,
        selection: &Selection,
        mut each: impl FnMut(ReadRow),
    ) -> Result<(), sqlx::Error> {
        let event_types = serde_json::Value::from(selection.event_types.clone()).to_string();
        let query = sqlx::query_as(SELECT).bind(event_types).bind(selection.since_text());
        let mut rows: Rows<'_> = query.fetch(self.connection().await?);
        while let Some(columns) = next(&mut rows).await? {
            let row = ReadRow::from(columns);
            if selection.takes(&row) {
                each(row);
            }
        }
        Ok(())
    }
}
