//! Postgres: one connection, one transaction for each batch.
//!
//! A batch is committed as a whole. If the answer to the commit is lost, the batch may be stored or not, and the second
//! try leaves out the rows that are stored. The first try of the rows of an earlier process does the same once a `COPY`
//! has met a stored row. Nothing is read, so a role that may only `INSERT` will do, and nothing is altered unless
//! [`Postgres::create_table`] asks for it.
//!
//! It works behind pgbouncer in transaction mode: statements have no names, all of them are in explicit transactions, and
//! no setting outlives its transaction.

mod address;
mod check;
mod classify;
mod connect;
mod copy;
mod create;
#[cfg(feature = "report")]
mod project;
#[cfg(feature = "report")]
mod read;
#[cfg(feature = "report")]
pub(super) mod rollup;
mod suspects;
mod table;

use std::fmt;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use self::address::{Address, Environment};
use self::classify::{Step, StepError};
use self::connect::{Connector, Purpose, begin, commit, roll_back, statement};
use self::create::{create_schema, create_table};
use self::table::TableFound;
use super::filled::{Filled, added, schema};
use super::{Attempt, InsertError, SCHEMA, Store, TableName, time};
use crate::columns::ColumnMap;
use crate::error::Error;
use crate::row::Row;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Rows are to be written within 30 s of the end of an outage, even after a statement that is never answered.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// A store in a Postgres database.
///
/// It has one connection, made for the first batch. After a failure or timeout the next batch gets a new one; a row that
/// is stored already is no failure.
///
/// The `sslmode` of the URL decides about TLS. The default is `prefer`: TLS if the server offers it and it succeeds, without
/// a check of its certificate. Use `?sslmode=verify-full` on any network that you do not control.
///
/// A URL may name several servers, such as a primary and its standbys: rows go to the one that takes them.
///
/// ```
/// use tracing_ledger::store::Postgres;
///
/// let store = Postgres::from_url("postgres://ledger@db.example.com/app?sslmode=verify-full")?;
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
pub struct Postgres {
    connector: Connector,
    pub(super) table: TableName,
    pub(super) columns: ColumnMap,
    pub(super) create_table: bool,
    /// Whether the table takes `COPY`, as far as known.
    copy: bool,
    /// Whether some of the last rows of an earlier process were stored already: then the next ones most likely are too.
    replay_conflicts: bool,
    /// `None` while in use, so that an insert that is dropped half-way does not leave a broken connection.
    connection: Option<Connected>,
}

/// A connection, and the table that it has seen.
struct Connected {
    connection: PgConnection,
    /// `None` before the first look, and after a failure that may come from a change of the table.
    table: Option<TableFound>,
}

impl Postgres {
    /// The smallest batch that is sent by `COPY`: 500 rows.
    ///
    /// `COPY` is faster for many rows and slower for few: the driver leaves Nagle's algorithm on, so the end of a `COPY` waits
    /// for the server's delayed acknowledgement. In a single trial 10 rows took 44 ms by `COPY` and 1 ms by `INSERT`, and
    /// 1,000 rows took 9 ms and 16 ms.
    // The fuzzer sends few rows at a time, to a server without this delay.
    pub const COPY_FROM_ROWS: usize = if cfg!(fuzzing) { 1 } else { 500 };

    /// The timeout of a connection attempt, with TLS and login, unless the URL has a `connect_timeout`: 10 s.
    pub const CONNECT_TIMEOUT: Duration = CONNECT_TIMEOUT;

    /// The timeout of a statement: 25 s. The server's own timeouts are 20 s, and 2 s for a lock.
    pub const STATEMENT_TIMEOUT: Duration = STATEMENT_TIMEOUT;

