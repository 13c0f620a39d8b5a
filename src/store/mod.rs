//! Where rows go: Postgres, SQLite or memory, behind one small trait.

mod any;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod filled;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
pub(crate) mod read;
#[cfg(all(feature = "report", feature = "postgres"))]
pub(crate) mod rolled;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "only databases name tables")
)]
mod table_name;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod time;
mod trial;

use std::fmt;
use std::future::Future;

pub(crate) use self::any::{AnyStore, open};
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
pub(crate) use self::any::{check_distinct, open_all, open_distinct};
#[cfg(all(feature = "report", feature = "postgres"))]
pub(crate) use self::any::{open_rollup, open_to_read};
pub use self::memory::Memory;
#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
#[cfg(all(feature = "report", feature = "postgres"))]
pub(crate) use self::postgres::rollup::{RollupTables, rollup_schema};
#[cfg(feature = "sqlite")]
pub use self::sqlite::Sqlite;
pub(crate) use self::table_name::TableName;
pub(crate) use self::trial::Trial;
use crate::row::Row;

/// The statements that make the table `observability_events` in Postgres and its indexes, or leave those that exist as they
/// are. The command `tracing-ledger schema` prints them too.
#[cfg(feature = "postgres")]
pub const SCHEMA: &str = include_str!("../../schema.sql");

/// A place for rows.
///
/// The writer owns the store and calls it on one thread, inside a current-thread tokio runtime.
///
/// ```
/// use tracing_ledger::Row;
/// use tracing_ledger::store::{Attempt, Failure, InsertError, Store};
///
/// /// Prints each row as JSON, for a container whose output is collected.
/// struct Stdout;
///
/// impl Store for Stdout {
///     async fn insert(&mut self, batch: &[Row], _: Attempt) -> Result<(), InsertError> {
///         use std::io::Write;
///         let mut out = std::io::stdout().lock();
///         for row in batch {
///             writeln!(out, "{} {}", row.event_type, row.context)
///                 .map_err(|error| InsertError::new(Failure::Retry, format!("cannot write to stdout: {error}")))?;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Store: Send + 'static {
    /// Stores the whole batch, or nothing.
    ///
    /// Returns `Ok` once every row is durable in the store's own sense (committed). After a failure, or when the answer
    /// was lost, a row comes again with the same `id` and `created_at`, marked [`Attempt::Retry`] or
    /// [`Attempt::Replay`]. It must not become a second row.
    ///
    /// The future runs on the writer's thread alone, so it need not be `Send`.
    ///
    /// # Errors
    /// When the batch was not stored. [`InsertError::failure`] decides what the writer does next.
    fn insert(&mut self, batch: &[Row], attempt: Attempt) -> impl Future<Output = Result<(), InsertError>>;

    /// Whether a row could be stored now, asked some seconds after the start of a program that has no row yet. A store
    /// without this method says yes.
    ///
    /// # Errors
    /// When an [`insert`](Self::insert) would fail. The ledger gives the message as a notice, and asks again.
    fn reach(&mut self) -> impl Future<Output = Result<(), InsertError>> {
        std::future::ready(Ok(()))
    }
}

/// Whether the rows of a batch may be stored already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attempt {
    /// No row of the batch was sent before: no `id` can conflict.
    First,
    /// This process has sent some of the rows before. A conflicting `id` is the same row.
    Retry,
    /// This process has sent none of the rows, but an earlier process may have stored some. A conflicting `id` is the
    /// same row. Conflicts are rare: only the last batch of that process is in doubt.
    Replay,
}

/// Why an insert failed, as far as the writer's next step depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// A passing failure (network, restart, deadlock). The writer sends the batch again, later.
    Retry,
    /// The batch was too large, or one of its rows keeps the others waiting (a lock, a statement timeout). The writer sends it
    /// again in halves. A row that fails alone waits if others are stored.
    Halve,
    /// Someone has to fix the database (a missing table, right or password). The writer keeps the rows, tries again later, and
    /// gives the message as a notice.
    Hold,
    /// The store can never take some row of the batch. The writer bisects the batch and quarantines that row.
    Quarantine,
    /// The store rejects the batch. The cause may be one row or the table (a trigger, a policy): other rows show which. The
    /// writer bisects the batch, and quarantines a row that is rejected while others are stored. It holds the rows if none is
    /// stored.
    Reject,
    /// The table has no place for some row of the batch yet (a missing partition). The writer bisects the batch. That row
    /// waits until the table has a place for it, and others are stored.
    Wait,
    /// Some row of the batch refers to a restaurant or booking that is not there. The writer bisects the batch. That row
    /// waits, and after the timeout it is sent without these references.
    Reference {
        /// Whether `restaurant_id` is such a reference.
        restaurant_id: bool,
        /// Whether `booking_id` is such a reference.
        booking_id: bool,
    },
}

/// The error of a batch that was not stored.
pub struct InsertError {
    failure: Failure,
    message: String,
}

impl InsertError {
    /// The error with the name of this table in its message.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    fn about(self, table: &TableName) -> Self {
        Self { message: table.in_message(&self.message), ..self }
    }

    /// Makes an error. `message` says what happened and what to do, without a connection URL, user or password.
    pub fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self { failure, message: message.into() }
    }

    /// The kind of failure.
    pub fn failure(&self) -> Failure {
        self.failure
    }
}

impl fmt::Debug for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertError").field("failure", &self.failure).field("message", &self.message).finish()
    }
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InsertError {}
