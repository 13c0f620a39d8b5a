//! Where events go: Postgres, SQLite or memory behind one small trait.

mod any;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
pub(crate) mod read;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod time;

use std::fmt;
use std::future::Future;

pub(crate) use self::any::open;
pub use self::memory::Memory;
#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use self::sqlite::Sqlite;
use crate::Row;

/// A place for events. The writer owns one, on a thread of its own, inside a current-thread tokio runtime.
pub trait Store: Send + 'static {
    /// Stores the whole batch or nothing of it.
    ///
    /// The future runs on the writer's thread alone, so it need not be `Send`.
    ///
    /// `Ok` only once every event is durable in the store's own sense (committed). The same event may come
    /// again, marked [`Attempt::Retry`] or [`Attempt::Replay`], when an earlier try failed or its end was never heard:
    /// it has the same `id` and `created_at`, and must not become a second row.
    ///
    /// # Errors
    /// Says why the batch was not stored, and in [`InsertError::failure`] what is worth trying next.
    fn insert(&mut self, batch: &[Row], attempt: Attempt) -> impl Future<Output = Result<(), InsertError>>;
}

/// Whether the events of a batch may have been sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attempt {
    /// No event of this batch was ever sent: ids cannot conflict.
    First,
    /// This process has sent some of them before, and they may be stored: conflicting ids are the same event.
    Retry,
    /// This process has sent none, and an earlier one may have stored some: conflicting ids are the same event. Most
    /// likely there are none, as of all that a process leaves behind only the last batch it sent is in doubt.
    Replay,
}

/// What a failed insert calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It will pass (the network, a restart, a deadlock): try the same batch again, later.
    Retry,
    /// Too much at once (a statement timeout): try it in halves.
    Halve,
    /// A person has to act (a missing table, a right, a password): say so, keep the events, try again later.
    Hold,
    /// Some event of the batch can never be stored: find it by halving, and set it aside.
    Quarantine,
}

/// A batch that was not stored.
pub struct InsertError {
    failure: Failure,
    message: String,
}

impl InsertError {
    /// An error of that kind; `message` must hold no connection URL, user or password.
    pub fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self { failure, message: message.into() }
    }

    /// What the failure calls for.
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