    /// Makes a store for `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, without a connection. Parts that are missing in the
    /// URL come from libpq's environment variables (`PGHOST`, `PGPASSWORD`, …), from a service file and from `.pgpass`: see
    /// [the manual](crate::_docs::addresses).
    ///
    /// # Errors
    /// When the URL or what belongs to it is malformed, or asks for something that cannot be had ([`Error::is_config`]).
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let connector = Connector::new(Address::read(url, &Environment::of_process())?);
        let table = TableName::default();
        Ok(Self {
            connector,
            table,
            columns: ColumnMap::default(),
            create_table: false,
            copy: true,
            replay_conflicts: false,
            connection: None,
        })
    }

    /// The table for the rows, as `TABLE` or `SCHEMA.TABLE`. Without it: `observability_events`, in the first schema of the
    /// search path that has it. The names count as they are written, upper case too, without quotation marks around
    /// them.
    ///
    /// # Errors
    /// When it is no name of a table ([`Error::is_config`]).
    pub fn table(mut self, name: &str) -> Result<Self, Error> {
        self.table = TableName::parse(name)?;
        Ok(self)
    }

    /// The column that this key of the context fills: see [`Builder::column`](crate::Builder::column).
    ///
    /// # Errors
    /// When no column of that name can be filled ([`Error::is_config`]).
    pub fn column<'a>(mut self, key: &str, column: impl Into<Option<&'a str>>) -> Result<Self, Error> {
        let wrong = |text| Error::config(format!("\"column\" {text}"));
        self.columns.fill(key, column.into()).map_err(wrong)?;
        Ok(self)
    }

    /// The statements that make this table with these columns, its indexes and its schema.
    pub(crate) fn schema(table: &TableName, columns: &ColumnMap) -> String {
        create_schema(table) + &*table.in_sql(&(schema(SCHEMA, columns) + &*added(columns)))
    }

    /// Whether to apply `schema.sql` to a database without the table. Off by default: nothing is altered.
    pub fn create_table(mut self, create: bool) -> Self {
        self.create_table = create;
        self
    }

    /// Whether to try `COPY` first.
    fn copies(&self, batch: &[Row], attempt: Attempt) -> bool {
        let conflicts = match attempt {
            Attempt::First => false,
            Attempt::Replay => self.replay_conflicts,
            Attempt::Retry => true,
        };
        self.copy && !conflicts && batch.len() >= Self::COPY_FROM_ROWS
    }

    /// Writes the batch and returns the number of new rows.
    async fn write(&mut self, batch: &[Row], how: How) -> Result<u64, WriteError> {
        let mut connected = match self.connection.take() {
            Some(connected) => connected,
            None => Connected { connection: self.connect(Purpose::Write).await?, table: None },
        };
        let written = connected.write(batch, how, &self.table, &self.columns).await;
        match &written {
            Ok(_) => self.connection = Some(connected),
            // The connection is sound. After other failures a new session may get other settings, or another server.
            Err(WriteError::Step(error)) if error.is_of_rows() => {
                if roll_back(&mut connected.connection, Step::Insert).await.is_ok() {
                    connected.table.take_if(|table| !error.is_no_change_of(table));
                    self.connection = Some(connected);
                }
            }
            Err(_) => {}
        }
        written
    }

    async fn connect(&mut self, purpose: Purpose) -> Result<PgConnection, StepError> {
        let mut connection = self.connector.connect(purpose).await?;
        if self.create_table {
            create_table(&mut connection, &self.table, &self.columns).await?;
        }
        Ok(connection)
    }
}

#[derive(Clone, Copy)]
enum How {
    /// Faster for many rows, but fails on a row that is stored already.
    Copy,
    /// Leaves out rows that are stored already.
    Insert,
}

/// Why a batch was not written: the database failed, or a row cannot be stored in any database.
enum WriteError {
    Step(StepError),
    Row(InsertError),
}

impl Connected {
    async fn write(
        &mut self,
        batch: &[Row],
        how: How,
        name: &TableName,
        columns: &ColumnMap,
    ) -> Result<u64, WriteError> {
        let Self { connection, table } = self;
        begin(connection, Step::Insert).await?;
        let table = match table {
            Some(table) => table,
            none => none.insert(table::look(connection, name, columns).await??),
        };
        let sent = match how {
            How::Copy => copy_in(connection, batch, name, columns).await,
            How::Insert => insert(connection, &table.insert, batch, columns).await,
        };
        let written = match sent {
            Ok(rows) => commit(connection, Step::Commit).await.map(|()| rows).map_err(WriteError::Step),
            failed => failed,
        };
        written.map_err(|error| error.in_table(table, batch, columns))
    }
}

