//! Failures within a request or a job, and their `reasonCode` in the ledger.
//!
//! The text goes into log lines and rows, so it never contains a connection URL, a user or a password.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

/// The failure of a step of the service.
#[derive(Debug)]
pub enum StepFailure {
    /// The database refused the statement or could not be reached.
    Database(sqlx::Error),
    /// The booking or its hold has changed since the step began.
    Changed(&'static str),
    /// A defect: the step panicked.
    Panic(String),
}

impl StepFailure {
    /// The code of the contract that this failure falls under.
    pub fn reason_code(&self) -> &'static str {
        match self {
            Self::Database(sqlx::Error::PoolTimedOut) => "transient.timeout",
            Self::Database(sqlx::Error::Database(error)) => match error.code().as_deref() {
                Some("40001") => "transient.serialization",
                Some("40P01") => "transient.deadlock",
                Some("55P03" | "5") => "transient.lock_wait",
                _ => "unknown",
            },
            _ => "unknown",
        }
    }
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                write!(f, "the database refused a statement (code {code}): {}", error.message())
            }
            Self::Database(sqlx::Error::PoolTimedOut) => {
                f.write_str("timeout: no database connection came free; is the server overloaded?")
            }
            Self::Database(sqlx::Error::Io(error)) => {
                write!(f, "the connection to the database broke ({}); is the server up?", error.kind())
            }
            Self::Database(_) => f.write_str("the database answered what the service does not understand"),
            Self::Changed(what) => f.write_str(what),
            Self::Panic(message) => write!(f, "panic: {message}"),
        }
    }
}

impl std::error::Error for StepFailure {}

impl From<sqlx::Error> for StepFailure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Runs a step and turns its panic into a failure, so that the service goes on.
pub async fn caught<T>(step: impl Future<Output = Result<T, StepFailure>>) -> Result<T, StepFailure> {
    let mut step = pin!(step);
    // After a panic the step is never polled again, so its broken state is never used.
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| step.as_mut().poll(context)))
            .unwrap_or_else(|payload| Err(StepFailure::Panic(message(&*payload))).into())
    })
    .await
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
        .to_owned()
}
