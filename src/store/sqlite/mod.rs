//! SQLite: one file, one transaction for every batch.
//!
//! A batch is committed whole or not at all, and is on disk once it is committed: the journal is a write-ahead
//! log, flushed at every commit. A second try leaves out the rows that are there.
//!
//! SQLite works on a thread of the driver's. It waits up to 5 s for another process to release the file.

mod classify;
#[cfg(feature = "report")]
mod read;

use std::fmt;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use super::{Attempt, Failure, InsertError, Store, time};
use crate::{Error, Row};

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Not `INSERT OR IGNORE`, which would drop a row that breaks a CHECK or a NOT NULL without a word.
const INSERT: &str = "INSERT INTO observability_events \
     (id, created_at, source, event_type, severity, context, restaurant_id, booking_id) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (id) DO NOTHING";

const SCHEMA: &str = include_str!("schema.sql");

/// A SQLite database in a file, or in memory.
///
/// Ids are kept as hyphenated text, times as RFC 3339 text in UTC with microseconds, the context as JSON text.
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
    /// Kept through failures that will pass: a database in memory lives no longer than its connection.
    connection: Option<SqliteConnection>,
}

impl Sqlite {
    /// How long to wait for another process to release the file: 5 s.
    pub const BUSY_TIMEOUT: Duration = BUSY_TIMEOUT;

    /// A store for `sqlite:PATH`, or `sqlite::memory:`. A `?` or `#` of the path is written `%3F` or `%23`.
    ///
    /// # Errors
    /// When the URL cannot be read ([`Error::is_config`]). The disk is not touched.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let options = Some(url).filter(|url| url.starts_with("sqlite:")).and_then(|url| url.parse().ok());
        let options: SqliteConnectOptions = options.ok_or_else(unreadable)?;
        let options = options.busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
        Ok(Self { options, create_table: false, connection: None })
    }

    /// Whether to make the file and the table where they are missing. Off by default.
    pub fn create_table(mut self, create: bool) -> Self {
        self.create_table = create;
        self
    }

    /// The connection, made where there is none.
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
        // A transaction that is dropped, with the future or by an error, is rolled back.
        let mut transaction = self.connection().await?.begin_with("BEGIN IMMEDIATE").await?;
        for row in rows {
            let query = row.iter().fold(sqlx::query(INSERT), |query, value| query.bind(value));
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// What a person has to mend may be the file itself: it is opened anew.
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
        "the SQLite URL cannot be read: use sqlite:PATH or sqlite::memory:, with a ? of the path as %3F",
    )
}

impl Store for Sqlite {
    async fn insert(&mut self, batch: &[Row], _: Attempt) -> Result<(), InsertError> {
        let rows = batch.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.write(&rows).await.map_err(|error| self.failed(&error))
    }
}

/// The event's columns as text, in the order of [`INSERT`].
fn row(event: &Row) -> Result<[Option<String>; 8], InsertError> {
    Ok([
        Some(event.id.to_string()),
        Some(time::text(time::created_at(event)?)),
        Some(event.source.to_string()),
        Some(event.event_type.to_string()),
        Some(event.severity.to_string()),
        Some(event.context.clone()),
        event.restaurant_id.map(|id| id.to_string()),
        event.booking_id.map(|id| id.to_string()),
    ])
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("create_table", &self.create_table).finish_non_exhaustive()
    }
}
