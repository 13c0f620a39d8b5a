//! SQLite: one file, one transaction for each batch.
//!
//! A batch is committed as a whole, and a committed batch is on disk: the journal is a write-ahead log, flushed at every
//! commit. A second try leaves out the rows that are stored already.
//!
//! SQLite runs on a thread of the driver. It waits up to 5 s for another process to release the file.

mod classify;
#[cfg(feature = "report")]
mod read;

use std::fmt;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use super::{Attempt, Failure, InsertError, Store, time};
use crate::error::Error;
use crate::row::Row;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `INSERT OR IGNORE` would silently drop a row that breaks a CHECK or a NOT NULL.
const INSERT: &str = "INSERT INTO observability_events \
     (id, created_at, source, event_type, severity, context, restaurant_id, booking_id) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (id) DO NOTHING";

const SCHEMA: &str = include_str!("schema.sql");

/// A store in a SQLite database, which is a file or in memory.
///
/// Ids are hyphenated text, times RFC 3339 text in UTC with microseconds, the context is JSON text.
///
/// ```
/// use tracing_ledger::store::Sqlite;
///
/// let store = Sqlite::from_url("sqlite:ledger.sqlite3")?.create_table(true);
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
pub struct Sqlite {
    options: SqliteConnectOptions,
    create_table: bool,
    /// Kept after passing failures: a database in memory ends with its connection.
    connection: Option<SqliteConnection>,
}

impl Sqlite {
    /// The timeout of the wait for another process to release the file: 5 s.
    pub const BUSY_TIMEOUT: Duration = BUSY_TIMEOUT;

    /// Makes a store for `sqlite:PATH` or `sqlite::memory:`, without opening the file. A `?` or `#` in the path is written
    /// as `%3F` or `%23`.
    ///
    /// # Errors
    /// When the URL is malformed ([`Error::is_config`]).
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let options = Some(url).filter(|url| url.starts_with("sqlite:")).and_then(|url| url.parse().ok());
        let options: SqliteConnectOptions = options.ok_or_else(unreadable)?;
        let options = options.busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
        Ok(Self { options, create_table: false, connection: None })
    }

    /// Whether to create the file and the table if they are missing. Off by default.
    pub fn create_table(mut self, create: bool) -> Self {
        self.create_table = create;
        self
    }

    /// The connection, made if there is none.
    async fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        if !self.create_table {
            return self.options.connect().await;
        }
        let options = self.options.clone().create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        let mut connection = options.connect().await?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
        Ok(connection)
    }

    async fn write(&mut self, rows: &[[Option<String>; 8]]) -> Result<(), sqlx::Error> {
        // Dropping the transaction, by an error or with the future, rolls it back.
        let mut transaction = self.connection().await?.begin_with("BEGIN IMMEDIATE").await?;
        for row in rows {
            let query = row.iter().fold(sqlx::query(INSERT), |query, value| query.bind(value));
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// Closes the file if a person has to act: it may be replaced.
    fn failed(&mut self, error: &sqlx::Error) -> InsertError {
        let error = classify::insert_error(error);
        if error.failure() == Failure::Hold {
            self.connection = None;
        }
        error
    }
}

fn unreadable() -> Error {
    Error::config(
        "the SQLite URL cannot be read: use sqlite:PATH or sqlite::memory:, with a ? in the path as %3F",
    )
}

impl Store for Sqlite {
    async fn insert(&mut self, batch: &[Row], _: Attempt) -> Result<(), InsertError> {
        let rows = batch.iter().map(columns).collect::<Result<Vec<_>, _>>()?;
        self.write(&rows).await.map_err(|error| self.failed(&error))
    }
}

/// The columns of a row as text, in the order of [`INSERT`].
fn columns(row: &Row) -> Result<[Option<String>; 8], InsertError> {
    Ok([
        Some(row.id.to_string()),
        Some(time::text(time::created_at(row)?)),
        Some(row.source.to_string()),
        Some(row.event_type.to_string()),
        Some(row.severity.to_string()),
        Some(row.context.clone()),
        row.restaurant_id.map(|id| id.to_string()),
        row.booking_id.map(|id| id.to_string()),
    ])
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("create_table", &self.create_table).finish_non_exhaustive()
    }
}