impl Store for Postgres {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        self.insert_batch(batch, attempt).await.map_err(|error| error.about(&self.table))
    }

    async fn reach(&mut self) -> Result<(), InsertError> {
        if self.connection.is_some() {
            return Ok(());
        }
        self.insert_nothing().await.map_err(|error| InsertError::from(error).about(&self.table))
    }
}

impl Postgres {
    /// Fails where an insert would. A program without rows keeps no connection.
    async fn insert_nothing(&mut self) -> Result<(), WriteError> {
        let mut connection = self.connect(Purpose::Write).await?;
        begin(&mut connection, Step::Insert).await?;
        let table = table::look(&mut connection, &self.table, &self.columns).await??;
        insert(&mut connection, &table.insert, &[], &self.columns).await?;
        roll_back(&mut connection, Step::Insert).await?;
        // Nothing depends on it.
        connection.close().await.ok();
        Ok(())
    }

    async fn insert_batch(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.copies(batch, attempt) {
            match self.write(batch, How::Copy).await {
                Err(WriteError::Step(error)) if error.refuses_copy() => self.copy = false,
                Err(WriteError::Step(error)) if error.is_conflict() => {}
                result => return result.map(drop).map_err(InsertError::from),
            }
        }
        let rows = self.write(batch, How::Insert).await?;
        if attempt == Attempt::Replay {
            self.replay_conflicts = rows < batch.len() as u64;
        }
        Ok(())
    }
}

async fn copy_in(
    connection: &mut PgConnection,
    batch: &[Row],
    name: &TableName,
    columns: &ColumnMap,
) -> Result<u64, WriteError> {
    let fault = |error| StepError::sql(Step::Rows, error);
    let copied = async {
        let mut copy = connection.copy_in_raw(&name.in_sql(&table::copy(columns))).await.map_err(fault)?;
        for piece in copy::encode(batch, columns) {
            copy.send(piece?).await.map_err(fault)?;
        }
        Ok(copy.finish().await.map_err(fault)?)
    };
    let late = |_| Err(StepError::timed_out(Step::Rows, STATEMENT_TIMEOUT).into());
    tokio::time::timeout(STATEMENT_TIMEOUT, copied).await.unwrap_or_else(late)
}

async fn insert(
    connection: &mut PgConnection,
    sql: &str,
    batch: &[Row],
    columns: &ColumnMap,
) -> Result<u64, WriteError> {
    let times = batch.iter().map(|row| time::created_at(row).map(time::text));
    let times: Vec<String> = times.collect::<Result<_, _>>()?;
    let filled: Vec<_> = batch.iter().map(|row| Filled::new(row, columns)).collect();
    let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()))
        .persistent(false)
        .bind(column(batch, |row| row.id.to_string()))
        .bind(times)
        .bind(column(batch, |row| &*row.source))
        .bind(column(batch, |row| &*row.event_type))
        .bind(column(batch, |row| row.severity.as_str()))
        .bind(column(&filled, |row| &*row.context));
    if columns.has("restaurant_id") {
        query = query.bind(column(&filled, |row| row.restaurant_id.map(|id| id.to_string())));
    }
    if columns.has("booking_id") {
        query = query.bind(column(&filled, |row| row.booking_id.map(|id| id.to_string())));
    }
    for place in 0..columns.own().count() {
        query = query.bind(column(&filled, |row| row.own[place].as_deref()));
    }
    Ok(statement(Step::Rows, query.execute(connection)).await?.rows_affected())
}

fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

impl WriteError {
    /// The error with the facts of the table.
    fn in_table(self, table: &TableFound, rows: &[Row], columns: &ColumnMap) -> Self {
        match self {
            Self::Step(error) => Self::Step(error.in_table(table, rows, columns)),
            row => row,
        }
    }
}

impl From<StepError> for WriteError {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

impl From<InsertError> for WriteError {
    fn from(error: InsertError) -> Self {
        Self::Row(error)
    }
}

impl From<WriteError> for InsertError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Step(error) => error.into(),
            WriteError::Row(error) => error,
        }
    }
}

impl fmt::Debug for Postgres {
    /// Without the address, which holds the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("create_table", &self.create_table).finish_non_exhaustive()
    }
}
