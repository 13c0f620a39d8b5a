//! SQLite: one file, one transaction for each batch.
//!
//! A batch is committed as a whole, and a committed batch is on disk: the journal is a write-ahead log, flushed at every
//! commit. A second try leaves out the rows that are stored already.
//!
//! SQLite runs on a thread of the driver. It waits up to 5 s for another process to release the file.

mod check;
mod classify;
mod location;
#[cfg(feature = "report")]
mod read;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use self::location::{Change, Location, Seen};
use super::filled::{self, Filled};
use super::table_name::quoted;
use super::{Attempt, Failure, InsertError, Store, TableName, time};
use crate::columns::ColumnMap;
use crate::error::Error;
use crate::row::Row;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const LOOK_AT_FOREIGN_KEYS: &str = "SELECT COALESCE(max(\"from\" = 'restaurant_id' COLLATE NOCASE), 0), \
     COALESCE(max(\"from\" = 'booking_id' COLLATE NOCASE), 0) \
     FROM pragma_foreign_key_list(?)";

pub(super) const SCHEMA: &str = include_str!("schema.sql");

/// Moves the write-ahead log into the file.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

/// A store in a SQLite database, which is a file or in memory.
///
/// Ids are hyphenated text, times RFC 3339 text in UTC with microseconds, the context is JSON text.
///
/// **The file.** Before and after each batch the store checks that the URL still names the open file. If someone has
/// moved, deleted, replaced or emptied it, the batch fails, which is one notice of the ledger, and the next try opens the
/// file that the URL names then, or creates it if [`create_table`](Self::create_table) says so. Rows of that batch and
/// later ones go there. Rows that were written before stay in the old file; the notice counts them.
///
/// Dropping the store closes the file, also at the end of a [`Guard::shutdown`](crate::Guard::shutdown). Unless another
/// process has the file open, the write-ahead log is gone then, and a copy of the file alone has every row.
///
/// ```
/// use tracing_ledger::store::Sqlite;
///
/// let store = Sqlite::from_url("sqlite:ledger.sqlite3")?.create_table(true);
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
pub struct Sqlite {
    location: Location,
    pub(super) table: TableName,
    pub(super) columns: ColumnMap,
    pub(super) create_table: bool,
    /// Kept after passing failures: a database in memory ends with its connection.
    open: Option<OpenFile>,
}

struct OpenFile {
    connection: SqliteConnection,
    /// The file when it was last known to be this one; `None` in memory.
    file: Option<Seen>,
    /// Rows written since it was opened.
    written: usize,
}

impl Sqlite {
    /// The timeout of the wait for another process to release the file: 5 s.
    pub const BUSY_TIMEOUT: Duration = BUSY_TIMEOUT;

