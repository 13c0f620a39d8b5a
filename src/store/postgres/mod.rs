//! Postgres: one connection, one transaction for every batch.
//!
//! A batch is committed whole or not at all. When the answer to a commit is lost the batch may be there or not:
//! the second try leaves out the rows that are there. So does the first try of what an earlier process left, once
//! `COPY` has come upon one. Nothing is read, so a role with no right but `INSERT` will do, and nothing is altered
//! unless [`Postgres::create_table`] asks for it.
//!
//! Made to work behind pgbouncer in transaction mode: statements have no name, every one of them is inside an
//! explicit transaction, and no setting outlives its transaction.

mod classify;
mod connect;
mod copy;
#[cfg(feature = "report")]
mod read;

use std::fmt;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};

use self::classify::{Step, StepError};
use self::connect::{begin, commit, roll_back, simple, statement};
use super::{Attempt, InsertError, Store, time};
use crate::{Error, Row};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What waits behind a statement that is never answered is to be written within 30 s of the end of an outage.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// For batches that may be stored already. Without a target and without `RETURNING`, which would need the right
/// to `SELECT`. Everything goes as text, which Postgres casts, as the driver knows no uuid or time by itself.
const INSERT: &str = "INSERT INTO observability_events \
     (id, created_at, source, event_type, severity, context, restaurant_id, booking_id) \
     SELECT * FROM UNNEST($1::text[]::uuid[], $2::text[]::timestamptz[], $3::text[], $4::text[], $5::text[], \
     $6::text[]::jsonb[], $7::text[]::uuid[], $8::text[]::uuid[]) \
     ON CONFLICT DO NOTHING";

const SCHEMA: &str = include_str!("../../../schema.sql");

/// Two programs that start at once would both find no table, and one of them fail. The number is ours, and
/// stands for nothing.
const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(7310577382525465449)";

/// Applying the schema needs rights that a role may lack where the table is there already.
const TABLE_EXISTS: &str = "SELECT to_regclass('observability_events') IS NOT NULL";

/// A Postgres database, reached by one connection that is made when the first batch comes.
///
/// The connection is thrown away after any failure and after any timeout, and made anew for the next batch. It is kept
/// when all that the server says is that a row is there already.
///
/// TLS is as the URL says. Without an `sslmode` it is `prefer`: TLS where the server offers it, with no look at
/// its certificate. Use `?sslmode=verify-full` across any network that is not yours.
///
/// ```
/// use tracing_ledger::store::Postgres;
///
/// let store = Postgres::from_url("postgres://ledger@db.example.com/app?sslmode=verify-full")?;
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
pub struct Postgres {
    options: PgConnectOptions,
    create_table: bool,
    /// Whether the table takes `COPY`: so until it refused one.
    copy: bool,
    /// Whether the last rows of an earlier process were there already, some of them: most likely the next are too.
    replay_conflicts: bool,
    /// Gone while it is in use, so that an insert that is dropped half-way leaves none behind.
    connection: Option<PgConnection>,
}

impl Postgres {
    /// From how many events on a batch goes by `COPY`, which is faster than `INSERT` for many: 500.
    ///
    /// The driver leaves Nagle's algorithm on, and ends a `COPY` by a message of its own, which then waits for
    /// the server's delayed acknowledgement. In a single trial, which no bench repeats, 10 rows took 44 ms by `COPY`
    /// and 1 ms by `INSERT`, and 1,000 rows 9 ms and 16 ms.
    // The fuzzer has few at a time, and talks to its server where nothing is delayed.
    pub const COPY_FROM_ROWS: usize = if cfg!(fuzzing) { 1 } else { 500 };

    /// How long connecting may take, with TLS and login: 10 s.
    pub const CONNECT_TIMEOUT: Duration = CONNECT_TIMEOUT;

    /// How long any one statement may take: 25 s. The server is told to give up after 20 s, and after 10 s of
    /// waiting for a lock.
    pub const STATEMENT_TIMEOUT: Duration = STATEMENT_TIMEOUT;

