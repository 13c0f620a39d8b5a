//! The database of the service: one small interface to Postgres and SQLite, and the `demo_*` tables.
//!
//! Every statement is written once, in the SQL both understand; numbers are 64-bit, ids are text, and
//! times are milliseconds since the Unix epoch.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow};
use sqlx::{Database, Encode, FromRow, PgPool, Postgres, Sqlite, SqlitePool, Transaction, Type};
use tracing::subscriber::{NoSubscriber, with_default};

use crate::failure::StepFailure;

/// Connections of one pool.
const CONNECTIONS: u32 = 8;
/// How long a statement waits for SQLite's one writer, and a request for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pool of connections.
#[derive(Clone)]
pub enum Db {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// A transaction. Dropping it before [`commit`](Self::commit) rolls it back.
pub enum Tx {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

/// One value for a statement's `$n`.
pub enum Arg {
    Number(i64),
    Text(Option<String>),
}

/// A row that reads the same from either database: a tuple of `i64`, `String` and `Option`s of them.
pub trait Record: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

impl<T> Record for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

impl Db {
    /// Connects. The URL is never printed: it may hold a password.
    pub async fn open(url: &str) -> Result<Self, String> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
            // The driver reads .pgpass here, and would log a malformed line with its password.
            let options = with_default(NoSubscriber::default(), || url.parse::<PgConnectOptions>());
            let options = options.map_err(|error| unreachable_database(&error))?;
            let pool = pool.connect_with(options).await;
            return pool.map(Self::Postgres).map_err(|error| unreachable_database(&error));
        }
        // SQLite would take any other URL for the name of a file.
        let options = url.strip_prefix("sqlite:").and_then(|_| url.parse::<SqliteConnectOptions>().ok());
        let options = options.ok_or(
            "DATABASE_URL names no database this demo knows: begin it with postgres:// or sqlite://",
        )?;
        let options =
            options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal).busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
        pool.connect_with(options).await.map(Self::Sqlite).map_err(|error| unreachable_database(&error))
    }

    /// Makes empty tables for the demo and changes no other table.
    pub async fn reset(&self) -> Result<(), StepFailure> {
        let mut tx = self.begin().await?;
        for statement in SCHEMA {
            tx.execute(statement, []).await?;
        }
        tx.commit().await
    }

    pub async fn begin(&self) -> Result<Tx, StepFailure> {
        Ok(match self {
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin().await?),
        })
    }

    /// Runs one statement and returns the number of changed rows.
    pub async fn execute(
        &self,
        sql: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<u64, StepFailure> {
        Ok(match self {
            Self::Postgres(pool) => bound(sql, args).execute(pool).await?.rows_affected(),
            Self::Sqlite(pool) => bound(sql, args).execute(pool).await?.rows_affected(),
        })
    }

    /// Reads rows.
    pub async fn rows<T: Record>(
        &self,
        sql: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<Vec<T>, StepFailure> {
        match self {
            Self::Postgres(pool) => read(bound(sql, args).fetch_all(pool).await?),
            Self::Sqlite(pool) => read(bound(sql, args).fetch_all(pool).await?),
        }
    }

    /// Closes the connections.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub async fn execute(
        &mut self,
        sql: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<u64, StepFailure> {
        Ok(match self {
            Self::Postgres(tx) => bound(sql, args).execute(&mut **tx).await?.rows_affected(),
            Self::Sqlite(tx) => bound(sql, args).execute(&mut **tx).await?.rows_affected(),
        })
    }

    pub async fn rows<T: Record>(
        &mut self,
        sql: &'static str,
        args: impl IntoIterator<Item = Arg>,
    ) -> Result<Vec<T>, StepFailure> {
        match self {
            Self::Postgres(tx) => read(bound(sql, args).fetch_all(&mut **tx).await?),
            Self::Sqlite(tx) => read(bound(sql, args).fetch_all(&mut **tx).await?),
        }
    }

    pub async fn commit(self) -> Result<(), StepFailure> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

fn bound<DB: Database>(
    sql: &'static str,
    args: impl IntoIterator<Item = Arg>,
) -> sqlx::query::Query<'static, DB, DB::Arguments>
where
    i64: Encode<'static, DB> + Type<DB>,
    Option<String>: Encode<'static, DB> + Type<DB>,
{
    args.into_iter().fold(sqlx::query(sql), |query, arg| match arg {
        Arg::Number(number) => query.bind(number),
        Arg::Text(text) => query.bind(text),
    })
}

fn read<R, T: for<'r> FromRow<'r, R>>(rows: Vec<R>) -> Result<Vec<T>, StepFailure>
where
    R: sqlx::Row,
{
    Ok(rows.iter().map(T::from_row).collect::<Result<_, _>>()?)
}

/// Returns only the kind of a connect error, because its text may name the user and the host.
fn unreachable_database(error: &sqlx::Error) -> String {
    let kind = match error {
        sqlx::Error::Io(error) => error.kind().to_string(),
        sqlx::Error::Database(error) => format!("code {}", error.code().unwrap_or_default()),
        sqlx::Error::PoolTimedOut => "no answer in time".to_owned(),
        _ => "the URL or the server's answer is not understood".to_owned(),
    };
    format!("cannot connect to the demo's database ({kind}): check DATABASE_URL and that the server runs")
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Arg {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<uuid::Uuid> for Arg {
    fn from(id: uuid::Uuid) -> Self {
        Self::Text(Some(id.to_string()))
    }
}

const SCHEMA: [&str; 13] = [
    "DROP TABLE IF EXISTS demo_tables",
    "DROP TABLE IF EXISTS demo_adjacency",
    "DROP TABLE IF EXISTS demo_bookings",
    "DROP TABLE IF EXISTS demo_holds",
    "DROP TABLE IF EXISTS demo_days",
    "DROP TABLE IF EXISTS demo_outbox",
    "CREATE TABLE demo_tables (id BIGINT PRIMARY KEY, name TEXT NOT NULL, zone TEXT NOT NULL, seats BIGINT NOT NULL)",
    "CREATE TABLE demo_adjacency (a BIGINT NOT NULL, b BIGINT NOT NULL, PRIMARY KEY (a, b))",
    "CREATE TABLE demo_bookings (id TEXT PRIMARY KEY, restaurant_id TEXT NOT NULL, party_size BIGINT NOT NULL, \
     starts_at BIGINT NOT NULL, zone TEXT, note TEXT, status TEXT NOT NULL, version BIGINT NOT NULL)",
    // A hold on one table; once its booking is confirmed it has no expiry, and the table is taken.
    "CREATE TABLE demo_holds (hold_id TEXT NOT NULL, table_id BIGINT NOT NULL, booking_id TEXT NOT NULL, \
     attempt_id TEXT NOT NULL, starts_at BIGINT NOT NULL, ends_at BIGINT NOT NULL, expires_at BIGINT, \
     PRIMARY KEY (hold_id, table_id))",
    "CREATE INDEX demo_holds_by_time ON demo_holds (starts_at, ends_at)",
    "CREATE TABLE demo_days (day BIGINT PRIMARY KEY, turns BIGINT NOT NULL)",
    "CREATE TABLE demo_outbox (id TEXT PRIMARY KEY, booking_id TEXT NOT NULL, letter TEXT NOT NULL, sent_at BIGINT NOT NULL)",
];