    /// Makes a store for `sqlite:PATH` or `sqlite::memory:`, without opening the file. A `?` or `#` in the path is written
    /// as `%3F` or `%23`. A relative path counts from the working directory of this moment.
    ///
    /// # Errors
    /// When the URL is malformed, names no file, or allows no writes ([`Error::is_config`]).
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let store = Self::reader(url)?;
        store.location.check_writable()?;
        Ok(store)
    }

    /// As [`from_url`](Self::from_url), also for a URL that allows no writes.
    pub(super) fn reader(url: &str) -> Result<Self, Error> {
        let mut location = Location::from_url(url)?;
        location.options = location.options.busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
        let (table, columns) = Default::default();
        Ok(Self { location, table, columns, create_table: false, open: None })
    }

    /// The table for the rows, as `TABLE`, or `SCHEMA.TABLE` for an attached database. Without it: `observability_events`.
    /// The names count as they are written, without quotation marks around them.
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

    /// The statements that make this table with these columns, and its indexes.
    pub(crate) fn schema(table: &TableName, columns: &ColumnMap) -> String {
        table.in_sql(&filled::schema(SCHEMA, columns)).into_owned()
    }

    /// Whether to create the file and the table if they are missing. Off by default.
    pub fn create_table(mut self, create: bool) -> Self {
        self.create_table = create;
        self
    }

    /// The connection, made if there is none.
    async fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let connection = self.connect().await?;
                OpenFile { connection, file: self.location.look(), written: 0 }
            }
        };
        Ok(&mut self.open.insert(open).connection)
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        let mut options = self.location.options.clone();
        if self.create_table {
            options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        }
        let mut connection = options.connect().await?;
        // The first read makes the write-ahead log, where the file has one.
        let schema = filled::schema(SCHEMA, &self.columns);
        let first = if self.create_table { &*schema } else { "PRAGMA schema_version" };
        let first = AssertSqlSafe(self.table.in_sql(first).into_owned());
        sqlx::raw_sql(first).execute(&mut connection).await?;
        Ok(connection)
    }

    async fn write(&mut self, rows: &[Vec<Option<String>>]) -> Result<(), sqlx::Error> {
        let insert = self.insert_statement();
        let connection = self.connection().await?;
        // Ends the transaction of a try that was dropped. Most often there is none, and this fails.
        run(connection, "ROLLBACK").await.ok();
        run(connection, "BEGIN IMMEDIATE").await?;
        let result = insert_all(connection, &insert, rows).await;
        if result.is_err() {
            // A full disk or a trigger may have ended it already.
            run(connection, "ROLLBACK").await.ok();
        }
        result
    }

    /// `INSERT OR IGNORE` would silently drop a row that breaks a CHECK or a NOT NULL.
    fn insert_statement(&self) -> String {
        let ids = ["restaurant_id", "booking_id"].into_iter().filter(|name| self.columns.has(name));
        let own = self.columns.own().map(|(_, name)| quoted(name));
        let more: Vec<_> = ids.map(str::to_owned).chain(own).collect();
        let names: String = more.iter().map(|name| format!(", {name}")).collect();
        let insert = format!(
            "INSERT INTO observability_events (id, created_at, source, event_type, severity, context{names}) \
             VALUES (?, ?, ?, ?, ?, ?{}) ON CONFLICT (id) DO NOTHING",
            ", ?".repeat(more.len())
        );
        self.table.in_sql(&insert).into_owned()
    }

    /// The values of a row as text, in the order of [`insert_statement`](Self::insert_statement).
    fn values(&self, row: &Row) -> Result<Vec<Option<String>>, InsertError> {
        let filled = Filled::new(row, &self.columns);
        let mut values = vec![
            Some(row.id.to_string()),
            Some(time::text(time::created_at(row)?)),
            Some(row.source.to_string()),
            Some(row.event_type.to_string()),
            Some(row.severity.to_string()),
            Some(filled.context.into_owned()),
        ];
        for (name, id) in [("restaurant_id", filled.restaurant_id), ("booking_id", filled.booking_id)] {
            values.extend(self.columns.has(name).then(|| id.map(|id| id.to_string())));
        }
        values.extend(filled.own);
        Ok(values)
    }

    /// Fails where every insert would.
    async fn explain_insert(&mut self) -> Result<(), sqlx::Error> {
        let explain = AssertSqlSafe(format!("EXPLAIN {}", self.insert_statement()));
        sqlx::query(explain).execute(self.connection().await?).await.map(drop)
    }

    async fn check_file(&mut self) -> Result<(), InsertError> {
        let changed = self.changed_file().await;
        changed.map_or(Ok(()), |(change, written)| Err(classify::changed(change, written)))
    }

    /// Closes the file if the URL does not name it any more. Returns the change and the number of rows that went there.
    async fn changed_file(&mut self) -> Option<(Change, usize)> {
        let open = self.open.as_mut()?;
        let (before, now) = open.file.zip(self.location.look())?;
        let Some(change) = now.change(&before) else {
            open.file = Some(now);
            return None;
        };
        let written = open.written;
        self.close().await;
        Some((change, written))
    }

    /// Closes the file if a person has to act: it may be replaced.
    async fn failed(&mut self, error: &sqlx::Error) -> InsertError {
        if classify::is_of_reference(error) {
            let keys = self.foreign_keys().await.unwrap_or((true, true));
            return classify::reference_error(error, keys).about(&self.table);
        }
        let error = classify::insert_error(error).about(&self.table);
        if error.failure() == Failure::Hold {
            self.close().await;
        }
        error
    }

    /// Whether a foreign key holds `restaurant_id` and `booking_id`. SQLite does not name the one that is broken.
    async fn foreign_keys(&mut self) -> Result<(bool, bool), sqlx::Error> {
        let table = self.table.to_string();
        let name = table.rsplit('.').next();
        sqlx::query_as(LOOK_AT_FOREIGN_KEYS).bind(name).fetch_one(self.connection().await?).await
    }

    /// Moves all rows into the file itself, and closes it.
    async fn close(&mut self) {
        let Some(OpenFile { mut connection, file, .. }) = self.open.take() else { return };
        if file.is_some() {
            // SQLite leaves this out where a file was moved, and the next file must not meet its log. If it fails, the
            // rows are in the log, which the next connection reads.
            run(&mut connection, CHECKPOINT).await.ok();
        }
        // No row depends on it.
        connection.close().await.ok();
    }
}

async fn insert_all(
    connection: &mut SqliteConnection,
    insert: &str,
    rows: &[Vec<Option<String>>],
) -> Result<(), sqlx::Error> {
    for row in rows {
        let query =
            row.iter().fold(sqlx::query(AssertSqlSafe(insert.to_owned())), |query, value| query.bind(value));
        query.execute(&mut *connection).await?;
    }
    run(connection, "COMMIT").await
}

/// Runs a statement and forgets its rows. The driver's own transactions lose count when SQLite ends one by itself.
async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statement).execute(connection).await.map(drop)
}

/// Waits until the driver's thread has closed the file.
impl Drop for Sqlite {
    fn drop(&mut self) {
        if self.open.is_some() {
            wait_for(self.close());
        }
    }
}

/// Runs a future of the driver, which needs no runtime, on this thread.
fn wait_for(future: impl Future<Output = ()>) {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        thread::park();
    }
}

impl Store for Sqlite {
    async fn insert(&mut self, batch: &[Row], _: Attempt) -> Result<(), InsertError> {
        let rows = batch.iter().map(|row| self.values(row)).collect::<Result<Vec<_>, _>>()?;
        self.check_file().await?;
        if let Err(error) = self.write(&rows).await {
            return Err(self.failed(&error).await);
        }
        self.check_file().await?;
        if let Some(open) = &mut self.open {
            open.written += rows.len();
        }
        Ok(())
    }

    async fn reach(&mut self) -> Result<(), InsertError> {
        if self.open.is_some() {
            return Ok(());
        }
        let explained = self.explain_insert().await;
        // A program without rows keeps no file open. A database in memory ends with its connection.
        if self.open.as_ref().is_some_and(|open| open.file.is_some()) {
            self.close().await;
        }
        explained.map_err(|error| classify::insert_error(&error).about(&self.table))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("create_table", &self.create_table).finish_non_exhaustive()
    }
}