    /// A store for `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. What the URL leaves out is taken from libpq's
    /// environment variables (`PGHOST`, `PGPASSWORD`, …) and from `.pgpass`.
    ///
    /// # Errors
    /// When the URL cannot be read ([`Error::is_config`]). The network is not touched.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let options = connect::options(url)?;
        Ok(Self { options, create_table: false, copy: true, replay_conflicts: false, connection: None })
    }

    /// Whether to apply `schema.sql` on connecting where the table is missing. Off by default: nothing is altered.
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

    /// How many rows it made.
    async fn write(&mut self, batch: &[Row], how: How) -> Result<u64, WriteError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        begin(&mut connection, Step::Insert).await?;
        let sent = match how {
            How::Copy => copy_in(&mut connection, batch).await,
            How::Insert => insert(&mut connection, batch).await,
        };
        let rows = match sent {
            Err(WriteError::StepError(fault)) if fault.is_conflict() => {
                if roll_back(&mut connection, Step::Insert).await.is_ok() {
                    self.connection = Some(connection);
                }
                return Err(fault.into());
            }
            sent => sent?,
        };
        commit(&mut connection, Step::Insert).await?;
        self.connection = Some(connection);
        Ok(rows)
    }

    async fn connect(&self) -> Result<PgConnection, StepError> {
        let mut connection = connect::connect(&self.options).await?;
        if self.create_table {
            create_table(&mut connection).await?;
        }
        Ok(connection)
    }
}

#[derive(Clone, Copy)]
enum How {
    /// Faster for many rows, but fails on a row that is there already.
    Copy,
    /// Leaves out rows that are there already.
    Insert,
}

/// Why a batch was not written: by the database's fault, or by that of an event no database could take.
enum WriteError {
    StepError(StepError),
    Row(InsertError),
}

impl Store for Postgres {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.copies(batch, attempt) {
            match self.write(batch, How::Copy).await {
                Err(WriteError::StepError(fault)) if fault.refuses_copy() => self.copy = false,
                Err(WriteError::StepError(fault)) if fault.is_conflict() && attempt == Attempt::Replay => {}
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

async fn copy_in(connection: &mut PgConnection, batch: &[Row]) -> Result<u64, WriteError> {
    let fault = |error| StepError::sql(Step::Rows, error);
    let copied = async {
        let mut copy = connection.copy_in_raw(copy::STATEMENT).await.map_err(fault)?;
        for piece in copy::encode(batch) {
            copy.send(piece?).await.map_err(fault)?;
        }
        Ok(copy.finish().await.map_err(fault)?)
    };
    let late = |_| Err(StepError::timed_out(Step::Rows, STATEMENT_TIMEOUT).into());
    tokio::time::timeout(STATEMENT_TIMEOUT, copied).await.unwrap_or_else(late)
}

async fn insert(connection: &mut PgConnection, batch: &[Row]) -> Result<u64, WriteError> {
    let times = batch.iter().map(|event| time::created_at(event).map(time::text));
    let times: Vec<String> = times.collect::<Result<_, _>>()?;
    let query = sqlx::query(INSERT)
        .persistent(false)
        .bind(column(batch, |event| event.id.to_string()))
        .bind(times)
        .bind(column(batch, |event| &*event.source))
        .bind(column(batch, |event| &*event.event_type))
        .bind(column(batch, |event| event.severity.as_str()))
        .bind(column(batch, |event| event.context.as_str()))
        .bind(column(batch, |event| event.restaurant_id.map(|id| id.to_string())))
        .bind(column(batch, |event| event.booking_id.map(|id| id.to_string())));
    Ok(statement(Step::Rows, query.execute(connection)).await?.rows_affected())
}

fn column<'a, T>(batch: &'a [Row], value: impl Fn(&'a Row) -> T) -> Vec<T> {
    batch.iter().map(value).collect()
}

async fn create_table(connection: &mut PgConnection) -> Result<(), StepError> {
    begin(connection, Step::Create).await?;
    simple(connection, Step::Create, LOCK_SCHEMA).await?;
    let exists = sqlx::query_scalar(TABLE_EXISTS).persistent(false).fetch_one(&mut *connection);
    if !statement::<bool>(Step::Create, exists).await? {
        simple(connection, Step::Create, SCHEMA).await?;
    }
    commit(connection, Step::Create).await
}

impl From<StepError> for WriteError {
    fn from(fault: StepError) -> Self {
        Self::StepError(fault)
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
            WriteError::StepError(fault) => fault.into(),
            WriteError::Row(error) => error,
        }
    }
}

impl fmt::Debug for Postgres {
    /// Leaves the options out: they hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("create_table", &self.create_table).finish_non_exhaustive()
    }
}
