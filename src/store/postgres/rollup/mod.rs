//! The two tables of a rollup: their statements, and a connection to them.

mod columns;
mod hours;
mod write;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _};

use super::Postgres;
use super::classify::{Step, StepError};
use super::connect::{Purpose, commit, simple, within};
use super::create::LOCK_SCHEMA;
use super::read::ROW_TIMEOUT;
use crate::columns::MAX_SQL_NAME_BYTES;
use crate::error::Error;
use crate::store::TableName;

/// The hours are those of UTC. A run may read rows for long between two statements.
const BEGIN: &str = "BEGIN; \
     SET LOCAL TimeZone = 'UTC'; \
     SET LOCAL statement_timeout = '15min'; \
     SET LOCAL lock_timeout = '10s'; \
     SET LOCAL idle_in_transaction_session_timeout = 0; \
     SET LOCAL client_min_messages = error; \
     SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0";

/// A connection to the database of a rollup, and the names of its tables.
pub(crate) struct RollupTables {
    connection: PgConnection,
    events: TableName,
    cells: TableName,
    hours: TableName,
}

type Bound = Query<'static, sqlx::Postgres, PgArguments>;

impl Postgres {
    /// Connects to the tables of the rollup, which may not be there yet.
    pub(crate) async fn rollup_tables(mut self, writes: bool) -> Result<RollupTables, Error> {
        let [cells, hours] = rollup_names(&self.table)?;
        let purpose = if writes { Purpose::Write } else { Purpose::Read };
        let connection = self.connect(purpose).await.map_err(Error::from)?;
        Ok(RollupTables { connection, events: self.table, cells, hours })
    }
}

/// The names of the two tables that a rollup of this table has.
pub(crate) fn rollup_names(table: &TableName) -> Result<[TableName; 2], Error> {
    let name = |end| {
        TableName::parse(&format!("{table}{end}")).map_err(|_| {
            Error::config(format!(
                "the name of the table {table} is too long for a rollup, whose tables are {table}_rollup and {table}_rollup_hours: a \
                 name has at most {MAX_SQL_NAME_BYTES} bytes"
            ))
        })
    };
    Ok([name("_rollup")?, name("_rollup_hours")?])
}

