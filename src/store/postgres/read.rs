//! Reads rows back, one at a time.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::classify::{Step, StepError};
use super::connect::{Purpose, commit, simple, statement, within};
use super::expression::object;
use super::project::Look;
use super::{Connected, Postgres, project};
use crate::error::Error;
use crate::store::TableName;
use crate::store::read::{ReadRow, Reading, RowSource, RowStream, Selection, TableIdentity, next};

/// The timeout for the next row: a report may search all of a large table for it.
pub(super) const ROW_TIMEOUT: Duration = Duration::from_secs(300);

/// Where the server supports it, it ends the statement of a client that is gone, which might search a large table in vain.
/// Postgres 14 and later have that setting, on some platforms.
const BEGIN: &str = "BEGIN READ ONLY; \
     SET LOCAL statement_timeout = '15min'; \
     SET LOCAL lock_timeout = '10s'; \
     SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL jit = off; \
     SELECT set_config('client_connection_check_interval', '2s', true) \
     WHERE current_setting('client_connection_check_interval', true) IS NOT NULL AND version() LIKE '%linux%'";

/// The time has the form of those in SQLite, so that both databases give the same rows. Years that the form does not have are NULL.
const TIME: &str = "CASE WHEN created_at::timestamptz >= '0001-01-01Z' AND created_at::timestamptz < '10000-01-01Z' \
     THEN to_char(created_at::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') END";
/// The rows of the window, and those without a time that can be read.
const IN_WINDOW: &str = "created_at IS NULL \
     OR created_at::timestamptz >= COALESCE($2::text::timestamptz, '-infinity') \
     AND ($3::text IS NULL OR created_at::timestamptz < $3::text::timestamptz) \
     OR created_at::timestamptz < '0001-01-01Z' OR created_at::timestamptz >= '10000-01-01Z'";
/// All rows: the server would refuse a text that is no time, so [`Selection::offer`] selects.
const ANY_TIME: &str = "$2::text IS NULL OR $3::text IS NULL OR true";

/// The casts read each type of a column that the ledger can write. Beside the usual types they do nothing, so that an index
/// serves.
const SELECT: &str = "SELECT id::text, {time}, event_type::text, source::text, severity::text, restaurant_id::text, booking_id::text, context::text, \
     NULL::text FROM observability_events \
     WHERE ($1::text[] IS NULL OR event_type::text = ANY($1)) AND ({window})";

/// A standby has the same rows as its primary. A copy that runs on its own has the same numbers, and rows of its own.
const IDENTITY: &str = "SELECT (SELECT system_identifier::text FROM pg_control_system()) || ' ' || \
     (SELECT oid::text FROM pg_database WHERE datname = current_database()) || ' ' || \
     to_regclass('observability_events')::oid::text, \
     CASE WHEN NOT pg_is_in_recovery() THEN extract(epoch FROM pg_postmaster_start_time())::text END";

impl RowSource for Postgres {
    async fn expected(&mut self, selection: &Selection) -> Result<Option<u64>, Error> {
        let read = self.estimate(selection).await;
        read.map_err(|error| Error::from(error).reworded(|message| self.table.in_message(message)))
    }

    /// Needs the right to `SELECT`.
    async fn read(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), Error> {
        let read = self.rows(selection, each).await;
        read.map_err(|error| Error::from(error).reworded(|message| self.table.in_message(message)))
    }
}

impl Postgres {
    /// The same text for two URLs only if they lead to the same table.
    pub(in crate::store) fn place(&self) -> String {
        self.connector.place()
    }

    /// `None` where the server does not tell.
    pub(in crate::store) async fn identity(&mut self) -> Result<Option<TableIdentity>, Error> {
        let asked = self.ask_identity().await;
        asked.map_err(|error| Error::from(error).reworded(|message| self.table.in_message(message)))
    }

    async fn ask_identity(&mut self) -> Result<Option<TableIdentity>, StepError> {
        let mut connection = self.reader().await?;
        let sql = AssertSqlSafe(self.table.in_sql(IDENTITY).into_owned());
        let asked = sqlx::query_as(sql).persistent(false).fetch_one(&mut connection);
        // A role without the right, or a server of another kind, has ended the transaction: the next one has a new connection.
        let asked: Result<(Option<String>, Option<String>), _> = statement(Step::Read, asked).await;
        let Ok((table, started)) = asked else { return Ok(None) };
        commit(&mut connection, Step::Read).await?;
        self.connection = Some(Connected { connection, table: None });
        Ok(table.map(|table| TableIdentity { table, started }))
    }

    async fn reader(&mut self) -> Result<PgConnection, StepError> {
        let mut connection = match self.connection.take() {
            Some(Connected { connection, .. }) => connection,
            None => self.connect(Purpose::Read).await?,
        };
        simple(&mut connection, Step::Read, BEGIN).await?;
        Ok(connection)
    }

    async fn estimate(&mut self, selection: &Selection) -> Result<Option<u64>, StepError> {
        let mut connection = self.reader().await?;
        let look = project::look(&mut connection, &self.table, &selection.columns).await?;
        let rows = match look.is_usual {
            true => project::estimate(&mut connection, &self.table, &look.extra, selection).await?,
            false => None,
        };
        commit(&mut connection, Step::Read).await?;
        self.connection = Some(Connected { connection, table: None });
        Ok(rows)
    }

    async fn rows(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> Result<(), StepError> {
        let mut connection = self.reader().await?;
        let look = project::look(&mut connection, &self.table, &selection.columns).await?;
        if look.is_usual {
            project::rows(&mut connection, &self.table, &look.extra, selection, each).await?;
        } else {
            rows(&mut connection, &self.table, &look, selection, each).await?;
        }
        commit(&mut connection, Step::Read).await?;
        self.connection = Some(Connected { connection, table: None });
        Ok(())
    }
}

async fn rows(
    connection: &mut PgConnection,
    table: &TableName,
    look: &Look,
    selection: &Selection,
    each: &mut (dyn FnMut(&Reading<'_>) + Send),
) -> Result<(), StepError> {
    let query = sqlx::query_as(AssertSqlSafe(table.in_sql(&select(look)).into_owned()))
        .persistent(false)
        .bind(selection.read_types())
        .bind(selection.since_text())
        .bind(selection.until_text());
    let mut rows: RowStream<'_> = query.fetch(connection);
    while let Some(columns) = within(Step::Read, ROW_TIMEOUT, next(&mut rows)).await? {
        selection.offer(&ReadRow::from(columns), each);
    }
    Ok(())
}

/// The statement for a table with these columns.
fn select(Look { extra, has_text_times, .. }: &Look) -> String {
    let (time, window) = if *has_text_times { ("created_at", ANY_TIME) } else { (TIME, IN_WINDOW) };
    let mut select = SELECT.replace("{time}", time).replace("{window}", window);
    for name in ["id", "restaurant_id", "booking_id"] {
        if !extra.has(name) {
            select = select.replace(&format!(" {name}::text"), " NULL::text");
        }
    }
    if !extra.all().is_empty() {
        let object = format!("context::text, {}::text FROM", object(extra));
        select = select.replace("context::text, NULL::text FROM", &object);
    }
    select
}