/// The statements that make the two tables.
pub(crate) fn rollup_schema(table: &TableName) -> Result<String, Error> {
    let plain = |name: TableName| if table.is_usual() { name.to_string() } else { name.quoted() };
    let [cells, hours] = rollup_names(table)?.map(plain);
    Ok(format!(
        "-- The figures of each hour, event type and group, and of each result of jobs.
CREATE TABLE IF NOT EXISTS {cells} (
    hour            timestamptz NOT NULL,
    number          bigint      NOT NULL, -- tells the lines of an hour apart
    event_type      text        NOT NULL,
    groups          jsonb       NOT NULL, -- {{\"route\": \"/orders\"}}
    result          text,                 -- of jobs
    definition      text        NOT NULL, -- names the keys that the figures were read from
    calls           bigint      NOT NULL,
    succeeded       bigint      NOT NULL,
    failed          bigint      NOT NULL, -- the rest of the calls has no known success
    unreadable      bigint      NOT NULL,
    first_at        timestamptz,
    last_at         timestamptz,
    timed           bigint      NOT NULL, -- calls with a duration
    duration_sum_ms double precision,
    duration_max_ms double precision,
    durations       bytea       NOT NULL, -- a histogram
    units           bytea       NOT NULL, -- durations by the block of their booking, for intervals
    details         jsonb       NOT NULL, -- sources, outcomes, reasons, attempts
    PRIMARY KEY (hour, number)
);

-- The hours that are rolled up.
CREATE TABLE IF NOT EXISTS {hours} (
    hour            timestamptz PRIMARY KEY,
    rows            bigint      NOT NULL, -- in the figures
    live            bigint      NOT NULL, -- still there when the hour was last looked at
    rolled_at       timestamptz NOT NULL,
    keys            text        NOT NULL, -- those of --by
    definition      text        NOT NULL  -- names the rules and the form of the figures
);
"
    ))
}

/// The remedy for an error of these tables.
pub(super) fn remedy(step: Step, sqlstate: &str) -> Option<&'static str> {
    match (sqlstate, step) {
        ("42P01", Step::Rollup) => Some(
            "the tables of a rollup do not exist; run tracing-ledger rollup, which prints how they are made",
        ),
        ("42501", Step::Rollup) => Some(
            "the role may not use the tables of the rollup; let the owner run GRANT SELECT, INSERT, UPDATE, DELETE ON \
             observability_events_rollup, observability_events_rollup_hours TO that role, of which a report needs SELECT",
        ),
        ("42501" | "3F000", Step::CreateRollup) => Some(
            "the role may not create the tables of the rollup; let an owner run the statements that the command prints \
             without --create, and GRANT SELECT, INSERT, UPDATE, DELETE ON observability_events_rollup, \
             observability_events_rollup_hours TO that role",
        ),
        _ => None,
    }
}

impl RollupTables {
    /// Whether both tables are there.
    pub(crate) async fn are_there(&mut self) -> Result<bool, Error> {
        let sql = "SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL";
        let (cells, hours) = (self.cells.quoted(), self.hours.quoted());
        let there = self.ask(Step::Rollup, sql, |query| query.bind(cells).bind(hours)).await?;
        there.first().map_or(Ok(false), |row| self.value(row, 0))
    }

    /// Makes the tables, if they are not there.
    pub(crate) async fn create(&mut self) -> Result<(), Error> {
        // Else a wrong name of the table would leave tables behind.
        let look = format!("SELECT FROM {} LIMIT 0", self.events.quoted());
        self.ask(Step::Read, &look, |query| query).await?;
        let sql = AssertSqlSafe(rollup_schema(&self.events)?);
        let created = async {
            simple(&mut self.connection, Step::CreateRollup, BEGIN).await?;
            simple(&mut self.connection, Step::CreateRollup, LOCK_SCHEMA).await?;
            let made = sqlx::raw_sql(sql).execute(&mut self.connection);
            within(Step::CreateRollup, ROW_TIMEOUT, made).await?;
            commit(&mut self.connection, Step::CreateRollup).await
        };
        let created = created.await;
        created.map_err(|error| self.about(error))
    }

    /// The rows of a statement in a separate transaction: outside of one, a pooler may send it elsewhere.
    async fn ask(
        &mut self,
        step: Step,
        sql: &str,
        bind: impl FnOnce(Bound) -> Bound,
    ) -> Result<Vec<PgRow>, Error> {
        self.begin(step).await?;
        let rows = self.run(step, sql, bind).await?;
        self.commit().await?;
        Ok(rows)
    }

    async fn begin(&mut self, step: Step) -> Result<(), Error> {
        let begun = simple(&mut self.connection, step, BEGIN).await;
        begun.map_err(|error| self.about(error))
    }

    /// Ends a transaction, and with it the right of this run to be the only one.
    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        let committed = commit(&mut self.connection, Step::Rollup).await;
        committed.map_err(|error| self.about(error))
    }

    /// The rows of a statement within a transaction.
    async fn run(
        &mut self,
        step: Step,
        sql: &str,
        bind: impl FnOnce(Bound) -> Bound,
    ) -> Result<Vec<PgRow>, Error> {
        let query = bind(sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false));
        let rows = within(step, ROW_TIMEOUT, query.fetch_all(&mut self.connection)).await;
        rows.map_err(|error| self.about(error))
    }

    fn value<'r, T>(&self, row: &'r PgRow, place: usize) -> Result<T, Error>
    where
        T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        row.try_get(place).map_err(|error| self.about(StepError::sql(Step::Rollup, error)))
    }

    fn about(&self, error: StepError) -> Error {
        Error::from(error).reworded(|message| self.events.in_message(message))
    }
}

/// A time as hours since 1970.
fn number(time: &str) -> String {
    format!("floor(extract(epoch FROM {time}) / 3600)::bigint")
}

/// A number of these units since 1970 as a time.
fn moment(number: &str, unit: &str) -> String {
    format!("('epoch'::timestamptz + {number} * interval '1 {unit}')")
}

/// The hours from the first parameter to before the second one.
fn period() -> String {
    format!("hour >= {} AND hour < {}", moment("$1::bigint", "hour"), moment("$2::bigint", "hour"))
}
